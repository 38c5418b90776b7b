//! Calls that come in: answer, refusal, CANCEL, ACK, and what happens when the peer falls silent.

use super::bench::{Bench, CONTACT, SDP_AND_CONTACT, addr, request};
use crate::{Body, EndCause, Error, Event, Flow, Reply, Transport};

#[test]
fn a_call_is_answered_acknowledged_and_hung_up_by_the_peer() {
    let mut bench = Bench::udp();
    let dialog = bench.incoming();
    let ringing = Reply::new(180).with_header("X-One", "1");
    bench.ep.progress(bench.now, dialog, ringing).unwrap();
    let ringing = bench.one_response();
    let tag = ringing.to().tag().unwrap().to_owned();
    assert_eq!(ringing.header("Contact"), Some("<sip:alice@192.0.2.1:5060>"));
    assert_eq!(ringing.header("X-One"), Some("1"));
    let answer = Reply::new(200).with_body(Body::sdp("v=0\r\n"));
    bench.ep.answer(bench.now, dialog, answer).unwrap();
    let ok = bench.one_response();
    assert_eq!((ok.status(), ok.reason()), (200, "OK"));
    assert_eq!(ok.to().tag(), Some(&*tag));
    assert_eq!(ok.header("Contact"), Some("<sip:alice@192.0.2.1:5060>"));
    assert_eq!(ok.content_type(), Some("application/sdp"));
    assert_eq!(&ok.body()[..], b"v=0\r\n");
    assert!(ok.header("Allow").unwrap().contains("INFO"));
    bench.take(&request("ACK", "1", &tag, ""));
    assert!(matches!(bench.one_event(), Event::Acked { body: None, .. }));
    bench.take(&request("BYE", "2", &tag, "Reason: Q.850;cause=16\r\n"));
    assert_eq!(bench.starts(), ["200"]);
    match bench.one_event() {
        Event::ByeReceived { dialog: ended, request } => {
            assert_eq!(ended, dialog);
            assert_eq!(request.header("reason"), Some("Q.850;cause=16"));
        }
        other => panic!("{other:?}"),
    }
    bench.take(&request("BYE", "2", &tag, ""));
    assert_eq!(bench.starts(), ["200"], "a repeated BYE gets the same answer");
    bench.no_event();
    assert_eq!(bench.ep.bye(bench.now, dialog, vec![]), Err(Error::UnknownDialog(dialog)));
    bench.assert_forgets_everything();
}

#[test]
fn a_repeated_invite_gets_the_last_response_and_no_second_event() {
    let mut bench = Bench::udp();
    let invite = request("INVITE", "1", "", SDP_AND_CONTACT);
    let dialog = bench.incoming();
    bench.take(&invite);
    assert_eq!(bench.starts(), ["100"]);
    bench.ep.progress(bench.now, dialog, Reply::new(183)).unwrap();
    bench.sent();
    bench.take(&invite);
    assert_eq!(bench.starts(), ["183"]);
    bench.ep.answer(bench.now, dialog, Reply::new(200)).unwrap();
    bench.sent();
    bench.take(&invite);
    assert_eq!(bench.starts(), Vec::<String>::new(), "RFC 6026: absorbed once accepted");
    bench.no_event();
}

#[test]
fn a_2xx_is_repeated_until_its_ack_even_on_a_stream() {
    for mut bench in [Bench::udp(), Bench::tcp()] {
        let dialog = bench.incoming();
        bench.ep.answer(bench.now, dialog, Reply::new(200)).unwrap();
        let ok = bench.one_response();
        let start = bench.now;
        let mut at = Vec::new();
        for _ in 0..8_000 {
            bench.pass(1);
            for start_line in bench.starts() {
                assert_eq!(start_line, "200");
                at.push(bench.now.duration_since(start).as_millis());
            }
        }
        assert_eq!(at, [500, 1_500, 3_500, 7_500]);
        bench.take(&request("ACK", "1", ok.to().tag().unwrap(), ""));
        assert!(matches!(bench.one_event(), Event::Acked { .. }));
        bench.pass(30_000);
        assert_eq!(bench.starts(), Vec::<String>::new());
    }
}

#[test]
fn the_ack_may_bring_the_answer_and_counts_once() {
    let mut bench = Bench::udp();
    let dialog = bench.incoming();
    bench.ep.answer(bench.now, dialog, Reply::new(200).with_body(Body::sdp("v=0\r\n"))).unwrap();
    let tag = bench.one_response().to().tag().unwrap().to_owned();
    let ack = request("ACK", "1", &tag, "Content-Type: application/sdp\r\n");
    let ack = ack.replace("Content-Length: 0\r\n\r\n", "Content-Length: 3\r\n\r\nabc");
    bench.take(&ack.replace("CSeq: 1", "CSeq: 2"));
    bench.no_event();
    bench.take(&ack);
    match bench.one_event() {
        Event::Acked { body: Some(body), .. } => assert_eq!(body, Body::sdp("abc")),
        other => panic!("{other:?}"),
    }
    bench.take(&ack);
    bench.no_event();
}

