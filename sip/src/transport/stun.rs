//! STUN on the SIP port, as phones use it to keep a NAT open and to notice when it forgets them
//! (RFC 5626 §3.5.2, §4.4.2; RFC 8489).
//!
//! The first octet tells it from SIP, which begins with a letter or a line end; the magic cookie makes
//! sure. Only binding requests are answered, without credentials and from nothing but the
//! request itself, so the shell may do it before anything else.

use std::net::{IpAddr, SocketAddr};

/// Whether a datagram is STUN and nothing for the SIP parser.
pub fn is_stun(datagram: &[u8]) -> bool {
    let cookie = datagram.get(4..8) == Some(&MAGIC_COOKIE);
    let first = datagram.first().is_some_and(|octet| octet & 0b1100_0000 == 0);
    first && cookie && datagram.len() >= HEADER_BYTES
}

/// The answer to a binding request: the address it was seen to come from. `None` for everything
/// else, indications, responses and broken messages, which are left without answer (RFC 8489 §6.3).
pub fn answer(datagram: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    if !is_stun(datagram) || datagram.get(..2) != Some(&BINDING_REQUEST.to_be_bytes()) {
        return None;
    }
    let transaction = datagram.get(8..HEADER_BYTES)?;
    let attributes = datagram.get(HEADER_BYTES..)?;
    let length = u16::from_be_bytes([*datagram.get(2)?, *datagram.get(3)?]);
    if usize::from(length) != attributes.len() {
        return None;
    }
    let unknown = unknown_attributes(attributes)?;
    let (kind, body) = if unknown.is_empty() {
        (BINDING_SUCCESS, xor_mapped_address(source, transaction))
    } else {
        (BINDING_ERROR, unknown_attribute_error(&unknown))
    };
    let mut reply = Vec::with_capacity(HEADER_BYTES + body.len());
    reply.extend_from_slice(&kind.to_be_bytes());
    reply.extend_from_slice(&u16::try_from(body.len()).ok()?.to_be_bytes());
    reply.extend_from_slice(&MAGIC_COOKIE);
    reply.extend_from_slice(transaction);
    reply.extend_from_slice(&body);
    Some(reply)
}

/// The attributes that would have to be understood and are not, at most [`MAX_UNKNOWN`] of them.
/// `None` if the attributes do not fill the message evenly.
fn unknown_attributes(mut rest: &[u8]) -> Option<Vec<u16>> {
    let mut unknown = Vec::new();
    while let [t1, t2, l1, l2, after @ ..] = rest {
        let kind = u16::from_be_bytes([*t1, *t2]);
        let length = usize::from(u16::from_be_bytes([*l1, *l2]));
        rest = after.get(length.next_multiple_of(4)..)?;
        // RFC 8489 §14: the upper half may be passed over. Credentials are: none are asked for here.
        let is_known = kind >= 0x8000 || KNOWN.contains(&kind);
        if !is_known && unknown.len() < MAX_UNKNOWN {
            unknown.push(kind);
        }
    }
    rest.is_empty().then_some(unknown)
}

/// RFC 8489 §14.2.
fn xor_mapped_address(source: SocketAddr, transaction: &[u8]) -> Vec<u8> {
    let mask = MAGIC_COOKIE.iter().chain(transaction);
    let mut value = vec![0];
    let [high, low, ..] = MAGIC_COOKIE;
    let port = source.port() ^ u16::from_be_bytes([high, low]);
    // a socket for both families shows IPv4 peers as mapped addresses
    match source.ip().to_canonical() {
        IpAddr::V4(v4) => {
            value.push(1);
            value.extend_from_slice(&port.to_be_bytes());
            value.extend(v4.octets().iter().zip(mask).map(|(octet, mask)| octet ^ mask));
        }
        IpAddr::V6(v6) => {
            value.push(2);
            value.extend_from_slice(&port.to_be_bytes());
            value.extend(v6.octets().iter().zip(mask).map(|(octet, mask)| octet ^ mask));
        }
    }
    attribute(XOR_MAPPED_ADDRESS, &value)
}

