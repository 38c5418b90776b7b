//! http
#[derive(Clone, Debug)]
pub struct HookConfig;
#[derive(Clone, Debug)]
pub struct HookClient;
