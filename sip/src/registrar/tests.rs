//! Registrations that the owner of the table takes out.

use super::{Bindings, Change, Limits};
use crate::message::Request;
use crate::sim::epoch;
use crate::transport::Flow;

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
