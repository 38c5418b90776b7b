//! Where a URL that a tenant wrote may lead: not into this machine's own network.
//!
//! Without a rule a tenant could read a cloud's metadata service or an admin page through us. This
//! is the one place that knows which addresses are whose; `hook::guard` asks it for every URL, when
//! it is saved and again when it is connected.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::Network;

/// Decides which addresses may be connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    /// Everything may be reached, and nothing is asked.
    pub allow_private_networks: bool,
    /// What is not public and may be reached all the same.
    pub allowed_networks: Vec<Network>,
}

/// A host is, or resolves to, an address that is not allowed. For the operator's log: where a
/// tenant's name leads to in our network is not for the tenant to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("address {0} is not allowed; hook.allowed_networks would allow it")]
pub struct Forbidden(pub IpAddr);

/// What a tenant reads of a refusal: what is wrong, and what the operator could set.
pub const NOT_ALLOWED: &str =
    "a private, loopback or metadata address, which hook.allowed_networks does not allow";

impl AddressPolicy {
    /// The rule of a server that is used from this machine alone: the demo, tests.
    pub fn loopback() -> Self {
        Self { allow_private_networks: false, allowed_networks: Network::LOOPBACK.to_vec() }
    }

    /// Whether everything may be reached.
    pub fn is_open(&self) -> bool {
        self.allow_private_networks
    }

    /// Checks what a URL says by itself: a host that is an address, in whatever spelling (the URL's
    /// parser reads them all), or a name whose address is known to everybody. Other names are the
    /// resolver's business; see [`AddressPolicy::admit`].
    ///
    /// # Errors
    /// [`Forbidden`] with the address.
    pub fn check(&self, url: &Url) -> Result<(), Forbidden> {
        match url.host() {
            Some(Host::Ipv4(ip)) => self.admit(ip.into()),
            Some(Host::Ipv6(ip)) => self.admit(ip.into()),
            Some(Host::Domain(name)) => self.check_name(name),
            None => Ok(()),
        }
    }

    /// # Errors
    /// [`Forbidden`] with the address.
    pub fn admit(&self, ip: IpAddr) -> Result<(), Forbidden> {
        let is_allowed = || self.allowed_networks.iter().any(|network| network.contains(ip));
        match self.allow_private_networks || is_public(ip) || is_allowed() {
            true => Ok(()),
            false => Err(Forbidden(ip)),
        }
    }

    /// One forbidden address condemns a name: an honest one has no reason to mix them.
    ///
    /// # Errors
    /// [`Forbidden`] with the first such address.
    pub fn admit_all(&self, addresses: impl IntoIterator<Item = IpAddr>) -> Result<(), Forbidden> {
        addresses.into_iter().try_for_each(|ip| self.admit(ip))
    }

    /// Names that mean the same everywhere, and are refused where no resolver knows them.
    fn check_name(&self, name: &str) -> Result<(), Forbidden> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name == "localhost" || name.ends_with(".localhost") {
            // RFC 6761 §6.3. Which of the two it is, the resolver says.
            let one = Ipv4Addr::LOCALHOST.into();
            return self.admit(one).or_else(|no| match self.admit(Ipv6Addr::LOCALHOST.into()) {
                Ok(()) => Ok(()),
                Err(_) => Err(no),
            });
        }
        match METADATA_NAMES.contains(&name.as_str()) {
            true => self.admit(METADATA.into()),
            false => Ok(()),
        }
    }
}

/// Where most clouds answer questions about the machine that asks.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// Names of that service at Google, AWS, Tencent and in OpenStack.
const METADATA_NAMES: [&str; 6] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.tencentyun.com",
];