#[test]
fn without_ack_the_call_is_hung_up_after_64_t1() {
    let mut bench = Bench::udp();
    let dialog = bench.incoming();
    bench.ep.answer(bench.now, dialog, Reply::new(200)).unwrap();
    bench.pass(31_999);
    bench.no_event();
    bench.sent();
    bench.pass(1);
    assert_eq!(bench.starts(), ["BYE"]);
    let ended = bench.one_event();
    assert!(matches!(ended, Event::Ended { cause: EndCause::NoAck, .. }), "{ended:?}");
    bench.assert_forgets_everything();
    bench.no_event();
}

#[test]
fn a_bye_of_ours_waits_for_the_ack_or_its_timeout() {
    for acked in [true, false] {
        let mut bench = Bench::udp();
        let dialog = bench.incoming();
        bench.ep.answer(bench.now, dialog, Reply::new(200)).unwrap();
        let tag = bench.one_response().to().tag().unwrap().to_owned();
        bench.ep.bye(bench.now, dialog, vec![("X-Reason".into(), "x".into())]).unwrap();
        assert_eq!(bench.starts(), Vec::<String>::new());
        if acked {
            bench.take(&request("ACK", "1", &tag, ""));
        } else {
            bench.pass(31_999);
            bench.sent();
            bench.pass(1);
        }
        let bye = bench.one_request();
        assert_eq!(bye.method(), &crate::Method::Bye);
        assert_eq!(bye.header("X-Reason"), Some("x"));
        assert_eq!(bye.to().tag(), Some("b"));
        assert_eq!(bye.from().tag(), Some(&*tag));
        bench.no_event();
        bench.take(&super::bench::response(&bye, 200, "", ""));
        assert!(matches!(bench.one_event(), Event::Ended { cause: EndCause::Hangup, .. }));
        bench.assert_forgets_everything();
    }
}

#[test]
fn a_refusal_is_repeated_until_its_ack_and_ends_the_dialog() {
    let mut bench = Bench::udp();
    let dialog = bench.incoming();
    let busy = Reply::new(486).with_reason("Busy Here").with_header("X-Reason", "y");
    bench.ep.reject(bench.now, dialog, busy).unwrap();
    let busy = bench.one_response();
    assert_eq!((busy.status(), busy.header("X-Reason")), (486, Some("y")));
    assert!(matches!(bench.one_event(), Event::Ended { cause: EndCause::Declined, .. }));
    bench.pass(1_600);
    assert_eq!(bench.starts(), ["486", "486"]);
    bench.take(&request("ACK", "1", busy.to().tag().unwrap(), ""));
    bench.pass(30_000);
    assert_eq!(bench.starts(), Vec::<String>::new());
    assert!(bench.ep.answer(bench.now, dialog, Reply::new(200)).is_err());
    bench.assert_forgets_everything();
    bench.no_event();
}

#[test]
fn a_challenge_is_sent_by_the_transaction_and_the_next_invite_is_a_new_call() {
    let mut bench = Bench::udp();
    bench.take(&request("INVITE", "1", "", SDP_AND_CONTACT));
    bench.sent();
    let Event::Invite { txn, .. } = bench.one_event() else { panic!() };
    let challenge = crate::auth::challenge(Default::default(), "r", "n", false);
    let reply = Reply::new(401).with_header("WWW-Authenticate", challenge);
    bench.ep.respond(bench.now, txn, reply.clone()).unwrap();
    let refused = bench.one_response();
    assert_eq!(refused.status(), 401);
    assert!(matches!(bench.one_event(), Event::Ended { .. }));
    assert_eq!(bench.ep.respond(bench.now, txn, reply), Err(Error::UnknownTransaction(txn)));
    bench.take(&request("ACK", "1", refused.to().tag().unwrap(), ""));
    bench.take(&request("INVITE", "2", "", SDP_AND_CONTACT));
    bench.pass(200);
    assert_eq!(bench.starts(), ["100"]);
    assert!(matches!(bench.one_event(), Event::Invite { .. }));
}

