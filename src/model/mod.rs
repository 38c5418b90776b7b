//! Records of the provisioned things and the inputs that make them. Deserialising is validating.

pub mod call;
pub mod hook;
pub mod sid;

pub use hook::{Hook, HookMethod, Secret};
pub use sid::*;
