//! Pure decisions about where a call goes.

pub mod inbound;