/// The host of an Azure machine: a public address, and reached from within alone.
const AZURE_HOST: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

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
        _ => ip == AZURE_HOST,
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

    fn strict() -> AddressPolicy {
        AddressPolicy::default()
    }

    fn open() -> AddressPolicy {
        AddressPolicy { allow_private_networks: true, ..AddressPolicy::default() }
    }

    fn allowing(networks: &[&str]) -> AddressPolicy {
        let allowed_networks = networks.iter().map(|n| n.parse().unwrap()).collect();
        AddressPolicy { allowed_networks, ..AddressPolicy::default() }
    }

    fn check(policy: &AddressPolicy, url: &str) -> bool {
        policy.check(&Url::parse(url).unwrap()).is_ok()
    }

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
            "168.63.129.16",
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
            "::ffff:0:127.0.0.1",
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
            assert_eq!(strict().admit(ip), Err(Forbidden(ip)));
            assert_eq!(open().admit(ip), Ok(()));
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
            "2002:808:808::1",
        ] {
            assert_eq!(strict().admit(ip.parse().unwrap()), Ok(()), "{ip}");
        }
    }

    #[test]
    fn every_spelling_of_an_address_in_a_url_is_seen() {
        for host in [
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0X7F.0x0.0x0.0x1",
            "0177.0.0.1:8080",
            "017700000001",
            "%31%32%37.0.0.1",
            "１２７.０.０.１",
            "①②⑦.⓪.⓪.①",
            "127。0。0。1",
            "0",
            "0.0.0.0",
            "[::]",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "0251.0376.0251.0376",
            "[::ffff:a9fe:a9fe]",
            "168.63.129.16",
            // What stands before the last @ is a user name.
            "user:pass@127.0.0.1",
            "app.example@127.0.0.1",
            "app.example:80@127.0.0.1:81",
            "app.example%2f@127.0.0.1",
            "a@app.example@127.0.0.1",
            // A backslash ends the host, as a slash does.
            "127.0.0.1\\@app.example",
            "127.0.0.1#@app.example",
            "127.0.0.1?@app.example",
            "12\t7.0.0\n.1",
        ] {
            for scheme in ["http", "https", "ws", "wss", "HtTp"] {
                let url = format!("{scheme}://{host}/");
                assert!(!check(&strict(), &url), "{url}");
                assert!(check(&open(), &url), "{url}");
            }
        }
        for url in ["http:127.0.0.1/", "http:/127.0.0.1/", "http:\\\\127.0.0.1", "http:///127.1/"] {
            assert!(!check(&strict(), url), "{url}");
        }
        for url in [
            "http://app.example/",
            "http://127.0.0.1.app.example/",
            "http://127.0.0.1@app.example/",
            "http://app.example\\@127.0.0.1/",
            "http://app.example#@127.0.0.1/",
            "http://[2606:4700::1111]/",
        ] {
            assert!(check(&strict(), url), "{url}");
        }
    }

    #[test]
    fn names_that_mean_this_machine_or_its_cloud_need_no_resolver() {
        for name in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "app.localhost",
            "a.b.localhost.",
            "ｌocalhost",
            "metadata.google.internal",
            "Metadata.Google.Internal.",
            "metadata",
            "metadata.goog",
            "instance-data",
            "instance-data.ec2.internal",
        ] {
            let url = format!("http://{name}:8080/x");
            assert!(!check(&strict(), &url), "{url}");
            assert!(check(&open(), &url), "{url}");
        }
        for name in ["localhost.example", "notlocalhost", "metadata.example", "internal"] {
            assert!(check(&strict(), &format!("http://{name}/")), "{name}");
        }
    }

    #[test]
    fn what_is_configured_is_allowed_and_nothing_else() {
        let policy = allowing(&["10.1.0.0/16", "127.0.0.0/8"]);
        for url in
            ["http://10.1.2.3/", "http://127.1/", "http://[::ffff:10.1.0.9]/", "ws://localhost/"]
        {
            assert!(check(&policy, url), "{url}");
        }
        for url in
            ["http://10.2.0.1/", "http://[::1]/", "http://[64:ff9b::7f00:1]/", "http://metadata/"]
        {
            assert!(!check(&policy, url), "{url}");
        }
        assert!(check(&AddressPolicy::loopback(), "http://[::1]/"));
        assert!(check(&allowing(&["::1"]), "http://localhost/"));
        assert!(check(&allowing(&["169.254.169.254"]), "http://metadata.google.internal/"));
        assert!(!check(&AddressPolicy::loopback(), "http://169.254.169.254/"));
    }

    #[test]
    fn one_forbidden_address_condemns_a_name() {
        let addresses: [IpAddr; 2] = ["8.8.8.8".parse().unwrap(), "10.0.0.1".parse().unwrap()];
        assert_eq!(strict().admit_all(addresses), Err(Forbidden(addresses[1])));
        assert_eq!(strict().admit_all([addresses[0]]), Ok(()));
    }
}
