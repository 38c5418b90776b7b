//! The ways to whom a REFER names: a registered user of the account, the far end of another call of
//! the account, or whoever a SIP URI leads to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use sip::Uri;

use super::desk::Desk;
use super::originate::NoRoute;
use super::refer::Refer;
use super::route::Route;
use super::ways::Search;
use crate::hook::CallFacts;
use crate::model::call::{CreateCall, Direction, SipHeaders, SpeechDefaults, Target, TargetKind};
use crate::model::{Account, Scope};

/// Where a transfer may lead.
pub(super) struct Ways {
    pub route: Route,
    /// To a registered user of the account.
    pub is_client: bool,
}

/// Finds the ways to the target of a REFER that came in a call with these facts.
///
/// # Errors
/// The status the referrer is told.
pub(super) async fn ways(desk: &Desk, facts: &CallFacts, refer: &Refer) -> Result<Ways, NoRoute> {
    let sid = facts.account_sid;
    let account = desk.store.accounts().get(Scope::Account(sid), sid).await;
    let account = account.ok().flatten().filter(|account| account.is_active);
    let account = account.ok_or(NoRoute { status: 403, reason: "Forbidden" })?;
    let is_own = is_own(desk, &account, refer);
    let target = &refer.target;
    let realm = account.sip_realm.as_deref().filter(|_| !is_own);
    let realm = realm.filter(|realm| realm.eq_ignore_ascii_case(target.host()));
    let is_client = realm.is_some();
    let user = target.user().unwrap_or_default();
    let kind = if is_own {
        TargetKind::Sip { uri: Uri::of_addr(Some(&user), own_address(desk)).to_string() }
    } else if let Some(realm) = realm {
        TargetKind::User { name: format!("{user}@{realm}"), override_to: None }
    } else {
        TargetKind::Sip { uri: target.to_string() }
    };
    let create = order(facts, kind, refer);
    let search = Search { desk, account: &account, create: &create, call: facts.call_sid };
    let mut route = search.run().await?;
    if matches!(create.to.kind, TargetKind::Sip { .. }) && !is_own {
        check_way(desk, &route).await?;
    }
    for attempt in route.stages.iter_mut().flatten() {
        attempt.invite.replaces.clone_from(&refer.replaces);
    }
    Ok(Ways { route, is_client })
}

/// The call to the target, from whoever the referrer was talking to.
fn order(facts: &CallFacts, kind: TargetKind, refer: &Refer) -> CreateCall {
    let mut headers = SipHeaders::default();
    if let Some(by) = &refer.referred_by {
        headers.put("Referred-By", by.clone());
    }
    CreateCall {
        from: match facts.direction {
            Direction::Inbound => facts.to.clone(),
            Direction::Outbound => facts.from.clone(),
        },
        to: Target { kind, auth: None, proxy: None },
        application_sid: None,
        call_hook: None,
        app_json: None,
        call_status_hook: None,
        caller_name: None,
        from_host: None,
        timeout: Duration::ZERO,
        time_limit: None,
        headers,
        tag: None,
        record: None,
        speech: SpeechDefaults::default(),
        request_hook: None,
        refer_hook: None,
    }
}

/// Whether the dialog to be replaced belongs to another call of this account here. The INVITE then goes
/// to ourselves: a transfer between two of our calls is like any other (adr/0015).
fn is_own(desk: &Desk, account: &Account, refer: &Refer) -> bool {
    let Some(replaces) = &refer.replaces else { return false };
    let calls = desk.live.calls(account.sid);
    calls.iter().any(|call| call.actor.is_some() && call.snapshot.call_id == replaces.call_id)
}

/// A carrier knows us by our address: a user's REFER must not call through it at somebody's cost
/// (adr/0015).
async fn check_way(desk: &Desk, route: &Route) -> Result<(), NoRoute> {
    let table = desk.trunks.table().await.map_err(|error| {
        tracing::error!(%error, "cannot look up the carriers");
        NoRoute { status: 500, reason: "Server Internal Error" }
    })?;
    let invites = route.stages.iter().flatten().map(|attempt| &attempt.invite);
    let mut hops = invites.map(|invite| (invite.uri.host(), invite.flow.peer));
    match hops.any(|(host, peer)| table.ways_out(host, peer).next().is_some()) {
        true => Err(NoRoute { status: 403, reason: "Forbidden" }),
        false => Ok(()),
    }
}

/// Where this host reaches its own socket.
fn own_address(desk: &Desk) -> SocketAddr {
    let listen = desk.config.sip.listen;
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let port = if listen.port() == 0 { desk.sip_address.port() } else { listen.port() };
    SocketAddr::new(ip, port)
}
