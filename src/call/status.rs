//! The single table from SIP status to call status, and the order statuses come in
//! (contract verbs.md §1.7).

use crate::model::call::CallStatus;

/// The final status of an outbound call that was rejected.
pub(super) fn of_rejection(sip_status: u16) -> CallStatus {
    match sip_status {
        486 | 603 => CallStatus::Busy,
        487 => CallStatus::NoAnswer,
        _ => CallStatus::Failed,
    }
}

/// The same of one that another call dialled.
pub(super) fn of_child_rejection(sip_status: u16) -> CallStatus {
    match sip_status {
        486 | 600 => CallStatus::Busy,
        487 => CallStatus::NoAnswer,
        _ => CallStatus::Failed,
    }
}

/// Whether `next` is news after `now`: provisional statuses only move forward, and the same one
/// is not told twice.
pub(super) fn is_news(now: CallStatus, next: CallStatus) -> bool {
    rank(next) > rank(now)
}

fn rank(status: CallStatus) -> u8 {
    match status {
        CallStatus::Trying => 0,
        CallStatus::Ringing => 1,
        CallStatus::EarlyMedia => 2,
        CallStatus::InProgress => 3,
        CallStatus::Completed | CallStatus::Failed | CallStatus::Busy | CallStatus::NoAnswer => 4,
    }
}
