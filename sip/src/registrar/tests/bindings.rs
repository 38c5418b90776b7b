//! Bindings made, refreshed, refused and taken out (RFC 3261 §10.3).

use super::{AOR, Phone, contact_of};
use crate::message::Request;
use crate::registrar::contacts::{MAX_CONTACT_BYTES, MAX_PATH_BYTES, MAX_PATHS, parse_q};
use crate::registrar::{Bindings, Change, Limits};
use crate::sim::epoch;
use crate::transport::{Flow, Transport};

#[test]
fn a_binding_is_made_refreshed_queried_and_expires() {
    let mut phone = Phone::new();
    let made = phone.register("Contact: <sip:a@10.0.0.1>;q=0.5;expires=60;x=y\r\n").unwrap();
    assert_eq!(contact_of(&made.reply), ["<sip:a@10.0.0.1>;expires=60;q=0.5;x=y"]);
    assert!(matches!(&made.changes[..], [Change::Added(b)] if b.q == 500));
    phone.pass(40);
    let refreshed = phone.register("Contact: <sip:a@10.0.0.1>\r\nExpires: 90\r\n").unwrap();
    assert!(matches!(&refreshed.changes[..], [Change::Refreshed(b)] if b.q == 1_000));
    phone.pass(89);
    let query = phone.register("").unwrap();
    assert_eq!(contact_of(&query.reply), ["<sip:a@10.0.0.1>;expires=1"]);
    assert!(query.changes.is_empty());
    assert!(phone.bindings.expire(phone.now).is_empty());
    phone.pass(1);
    assert!(phone.contacts().is_empty());
    assert_eq!(phone.bindings.len(), 1);
    let gone = phone.bindings.expire(phone.now);
    assert_eq!(gone[0].0, AOR);
    assert!(phone.bindings.is_empty());
}

#[test]
fn the_way_back_is_the_flow_of_the_last_register() {
    let mut phone = Phone::new();
    phone.register("Contact: <sip:a@10.0.0.1>\r\n").unwrap();
    phone.flow.peer = "192.0.2.7:50000".parse().unwrap();
    phone.register("Contact: <sip:a@10.0.0.1>\r\n").unwrap();
    let found = phone.bindings.lookup(phone.now, AOR);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].flow, phone.flow);
    assert_eq!(found[0].user_agent.as_deref(), Some("phone"));
}

#[test]
fn a_connection_takes_along_what_was_registered_over_it_and_nothing_else() {
    let mut phone = Phone::new();
    let over = |phone: &mut Phone, connection| {
        phone.flow.connection = Some(connection);
        phone.flow.transport = Transport::Tcp;
    };
    over(&mut phone, 7);
    phone.register("Contact: <sip:a@h>, <sip:b@h>\r\n").unwrap();
    over(&mut phone, 8);
    phone.register("Contact: <sip:b@h>\r\n").unwrap();
    assert!(phone.bindings.drop_connection(9).is_empty());
    let gone = phone.bindings.drop_connection(7);
    assert_eq!(gone.iter().map(|(_, b)| b.contact.to_string()).collect::<Vec<_>>(), ["sip:a@h"]);
    assert_eq!(phone.contacts(), ["sip:b@h"]);
    assert_eq!(phone.bindings.drop_connection(8).len(), 1);
    assert!(phone.bindings.is_empty() && phone.bindings.drop_connection(8).is_empty());
}

#[test]
fn contacts_are_removed_one_by_one_or_all_at_once() {
    let mut phone = Phone::new();
    phone.register("Contact: <sip:a@h>, <sip:b@h>\r\n").unwrap();
    let one = phone.register("Contact: <sip:a@h>;expires=0, <sip:never@h>;expires=0\r\n").unwrap();
    assert!(matches!(&one.changes[..], [Change::Removed(b)] if b.contact.to_string() == "sip:a@h"));
    assert_eq!(phone.contacts(), ["sip:b@h"]);
    let all = phone.register("Contact: *\r\nExpires: 0\r\n").unwrap();
    assert!(matches!(&all.changes[..], [Change::Removed(_)]));
    assert!(phone.bindings.is_empty());
}

#[test]
fn the_star_stands_alone_and_with_expires_0() {
    let mut phone = Phone::new();
    phone.register("Contact: <sip:a@h>\r\n").unwrap();
    for bad in [
        "Contact: *\r\n",
        "Contact: *\r\nExpires: 1\r\n",
        "Contact: *, <sip:a@h>\r\nExpires: 0\r\n",
        "Contact: sip:a@h?x=y\r\n",
        "Contact: <tel:123>\r\n",
    ] {
        assert_eq!(phone.register(bad).unwrap_err().status, 400, "{bad}");
    }
    assert_eq!(phone.contacts(), ["sip:a@h"]);
}

