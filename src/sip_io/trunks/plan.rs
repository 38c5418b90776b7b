//! What the keeper does for a carrier and its gateways, from what is stored: where to register as whom,
//! where to ping.

use std::net::IpAddr;

use sip::{Credentials, Uri};

use crate::model::{Network, SipGateway, Trunk};
use crate::routing::outbound::{Wire, next_hop};
use crate::routing::trunk::WIDEST_BELIEVED;

/// How we register with a carrier. Two that are equal ask for the same thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RegisterPlan {
    /// The registrars to try, in order; never empty.
    pub(super) hops: Vec<RegisterHop>,
    /// The address of record: From and To.
    pub(super) aor: Uri,
    /// User part of our Contact.
    pub(super) contact_user: String,
    pub(super) credentials: Credentials,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RegisterHop {
    /// Where the REGISTER is sent.
    pub(super) next: Uri,
    /// Its Request-URI: the domain of the registrar (RFC 3261 §10.2).
    pub(super) domain: Uri,
}

impl RegisterPlan {
    /// `None` when nothing is to be registered, or nothing says where.
    pub(super) fn of(trunk: &Trunk) -> Option<Self> {
        let (carrier, register) = (&trunk.carrier, &trunk.carrier.register);
        if !trunk.is_open() || !register.required {
            return None;
        }
        let (username, password) = (register.username.as_ref()?, register.password.as_ref()?);
        let realm = register.sip_realm.as_deref();
        let proxy = carrier.outbound_sip_proxy.as_deref();
        let mut hops = Vec::new();
        for gateway in trunk.outbound() {
            let mut gateway = gateway.clone();
            let mut wire = Wire::of(gateway.protocol);
            if register.use_tls && wire != Wire::Tls {
                // Its port is the one for the other protocol.
                (wire, gateway.port) = (Wire::Tls, None);
            }
            let domain = realm.unwrap_or(&gateway.host);
            hops.extend(hop(&next_hop(proxy, &gateway, wire), domain, is_sips(&gateway, wire)));
        }
        if let (true, Some(realm)) = (hops.is_empty(), realm) {
            let wire = if register.use_tls { Wire::Tls } else { Wire::Udp };
            let own = format!("sip:{realm};transport={}", wire.as_str());
            hops.extend(hop(proxy.map_or(own.as_str(), |proxy| proxy), realm, false));
        }
        let domain = register.from_domain.as_deref().or(realm);
        let domain = domain.or_else(|| hops.first().map(|hop| hop.domain.host()))?;
        let user = register.from_user.as_ref().unwrap_or(username);
        Some(Self {
            aor: Uri::sip(Some(user), domain, None).ok()?,
            contact_user: username.clone(),
            credentials: Credentials {
                realm: register.sip_realm.clone(),
                ..Credentials::new(username, &password.0)
            },
            hops,
        })
    }
}

fn hop(next: &str, domain: &str, is_sips: bool) -> Option<RegisterHop> {
    Some(RegisterHop { next: next.parse().ok()?, domain: uri(domain, None, is_sips)? })
}

fn is_sips(gateway: &SipGateway, wire: Wire) -> bool {
    gateway.use_sips_scheme && wire == Wire::Tls
}

fn uri(host: &str, port: Option<u16>, is_sips: bool) -> Option<Uri> {
    let uri = Uri::sip(None, host, port).ok()?;
    Some(if is_sips { uri.as_sips() } else { uri })
}

/// How a gateway is pinged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PingPlan {
    /// Where OPTIONS is sent.
    pub(super) next: Uri,
    /// Its Request-URI.
    pub(super) target: Uri,
}

impl PingPlan {
    /// `None` for a gateway that is not pinged: a network, or one that is switched off.
    pub(super) fn of(trunk: &Trunk, gateway: &SipGateway) -> Option<Self> {
        if !is_pinged(trunk, gateway) {
            return None;
        }
        let wire = Wire::of(gateway.protocol);
        let next = next_hop(trunk.carrier.outbound_sip_proxy.as_deref(), gateway, wire);
        Some(Self {
            next: next.parse().ok()?,
            target: uri(&gateway.host, gateway.port, is_sips(gateway, wire))?,
        })
    }
}

/// Whether OPTIONS goes to this gateway.
pub(super) fn is_pinged(trunk: &Trunk, gateway: &SipGateway) -> bool {
    trunk.is_open() && gateway.is_active && gateway.send_options_ping && gateway.netmask == 32
}

/// The network calls come from, if messages from there are not to be limited.
pub(super) fn trusted(trunk: &Trunk, gateway: &SipGateway) -> Option<Network> {
    let is_wide = gateway.netmask < WIDEST_BELIEVED;
    if !trunk.is_open() || !gateway.is_active || is_wide {
        return None;
    }
    let address: IpAddr = gateway.host.parse().ok()?;
    Network::new(address, if address.is_ipv4() { gateway.netmask } else { 128 })
}

#[cfg(test)]
mod tests;
