//! Which carriers' networks an address lies in: an index, so that an INVITE costs a look per length of
//! netmask and not one per gateway.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::model::{Protocol, SipGateway, Trunk};

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    pub address: SocketAddr,
    pub carried_by: CarriedBy,
}

/// The transports that carriers use; a WebSocket is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CarriedBy {
    Udp,
    Tcp,
    Tls,
}

/// The inbound gateways by netmask and network.
#[derive(Debug, Default)]
pub struct Networks {
    /// The netmasks in use, the longest first.
    masks: Vec<u8>,
    doors: HashMap<(u8, u32), Vec<Door>>,
}

/// One gateway's condition, and its carrier's place in the table.
#[derive(Clone, Copy, Debug)]
struct Door {
    trunk: usize,
    port: Option<u16>,
    protocol: Protocol,
}

impl Networks {
    /// Of carriers and gateways that are active. A carrier of a closed account is known: its calls are
    /// refused for that reason.
    pub fn new(trunks: &[Trunk]) -> Self {
        let mut networks = Self::default();
        for (index, trunk) in trunks.iter().enumerate().filter(|(_, t)| t.carrier.is_active) {
            for gateway in trunk.gateways.iter().filter(|g| g.is_active && g.inbound) {
                networks.add(index, gateway);
            }
        }
        networks.masks.sort_unstable_by(|a, b| b.cmp(a));
        networks
    }

    fn add(&mut self, trunk: usize, gateway: &SipGateway) {
        let Ok(address) = gateway.host.parse::<Ipv4Addr>() else { return };
        let bits = gateway.netmask.min(32);
        if !self.masks.contains(&bits) {
            self.masks.push(bits);
        }
        let door = Door { trunk, port: gateway.port, protocol: gateway.protocol };
        self.doors.entry((bits, masked(address, bits))).or_default().push(door);
    }

    /// The places of the carriers that have this source in a network of theirs, each once, with the
    /// netmask of the smallest: the smallest networks first.
    pub fn find(&self, source: Source) -> Vec<(u8, usize)> {
        let IpAddr::V4(address) = source.address.ip().to_canonical() else { return Vec::new() };
        let mut found: Vec<(u8, usize)> = Vec::new();
        for bits in &self.masks {
            for door in self.doors.get(&(*bits, masked(address, *bits))).into_iter().flatten() {
                if door.admits(source) && !found.iter().any(|(_, trunk)| *trunk == door.trunk) {
                    found.push((*bits, door.trunk));
                }
            }
        }
        found
    }
}

impl Door {
    /// Messages too long for UDP come by TCP (RFC 3261 §18.1.1), so a gateway that says UDP may use
    /// both; who says TLS does so for a reason. A port binds datagrams alone: connections come from
    /// any.
    fn admits(&self, source: Source) -> bool {
        match (self.protocol, source.carried_by) {
            (Protocol::Udp, CarriedBy::Udp) => {
                self.port.is_none_or(|port| port == source.address.port())
            }
            (Protocol::Udp | Protocol::Tcp, CarriedBy::Tcp)
            | (Protocol::Tls | Protocol::TlsSrtp, CarriedBy::Tls) => true,
            _ => false,
        }
    }
}

