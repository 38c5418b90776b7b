//! STUN on the SIP port: what is answered is answered right, and nothing is both STUN and SIP.
//!
//! The first two bytes are the port of the sender; the rest is the datagram.
#![no_main]

use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use sip::Message;
use sip::transport::stun::{answer, is_stun};

fuzz_target!(|input: &[u8]| {
    let [high, low, datagram @ ..] = input else { return };
    let port = u16::from_be_bytes([*high, *low]);
    let ip = if high & 1 == 0 {
        [192, 0, 2, 1].into()
    } else {
        [0x2001_u16, 0xdb8, 0, 0, 0, 0, 0, 1].into()
    };
    let reply = answer(datagram, SocketAddr::new(ip, port));
    if !is_stun(datagram) {
        assert_eq!(reply, None);
        return;
    }
    assert!(Message::parse(datagram).is_err(), "STUN is no SIP");
    let Some(reply) = reply else { return };
    assert!(is_stun(&reply));
    assert_eq!(reply[8..20], datagram[8..20], "the transaction comes back");
    assert_eq!(usize::from(u16::from_be_bytes([reply[2], reply[3]])), reply.len() - 20);
    assert!(reply.len() <= datagram.len() + 24, "no answer is worth much to a forger");
    assert_eq!(answer(&reply, SocketAddr::new(ip, port)), None, "answers are not answered");
    if reply[..2] == [1, 1] {
        let seen = u16::from_be_bytes([reply[26], reply[27]]) ^ 0x2112;
        assert_eq!(seen, port);
    }
});
