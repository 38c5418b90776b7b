//! The plan of a child: a call that `dial` places for another call (contract verbs.md §3.4).

use std::sync::Arc;

use actix::Addr;
use serde_json::{Map, Value};

use super::desk::{Desk, Keep, RecordingWish};
use super::originate::{Plan, described};
use super::route::Attempt;
use super::tally::Counted;
use super::ways::Search;
use super::{Application, Limits, Setup};
use crate::hook::{self, BaseFields, CallFacts, ResolvedHook};
use crate::model::call::{CreateCall, Direction, SpeechDefaults, TargetKind};
use crate::model::{Account, CallSid, Encryption, Hook, Secret};
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
        complete(attempt, encryption, &identity);
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

/// What the verb says of encryption beats what is known of the target; headers it gives beat who is calling.
fn complete(attempt: &mut Attempt, encryption: Option<Encryption>, identity: &Fields) {
    attempt.encryption = encryption.or(attempt.encryption);
    let headers = &mut attempt.invite.headers;
    for (name, value) in identity {
        if !headers.iter().any(|(have, _)| have.eq_ignore_ascii_case(name)) {
            headers.push((name.clone(), value.clone()));
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use sip::{Flow, Invite, NameAddr, Uri};

    fn attempt() -> Attempt {
        let address = "192.0.2.1:5060".parse().unwrap();
        let uri = Uri::of_addr(Some("bob"), address);
        let name = NameAddr::new(uri.clone());
        Attempt::direct(Invite::new(uri, Flow::udp(address, address), name.clone(), name))
    }

    fn fields(fields: &[(&str, &str)]) -> Fields {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn who_is_really_calling_is_said_unless_the_verb_has_said_so() {
        let identity =
            fields(&[("P-Asserted-Identity", "<sip:+4711@carrier>"), ("Privacy", "none")]);
        let mut plain = attempt();
        complete(&mut plain, None, &identity);
        assert_eq!(plain.invite.headers, identity);
        let mut said = attempt();
        said.invite.headers = fields(&[("p-asserted-identity", "<sip:desk@own>")]);
        complete(&mut said, None, &identity);
        let expected = fields(&[("p-asserted-identity", "<sip:desk@own>"), ("Privacy", "none")]);
        assert_eq!(said.invite.headers, expected);
    }

    #[test]
    fn a_private_identity_is_known_to_carriers_only() {
        let asserted = ("P-Asserted-Identity", "<sip:+4711@carrier>");
        for (privacy, is_private) in
            [("id", true), ("none", false), ("header; id", true), ("None", false)]
        {
            let identity = fields(&[asserted, ("Privacy", privacy)]);
            assert_eq!(known_to(true, identity.clone()), identity);
            let shown = if is_private { Vec::new() } else { identity.clone() };
            assert_eq!(known_to(false, identity), shown, "{privacy}");
        }
        let open = fields(&[asserted]);
        assert_eq!(known_to(false, open.clone()), open);
    }

    #[test]
    fn what_a_dial_says_of_encryption_beats_what_is_known_of_the_target() {
        for (said, known, is) in [
            (Some(Encryption::Required), None, Some(Encryption::Required)),
            (Some(Encryption::Required), Some(Encryption::Off), Some(Encryption::Required)),
            (None, Some(Encryption::Off), Some(Encryption::Off)),
            (None, None, None),
        ] {
            let mut attempt = attempt();
            attempt.encryption = known;
            complete(&mut attempt, said, &Fields::new());
            assert_eq!(attempt.encryption, is);
        }
    }
}
