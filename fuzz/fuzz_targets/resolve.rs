//! Look-ups of a URI with any answers: they end, are bounded, and lead only where they may.
//!
//! The first byte chooses the policy, the second the seed, then a URI up to a line end. What follows are
//! records: each answer takes a count, and for each record a few bytes; when none are left, nothing is
//! found any more.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use sip::message::Scheme;
use sip::resolve::{
    Answer, Family, MAX_TARGETS, NaptrRecord, Policy, Query, Resolution, SrvRecord,
};
use sip::{Transport, Uri};

fuzz_target!(|input: &[u8]| {
    let [first, seed, rest @ ..] = input else { return };
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let Ok(uri) = std::str::from_utf8(&rest[..end]).unwrap_or_default().parse::<Uri>() else {
        return;
    };
    let mut bytes = Bytes(rest.get(end + 1..).unwrap_or_default());
    let policy = policy(*first);
    let mut resolution = Resolution::new(&uri, policy.clone(), u64::from(*seed));
    let mut asked = 0;
    while let Some(query) = resolution.next_query() {
        asked += 1;
        assert!(asked <= 32, "there is an end to questions");
        let answer = bytes.answer(&query);
        resolution.answer(&query, answer);
    }
    assert!(resolution.is_done());
    let targets = resolution.targets();
    assert!(targets.len() <= MAX_TARGETS);
    for (at, target) in targets.iter().enumerate() {
        assert!(!targets[..at].contains(target), "each way once");
        assert!(policy.transports.contains(&target.transport));
        assert!(!target.transport.is_websocket());
        assert!(policy.families.contains(&Family::of(&target.addr.ip())));
        assert!(target.addr.port() != 0);
        assert!(*uri.scheme() != Scheme::Sips || target.transport == Transport::Tls);
    }
});

fn policy(byte: u8) -> Policy {
    let chosen = |at: usize| byte & (1 << at) == 0;
    let mut transports: Vec<_> =
        Transport::ALL.into_iter().enumerate().filter(|(at, _)| chosen(*at)).map(|t| t.1).collect();
    if !chosen(5) {
        transports.reverse();
    }
    let families = match byte >> 6 {
        0 => vec![Family::V4, Family::V6],
        1 => vec![Family::V6, Family::V4],
        2 => vec![Family::V4],
        _ => vec![Family::V6],
    };
    Policy { transports, families }
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn answer(&mut self, query: &Query) -> Answer {
        let count = usize::from(self.byte() & 63);
        match query {
            Query::Naptr(_) => Answer::Naptr((0..count).map(|_| self.naptr()).collect()),
            Query::Srv(_) => Answer::Srv((0..count).map(|_| self.srv()).collect()),
            Query::Host(_) => Answer::Host((0..count).map(|_| self.address()).collect()),
        }
    }

    fn naptr(&mut self) -> NaptrRecord {
        let order = self.byte();
        const SERVICES: [&str; 7] =
            ["SIP+D2U", "sip+d2t", "SIPS+D2T", "SIP+D2W", "SIPS+D2W", "SIP+D2S", "E2U+sip"];
        NaptrRecord {
            order: u16::from(order >> 4),
            preference: u16::from(order & 15),
            flags: if self.byte() & 7 == 0 { "u" } else { "S" }.to_owned(),
            service: SERVICES[usize::from(self.byte()) % SERVICES.len()].to_owned(),
            replacement: self.name(),
        }
    }

    fn srv(&mut self) -> SrvRecord {
        let order = self.byte();
        SrvRecord {
            priority: u16::from(order >> 6),
            weight: u16::from(order & 63) << (order & 8),
            port: u16::from_be_bytes([self.byte(), self.byte()]),
            target: self.name(),
        }
    }

    fn address(&mut self) -> IpAddr {
        match self.byte() {
            byte if byte & 1 == 0 => [192, 0, 2, byte].into(),
            byte => [0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(byte)].into(),
        }
    }

    /// A letter, an address, a long name, or none.
    fn name(&mut self) -> String {
        match self.byte() {
            0 => ".".to_owned(),
            1 => String::new(),
            2 => "192.0.2.250".to_owned(),
            3 => "[2001:db8::ff]".to_owned(),
            4 => "x".repeat(300),
            byte => char::from(byte).to_string(),
        }
    }
}
