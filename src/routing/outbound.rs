//! Which gateways a call to a telephone number may go through, in what order, and what it says to each
//! (contract rest.md §2.3.2, §2.7, §2.8).

use std::cmp::Reverse;

use super::trunk::TrunkTable;
use crate::model::{
    AccountSid, Encryption, Protocol, ServiceProviderSid, SipGateway, Trunk, VoipCarrierSid, number,
};

/// What is known of a gateway's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    Up,
    /// Not heard of yet.
    Unknown,
    Down,
}

impl Health {
    /// The word REST shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Unknown => "unknown",
            Self::Down => "down",
        }
    }
}

/// What decides which carrier a call takes.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub account: AccountSid,
    pub provider: ServiceProviderSid,
    /// A carrier, by name or sid: this one or none.
    pub trunk: Option<&'a str>,
    /// The carrier that owns the caller's number.
    pub owner_of_caller: Option<VoipCarrierSid>,
}

/// One gateway to try.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'t> {
    pub trunk: &'t Trunk,
    pub gateway: &'t SipGateway,
}

/// The gateways to try, the best first; none when no carrier takes the call.
///
/// A named carrier alone counts. Else it is the one that owns the caller's number; else those of the
/// account; else those its service provider shares. Among the gateways, those that are down come last,
/// before them those whose pings have not been answered yet, and otherwise the stored order holds.
pub fn choose<'t>(
    trunks: &'t TrunkTable,
    wanted: Wanted<'_>,
    health: impl Fn(&SipGateway) -> Health,
) -> Vec<Choice<'t>> {
    let own = || trunks.of_account(wanted.account);
    let shared = || trunks.shared_by(wanted.provider);
    if let Some(named) = wanted.trunk {
        let is_named = |trunk: &&Trunk| is_called(trunk, named);
        return in_order(own().filter(is_named), &health)
            .or_else(|| in_order(shared().filter(is_named), &health))
            .unwrap_or_default();
    }
    let owner = wanted.owner_of_caller.and_then(|sid| trunks.get(sid));
    let owner = owner.filter(|t| t.carrier.serves(wanted.account, wanted.provider));
    in_order(owner.into_iter(), &health)
        .or_else(|| in_order(own(), &health))
        .or_else(|| in_order(shared(), &health))
        .unwrap_or_default()
}

fn is_called(trunk: &Trunk, named: &str) -> bool {
    match VoipCarrierSid::parse(named) {
        Some(sid) => trunk.carrier.sid == sid,
        None => trunk.carrier.name == named,
    }
}

/// `None` when none of these carriers has a gateway for calls.
fn in_order<'t>(
    trunks: impl Iterator<Item = &'t Trunk>,
    health: impl Fn(&SipGateway) -> Health,
) -> Option<Vec<Choice<'t>>> {
    let open = trunks.filter(|trunk| trunk.is_open());
    let mut choices: Vec<_> = open
        .flat_map(|trunk| trunk.outbound().map(move |gateway| Choice { trunk, gateway }))
        .collect();
    // Stable: what is equal stays in the stored order.
    choices.sort_by_key(|choice| Reverse(merit(choice.gateway, health(choice.gateway))));
    (!choices.is_empty()).then_some(choices)
}

/// A gateway that nobody pings is as good as its word until a call fails; only of one that is pinged
/// does silence say something.
fn merit(gateway: &SipGateway, health: Health) -> u8 {
    match health {
        Health::Up => 2,
        Health::Unknown if !gateway.send_options_ping => 2,
        Health::Unknown => 1,
        Health::Down => 0,
    }
}

/// What an INVITE to a gateway says. Users are not escaped; hosts are names or addresses without brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialling {
    /// User part of Request-URI and To.
    pub number: String,
    /// Host of Request-URI and To, a port with it if the gateway has one.
    pub host: String,
    pub port: Option<u16>,
    /// `sips` instead of `sip`.
    pub is_sips: bool,
    pub transport: Wire,
    /// Where it is sent, as a SIP URI.
    pub next_hop: String,
    /// Host of From, unless the call says another.
    pub from_host: Option<String>,
    /// User part of our Contact: the name the carrier knows us by.
    pub contact_user: Option<String>,
    /// User part of the Diversion header (RFC 5806), whose host is the gateway.
    pub diversion: Option<String>,
    /// `None`: as the server's configuration says.
    pub encryption: Option<Encryption>,
}

/// How requests to a gateway travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Udp,
    Tcp,
    Tls,
}

impl Wire {
    pub fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Udp => Self::Udp,
            Protocol::Tcp => Self::Tcp,
            Protocol::Tls | Protocol::TlsSrtp => Self::Tls,
        }
    }

    /// The value of a URI's `transport` parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

impl Choice<'_> {
    /// What an INVITE for `number` says to this gateway.
    pub fn dialling(&self, number: &str) -> Dialling {
        let Self { trunk: Trunk { carrier, .. }, gateway } = self;
        let register = &carrier.register;
        let wire = Wire::of(gateway.protocol);
        // A registrar's domain is where our account is; the gateway is the way there.
        let realm = register.sip_realm.as_ref().filter(|_| register.required);
        Dialling {
            number: dialled(number, carrier.e164_leading_plus, carrier.tech_prefix.as_deref()),
            host: realm.unwrap_or(&gateway.host).clone(),
            port: if realm.is_some() { None } else { gateway.port },
            is_sips: gateway.use_sips_scheme && wire == Wire::Tls,
            transport: wire,
            next_hop: next_hop(carrier.outbound_sip_proxy.as_deref(), gateway, wire),
            from_host: register.from_domain.as_ref().or(realm).cloned(),
            contact_user: register.username.clone(),
            diversion: carrier.diversion.as_deref().map(with_plus),
            encryption: match gateway.protocol {
                Protocol::TlsSrtp => Some(Encryption::Required),
                _ => carrier.media_encryption,
            },
        }
    }
}

/// The number as the carrier wants it dialled: prefix, then `+` if it wants one and the number is
/// international. Without `e164_leading_plus` no `+` is sent.
fn dialled(text: &str, leading_plus: bool, tech_prefix: Option<&str>) -> String {
    let bare = number::canonical(text);
    let plus = if leading_plus && bare.starts_with(|c| matches!(c, '1'..='9')) { "+" } else { "" };
    format!("{}{plus}{bare}", tech_prefix.unwrap_or_default())
}

fn with_plus(number: &str) -> String {
    if number.starts_with('+') { number.to_owned() } else { format!("+{number}") }
}

/// `host` or `host:port` of a gateway.
fn address(gateway: &SipGateway) -> String {
    let host = bracketed(&gateway.host);
    match gateway.port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

/// The SIP URI that requests of a gateway are sent to: its carrier's outbound proxy, else itself. The
/// transport is the gateway's unless the proxy names one.
pub fn next_hop(proxy: Option<&str>, gateway: &SipGateway, wire: Wire) -> String {
    let Some(proxy) = proxy else {
        return format!("sip:{};transport={}", address(gateway), wire.as_str());
    };
    let has_scheme = proxy.starts_with("sip:") || proxy.starts_with("sips:");
    let bare = match has_scheme {
        true => proxy.to_owned(),
        false => format!("sip:{proxy}"),
    };
    match bare.contains(";transport=") || bare.starts_with("sips:") {
        true => bare,
        false => format!("{bare};transport={}", wire.as_str()),
    }
}

/// A bare IPv6 address as a URI has it.
fn bracketed(host: &str) -> String {
    match host.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => host.to_owned(),
    }
}

#[cfg(test)]
mod tests;
