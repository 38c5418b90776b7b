//! Pure decisions about where a call goes.

#[cfg(test)]
mod fixtures;
pub mod inbound;
pub mod network;
pub mod outbound;
pub mod trunk;