#[test]
fn expiry_is_bounded_below_and_above() {
    let mut phone = Phone::new();
    let brief = phone.register("Contact: <sip:a@h>;expires=29\r\n").unwrap_err();
    assert_eq!(brief.status, 423);
    assert_eq!(brief.headers, [("Min-Expires".to_owned(), "30".to_owned())]);
    for (wish, given) in
        [("30", 30), ("3600", 3_600), ("3601", 3_600), ("99999999999", 3_600), ("x", 3_600)]
    {
        let applied =
            phone.register(&format!("Contact: <sip:a@h>\r\nExpires: {wish}\r\n")).unwrap();
        assert_eq!(contact_of(&applied.reply), [format!("<sip:a@h>;expires={given}")], "{wish}");
    }
}

#[test]
fn an_old_register_changes_nothing() {
    let mut phone = Phone::new();
    phone.cseq = 10;
    phone.register("Contact: <sip:a@h>\r\n").unwrap();
    for cseq in [11, 5] {
        phone.cseq = cseq;
        for late in ["Contact: <sip:b@h>, <sip:a@h>;expires=0\r\n", "Contact: *\r\nExpires: 0\r\n"]
        {
            assert_eq!(phone.register_as(AOR, late).unwrap_err().status, 500, "{late}");
        }
    }
    assert_eq!(phone.contacts(), ["sip:a@h"]);
    phone.call_id = "two";
    assert!(phone.register("Contact: <sip:a@h>;expires=0\r\n").is_ok());
    assert!(phone.contacts().is_empty());
}

#[test]
fn one_request_may_name_a_contact_twice() {
    let mut phone = Phone::new();
    phone.register("Contact: <sip:a@h>;q=0.1, <sip:a@h>;q=0.9\r\n").unwrap();
    let found = phone.bindings.lookup(phone.now, AOR);
    assert_eq!(found.iter().map(|b| b.q).collect::<Vec<_>>(), [900]);
}

#[test]
fn the_same_instance_replaces_its_contact() {
    let mut phone = Phone::new();
    let instance = "+sip.instance=\"<urn:uuid:1>\";reg-id=1";
    phone.register(&format!("Contact: <sip:a@x.invalid>;{instance}\r\n")).unwrap();
    phone.call_id = "two";
    let again = phone.register(&format!("Contact: <sip:b@y.invalid>;{instance}\r\n")).unwrap();
    assert!(matches!(&again.changes[..], [Change::Refreshed(_)]));
    assert_eq!(phone.contacts(), ["sip:b@y.invalid"]);
}

#[test]
fn lookup_prefers_high_q_then_the_latest() {
    let mut phone = Phone::new();
    phone.limits.max_contacts = 9;
    phone.register("Contact: <sip:low@h>;q=0.2\r\n").unwrap();
    phone.register("Contact: <sip:old@h>\r\n").unwrap();
    phone.pass(1);
    phone.register("Contact: <sip:new@h>;q=1.0\r\n").unwrap();
    assert_eq!(phone.contacts(), ["sip:new@h", "sip:old@h", "sip:low@h"]);
    for (text, q) in
        [("0", 0), ("0.33", 330), ("0.7777", 777), ("1.000", 1_000), ("x", 1_000), ("0.x", 1_000)]
    {
        assert_eq!(parse_q(Some(text)), q, "{text}");
    }
}

#[test]
fn contacts_and_addresses_of_record_are_bounded() {
    let mut phone = Phone::new();
    phone.register("Contact: <sip:a@h>, <sip:b@h>\r\n").unwrap();
    assert_eq!(phone.register("Contact: <sip:c@h>\r\n").unwrap_err().status, 403);
    assert_eq!(phone.contacts().len(), 2);
    phone.register_as("two", "Contact: <sip:a@h>\r\n").unwrap();
    let full = phone.register_as("three", "Contact: <sip:a@h>\r\n").unwrap_err();
    assert_eq!(full.status, 503);
    assert!(phone.register_as("three", "").is_ok(), "a query needs no room");
}

