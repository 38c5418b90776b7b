//! Whole requests of browser phones, as they came out of their WebSockets.

use sip::{Event, Method, Request};

use crate::{feed, list, read};

#[test]
fn every_browser_message_parses_and_is_served() {
    for name in list("data", ".sip") {
        let bytes = read(format!("data/{name}"));
        let request =
            Request::parse(&bytes).unwrap_or_else(|refused| panic!("{name}: {refused:?}"));
        assert!(request.via().host.ends_with(".invalid"), "{name}");
        assert_eq!(request.via().transport, "WS");
        assert!(request.contact().is_some(), "{name}");
        let (sent, events) = feed(&bytes);
        match request.method() {
            Method::Invite => {
                assert!(request.body().starts_with(b"v=0\r\n"));
                assert_eq!(request.content_type(), Some("application/sdp"));
                assert!(matches!(&events[..], [Event::Invite { .. }]), "{name}: {events:?}");
                assert!(sent.is_empty());
            }
            _ => assert!(matches!(&events[..], [Event::Request { .. }]), "{name}: {events:?}"),
        }
    }
}

#[test]
fn contact_parameters_of_browsers_survive() {
    let request = Request::parse(&read("data/jssip-register-1.sip")).unwrap();
    let contact = request.contact().unwrap();
    let instance = contact.params.unquoted("+sip.instance").unwrap();
    assert_eq!(instance, "<urn:uuid:d5f28b25-7466-4901-90f5-c13fd34da564>");
    assert_eq!(contact.params.get("reg-id"), Some("1"));
    assert!(contact.params.has("+sip.ice"));
    assert_eq!(contact.uri.param("transport"), Some("ws"));
    let gruu = Request::parse(&read("data/jssip-invite.sip")).unwrap().contact().unwrap();
    assert_eq!(gruu.uri.param("gr"), Some("urn:uuid:d5f28b25-7466-4901-90f5-c13fd34da564"));
}

#[test]
fn a_browser_may_require_what_it_says_it_supports_of_a_registrar() {
    let text = String::from_utf8(read("data/jssip-register-1.sip")).unwrap();
    let demanding = text.replace("CSeq:", "Require: path, outbound\r\nCSeq:");
    assert_ne!(demanding, text);
    let (sent, events) = feed(demanding.as_bytes());
    assert!(matches!(&events[..], [Event::Request { .. }]), "{sent:?}");
}
