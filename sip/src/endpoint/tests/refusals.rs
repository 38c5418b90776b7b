//! What is refused before anybody is told: malformed, unknown, too much, too many.

use super::bench::{Bench, SDP_AND_CONTACT, addr, request};
use crate::{Event, Flow, Reply};

#[test]
fn a_malformed_request_gets_400_with_the_reason_and_where_it_was_seen() {
    let mut bench = Bench::udp();
    let good = request("OPTIONS", "1", "", "");
    for (bad, reason) in [
        (good.replace("To: <sip:alice@example.com>\r\n", ""), "missing To"),
        (good.replace("Call-ID: in\r\n", ""), "missing Call-ID"),
        (good.replace("Call-ID: in\r\n", "Call-ID: in\r\nCall-ID: on\r\n"), "repeated Call-ID"),
        (good.replace("CSeq: 1 OPTIONS", "CSeq: 1 INVITE"), "CSeq method mismatch"),
        (good.replace("CSeq: 1 ", "CSeq: 4294967296 "), "malformed CSeq"),
        (
            good.replace("From: <sip:bob@example.com>", "From: <sip:bob@example.com"),
            "malformed From",
        ),
        (good.replace("Length: 0", "Length: 9999"), "body shorter than Content-Length"),
        (good.replace("Length: 0", "Length: -1"), "malformed Content-Length"),
        (
            good.replace("sip:alice@192.0.2.1 ", "sip:alice@192.0.2.1?Route=x "),
            "malformed Request-URI",
        ),
    ] {
        assert_ne!(bad, good, "{reason}");
        bench.take(&bad);
        let sent = bench.sent();
        assert_eq!(sent.len(), 1, "{reason}");
        let mut lines = sent[0].lines();
        assert_eq!(lines.next().unwrap(), format!("SIP/2.0 400 Bad Request: {reason}"));
        assert!(lines.next().unwrap().ends_with(";rport=5060;received=192.0.2.2"), "{reason}");
    }
    bench.no_event();
    assert_eq!(bench.ep.load().servers, 0);
}

#[test]
fn noise_and_malformed_acks_get_nothing() {
    let mut bench = Bench::udp();
    for noise in [
        "",
        "\r\n\r\n",
        "\0\0\0\0",
        "hello",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS sip:x SIP/2.0\r\n\r\n",
        "SIP/2.0 200 OK\r\n\r\n",
        "ACK sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n",
    ] {
        bench.take(noise);
        assert_eq!(bench.starts(), Vec::<String>::new(), "{noise:?}");
    }
    bench.take(&request("ACK", "1", "nobody", ""));
    bench.take(&request("ACK", "1", "", ""));
    assert_eq!(bench.starts(), Vec::<String>::new());
    bench.no_event();
}

#[test]
fn each_refusal_has_its_status() {
    let mut bench = Bench::udp();
    let long = format!("OPTIONS sip:{}@h SIP/2.0", "x".repeat(3_000));
    for (text, status) in [
        (request("OPTIONS", "1", "", "").replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), 505),
        (
            request("OPTIONS", "1", "", "").replace("OPTIONS sip:alice@192.0.2.1 SIP/2.0", &long),
            414,
        ),
        (request("OPTIONS", "1", "", "").replace("sip:alice@192.0.2.1 ", "isbn:123 "), 416),
        (request("INVITE", "1", "", "Require: precondition\r\n"), 420),
        (request("INVITE", "1", "nobody", ""), 481),
        (request("BYE", "1", "nobody", ""), 481),
        (request("BYE", "1", "", ""), 481),
        (request("CANCEL", "1", "", ""), 481),
        (request("SUBSCRIBE", "1", "", ""), 405),
        (request("MESSAGE", "1", "", ""), 405),
        (request("WHATEVER", "1", "", ""), 501),
    ] {
        bench.take(&text);
        let refused = bench.one_response();
        assert_eq!(refused.status(), status, "{text}");
        assert!(refused.to().tag().is_some());
    }
    bench.no_event();
    assert_eq!(bench.ep.load().servers, 0, "refused without state");
}

#[test]
fn a_stateless_refusal_is_the_same_when_asked_again() {
    let mut bench = Bench::udp();
    let text = request("SUBSCRIBE", "1", "", "");
    bench.take(&text);
    let first = bench.sent();
    bench.take(&text);
    assert_eq!(bench.sent(), first);
    bench.take(&request("SUBSCRIBE", "2", "", ""));
    assert_ne!(bench.sent(), first);
}

#[test]
fn options_outside_a_dialog_is_answered_even_without_hops() {
    let mut bench = Bench::udp();
    bench.take(&request("OPTIONS", "1", "", "").replace("Forwards: 70", "Forwards: 0"));
    let ok = bench.one_response();
    assert_eq!(ok.status(), 200);
    assert_eq!(ok.header("Accept"), Some("application/sdp"));
    assert!(ok.header("Allow").unwrap().contains("REGISTER"));
    assert!(ok.header("Supported").is_some());
    bench.take(&request("INVITE", "1", "", "").replace("Forwards: 70", "Forwards: 0"));
    assert_eq!(bench.starts(), ["483"]);
}