#[test]
fn cancel_before_the_answer_ends_the_call_with_487() {
    let mut bench = Bench::udp();
    let dialog = bench.incoming();
    bench.ep.progress(bench.now, dialog, Reply::new(180)).unwrap();
    let tag = bench.one_response().to().tag().unwrap().to_owned();
    let cancel = request("CANCEL", "1", "", "Reason: SIP;cause=200\r\nRequire: x\r\n");
    bench.take(&cancel);
    assert_eq!(bench.starts(), ["200", "487"]);
    match bench.one_event() {
        Event::Cancelled { dialog: ended, reason_header } => {
            assert_eq!(ended, dialog);
            assert_eq!(reason_header.as_deref(), Some("SIP;cause=200"));
        }
        other => panic!("{other:?}"),
    }
    bench.take(&cancel);
    assert_eq!(bench.starts(), ["200"], "a repeated CANCEL changes nothing");
    bench.take(&request("ACK", "1", &tag, ""));
    assert_eq!(
        bench.ep.answer(bench.now, dialog, Reply::new(200)),
        Err(Error::UnknownDialog(dialog))
    );
    bench.assert_forgets_everything();
    bench.no_event();
    bench.take(&cancel);
    assert_eq!(bench.starts(), ["481"], "the INVITE is forgotten");
}

#[test]
fn cancel_after_the_answer_changes_nothing() {
    let mut bench = Bench::udp();
    let dialog = bench.incoming();
    bench.ep.answer(bench.now, dialog, Reply::new(200)).unwrap();
    bench.sent();
    bench.take(&request("CANCEL", "1", "", ""));
    assert_eq!(bench.starts(), ["200"]);
    bench.no_event();
}

#[test]
fn bye_before_the_answer_ends_the_call_too() {
    let mut bench = Bench::udp();
    let dialog = bench.incoming();
    bench.ep.progress(bench.now, dialog, Reply::new(180)).unwrap();
    let tag = bench.one_response().to().tag().unwrap().to_owned();
    bench.take(&request("BYE", "2", &tag, ""));
    assert_eq!(bench.starts(), ["200", "487"]);
    assert!(matches!(bench.one_event(), Event::ByeReceived { .. }));
    bench.assert_forgets_everything();
}

#[test]
fn our_bye_before_the_answer_refuses_the_call() {
    let mut bench = Bench::udp();
    let dialog = bench.incoming();
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    assert_eq!(bench.starts(), ["480"]);
    assert!(matches!(bench.one_event(), Event::Ended { cause: EndCause::Declined, .. }));
}

#[test]
fn ringing_is_repeated_every_minute_and_an_unanswered_call_ends_by_itself() {
    let flow = Flow::udp(addr("192.0.2.1:5060"), addr("192.0.2.2:5060"));
    let limit = std::time::Duration::from_secs(150);
    let mut bench = Bench::with(|config| config.max_setup = limit, flow);
    let dialog = bench.incoming();
    bench.ep.progress(bench.now, dialog, Reply::new(180)).unwrap();
    bench.sent();
    bench.pass(149_000);
    assert_eq!(bench.starts(), ["180", "180"]);
    bench.pass(1_000);
    assert_eq!(bench.starts(), ["480"]);
    assert!(matches!(bench.one_event(), Event::Ended { cause: EndCause::SetupTimeout, .. }));
    bench.assert_forgets_everything();
}

#[test]
fn an_invitation_expires_when_its_caller_says_so() {
    let mut bench = Bench::udp();
    bench.take(&request("INVITE", "1", "", "Expires: 20\r\n"));
    bench.one_event();
    bench.pass(19_999);
    assert_eq!(bench.starts(), ["100"]);
    bench.no_event();
    bench.pass(1);
    assert_eq!(bench.starts(), ["487"]);
    assert!(matches!(bench.one_event(), Event::Ended { cause: EndCause::SetupTimeout, .. }));
}

#[test]
fn rfc_3261_12_1_1_a_secure_call_has_a_secure_contact_where_we_can_be_reached_by_it() {
    for (uri, transport, contact) in [
        ("sips", Transport::Tls, "<sips:alice@192.0.2.1:5060>"),
        ("sips", Transport::Wss, "<sips:alice@192.0.2.1:5060;transport=ws>"),
        ("sip", Transport::Tls, "<sip:alice@192.0.2.1:5060;transport=tls>"),
        ("sips", Transport::Tcp, "<sip:alice@192.0.2.1:5060;transport=tcp>"),
    ] {
        let mut bench = Bench::tcp();
        bench.flow.transport = transport;
        let invite = request("INVITE", "1", "", SDP_AND_CONTACT);
        bench.take(&invite.replace("INVITE sip:", &format!("INVITE {uri}:")));
        let Event::Invite { dialog, .. } = bench.one_event() else { panic!() };
        bench.ep.answer(bench.now, dialog, Reply::new(200)).unwrap();
        assert_eq!(bench.one_response().header("Contact"), Some(contact));
    }
}