fn masked(address: Ipv4Addr, bits: u8) -> u32 {
    let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
    address.to_bits() & mask
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::AccountSid;
    use crate::routing::fixtures::trunk;

    fn networks(carriers: &[&[Value]]) -> Networks {
        let body = || json!({"name": "c", "account_sid": AccountSid::random()});
        let trunks: Vec<_> = carriers.iter().map(|gateways| trunk(body(), gateways)).collect();
        Networks::new(&trunks)
    }

    fn from(address: &str, carried_by: CarriedBy) -> Source {
        Source { address: address.parse().unwrap(), carried_by }
    }

    fn inbound(host: &str, netmask: u8) -> Value {
        json!({"ipv4": host, "netmask": netmask, "inbound": 1})
    }

    #[test]
    fn the_smallest_networks_come_first() {
        let table = networks(&[
            &[inbound("10.0.0.0", 8)],
            &[inbound("10.1.0.0", 16), inbound("192.0.2.7", 32)],
            &[inbound("10.1.9.9", 16)],
            &[inbound("10.1.2.3", 32)],
        ]);
        for (address, found) in [
            ("10.9.9.9:5060", vec![(8, 0)]),
            ("10.1.9.9:5060", vec![(16, 1), (16, 2), (8, 0)]),
            ("10.1.2.3:5060", vec![(32, 3), (16, 1), (16, 2), (8, 0)]),
            ("[::ffff:10.1.2.3]:5060", vec![(32, 3), (16, 1), (16, 2), (8, 0)]),
            ("192.0.2.7:1", vec![(32, 1)]),
            ("192.0.2.8:5060", vec![]),
            ("[2001:db8::1]:5060", vec![]),
        ] {
            assert_eq!(table.find(from(address, CarriedBy::Udp)), found, "{address}");
        }
        let everybody = networks(&[&[inbound("0.0.0.0", 0)]]);
        assert_eq!(everybody.find(from("203.0.113.9:9", CarriedBy::Udp)), [(0, 0)]);
        let twice = networks(&[&[inbound("10.0.0.0", 8), inbound("10.1.0.0", 16)]]);
        assert_eq!(twice.find(from("10.1.0.1:5060", CarriedBy::Udp)), [(16, 0)]);
    }

    #[test]
    fn port_and_protocol_bind_where_they_can() {
        let gateway = |protocol: &str| {
            let port = 5060;
            json!({"ipv4": "10.0.0.1", "inbound": 1, "protocol": protocol, "port": port})
        };
        for (protocol, by, port, admits) in [
            ("udp", CarriedBy::Udp, 5060, true),
            ("udp", CarriedBy::Udp, 5061, false),
            ("udp", CarriedBy::Tcp, 40000, true),
            ("udp", CarriedBy::Tls, 40000, false),
            ("tcp", CarriedBy::Tcp, 40000, true),
            ("tcp", CarriedBy::Udp, 5060, false),
            ("tls", CarriedBy::Tls, 40000, true),
            ("tls", CarriedBy::Tcp, 40000, false),
            ("tls/srtp", CarriedBy::Tls, 40000, true),
            ("tls/srtp", CarriedBy::Udp, 5060, false),
        ] {
            let table = networks(&[&[gateway(protocol)]]);
            let found = table.find(from(&format!("10.0.0.1:{port}"), by));
            assert_eq!(!found.is_empty(), admits, "{protocol} {by:?} {port}");
        }
    }

    #[test]
    fn a_port_that_does_not_fit_leaves_the_wider_network() {
        let narrow = json!({"ipv4": "10.0.0.1", "inbound": 1, "port": 5060});
        let table = networks(&[&[inbound("10.0.0.0", 24)], &[narrow]]);
        assert_eq!(table.find(from("10.0.0.1:5060", CarriedBy::Udp)), [(32, 1), (24, 0)]);
        assert_eq!(table.find(from("10.0.0.1:5062", CarriedBy::Udp)), [(24, 0)]);
    }

    #[test]
    fn only_what_is_active_and_inbound_counts() {
        let off = json!({"ipv4": "10.0.0.1", "inbound": 1, "is_active": 0});
        let outbound = json!({"ipv4": "10.0.0.1", "outbound": 1});
        let table = networks(&[&[off, outbound]]);
        assert!(table.find(from("10.0.0.1:5060", CarriedBy::Udp)).is_empty());
        let body = json!({"name": "c", "account_sid": AccountSid::random(), "is_active": 0});
        let table = Networks::new(&[trunk(body, &[inbound("10.0.0.1", 32)])]);
        assert!(table.find(from("10.0.0.1:5060", CarriedBy::Udp)).is_empty());
    }
}
