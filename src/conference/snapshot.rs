//! What is known of a conference from outside, published on change and read without asking anybody.

use time::OffsetDateTime;

use super::policy::Standing;
use crate::model::{AccountSid, CallSid, ConferenceSid};

/// One conference as it stood at its last change.
#[derive(Clone, Debug)]
pub struct ConferenceSnapshot {
    pub sid: ConferenceSid,
    pub account: AccountSid,
    pub name: String,
    pub created_at: OffsetDateTime,
    pub started_at: Option<OffsetDateTime>,
    pub max_participants: Option<usize>,
    pub beep: bool,
    pub join_muted: bool,
    pub locked: bool,
    /// In order of arrival: those inside first, then those who wait.
    pub participants: Vec<ParticipantSnapshot>,
}

#[derive(Clone, Debug)]
pub struct ParticipantSnapshot {
    pub call: CallSid,
    pub member_id: u32,
    pub standing: Standing,
    pub muted: bool,
    pub moderator: bool,
    pub end_on_exit: bool,
    pub tag: Option<String>,
    pub joined_at: OffsetDateTime,
}

impl ConferenceSnapshot {
    /// `init`, `waiting` or `in-progress` (contract rest.md §3.2).
    pub fn status(&self) -> &'static str {
        if self.started_at.is_some() {
            "in-progress"
        } else if self.participants.is_empty() {
            "init"
        } else {
            "waiting"
        }
    }

    pub fn participant(&self, call: CallSid) -> Option<&ParticipantSnapshot> {
        self.participants.iter().find(|p| p.call == call)
    }

    pub fn count(&self, standing: Standing) -> usize {
        self.participants.iter().filter(|p| p.standing == standing).count()
    }
}
