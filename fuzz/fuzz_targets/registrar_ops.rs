//! Operations on a registrar: what REGISTERs say, time, lost flows, restarts. Bounds hold, a refusal
//! changes nothing, and nobody's binding outlives its time.
//!
//! One operation a line: `r`, a digit for the user, one for the flow, then header fields with `|` for
//! the line end; `t` and seconds; `d` and a flow that is lost; `x` and a user who may no longer; `s` and a
//! user whose bindings go through a restart; `e` takes out what has expired.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use sip::registrar::{Bindings, Limits};
use sip::{Flow, Request, Transport};

static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);
const MAX_AORS: usize = 3;
const LIMITS: Limits = Limits {
    min_expires: Duration::from_secs(30),
    max_expires: Duration::from_secs(3_600),
    default_expires: Duration::from_secs(600),
    max_contacts: 3,
};

fuzz_target!(|text: &str| {
    let mut bindings = Bindings::new(MAX_AORS);
    let mut now = *NOW + Duration::from_secs(100_000);
    for (number, line) in text.lines().take(200).enumerate() {
        let mut letters = line.chars();
        let op = letters.next();
        let digit = |letter: Option<char>| letter.and_then(|c| c.to_digit(10)).unwrap_or(0);
        match op {
            Some('r') => {
                let user = digit(letters.next()).to_string();
                let flow = flow(digit(letters.next()));
                register(&mut bindings, now, (&user, flow), number, letters.as_str());
            }
            Some('t') => {
                let seconds: u64 = letters.as_str().parse().unwrap_or(1);
                now += Duration::from_secs(seconds.min(10_000));
            }
            Some('d') => {
                let lost = u64::from(digit(letters.next()));
                let gone = bindings.drop_connection(lost);
                assert!(gone.iter().all(|(_, binding)| binding.flow.connection == Some(lost)));
                let left = (0..10).flat_map(|user| bindings.lookup(now, &user.to_string()));
                assert!(left.into_iter().all(|binding| binding.flow.connection != Some(lost)));
            }
            Some('x') => {
                let user = digit(letters.next()).to_string();
                bindings.remove(&user);
                assert!(bindings.lookup(now, &user).is_empty());
            }
            Some('s') => restart(&bindings, now, &digit(letters.next()).to_string()),
            _ => {
                let gone = bindings.expire(now);
                assert!(gone.iter().all(|(_, binding)| binding.expires_at <= now));
            }
        }
        assert!(bindings.len() <= MAX_AORS);
        for user in 0..10 {
            let found = bindings.lookup(now, &user.to_string());
            assert!(found.len() <= LIMITS.max_contacts);
            assert!(found.iter().all(|b| b.expires_at > now));
            assert!(found.iter().all(|b| b.expires_at <= now + LIMITS.max_expires));
            assert!(found.windows(2).all(|pair| pair[0].q >= pair[1].q));
        }
    }
});

fn flow(number: u32) -> Flow {
    let transport = Transport::ALL[number as usize % 5];
    let port = 40_000 + number as u16;
    let connection = transport.is_reliable().then_some(u64::from(number));
    Flow {
        transport,
        local: ([192, 0, 2, 1], 5060).into(),
        peer: ([192, 0, 2, 7], port).into(),
        connection,
    }
}

fn register(
    bindings: &mut Bindings,
    now: Instant,
    (user, flow): (&str, Flow),
    number: usize,
    headers: &str,
) {
    let headers = headers.replace('|', "\r\n");
    let text = format!(
        "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK{number}\r\n\
         From: <sip:a@h>;tag=f\r\nTo: <sip:a@h>\r\nCall-ID: {user}\r\nCSeq: {number} REGISTER\r\n\
         {headers}\r\nContent-Length: 0\r\n\r\n"
    );
    let Ok(request) = Request::parse(text.as_bytes()) else { return };
    let before = bindings.lookup(now, user);
    match bindings.apply(now, user, &request, flow, &LIMITS) {
        Err(refusal) => {
            assert!((400..600).contains(&refusal.status));
            assert_eq!(bindings.lookup(now, user), before, "a refusal changes nothing");
        }
        Ok(applied) => {
            let after = bindings.lookup(now, user);
            let told = applied.reply.headers.iter().filter(|(name, _)| name == "Contact");
            assert_eq!(told.count(), after.len());
            for (name, value) in &applied.reply.headers {
                assert!(!value.contains(['\r', '\n', '\0']), "{name}: {value:?}");
            }
        }
    }
}

/// What was saved is restored once, bounded and reachable, and datagram flows exactly.
fn restart(bindings: &Bindings, now: Instant, user: &str) {
    let saved = bindings.saved(now, user);
    let mut after = Bindings::new(1);
    let count = after.restore(now, user, saved.clone(), &LIMITS);
    let found = after.lookup(now, user);
    assert_eq!(found.len(), count);
    assert!(found.iter().all(|binding| binding.flow.connection.is_none()));
    let datagram = |b: &&sip::registrar::Binding| b.flow.transport == Transport::Udp;
    let before = bindings.lookup(now, user);
    let kept: Vec<_> = before.iter().filter(datagram).collect();
    assert_eq!(found.iter().filter(datagram).collect::<Vec<_>>(), kept);
    assert_eq!(after.restore(now, user, saved, &LIMITS), 0, "once is enough");
}
