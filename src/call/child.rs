//! The plan of a child: a call that `dial` places for another call (contract verbs.md §3.4).

use std::sync::Arc;

use actix::Addr;
use serde_json::{Map, Value};

use super::desk::{Desk, Keep, RecordingWish};
use super::originate::{Plan, described};
use super::tally::Counted;
use super::ways::Search;
use super::{Application, Limits, Setup};
use crate::hook::{self, BaseFields, CallFacts, ResolvedHook};
use crate::model::call::{CreateCall, Direction, SpeechDefaults, TargetKind};
use crate::model::{Account, CallSid, Hook, Secret};
use crate::sip_io::message::Fields;
use crate::sip_io::stack::StackActor;
use crate::verb::ChildCall;

/// What a child has of the call that dials.
#[derive(Clone, Debug)]
pub struct Parent {
    pub facts: Arc<CallFacts>,
    /// The call when it dialled.
    pub fields: BaseFields,
    /// What relative hooks refer to.
    pub base: hook::Base,
    /// Hears of the child's status too.
    pub status: Option<ResolvedHook>,
    /// Decides whether a child that has answered is connected.
    pub confirm_hook: Option<Hook>,
    /// Told of a REFER.
    pub refer_hook: Option<Hook>,
}

/// A child to be called.
#[derive(Clone, Debug)]
pub struct ChildOrder {
    pub call: ChildCall,
    pub parent: Parent,
    pub webhook_secret: Secret,
    pub speech: Option<SpeechDefaults>,
    pub env_vars: Option<Map<String, Value>>,
}

/// Finds the ways to the child's target; `identity` are headers that say who is really calling.
pub(super) async fn plan(
    desk: &Desk,
    stack: Addr<StackActor>,
    account: Account,
    order: ChildOrder,
    identity: Fields,
    counted: Counted,
) -> Plan {
    let ChildOrder { call, parent, webhook_secret, speech, env_vars } = order;
    let call_sid = CallSid::random();
    let (to, trunk) = described(&call.to.kind, &account);
    let of_parent = parent.facts.clone();
    let from = call.from_user.clone().unwrap_or_else(|| of_parent.from.clone());
    let facts = Arc::new(CallFacts {
        call_sid,
        direction: Direction::Outbound,
        from: from.clone(),
        to,
        caller_name: call.caller_name.clone().unwrap_or_default(),
        // Replaced by the dialog's once there is one.
        call_id: uuid::Uuid::new_v4().to_string(),
        originating_sip_ip: None,
        originating_sip_trunk_name: None,
        parent_call_sid: Some(of_parent.call_sid),
        caller_id: Some(from.clone()),
        ..(*of_parent).clone()
    });
    let is_phone = matches!(call.to.kind, TargetKind::Phone { .. });
    let is_user = matches!(call.to.kind, TargetKind::User { .. });
    let (tag, encryption) = (call.tag.clone(), call.encryption);
    let identity = if call.forwards_identity { known_to(is_phone, identity) } else { Vec::new() };
    let ring_timeout = call.ring_timeout;
    let create = create(call, from);
    let search = Search { desk, account: &account, create: &create, call: call_sid };
    let mut route = search.run().await;
    for attempt in route.iter_mut().flat_map(|route| route.stages.iter_mut().flatten()) {
        attempt.encryption = encryption.or(attempt.encryption);
        let headers = &mut attempt.invite.headers;
        for (name, value) in &identity {
            if !headers.iter().any(|(have, _)| have.eq_ignore_ascii_case(name)) {
                headers.push((name.clone(), value.clone()));
            }
        }
    }
    let first = route.as_ref().ok().and_then(|route| route.stages.first()?.first());
    let remote_host = first.map(|attempt| attempt.invite.flow.peer.to_string());
    let carrier = first.and_then(|attempt| attempt.trunk.clone());
    let trunk = carrier.or_else(|| trunk.map(str::to_owned));
    let setup = Setup {
        facts,
        application: Application { speech, env_vars, ..Application::default() },
        webhook_secret,
        queue_event_hook: account.queue_event_hook.as_ref().map(|stored| stored.hook.clone()),
        invite: None,
        has_offer: false,
        customer_data: tag,
        limits: Limits { ring_timeout, time_limit: None, ..desk.limits() },
        service_url: desk.api_base_url.clone(),
        remote_host,
        transfers: desk.transfers(is_user),
        parent: Some(Box::new(parent)),
    };
    // What it says is heard in the call that dials, and in the recording of that.
    let recording = RecordingWish::of(&account, None, Some(false));
    let keep = Keep { trunk, records: !account.disable_cdrs, recording };
    Plan { counted, setup, keep, stack, route }
}

/// RFC 3325 §7: an identity that is to stay private goes to carriers only, who keep it so.
fn known_to(is_phone: bool, identity: Fields) -> Fields {
    let is_private = |(name, value): &(String, String)| {
        let values = value.split([';', ',']).map(str::trim);
        name.eq_ignore_ascii_case("Privacy")
            && values.into_iter().any(|one| !one.eq_ignore_ascii_case("none"))
    };
    match identity.iter().any(is_private) && !is_phone {
        true => Vec::new(),
        false => identity,
    }
}

fn create(call: ChildCall, from: String) -> CreateCall {
    let ChildCall { to, headers, from_host, caller_name, ring_timeout, tag, .. } = call;
    CreateCall {
        from,
        to,
        application_sid: None,
        call_hook: None,
        app_json: None,
        call_status_hook: None,
        caller_name,
        from_host,
        timeout: ring_timeout,
        time_limit: None,
        headers,
        tag,
        record: None,
        speech: SpeechDefaults::default(),
        request_hook: None,
        refer_hook: None,
    }
}