#[test]
fn a_100_bridges_the_silence_of_an_owner_that_takes_long() {
    let mut bench = Bench::udp();
    bench.take(&request("INVITE", "1", "", SDP_AND_CONTACT));
    bench.pass(199);
    assert_eq!(bench.starts(), Vec::<String>::new());
    bench.pass(1);
    assert_eq!(bench.starts(), ["100"]);
    bench.pass(10_000);
    assert_eq!(bench.starts(), Vec::<String>::new());
    let mut bench = Bench::udp();
    bench.take(&request("INVITE", "1", "", SDP_AND_CONTACT));
    let Event::Invite { dialog, .. } = bench.one_event() else { panic!() };
    bench.ep.progress(bench.now, dialog, Reply::new(180)).unwrap();
    bench.pass(1_000);
    assert_eq!(bench.starts(), ["180"]);
}

#[test]
fn a_challenge_goes_out_once_per_invite_that_comes() {
    let mut bench = Bench::udp();
    bench.take(&request("INVITE", "1", "", SDP_AND_CONTACT));
    let Event::Invite { dialog, .. } = bench.one_event() else { panic!() };
    bench.ep.reject(bench.now, dialog, Reply::new(401)).unwrap();
    bench.one_event();
    assert_eq!(bench.starts(), ["401"], "no 100, which would keep it from asking again");
    bench.pass(20_000);
    assert_eq!(bench.starts(), Vec::<String>::new());
    bench.take(&request("INVITE", "1", "", SDP_AND_CONTACT));
    assert_eq!(bench.starts(), ["401"]);
    bench.assert_forgets_everything();
}

#[test]
fn record_routes_come_back_and_become_the_route_of_our_bye() {
    let mut bench = Bench::udp();
    let routes = "Record-Route: <sip:p2.example;lr>\r\nRecord-Route: <sip:p1.example;lr>\r\n";
    let proxy = "Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKorigin\r\n";
    bench.take(&request("INVITE", "1", "", &format!("{routes}{proxy}{CONTACT}")));
    let Event::Invite { dialog, .. } = bench.one_event() else { panic!() };
    bench.sent();
    bench.ep.answer(bench.now, dialog, Reply::new(200)).unwrap();
    let ok = bench.one_response();
    let echoed: Vec<_> = ok.headers("Record-Route").collect();
    assert_eq!(echoed, ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]);
    assert_eq!(ok.headers("Via").count(), 2);
    bench.take(&request("ACK", "1", ok.to().tag().unwrap(), ""));
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    let bye = bench.one_request();
    let routes: Vec<_> = bye.headers("Route").collect();
    assert_eq!(routes, ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]);
    assert_eq!(bye.uri().to_string(), "sip:bob@192.0.2.2:5060");
    assert_eq!(bye.header("Max-Forwards"), Some("70"));
}

#[test]
fn everything_on_a_stream_goes_back_over_its_connection() {
    let mut bench = Bench::tcp();
    let (dialog, _) = bench.incoming_confirmed();
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    bench.drain();
    let (flow, bye) = bench.wire.pop().unwrap();
    assert_eq!(flow, bench.flow);
    assert!(bye.contains("Via: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK"), "{bye}");
}

#[test]
fn a_reply_that_cannot_be_written_is_an_error_and_sends_nothing() {
    let mut bench = Bench::udp();
    let dialog = bench.incoming();
    let now = bench.now;
    for reply in [
        Reply::new(200).with_reason("OK\r\nX: y"),
        Reply::new(200).with_header("X", "a\nb"),
        Reply::new(200).with_header("X", "a\0b"),
        Reply::new(200).with_header("X y", "a"),
        Reply::new(200).with_header("Via", "x"),
        Reply::new(200).with_header("Contact", "<sip:x>"),
        Reply::new(200).with_body(Body::new("a/b\r\nX: y", "x")),
        Reply::new(180),
        Reply::new(486),
    ] {
        assert!(bench.ep.answer(now, dialog, reply).is_err());
    }
    assert!(bench.ep.progress(now, dialog, Reply::new(100)).is_err());
    assert!(bench.ep.progress(now, dialog, Reply::new(200)).is_err());
    assert!(bench.ep.reject(now, dialog, Reply::new(700)).is_err());
    assert!(bench.ep.bye(now, dialog, vec![("X".into(), "\r".into())]).is_err());
    assert_eq!(bench.starts(), Vec::<String>::new());
    bench.ep.answer(now, dialog, Reply::new(200)).unwrap();
}
