//! The ways to whom a REFER names: a registered user of the account, the far end of another call of
//! the account, or whoever a SIP URI leads to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sip::{Flow, Invite, NameAddr, Uri};

use super::desk::Desk;
use super::originate::NoRoute;
use super::refer::Refer;
use super::route::{Attempt, Route};
use crate::hook::CallFacts;
use crate::model::call::Direction;
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
    let from =
        identity(desk, facts, &account).ok_or(NoRoute { status: 500, reason: "Bad caller" })?;
    let to = NameAddr::new(refer.target.clone());
    let attempt = |uri: Uri, flow: Flow| {
        let mut invite = Invite::new(uri, flow, from.clone(), to.clone());
        invite.replaces.clone_from(&refer.replaces);
        let by = refer.referred_by.clone().map(|by| ("Referred-By".to_owned(), by));
        invite.headers.extend(by);
        Attempt::direct(invite)
    };
    if is_own(desk, &account, refer) {
        let flow = Flow::udp(desk.sip_local, own_address(desk.sip_local));
        let route = Route::new([vec![attempt(refer.target.clone(), flow)]]);
        return Ok(Ways { route: route.ok_or(NoRoute::NOT_FOUND)?, is_client: false });
    }
    if account.sip_realm.as_deref().is_some_and(|realm| realm == refer.target.host()) {
        let user = refer.target.user().unwrap_or_default();
        let contacts = desk.registrations.contacts(&format!("{user}@{}", refer.target.host()));
        let attempts = contacts.into_iter().map(|found| attempt(found.uri, found.flow)).collect();
        let route = Route::new([attempts]).ok_or(NoRoute::NOT_FOUND)?;
        return Ok(Ways { route, is_client: true });
    }
    let flows = desk.resolver.resolve(&refer.target).await;
    let flows = flows.map_err(|_| NoRoute { status: 503, reason: "Host Not Found" })?;
    let attempts = flows.into_iter().map(|flow| attempt(refer.target.clone(), flow));
    let route = Route::in_turn(attempts).ok_or(NoRoute::NOT_FOUND)?;
    Ok(Ways { route, is_client: false })
}

/// Who calls the target: whoever the referrer was talking to.
fn identity(desk: &Desk, facts: &CallFacts, account: &Account) -> Option<NameAddr> {
    let user = match facts.direction {
        Direction::Inbound => &facts.to,
        Direction::Outbound => &facts.from,
    };
    let public = desk.sip_address.ip().to_string();
    let host = account.sip_realm.as_deref().unwrap_or(&public);
    Uri::sip(Some(user), host, None).ok().map(NameAddr::new)
}

/// Whether the dialog to be replaced belongs to another call of this account here. The INVITE then goes
/// to ourselves: a transfer between two of our calls is like any other (adr/0015).
fn is_own(desk: &Desk, account: &Account, refer: &Refer) -> bool {
    let Some(replaces) = &refer.replaces else { return false };
    let calls = desk.live.calls(account.sid);
    calls.iter().any(|call| call.actor.is_some() && call.snapshot.call_id == replaces.call_id)
}

/// Where this host reaches its own socket.
fn own_address(local: SocketAddr) -> SocketAddr {
    let ip = match local.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, local.port())
}
