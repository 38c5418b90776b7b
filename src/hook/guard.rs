//! Keeps hooks and media fetches away from this machine's own network.
//!
//! URLs come from tenants. Without a guard one of them could read a cloud metadata service or an
//! admin page through us. Names are resolved here and the checked addresses are the ones that get
//! connected, so a name cannot change its meaning in between. Used by `http` alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Decides which addresses may be connected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guard {
    allow_private_networks: bool,
}

/// A host is, or resolves to, an address that is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("address {0} is not allowed")]
pub(super) struct Forbidden(IpAddr);

/// A name has no address.
#[derive(Debug, thiserror::Error)]
#[error("name not found")]
pub(super) struct NotFound(#[source] std::io::Error);

impl Guard {
    pub(super) fn new(allow_private_networks: bool) -> Self {
        Self { allow_private_networks }
    }

    /// Checks a URL whose host is an address already; names are checked when they are resolved.
    ///
    /// # Errors
    /// [`Forbidden`] with the address.
    pub(super) fn check(&self, url: &Url) -> Result<(), Forbidden> {
        match url.host() {
            Some(Host::Ipv4(ip)) => self.admit(ip.into()),
            Some(Host::Ipv6(ip)) => self.admit(ip.into()),
            Some(Host::Domain(_)) | None => Ok(()),
        }
    }

    /// One forbidden address condemns the name: an honest one has no reason to mix them.
    fn admit_all(self, addresses: &[SocketAddr]) -> Result<(), Forbidden> {
        addresses.iter().try_for_each(|address| self.admit(address.ip()))
    }

    fn admit(self, ip: IpAddr) -> Result<(), Forbidden> {
        match self.allow_private_networks || is_public(ip) {
            true => Ok(()),
            false => Err(Forbidden(ip)),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            // The port is the caller's business; 0 stands for the one of the URL.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(NotFound)?;
            let addresses: Vec<SocketAddr> = found.collect();
            guard.admit_all(&addresses)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// Everything the IANA special-purpose registry (RFC 6890) calls globally reachable.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = match (a, b) {
        // This network, private, loopback; multicast, reserved and broadcast.
        (0 | 10 | 127 | 224..=255, _)
        // Carrier-grade NAT (RFC 6598); link-local, metadata services among it; private.
        | (100, 64..=127) | (169, 254) | (172, 16..=31) | (192, 168)
        // Benchmarks.
        | (198, 18..=19) => true,
        // Protocol assignments and documentation; 6to4 relays; documentation twice.
        (192, 0) => matches!(c, 0 | 2),
        (192, 88) => c == 99,
        (198, 51) => c == 100,
        (203, 0) => c == 113,
        _ => false,
    };
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(ip) = carried_v4(ip) {
        return is_public_v4(ip);
    }
    match ip.segments() {
        // Protocol assignments with Teredo among them; documentation.
        [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => false,
        // Only 2000::/3 is global unicast; unique local, link-local and multicast are outside.
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

/// The IPv4 address within one that is mapped, compatible (`::` and `::1` look like it), from
/// NAT64 or from 6to4.
fn carried_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => {
            Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_and_its_networks_are_forbidden() {
        for ip in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "100::1",
        ] {
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(Guard::new(false).admit(ip), Err(Forbidden(ip)));
            assert_eq!(Guard::new(true).admit(ip), Ok(()));
        }
    }

    #[test]
    fn public_addresses_are_allowed() {
        for ip in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.255.255",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001:80e::200e",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert_eq!(Guard::new(false).admit(ip.parse().unwrap()), Ok(()), "{ip}");
        }
    }

    #[test]
    fn every_spelling_of_an_address_in_a_url_is_seen() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1:8080/x",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "https://user:pass@169.254.169.254/latest/meta-data",
        ] {
            assert!(Guard::new(false).check(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
        assert_eq!(Guard::new(false).check(&Url::parse("http://app.example/").unwrap()), Ok(()));
    }

    #[test]
    fn one_forbidden_address_condemns_a_name() {
        let addresses = ["8.8.8.8:0".parse().unwrap(), "10.0.0.1:0".parse().unwrap()];
        assert!(Guard::new(false).admit_all(&addresses).is_err());
        assert!(Guard::new(false).admit_all(&addresses[..1]).is_ok());
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_refused_when_it_is_resolved() {
        let name = || "localhost".parse::<Name>().unwrap();
        let error = Guard::new(false).resolve(name()).await.err().unwrap();
        assert!(error.is::<Forbidden>(), "{error}");
        let mut found = Guard::new(true).resolve(name()).await.ok().unwrap();
        assert!(found.all(|address| address.ip().is_loopback()));
    }
}