#[test]
fn what_is_kept_of_a_contact_is_bounded() {
    let mut phone = Phone::new();
    let contact = |n: usize| format!("<sip:{}@h>", "a".repeat(n - "<sip:@h>".len()));
    let of = |n: usize| format!("Contact: {}\r\n", contact(n));
    assert!(phone.register(&of(MAX_CONTACT_BYTES)).is_ok());
    assert_eq!(phone.register(&of(MAX_CONTACT_BYTES + 1)).unwrap_err().status, 400);
    let hop = |n: usize| format!("<sip:{};lr>", "h".repeat(n - "<sip:;lr>".len()));
    let by = |hops: &[String]| format!("Contact: <sip:b@h>\r\nPath: {}\r\n", hops.join(", "));
    assert!(phone.register(&by(&vec![hop(MAX_PATH_BYTES); MAX_PATHS])).is_ok());
    for bad in [
        by(&[hop(MAX_PATH_BYTES + 1)]),
        by(&vec![hop(20); MAX_PATHS + 1]),
        by(&["<tel:1>".to_owned()]),
        by(&["edge".to_owned()]),
    ] {
        assert_eq!(phone.register(&bad).unwrap_err().status, 400, "{bad}");
    }
    phone.register(&format!("Contact: <sip:b@h>\r\nUser-Agent: {}\r\n", "x".repeat(500))).unwrap();
    let found = phone.bindings.lookup(phone.now, AOR);
    assert!(found.iter().all(|b| b.user_agent.as_ref().is_some_and(|text| text.len() <= 128)));
}

#[test]
fn what_is_kept_can_be_written_again() {
    let mut phone = Phone::new();
    for bad in [
        "Contact: <sip:a@h>;x=\"\0\"\r\n",
        "Contact: \"\u{8}\" <sip:a@h>\r\n",
        "Contact: <sip:a@h>\r\nPath: <sip:p>;x=\"\0\"\r\n",
    ] {
        assert_eq!(phone.register(bad).unwrap_err().status, 400, "{bad:?}");
    }
    phone.register("Contact: <sip:a@h>\t;\tx=y\r\n").unwrap();
    let found = phone.bindings.lookup(phone.now, AOR);
    assert_eq!(found[0].params.get("x"), Some("y"));
}

#[test]
fn a_path_is_kept_and_echoed_whether_or_not_the_phone_knows_it() {
    let mut phone = Phone::new();
    let applied = phone.register("Contact: <sip:a@h>\r\nPath: <sip:edge;lr>\r\n").unwrap();
    assert!(applied.reply.headers.contains(&("Path".to_owned(), "<sip:edge;lr>".to_owned())));
    assert_eq!(phone.bindings.lookup(phone.now, AOR)[0].path, ["<sip:edge;lr>"]);
    let two = "Contact: <sip:a@h>\r\nSupported: path\r\nPath: <sip:p;lr>, <sip:edge;lr>\r\n";
    phone.register(two).unwrap();
    let path = &phone.bindings.lookup(phone.now, AOR)[0].path;
    assert_eq!(path, &["<sip:p;lr>", "<sip:edge;lr>"]);
}

fn register(user: &str) -> Request {
    let text = format!(
        "REGISTER sip:example.com SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:{user}@example.com>;tag=1\r\n\
         To: <sip:{user}@example.com>\r\n\
         Call-ID: {user}\r\n\
         CSeq: 1 REGISTER\r\n\
         Contact: <sip:{user}@192.0.2.1:5060>, <sip:{user}@192.0.2.1:5070>\r\n\
         Content-Length: 0\r\n\r\n"
    );
    Request::parse(text.as_bytes()).unwrap()
}

#[test]
fn a_removed_user_is_gone_whole_and_may_come_back() {
    let now = epoch();
    let local = "192.0.2.9:5060".parse().unwrap();
    let flow = Flow::udp(local, "192.0.2.1:5060".parse().unwrap());
    let mut bindings = Bindings::new(10);
    for user in ["alice", "bob"] {
        bindings.apply(now, user, &register(user), flow, &Limits::default()).unwrap();
    }
    assert_eq!(bindings.remove("alice").len(), 2);
    assert!(bindings.lookup(now, "alice").is_empty());
    assert_eq!(bindings.lookup(now, "bob").len(), 2);
    assert!(bindings.remove("alice").is_empty());
    // Nothing is left of the old one: the very same request counts as new.
    let again = bindings.apply(now, "alice", &register("alice"), flow, &Limits::default());
    assert!(again.unwrap().changes.iter().all(|c| matches!(c, Change::Added(_))));
    assert_eq!(bindings.len(), 2);
}
