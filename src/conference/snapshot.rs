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
    /// In order of arrival: those inside first, then those who wait.
    pub participants: Vec<ParticipantSnapshot>,
}

#[derive(Clone, Debug)]
pub struct ParticipantSnapshot {
    pub call: CallSid,
    pub member_id: u32,
    pub standing: Standing,
    pub muted: bool,
    pub held: bool,
    pub moderator: bool,
    pub end_on_exit: bool,
    pub tag: Option<String>,
    /// Heard by members with this tag alone.
    pub speak_only_to: Option<String>,
    pub joined_at: OffsetDateTime,
}

impl ConferenceSnapshot {
    /// Of a room that nobody has entered yet.
    pub fn opened(sid: ConferenceSid, account: AccountSid, name: &str) -> Self {
        Self {
            sid,
            account,
            name: name.to_owned(),
            created_at: OffsetDateTime::now_utc(),
            started_at: None,
            max_participants: None,
            participants: Vec::new(),
        }
    }

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
