//! Early dialogs of a call of ours: PRACK along each fork, and what its callee asks there
//! (RFC 3262 §4, RFC 3261 §12.1.2).

use super::bench::{Bench, CONTACT, request, response, start_of, with_sdp};
use crate::{Credentials, Event, Method, Request};

fn reliable(invite: &Request, status: u16, tag: &str, rseq: u32) -> String {
    let fields = format!("{CONTACT}Require: 100rel\r\nRSeq: {rseq}\r\n");
    response(invite, status, tag, &fields)
}

/// A request of the callee to us.
fn asked(invite: &Request, method: &str, seq: u32, from_tag: &str) -> String {
    request(method, &seq.to_string(), invite.from().tag().unwrap(), "")
        .replace("Call-ID: in", &format!("Call-ID: {}", invite.call_id()))
        .replace("tag=b\r", &format!("tag={from_tag}\r"))
}

#[test]
fn rfc_3262_4_each_reliable_response_is_acknowledged_once_and_in_order() {
    let mut bench = Bench::udp();
    let (_, invite) = bench.outgoing(None);
    assert!(invite.header("Supported").unwrap().contains("100rel"));
    bench.take(&reliable(&invite, 183, "b", 776_656));
    let Event::Provisional { wants_answer: false, .. } = bench.one_event() else { panic!() };
    let prack = bench.one_request();
    assert_eq!(prack.method(), &Method::Prack);
    assert_eq!(prack.header("RAck"), Some("776656 1 INVITE"));
    assert_eq!((prack.to().tag(), prack.cseq().seq), (Some("b"), 2));
    assert_eq!(prack.uri().to_string(), "sip:bob@192.0.2.2:5060");
    for (rseq, expected) in [(776_656, 0), (776_658, 0), (776_655, 0), (776_657, 1)] {
        bench.take(&reliable(&invite, 180, "b", rseq));
        assert_eq!(bench.sent().len(), expected, "{rseq}");
        assert_eq!(std::mem::take(&mut bench.events).len(), expected, "{rseq}");
    }
    bench.take(&response(&invite, 200, "b", CONTACT));
    let ack = bench.one_request();
    assert_eq!((ack.method(), ack.cseq().seq), (&Method::Ack, 1));
}

#[test]
fn rfc_3262_4_a_prack_takes_the_route_set_of_its_own_fork() {
    let mut bench = Bench::udp();
    let (dialog, invite) = bench.outgoing(None);
    for (tag, proxy) in [("one", "p1"), ("two", "p2")] {
        let fields = format!(
            "Record-Route: <sip:{proxy};lr>\r\nContact: <sip:{tag}@h>\r\nRequire: 100rel\r\nRSeq: 1\r\n"
        );
        bench.take(&response(&invite, 183, tag, &fields));
        let prack = bench.one_request();
        assert_eq!(prack.header("Route"), Some(&*format!("<sip:{proxy};lr>")));
        assert_eq!(prack.uri().to_string(), format!("sip:{tag}@h"));
        assert_eq!((prack.to().tag(), prack.cseq().seq), (Some(tag), 2));
        bench.take(&response(&prack, 200, "", ""));
    }
    bench.events.clear();
    // the second answers; a late answer of the first is acknowledged and hung up after its PRACK
    bench.take(&response(&invite, 200, "two", "Record-Route: <sip:p2;lr>\r\n"));
    assert_eq!(bench.starts(), ["ACK"]);
    bench.one_event();
    bench.take(&response(&invite, 200, "one", "Record-Route: <sip:p1;lr>\r\n"));
    let sent = bench.sent();
    let [ack, bye] = [&sent[0], &sent[1]].map(|text| Request::parse(text.as_bytes()).unwrap());
    assert_eq!((ack.method(), ack.to().tag()), (&Method::Ack, Some("one")));
    assert_eq!((bye.method(), bye.to().tag()), (&Method::Bye, Some("one")));
    assert_eq!((bye.cseq().seq, bye.header("Route")), (3, Some("<sip:p1;lr>")));
    assert_eq!(
        bye.header("Reason"),
        Some("SIP;cause=200;text=\"Call completed elsewhere\""),
        "RFC 3326 §2"
    );
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    let bye = bench.one_request();
    assert_eq!((bye.cseq().seq, bye.to().tag()), (3, Some("two")));
}

