//! queue
#[derive(Clone, Debug)]
pub struct StatusSender;