/// RFC 8489 §6.3.1: 420 with the list of what was not understood.
fn unknown_attribute_error(unknown: &[u16]) -> Vec<u8> {
    let list: Vec<u8> = unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
    let mut body = attribute(ERROR_CODE, &[0, 0, 4, 20]);
    body.extend(attribute(UNKNOWN_ATTRIBUTES, &list));
    body
}

/// Type, length, value, padding.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut out = kind.to_be_bytes().to_vec();
    out.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

const HEADER_BYTES: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// USERNAME, MESSAGE-INTEGRITY, REALM, NONCE and MESSAGE-INTEGRITY-SHA256: credentials that some
/// phones put into every request.
const KNOWN: [u16; 5] = [0x0006, 0x0008, 0x0014, 0x0015, 0x001c];
/// Attributes an error names, so that it is not longer than what it answers.
const MAX_UNKNOWN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// The transaction of the test vectors of RFC 5769.
    const TRANSACTION: [u8; 12] =
        [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

    fn message(kind: u16, attributes: &[u8]) -> Vec<u8> {
        let mut out = kind.to_be_bytes().to_vec();
        out.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
        out.extend(MAGIC_COOKIE);
        out.extend(TRANSACTION);
        out.extend(attributes);
        out
    }

    fn source(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// RFC 5769 §2.2 and §2.3: the XOR-MAPPED-ADDRESS of 192.0.2.1 and 2001:db8:…, port 32853.
    #[test]
    fn addresses_are_masked_as_in_rfc_5769() {
        let v4 = [0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
        let v6 = [
            0x00, 0x20, 0x00, 0x14, 0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3,
            0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9,
        ];
        for (from, attribute) in [
            ("192.0.2.1:32853", &v4[..]),
            ("[::ffff:192.0.2.1]:32853", &v4[..]),
            ("[2001:db8:1234:5678:11:2233:4455:6677]:32853", &v6[..]),
        ] {
            let reply = answer(&message(BINDING_REQUEST, &[]), source(from)).unwrap();
            assert_eq!(reply, message(BINDING_SUCCESS, attribute), "{from}");
        }
    }

    #[test]
    fn attributes_that_must_be_understood_and_are_not_get_420() {
        let from = source("192.0.2.1:1");
        // SOFTWARE may be passed over, USERNAME is, CHANGE-REQUEST may not be
        let fine = [0x80, 0x22, 0, 3, b'a', b'b', b'c', 0, 0, 6, 0, 1, b'u', 0, 0, 0];
        let reply = answer(&message(BINDING_REQUEST, &fine), from).unwrap();
        assert_eq!(reply[..2], BINDING_SUCCESS.to_be_bytes());
        let change = [0, 3, 0, 4, 0, 0, 0, 6];
        let reply = answer(&message(BINDING_REQUEST, &change), from).unwrap();
        let body = [0, 9, 0, 4, 0, 0, 4, 20, 0, 10, 0, 2, 0, 3, 0, 0];
        assert_eq!(reply, message(BINDING_ERROR, &body));
        let many: Vec<u8> = (1..200_u8).flat_map(|n| [0x40, n, 0, 0]).collect();
        let asked = message(BINDING_REQUEST, &many);
        assert!(answer(&asked, from).unwrap().len() < asked.len());
    }

    #[test]
    fn only_whole_binding_requests_are_answered() {
        let from = source("192.0.2.1:1");
        let good = message(BINDING_REQUEST, &[]);
        for other in [0x0011, BINDING_SUCCESS, BINDING_ERROR, 0x0003] {
            let bytes = message(other, &[]);
            assert!(is_stun(&bytes), "it is no SIP");
            assert_eq!(answer(&bytes, from), None, "{other:04x}");
        }
        for bad in [
            message(BINDING_REQUEST, &[0, 6, 0, 9, 0]),
            message(BINDING_REQUEST, &[0, 6]),
            [&good[..], b"x"].concat(),
        ] {
            assert!(is_stun(&bad));
            assert_eq!(answer(&bad, from), None, "{bad:?}");
        }
        for sip in [&b"OPTIONS sip:a@h SIP/2.0\r\n"[..], b"\r\n\r\n", b"", &good[..19]] {
            assert!(!is_stun(sip));
        }
        let mut other_cookie = good.clone();
        other_cookie[7] ^= 1;
        assert!(!is_stun(&other_cookie));
        assert!(answer(&good, from).is_some());
    }
}