#[test]
fn a_challenged_prack_is_sent_again_in_its_fork() {
    let mut bench = Bench::udp();
    let (_, invite) = bench.outgoing(Some(Credentials::new("alice", "s")));
    bench.take(&reliable(&invite, 183, "b", 1));
    let prack = bench.one_request();
    let asked = format!(
        "Proxy-Authenticate: {}\r\n",
        crate::auth::challenge(crate::auth::Algorithm::Md5, "r", "n", false)
    );
    bench.take(&response(&prack, 407, "", &asked));
    let again = bench.one_request();
    assert_eq!((again.method(), again.cseq().seq), (&Method::Prack, 3));
    assert_eq!(again.header("RAck"), prack.header("RAck"));
    assert!(again.header("Proxy-Authorization").is_some());
}

#[test]
fn rfc_3262_5_an_answer_in_a_reliable_response_counts_and_the_2xx_needs_none() {
    let mut bench = Bench::udp();
    let (dialog, invite) = bench.outgoing(None);
    bench.take(&with_sdp(&reliable(&invite, 183, "b", 1), "answer"));
    bench.one_event();
    bench.sent();
    bench.take(&response(&invite, 200, "b", CONTACT));
    let Event::Answered { wants_answer: false, .. } = bench.one_event() else { panic!() };
    assert_eq!(bench.starts(), ["ACK"]);
    bench.ep.reinvite(bench.now, dialog, vec![], Some(crate::Body::sdp("x"))).unwrap();
    assert_eq!(bench.one_request().cseq().seq, 3, "the PRACK took 2");
}

#[test]
fn the_callee_may_ask_inside_an_early_dialog_it_made() {
    let mut bench = Bench::udp();
    let (dialog, invite) = bench.outgoing(None);
    bench.take(&response(&invite, 180, "b", CONTACT));
    bench.one_event();
    bench.take(&asked(&invite, "INFO", 1, "b"));
    let Event::Request { txn, dialog: Some(of), .. } = bench.one_event() else { panic!() };
    assert_eq!(of, dialog);
    bench.ep.respond(bench.now, txn, crate::Reply::new(200)).unwrap();
    assert_eq!(bench.starts(), ["200"]);
    for (method, from_tag, status) in
        [("INFO", "c", "500"), ("INVITE", "b", "491"), ("BYE", "b", "500")]
    {
        bench.take(&asked(&invite, method, 2, from_tag));
        assert_eq!(bench.starts(), [status], "{method}");
    }
    bench.no_event();
}

#[test]
fn a_cancelled_call_still_acknowledges_but_tells_nothing() {
    let mut bench = Bench::udp();
    let (dialog, invite) = bench.outgoing(None);
    bench.take(&response(&invite, 100, "", ""));
    assert!(matches!(bench.one_event(), Event::Trying { .. }));
    let reason = vec![("Reason".to_owned(), "SIP;cause=200".to_owned())];
    bench.ep.cancel_with(bench.now, dialog, reason).unwrap();
    assert_eq!(bench.one_request().header("Reason"), Some("SIP;cause=200"));
    bench.take(&reliable(&invite, 183, "b", 1));
    assert_eq!(bench.starts(), ["PRACK"]);
    bench.no_event();
    bench.take(&response(&invite, 487, "b", ""));
    assert_eq!(bench.starts(), ["ACK"]);
    bench.one_event();
    bench.assert_forgets_everything();
}

#[test]
fn forks_of_one_call_are_bounded() {
    let mut bench = Bench::udp();
    let (_, invite) = bench.outgoing(None);
    for n in 0..40 {
        bench.take(&reliable(&invite, 183, &format!("t{n}"), 1));
    }
    assert_eq!(bench.events.len(), 16);
    assert!(bench.sent().iter().all(|text| start_of(text) == "PRACK"));
}
