//! Which address of this host peers are told when none is configured.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// Documentation addresses (RFC 5737, RFC 3849): routed like any other, never anyone's host.
const PROBES: [&str; 2] = ["192.0.2.1:9", "[2001:db8::1]:9"];

/// The source address the routing table picks, else the first interface address that is not
/// loopback, else 127.0.0.1. Connecting a UDP socket only asks the kernel; no packet is sent.
pub(super) fn first_address() -> IpAddr {
    PROBES
        .iter()
        .find_map(|probe| routed_source(probe.parse().ok()?))
        .or_else(interface_address)
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// The source address the routing table picks for a far peer of that family.
pub(super) fn first_address_of(is_ipv4: bool) -> Option<IpAddr> {
    let probes = PROBES.iter().filter_map(|probe| probe.parse::<SocketAddr>().ok());
    probes.filter(|probe| probe.is_ipv4() == is_ipv4).find_map(routed_source)
}

fn routed_source(probe: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = if probe.is_ipv4() {
        SocketAddr::from(([0, 0, 0, 0], 0))
    } else {
        SocketAddr::from(([0u16; 8], 0))
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(probe).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

/// A host without a default route: the kernel's list of local IPv4 addresses.
fn interface_address() -> Option<IpAddr> {
    let table = std::fs::read_to_string("/proc/net/fib_trie").ok()?;
    local_addresses(&table).find(|ip| !ip.is_loopback()).map(IpAddr::V4)
}

/// In `fib_trie`, `|-- 10.0.0.5` followed by `/32 host LOCAL` is an address of this host.
fn local_addresses(table: &str) -> impl Iterator<Item = Ipv4Addr> + '_ {
    table.lines().zip(table.lines().skip(1)).filter_map(|(address, kind)| {
        kind.trim().starts_with("/32 host LOCAL").then_some(())?;
        address.trim().strip_prefix("|-- ")?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_are_found_in_the_route_table() {
        let table = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.1.0.0\n        /24 link UNICAST\n\
                     \x20    |-- 10.1.0.7\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        let found: Vec<_> = local_addresses(table).collect();
        assert_eq!(found, [Ipv4Addr::new(10, 1, 0, 7), Ipv4Addr::LOCALHOST]);
    }

    #[test]
    fn some_address_is_always_given() {
        assert!(!first_address().is_unspecified());
    }
}