#[test]
fn a_request_that_came_by_two_ways_is_taken_once() {
    let mut bench = Bench::udp();
    bench.take(&request("INVITE", "1", "", SDP_AND_CONTACT));
    bench.sent();
    bench.one_event();
    bench.take(&request("INVITE", "1", "", "").replace("z9hG4bK", "z9hG4bKother"));
    assert_eq!(bench.starts(), ["482"]);
    bench.no_event();
    bench.take(&request("INVITE", "2", "", SDP_AND_CONTACT));
    assert!(matches!(bench.one_event(), Event::Invite { .. }));
}

#[test]
fn a_register_is_the_callers_and_its_answer_is_repeated() {
    let mut bench = Bench::udp();
    let text = request("REGISTER", "1", "", "Contact: <sip:bob@192.0.2.2>\r\n");
    bench.take(&text);
    let Event::Request { txn, dialog: None, request: register, flow } = bench.one_event() else {
        panic!()
    };
    assert_eq!(flow, bench.flow);
    assert_eq!(register.contact().unwrap().uri.to_string(), "sip:bob@192.0.2.2");
    let reply = Reply::new(200).with_header("Contact", "<sip:bob@192.0.2.2>;expires=60");
    bench.ep.respond(bench.now, txn, reply).unwrap();
    let first = bench.sent();
    bench.take(&text);
    assert_eq!(bench.sent(), first);
    bench.no_event();
    bench.assert_forgets_everything();
}

#[test]
fn a_register_the_caller_forgets_is_forgotten_here_too() {
    let mut bench = Bench::udp();
    bench.take(&request("REGISTER", "1", "", ""));
    let Event::Request { txn, .. } = bench.one_event() else { panic!() };
    bench.assert_forgets_everything();
    assert!(bench.ep.respond(bench.now, txn, Reply::new(200)).is_err());
    assert_eq!(bench.starts(), Vec::<String>::new());
}

#[test]
fn full_tables_answer_503_and_existing_calls_can_still_end() {
    let flow = Flow::udp(addr("192.0.2.1:5060"), addr("192.0.2.2:5060"));
    for (dialogs, transactions) in [(1, 1_000), (1_000, 1)] {
        let change = |config: &mut crate::Config| {
            config.max_dialogs = dialogs;
            config.max_transactions = transactions;
        };
        let mut bench = Bench::with(change, flow);
        let (_, tag) = bench.incoming_confirmed();
        bench.take(&request("INVITE", "5", "", "").replace("Call-ID: in", "Call-ID: two"));
        let full = bench.one_response();
        assert_eq!((full.status(), full.header("Retry-After")), (503, Some("10")));
        bench.no_event();
        bench.take(&request("BYE", "2", &tag, ""));
        assert_eq!(bench.starts(), ["200"]);
        bench.one_event();
        bench.assert_forgets_everything();
        bench.take(&request("INVITE", "5", "", "").replace("Call-ID: in", "Call-ID: two"));
        assert!(matches!(bench.one_event(), Event::Invite { .. }), "room again");
    }
}

#[test]
fn a_flood_inside_one_dialog_is_bounded() {
    let flow = Flow::udp(addr("192.0.2.1:5060"), addr("192.0.2.2:5060"));
    let change = |config: &mut crate::Config| {
        config.max_dialogs = 2;
        config.max_transactions = 3;
    };
    let mut bench = Bench::with(change, flow);
    let (_, tag) = bench.incoming_confirmed();
    for seq in 2..50 {
        bench.take(&request("INFO", &seq.to_string(), &tag, ""));
    }
    assert_eq!(bench.ep.load().servers, 5);
    assert_eq!(bench.events.len(), 4);
    assert!(bench.starts().iter().all(|start| start == "503"));
}

#[test]
fn an_rfc_2543_client_is_served() {
    let mut bench = Bench::udp();
    let invite = "INVITE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP old.example\r\n\
        From: <sip:a@example.net>\r\nTo: sip:b@example.com\r\nCall-ID: old\r\nCSeq: 56 INVITE\r\n\
        Content-Type: application/sdp\r\n\r\nv=0\r\n";
    bench.take(invite);
    bench.pass(200);
    let (flow, _) = bench.wire[0].clone();
    assert_eq!(flow.peer, addr("192.0.2.2:5060"));
    bench.sent();
    let Event::Invite { dialog, request, .. } = bench.one_event() else { panic!() };
    assert_eq!(&request.body()[..], b"v=0\r\n");
    bench.take(invite);
    assert_eq!(bench.starts(), ["100"]);
    bench.no_event();
    bench.ep.reject(bench.now, dialog, Reply::new(404)).unwrap();
    let refused = bench.one_response();
    bench.one_event();
    let to = refused.header("To").unwrap().to_owned();
    let ack = invite
        .replace("INVITE", "ACK")
        .replace("sip:b@example.com\r\nCall", &format!("{to}\r\nCall"));
    bench.take(&ack);
    bench.pass(10_000);
    assert_eq!(bench.starts(), Vec::<String>::new(), "its ACK was understood");
}
