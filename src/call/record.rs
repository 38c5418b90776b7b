//! What is kept of an ended call: the detail record (contract rest.md §2.12).

use std::sync::Arc;

use time::OffsetDateTime;

use crate::hook::CallFacts;
use crate::model::call::{CallStatus, Direction, EndedBy};

#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    pub facts: Arc<CallFacts>,
    pub attempted_at: OffsetDateTime,
    pub answered_at: Option<OffsetDateTime>,
    pub terminated_at: OffsetDateTime,
    /// Whole seconds since the answer; 0 if there was none.
    pub duration: u64,
    pub sip_status: u16,
    pub call_status: CallStatus,
    pub termination: Termination,
    /// SIP Call-ID of the call that dialled this one.
    pub sip_parent_callid: Option<String>,
    /// `ip:port` of the far end's SIP socket.
    pub remote_host: Option<String>,
}

/// The `termination_reason` of a record: here caller means who placed the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Termination {
    CallerHungUp,
    CalledPartyHungUp,
    CallerAbandoned,
    Failed,
}

impl Termination {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CallerHungUp => "caller hungup",
            Self::CalledPartyHungUp => "called party hungup",
            Self::CallerAbandoned => "caller abandoned",
            Self::Failed => "failed",
        }
    }

    pub(super) fn of(status: CallStatus, direction: Direction, ended_by: EndedBy) -> Self {
        match (status, direction, ended_by) {
            (CallStatus::Completed, Direction::Inbound, EndedBy::Caller)
            | (CallStatus::Completed, Direction::Outbound, EndedBy::Jambonz) => Self::CallerHungUp,
            (CallStatus::Completed, ..) => Self::CalledPartyHungUp,
            (CallStatus::NoAnswer, Direction::Inbound, EndedBy::Caller)
            | (CallStatus::NoAnswer, Direction::Outbound, EndedBy::Jambonz) => {
                Self::CallerAbandoned
            }
            _ => Self::Failed,
        }
    }
}
