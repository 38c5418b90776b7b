//! An address that SIP is spoken at, as the portal shows it (contract rest.md §2.14).

use std::net::SocketAddr;

use super::sip_text::is_host;
use super::{Fields, Invalid, SbcAddressSid, ServiceProviderSid, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sbc {
    pub sid: SbcAddressSid,
    /// An IP address, or the name of a host.
    pub host: String,
    /// For UDP and TCP.
    pub port: Option<u16>,
    pub tls_port: Option<u16>,
    pub wss_port: Option<u16>,
    /// None: it serves everybody.
    pub service_provider_sid: Option<ServiceProviderSid>,
    pub last_updated: Timestamp,
}

const SIP_PORT: u16 = 5060;

/// What a port of an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortUse {
    /// UDP and TCP.
    Plain,
    Tls,
    /// WebSocket inside TLS.
    Wss,
}

impl Sbc {
    fn place(&mut self, kind: PortUse) -> &mut Option<u16> {
        match kind {
            PortUse::Plain => &mut self.port,
            PortUse::Tls => &mut self.tls_port,
            PortUse::Wss => &mut self.wss_port,
        }
    }

    /// Reads the body of a create.
    pub fn create(mut fields: Fields) -> Result<Self, Invalid> {
        fields.ignore(&["sbc_address_sid", "last_updated"]);
        let host = fields.name("ipv4", 255)?.ok_or(Invalid::Missing("ipv4"))?;
        if !is_host(&host) {
            return Err(Invalid::Wrong { name: "ipv4", expected: "an IP address or a host name" });
        }
        let sbc = Self {
            sid: SbcAddressSid::random(),
            host,
            port: fields.number("port", 1)?.value().or(Some(SIP_PORT)),
            tls_port: fields.number("tls_port", 1)?.value(),
            wss_port: fields.number("wss_port", 1)?.value(),
            service_provider_sid: fields
                .sid("service_provider_sid", ServiceProviderSid::parse)?
                .value(),
            last_updated: Timestamp::now(),
        };
        fields.finish()?;
        Ok(sbc)
    }
}

/// The server's own addresses out of what it listens on, one row for each IP address; more when one has
/// several ports of a kind.
pub fn own(listening: impl IntoIterator<Item = (PortUse, SocketAddr)>) -> Vec<Sbc> {
    let mut rows: Vec<Sbc> = Vec::new();
    for (kind, address) in listening {
        let host = address.ip().to_string();
        let port = address.port();
        let mut places = rows.iter_mut().filter(|row| row.host == host).map(|row| row.place(kind));
        match places.find(|place| place.is_none_or(|taken| taken == port)) {
            Some(place) => *place = Some(port),
            None => {
                let mut row = Sbc {
                    sid: SbcAddressSid::of_own(address.ip(), rows.len()),
                    host,
                    port: None,
                    tls_port: None,
                    wss_port: None,
                    service_provider_sid: None,
                    last_updated: Timestamp::now(),
                };
                *row.place(kind) = Some(port);
                rows.push(row);
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_one_address_are_one_row() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let listening = [
            (PortUse::Plain, at("192.0.2.1:5060")),
            (PortUse::Plain, at("192.0.2.1:5060")),
            (PortUse::Tls, at("192.0.2.1:5061")),
            (PortUse::Wss, at("192.0.2.1:8443")),
            (PortUse::Plain, at("192.0.2.1:5070")),
            (PortUse::Tls, at("[2001:db8::1]:5061")),
        ];
        let rows = own(listening);
        let shown: Vec<_> =
            rows.iter().map(|r| (r.host.as_str(), r.port, r.tls_port, r.wss_port)).collect();
        assert_eq!(
            shown,
            [
                ("192.0.2.1", Some(5060), Some(5061), Some(8443)),
                ("192.0.2.1", Some(5070), None, None),
                ("2001:db8::1", None, Some(5061), None),
            ]
        );
        let sids: Vec<_> = own(listening).iter().map(|row| row.sid).collect();
        assert_eq!(sids, rows.iter().map(|row| row.sid).collect::<Vec<_>>(), "they stay");
        assert_ne!(sids[0], sids[1]);
    }
}
