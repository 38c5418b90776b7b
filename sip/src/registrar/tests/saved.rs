//! Bindings over a restart.

use std::time::Duration;

use super::{AOR, Phone};
use crate::registrar::{Bindings, Saved};
use crate::transport::Transport;

/// The table after a restart `seconds` later.
fn restart(phone: &Phone, seconds: u64) -> Bindings {
    let mut saved = phone.bindings.saved(phone.now, AOR);
    for entry in &mut saved {
        entry.expires_in = entry.expires_in.saturating_sub(Duration::from_secs(seconds));
    }
    let mut after = Bindings::new(2);
    after.restore(phone.now + Duration::from_secs(seconds), AOR, saved, &phone.limits);
    after
}

#[test]
fn datagram_bindings_come_back_as_they_were() {
    let mut phone = Phone::new();
    phone
        .register(
            "Contact: <sip:a@10.0.0.1;x=y>;q=0.5;+sip.instance=\"<urn:x>\";reg-id=3;expires=90\r\n\
         Path: <sip:edge;lr>\r\n",
        )
        .unwrap();
    phone.pass(5);
    let before = phone.bindings.lookup(phone.now, AOR);
    let after = restart(&phone, 10);
    let later = phone.now + Duration::from_secs(10);
    assert_eq!(after.lookup(later, AOR), {
        let mut aged = before;
        aged[0].registered_at += Duration::from_secs(10);
        aged
    });
    assert!(after.lookup(later + Duration::from_secs(75), AOR).is_empty(), "its time runs on");
    assert!(restart(&phone, 85).is_empty(), "what ended meanwhile does not come back");
    phone.bindings = after;
    let old = phone.cseq;
    assert_eq!(
        phone.register_as(AOR, "Contact: <sip:a@10.0.0.1;x=y>\r\n").unwrap_err().status,
        500
    );
    assert_eq!(phone.cseq, old);
    assert!(phone.register("Contact: <sip:a@10.0.0.1;x=y>\r\n").is_ok());
}

#[test]
fn a_tcp_binding_comes_back_to_where_the_phone_listens() {
    let mut phone = Phone::new();
    phone.flow.transport = Transport::Tcp;
    phone.flow.connection = Some(7);
    for (contact, path, back) in [
        ("sip:a@192.0.2.7:5070;transport=tcp", "", Some("192.0.2.7:5070")),
        ("sip:a@192.0.2.7", "", Some("192.0.2.7:5060")),
        ("sip:a@10.0.0.1", "", None),
        ("sip:a@phone.example", "", None),
        ("sip:a@10.0.0.1", "Path: <sip:192.0.2.7:5080;lr>\r\n", Some("192.0.2.7:5080")),
    ] {
        phone.bindings = Bindings::new(2);
        phone.register(&format!("Contact: <{contact}>\r\n{path}")).unwrap();
        let found = restart(&phone, 1).lookup(phone.now, AOR);
        let flow = found.first().map(|binding| binding.flow);
        assert_eq!(flow.map(|flow| flow.peer.to_string()).as_deref(), back, "{contact}");
        assert!(
            flow.is_none_or(|flow| flow.connection.is_none() && flow.local == phone.flow.local)
        );
    }
}

#[test]
fn what_only_the_phone_can_open_does_not_come_back() {
    for transport in [Transport::Tls, Transport::Ws, Transport::Wss] {
        let mut phone = Phone::new();
        phone.flow.transport = transport;
        phone.register("Contact: <sip:a@192.0.2.7>\r\n").unwrap();
        assert!(restart(&phone, 1).is_empty());
    }
}

#[test]
fn restoring_is_bounded_and_takes_nothing_from_those_who_are_back() {
    let mut phone = Phone::new();
    phone.register("Contact: <sip:a@h>, <sip:b@h>\r\n").unwrap();
    let saved = phone.bindings.saved(phone.now, AOR);
    let mut restore =
        |aor: &str, saved: Vec<Saved>| phone.bindings.restore(phone.now, aor, saved, &phone.limits);
    assert_eq!(restore(AOR, saved.clone()), 0, "there is something newer");
    let many = saved.iter().cycle().take(5).cloned().collect();
    assert_eq!(restore("two", many), 2, "no more contacts than may be registered");
    assert_eq!(restore("three", saved.clone()), 0, "the table is full");
    let good = saved[0].clone();
    for bad in [
        Saved { contact: "garbage".into(), ..good.clone() },
        Saved { contact: "<tel:1>".into(), ..good.clone() },
        Saved { contact: format!("<sip:{}@h>", "a".repeat(2_000)), ..good.clone() },
        Saved { contact: "<sip:a@h>;x=\"\0\"".into(), ..good.clone() },
        Saved { transport: "carrier pigeon".into(), ..good.clone() },
        Saved { path: vec!["garbage".into()], ..good.clone() },
        Saved { path: vec!["<sip:h>".into(); 9], ..good.clone() },
        Saved { expires_in: Duration::ZERO, ..good.clone() },
    ] {
        let mut table = Bindings::new(2);
        assert_eq!(table.restore(phone.now, AOR, vec![bad.clone()], &phone.limits), 0, "{bad:?}");
        assert!(table.is_empty());
    }
    let long = Saved { expires_in: Duration::from_secs(u64::MAX), ..good };
    let mut table = Bindings::new(2);
    table.restore(phone.now, AOR, vec![long], &phone.limits);
    assert_eq!(table.saved(phone.now, AOR)[0].expires_in, phone.limits.max_expires);
}
