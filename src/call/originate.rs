//! The plan of an outbound call: from what REST ordered to an INVITE and the way it takes.

use std::sync::Arc;

use actix::Addr;

use super::desk::{Desk, Keep, RecordingWish, of_record};
use super::route::Route;
use super::tally::Counted;
use super::ways::Search;
use super::{Application, Limits, Script, Setup, answer};
use crate::hook::CallFacts;
use crate::model::call::{CreateCall, Direction, TargetKind};
use crate::model::{self, Account, CallSid};
use crate::sip_io::stack::StackActor;
use crate::store;
use crate::verb::{Conference, Verb, VerbKind};

pub use super::tally::Full;

/// What REST asks for, already checked.
pub struct Order {
    pub account: Account,
    pub create: CreateCall,
    /// The application named by `application_sid`.
    pub application: Option<model::Application>,
    /// What the call enters when it is answered, in place of an application.
    pub room: Option<Box<Conference>>,
}

/// The call exists: its INVITE is on the wire, or it has failed.
#[derive(Clone, Debug)]
pub struct Placed {
    pub sid: CallSid,
    /// SIP Call-ID.
    pub call_id: String,
}

/// Why a call was not even begun.
#[derive(Debug, thiserror::Error)]
pub enum NotPlaced {
    #[error("as many calls as there may be")]
    Full(Full),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Everything a call actor needs to begin.
pub struct Plan {
    pub counted: Counted,
    pub setup: Setup,
    pub keep: Keep,
    pub stack: Addr<StackActor>,
    /// The ways to the callee, or why there are none.
    pub route: Result<Route, NoRoute>,
}

/// Why a call cannot be sent: what its status will show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRoute {
    pub status: u16,
    pub reason: &'static str,
}

impl NoRoute {
    /// Nobody is where the call should go.
    pub const NOT_FOUND: Self = Self { status: 404, reason: "Not Found" };

    /// What was ordered cannot be written into an INVITE.
    pub(super) fn bad(reason: &'static str) -> Self {
        Self { status: 400, reason }
    }
}

impl Plan {
    /// Finds the ways to the target. Asks DNS for names of hosts.
    pub async fn make(
        desk: &Desk,
        stack: Addr<StackActor>,
        order: Order,
        counted: Counted,
    ) -> Self {
        let Order { account, create, application, room } = order;
        let call_sid = CallSid::random();
        let (to, trunk) = described(&create.to.kind, &account);
        let facts = Arc::new(CallFacts {
            call_sid,
            account_sid: account.sid,
            service_provider_sid: account.service_provider_sid,
            application_sid: application.as_ref().map(|found| found.sid),
            direction: Direction::Outbound,
            from: create.from.clone(),
            to,
            caller_name: create.caller_name.clone().unwrap_or_default(),
            // Replaced by the dialog's once there is one.
            call_id: uuid::Uuid::new_v4().to_string(),
            trace_id: answer::trace_id(),
            fs_sip_address: desk.sip_address.to_string(),
            fs_public_ip: None,
            api_base_url: desk.api_base_url.clone(),
            originating_sip_ip: None,
            originating_sip_trunk_name: None,
            parent_call_sid: None,
            caller_id: None,
        });
        let search = Search { desk, account: &account, create: &create, call: call_sid };
        let route = search.run().await;
        let first = route.as_ref().ok().and_then(|route| route.stages.first()?.first());
        let remote_host = first.map(|attempt| attempt.invite.flow.peer.to_string());
        let setup = Setup {
            facts,
            application: chosen(&create, application.as_ref(), room),
            webhook_secret: account.webhook_secret.clone(),
            queue_event_hook: account.queue_event_hook.as_ref().map(|stored| stored.hook.clone()),
            invite: None,
            has_offer: false,
            customer_data: create.tag.clone(),
            limits: Limits {
                ring_timeout: create.timeout,
                time_limit: create.time_limit,
                ..desk.limits()
            },
            service_url: desk.api_base_url.clone(),
            remote_host,
            transfers: desk.transfers(matches!(create.to.kind, TargetKind::User { .. })),
            parent: None,
        };
        let carrier = first.and_then(|attempt| attempt.trunk.clone());
        let trunk = carrier.or_else(|| trunk.map(str::to_owned));
        let recording = RecordingWish::of(&account, application.as_ref(), create.record);
        let keep = Keep { trunk, records: !account.disable_cdrs, recording };
        Self { counted, setup, keep, stack, route }
    }
}

/// The `to` of payloads, and the `trunk` of the record: for a phone it is the carrier's name.
pub(super) fn described(kind: &TargetKind, account: &Account) -> (String, Option<&'static str>) {
    match kind {
        TargetKind::Phone { number, .. } => (number.clone(), None),
        TargetKind::User { name, .. } => (address_of_record(name, account), Some("user")),
        TargetKind::Sip { uri } => (uri.clone(), Some("sip")),
    }
}

/// A stored application replaces what the body says (contract rest.md §2.3.1).
fn chosen(
    create: &CreateCall,
    application: Option<&model::Application>,
    room: Option<Box<Conference>>,
) -> Application {
    let entry =
        room.map(|room| Script::Verbs(vec![Verb { id: None, kind: VerbKind::Conference(room) }]));
    let application = application.map_or_else(
        || Application {
            call_hook: create.call_hook.clone(),
            status_hook: create.call_status_hook.clone(),
            script: entry.or_else(|| create.app_json.clone().map(Script::Json)),
            speech: Some(create.speech.clone()),
            ..Application::default()
        },
        of_record,
    );
    // No stored application has these two.
    Application {
        request_hook: create.request_hook.clone(),
        refer_hook: create.refer_hook.clone(),
        ..application
    }
}

pub(super) fn address_of_record(name: &str, account: &Account) -> String {
    if name.contains('@') {
        name.to_owned()
    } else {
        format!("{name}@{}", account.sip_realm.as_deref().unwrap_or_default())
    }
}
