//! RTCP (RFC 3550 §6): what one side tells the other about loss, jitter and time.
//!
//! Writes compound packets into a buffer of the caller's and reads them in place; nothing allocates
//! and nothing reads a clock. [`Leg`](crate::leg::Leg) is the caller; [`Schedule`] tells it when.
//!
//! Feedback messages (RFC 4585), extended reports (RFC 3611) and APP are stepped over.

mod bye;
mod error;
mod rr;
mod schedule;
mod sdes;
mod sr;
mod wire;

pub use bye::{Bye, write_bye};
pub use error::Error;
pub use rr::{LastSr, ReportBlock, ReportBlocks};
pub use schedule::{MIN_INTERVAL, Membership, Schedule};
pub use sdes::{CNAME_BYTES, Sdes};
pub use sr::{Report, SenderInfo, write_report};
pub use wire::{Compound, Packet, is_rtcp, parse};
