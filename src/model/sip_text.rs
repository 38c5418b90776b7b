//! Text that will stand in a SIP message: what it may consist of, so that no value from REST can
//! end a header line, close a quoted string or an address, or begin another part of a URI.

use std::net::IpAddr;

use super::{Fields, Invalid, Patch};

/// The user part of an address that needs no escaping beyond `#` (RFC 3261 §25.1, `user`).
pub fn is_user(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$#".contains(&b))
}

/// A name in the DNS, or an address without brackets.
pub fn is_host(text: &str) -> bool {
    is_domain(text) || text.parse::<IpAddr>().is_ok()
}

/// A name in the DNS (RFC 1123 §2.1), with the underscores that SRV names have. What consists of
/// digits and dots alone is a mistyped address.
pub fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    text.len() <= 253
        && text.split('.').all(is_label)
        && text.bytes().any(|b| b.is_ascii_alphabetic())
}

/// A next hop: `host`, `host:port` or a URI of them, with a `transport` or `lr` if need be.
pub fn is_proxy(text: &str) -> bool {
    let rest = text.strip_prefix("sip:").or_else(|| text.strip_prefix("sips:")).unwrap_or(text);
    let (hop, params) = rest.split_once(';').map_or((rest, None), |(hop, p)| (hop, Some(p)));
    let is_param = |param: &str| match param.split_once('=') {
        None => param == "lr",
        Some(("transport", value)) => matches!(value, "udp" | "tcp" | "tls" | "ws" | "wss"),
        Some(_) => false,
    };
    is_hop(hop) && params.is_none_or(|params| params.split(';').all(is_param))
}

fn is_hop(text: &str) -> bool {
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if let Some(bracketed) = text.strip_prefix('[') {
        let Some((address, rest)) = bracketed.split_once(']') else { return false };
        let is_v6 = address.parse::<std::net::Ipv6Addr>().is_ok();
        return is_v6 && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
    }
    match text.split_once(':') {
        None => is_host(text),
        Some((host, port)) => is_host(host) && is_port(port),
    }
}

impl Fields {
    /// Text for a SIP message; empty is `null`. `is_fine` judges it, `expected` says what it wants.
    pub(super) fn sip_text(
        &mut self,
        name: &'static str,
        max: usize,
        expected: &'static str,
        is_fine: fn(&str) -> bool,
    ) -> Result<Patch<String>, Invalid> {
        self.text_or_empty(name, max)?.try_map(|text| {
            if is_fine(&text) { Ok(text) } else { Err(Invalid::Wrong { name, expected }) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_can_leave_its_place_passes() {
        let hostile = [
            "",
            " ",
            "a b",
            "a\r\nVia: x",
            "a\nb",
            "a\0b",
            "a\tb",
            "a<b",
            "a>b",
            "a\"b",
            "a;b=c",
            "a,b",
            "a@b@c",
            "a/b",
            "a?b",
            "a%00",
            "a\\b",
            "ä",
            "\u{2028}",
            "a\u{7f}",
        ];
        for text in hostile {
            assert!(!is_user(text) && !is_host(text) && !is_proxy(text), "{text:?}");
        }
    }

    #[test]
    fn users_are_numbers_and_plain_names() {
        for text in ["+15551234", "9011", "*67", "#31#", "alice.b-c_d"] {
            assert!(is_user(text), "{text}");
        }
        for text in ["a@b", "a:b", "sip:a"] {
            assert!(!is_user(text), "{text}");
        }
    }

    #[test]
    fn hosts_are_domains_and_addresses() {
        for text in ["a", "sip.example.com", "10.0.0.1", "::1", "_sip._udp.example.com", "3com.com"]
        {
            assert!(is_host(text), "{text}");
        }
        let long = format!("{}.com", "a".repeat(64));
        for text in ["10.0.0", "10.0.0.300", "-a.com", "a-.com", "a..b", ".a", "a.", "[::1]", &long]
        {
            assert!(!is_host(text), "{text}");
        }
    }

    #[test]
    fn proxies_are_hops_with_or_without_a_scheme() {
        for text in [
            "proxy.example.com",
            "proxy.example.com:5080",
            "10.0.0.1:5060",
            "[2001:db8::1]",
            "[2001:db8::1]:5061",
            "sip:proxy.example.com;transport=tcp",
            "sips:proxy.example.com;lr",
            "sip:10.0.0.1;lr;transport=tls",
        ] {
            assert!(is_proxy(text), "{text}");
        }
        for text in [
            "sip:",
            "http://a",
            "a:0",
            "a:65536",
            "a:",
            "a:+5",
            "[::1",
            "[a]",
            "[::1]x",
            "2001:db8::1",
            "sip:a;transport=carrier",
            "sip:a;maddr=10.0.0.1",
            "sip:user@a",
            "sip:a;",
        ] {
            assert!(!is_proxy(text), "{text}");
        }
    }
}
