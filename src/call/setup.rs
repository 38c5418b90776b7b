//! What a call is made from: who calls whom, which application answers, how long it may last.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::child::Parent;
use crate::hook::CallFacts;
use crate::hook::payload::InviteText;
use crate::model::call::SpeechDefaults;
use crate::model::{Hook, Secret};
use crate::verb::{Conference, Dequeue, Dial, Verb, VerbKind};

#[derive(Clone, Debug)]
pub struct Setup {
    pub facts: Arc<CallFacts>,
    pub application: Application,
    /// The account's webhook secret: signs every request of the call.
    pub webhook_secret: Secret,
    /// Where the account wants to hear of its queues.
    pub queue_event_hook: Option<Hook>,
    /// Inbound: the INVITE, shown to the application.
    pub invite: Option<InviteText>,
    /// Inbound: the INVITE has an offer, which can be answered early.
    pub has_offer: bool,
    /// REST create: the `tag`, customer data from the start.
    pub customer_data: Option<Map<String, Value>>,
    pub limits: Limits,
    /// Base URL of this server, for reads.
    pub service_url: Option<String>,
    /// `ip:port` of the far end's SIP socket, for the record.
    pub remote_host: Option<String>,
    /// What becomes of a REFER that the application does not want to hear of.
    pub transfers: Transfers,
    /// The call that dialled this one.
    pub parent: Option<Box<Parent>>,
}

/// Whether the far end may have itself replaced by REFER without the application (RFC 3515 §5.1: only
/// who is known and trusted).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transfers {
    /// The server follows none: 501 (contract verbs.md §3.4).
    #[default]
    Unknown,
    /// It follows those of its own users only, and the far end is none: 403.
    Forbidden,
    Followed,
}

/// Who decides what the call does.
#[derive(Clone, Debug, Default)]
pub struct Application {
    /// Opens the session: asked for verbs unless `script` has them; its origin and credentials
    /// are the session's.
    pub call_hook: Option<Hook>,
    pub status_hook: Option<Hook>,
    /// Verbs known beforehand; they win over `call_hook`.
    pub script: Option<Script>,
    /// Told of INFO and MESSAGE inside the dialog.
    pub request_hook: Option<Hook>,
    /// Told of REFER inside the dialog.
    pub refer_hook: Option<Hook>,
    pub speech: Option<SpeechDefaults>,
    pub env_vars: Option<Map<String, Value>>,
}

#[derive(Clone, Debug)]
pub enum Script {
    /// A stored or posted `app_json`: the text of a verb array.
    Json(String),
    Verbs(Vec<Verb>),
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Outbound: CANCEL when nobody answered by then.
    pub ring_timeout: Duration,
    /// From the answer on.
    pub time_limit: Option<Duration>,
    /// From the first moment on, whatever the call does.
    pub max_duration: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ring_timeout: Duration::from_secs(60),
            time_limit: None,
            max_duration: Duration::from_secs(180 * 60),
        }
    }
}

impl Application {
    /// What a phone reaches that dials another user of its realm (contract verbs.md §1.1).
    pub fn user(name: String) -> Self {
        let verb = Verb { id: None, kind: VerbKind::Dial(Box::new(Dial::user(name))) };
        Self { script: Some(Script::Verbs(vec![verb])), ..Self::default() }
    }

    /// The implicit application of the dial string `conference-<name>` (contract verbs.md §1.1).
    ///
    /// # Errors
    /// What is wrong with the room's name.
    pub fn conference(name: &str) -> Result<Self, &'static str> {
        let room = VerbKind::Conference(Box::new(Conference::named(name)?));
        let verb = Verb { id: None, kind: room };
        Ok(Self { script: Some(Script::Verbs(vec![verb])), ..Self::default() })
    }

    /// The same of the dial string `queue-<name>`.
    ///
    /// # Errors
    /// What is wrong with the queue's name.
    pub fn queue(name: &str) -> Result<Self, &'static str> {
        let agent = VerbKind::Dequeue(Box::new(Dequeue::dialled(name)?));
        let verb = Verb { id: None, kind: agent };
        Ok(Self { script: Some(Script::Verbs(vec![verb])), ..Self::default() })
    }
}
