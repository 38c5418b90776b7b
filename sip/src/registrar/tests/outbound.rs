//! Flows (RFC 5626 §6).

use super::{AOR, Phone, contact_of};
use crate::endpoint::Reply;
use crate::registrar::{Applied, Change};
use crate::transport::{Flow, Transport};

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

fn flow(reg_id: u32) -> String {
    let instance = "<urn:uuid:00000000-0000-1000-8000-000A95A0E128>";
    format!("Contact: <sip:a@192.0.2.7>;+sip.instance=\"{instance}\";reg-id={reg_id}\r\n")
}

fn is_outbound(applied: &Applied) -> bool {
    header(&applied.reply, "Require") == Some("outbound")
}

#[test]
fn flows_of_one_instance_stand_side_by_side_under_one_uri() {
    let mut phone = Phone::new();
    let known = "Supported: path, outbound\r\n";
    assert!(is_outbound(&phone.register(&(flow(1) + known)).unwrap()));
    phone.flow.peer = "192.0.2.7:40001".parse().unwrap();
    phone.call_id = "two";
    let second = phone.register(&(flow(2) + known)).unwrap();
    assert!(matches!(&second.changes[..], [Change::Added(_)]));
    assert_eq!(contact_of(&second.reply).len(), 2);
    phone.flow.peer = "192.0.2.7:40002".parse().unwrap();
    let again = phone.register(&(flow(2) + known)).unwrap();
    assert!(matches!(&again.changes[..], [Change::Refreshed(b)] if b.flow == phone.flow));
    let found = phone.bindings.lookup(phone.now, AOR);
    let mut ids: Vec<_> = found.iter().map(|b| (b.reg_id(), b.flow.peer.port())).collect();
    ids.sort();
    assert_eq!(ids, [(Some(1), 40_000), (Some(2), 40_002)]);
    assert_eq!(found[0].instance(), found[1].instance());
    let gone = format!("{};expires=0\r\n", flow(1).trim_end());
    phone.call_id = "one";
    assert!(matches!(&phone.register(&gone).unwrap().changes[..], [Change::Removed(_)]));
    assert_eq!(phone.bindings.lookup(phone.now, AOR).len(), 1);
}

#[test]
fn two_phones_may_write_the_same_address() {
    let mut phone = Phone::new();
    let of = |n| {
        format!(
            "Contact: <sip:a@192.168.0.2>;+sip.instance=\"<urn:uuid:{n}>\";reg-id=1\r\n\
             Supported: outbound\r\n"
        )
    };
    phone.register(&of(1)).unwrap();
    phone.call_id = "two";
    phone.register(&of(2)).unwrap();
    assert_eq!(phone.contacts().len(), 2);
}

#[test]
fn the_answer_says_that_the_flow_is_used_and_how_long_it_may_be_silent() {
    for (transport, seconds) in [
        (Transport::Udp, "30"),
        (Transport::Tcp, "120"),
        (Transport::Tls, "120"),
        (Transport::Wss, "120"),
    ] {
        let mut phone = Phone::new();
        phone.flow = Flow { transport, connection: Some(1), ..phone.flow };
        for asks in ["Supported: outbound\r\n", "Require: outbound\r\n"] {
            let applied = phone.register(&(flow(1) + asks)).unwrap();
            assert!(is_outbound(&applied));
            assert_eq!(header(&applied.reply, "Flow-Timer"), Some(seconds));
        }
    }
}

#[test]
fn without_the_option_or_without_its_parameters_it_is_a_register_of_rfc_3261() {
    let supported = "Supported: outbound\r\n";
    for headers in [
        flow(1),
        flow(0) + supported,
        format!("Contact: <sip:a@192.0.2.7>;reg-id=1\r\n{supported}"),
        format!("Contact: <sip:a@192.0.2.7>;+sip.instance=\"<urn:x>\"\r\n{supported}"),
        supported.to_owned(),
    ] {
        let applied = Phone::new().register(&headers).unwrap();
        assert!(!is_outbound(&applied), "{headers}");
        assert_eq!(header(&applied.reply, "Flow-Timer"), None);
    }
}

#[test]
fn a_proxy_that_would_lose_the_flow_is_told_on() {
    let proxy = "Via: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKp\r\nSupported: outbound\r\n";
    let mut phone = Phone::new();
    for (path, status) in [
        ("", Some(439)),
        ("Path: <sip:edge;lr>\r\n", Some(439)),
        ("Path: <sip:edge;lr;ob>\r\n", None),
        ("Path: <sip:p;lr>, <sip:edge;lr;ob>\r\n", None),
    ] {
        let refused = phone.register(&(flow(1) + proxy + path)).err();
        assert_eq!(refused.map(|reply| reply.status), status, "{path}");
    }
    let old = "Via: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKp\r\n";
    assert!(phone.register(&(flow(1) + old)).is_ok());
}

#[test]
fn a_flow_is_registered_alone() {
    let mut phone = Phone::new();
    let first = flow(1).trim_end().to_owned();
    let both = format!("{first}, <sip:b@h>\r\n");
    assert_eq!(phone.register(&both).unwrap_err().status, 400);
    let one_goes = format!("{first}, <sip:b@h>;expires=0\r\n");
    assert!(phone.register(&one_goes).is_ok());
}
