//! Inside a dialog: re-INVITE in both directions and their collision, INFO, BYE, a peer that is gone.

use super::bench::{Bench, CONTACT, addr, request, response, start_of};
use crate::{Body, EndCause, Error, Event, Flow, Method, Reply, Request};

#[test]
fn a_reinvite_is_answered_and_moves_the_target() {
    let mut bench = Bench::udp();
    let (dialog, tag) = bench.incoming_confirmed();
    let moved = "Contact: <sip:bob@192.0.2.2:7000>\r\n";
    bench.take(&request("INVITE", "2", &tag, moved));
    assert_eq!(bench.starts(), ["100"]);
    assert!(matches!(bench.one_event(), Event::Reinvite { .. }));
    bench.ep.answer(bench.now, dialog, Reply::new(200).with_body(Body::sdp("v=0\r\n"))).unwrap();
    let ok = bench.one_response();
    assert_eq!((ok.status(), ok.to().tag()), (200, Some(&*tag)));
    bench.pass(600);
    assert_eq!(bench.starts(), ["200"]);
    bench.take(&request("ACK", "2", &tag, ""));
    assert!(matches!(bench.one_event(), Event::Acked { .. }));
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    assert_eq!(bench.one_request().uri().to_string(), "sip:bob@192.0.2.2:7000");
}

#[test]
fn a_refused_reinvite_leaves_the_call_alone() {
    let mut bench = Bench::udp();
    let (dialog, tag) = bench.incoming_confirmed();
    bench.take(&request("INVITE", "2", &tag, ""));
    bench.sent();
    bench.one_event();
    bench.ep.reject(bench.now, dialog, Reply::new(488)).unwrap();
    assert_eq!(bench.starts(), ["488"]);
    bench.take(&request("ACK", "2", &tag, ""));
    bench.no_event();
    bench.take(&request("BYE", "3", &tag, ""));
    assert!(matches!(bench.one_event(), Event::ByeReceived { .. }));
}

#[test]
fn a_cancelled_reinvite_leaves_the_call_alone() {
    let mut bench = Bench::udp();
    let (dialog, tag) = bench.incoming_confirmed();
    bench.take(&request("INVITE", "2", &tag, ""));
    bench.sent();
    bench.one_event();
    bench.take(&request("CANCEL", "2", &tag, ""));
    assert_eq!(bench.starts(), ["200", "487"]);
    bench.no_event();
    let late = bench.ep.answer(bench.now, dialog, Reply::new(200));
    assert_eq!(late, Err(Error::WrongState { dialog, order: "answer" }));
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    assert_eq!(bench.starts(), ["BYE"]);
}

#[test]
fn a_second_invite_has_to_wait_for_the_first() {
    let mut bench = Bench::udp();
    let (dialog, tag) = bench.incoming_confirmed();
    bench.take(&request("INVITE", "2", &tag, ""));
    bench.sent();
    bench.take(&request("INVITE", "3", &tag, ""));
    let wait = bench.one_response();
    assert_eq!(wait.status(), 500);
    assert!(wait.header("Retry-After").unwrap().parse::<u32>().unwrap() < 10);
    bench.ep.answer(bench.now, dialog, Reply::new(200)).unwrap();
    bench.sent();
    bench.take(&request("INVITE", "4", &tag, ""));
    assert_eq!(bench.starts(), ["491"], "the ACK of the last one is missing");
}

#[test]
fn a_reinvite_that_meets_ours_gets_491() {
    let mut bench = Bench::udp();
    let (dialog, tag) = bench.incoming_confirmed();
    bench.ep.reinvite(bench.now, dialog, vec![], Some(Body::sdp("x"))).unwrap();
    bench.sent();
    bench.take(&request("INVITE", "2", &tag, ""));
    assert_eq!(bench.starts(), ["491"]);
    bench.no_event();
}

#[test]
fn our_reinvite_is_acknowledged_and_moves_the_target() {
    let mut bench = Bench::udp();
    let (dialog, invite) = bench.outgoing_confirmed();
    bench
        .ep
        .reinvite(bench.now, dialog, vec![("X".into(), "y".into())], Some(Body::sdp("x")))
        .unwrap();
    let again = Err(Error::WrongState { dialog, order: "reinvite" });
    assert_eq!(bench.ep.reinvite(bench.now, dialog, vec![], None), again);
    let reinvite = bench.one_request();
    assert_eq!(reinvite.cseq().seq, invite.cseq().seq + 1);
    assert_eq!(reinvite.to().tag(), Some("b"));
    assert!(reinvite.header("Contact").is_some());
    bench.take(&response(&reinvite, 200, "", "Contact: <sip:bob@192.0.2.2:7000>\r\n"));
    assert!(matches!(bench.one_event(), Event::ReinviteAnswered { .. }));
    let ack = bench.one_request();
    assert_eq!(ack.uri().to_string(), "sip:bob@192.0.2.2:7000");
    assert_eq!(ack.cseq().seq, reinvite.cseq().seq);
    bench.take(&response(&reinvite, 200, "", ""));
    assert_eq!(bench.one_request(), ack);
}

#[test]
fn our_reinvite_is_tried_again_after_491() {
    for is_caller in [true, false] {
        let mut bench = Bench::udp();
        let dialog = match is_caller {
            true => bench.outgoing_confirmed().0,
            false => bench.incoming_confirmed().0,
        };
        bench
            .ep
            .reinvite(bench.now, dialog, vec![("X".into(), "y".into())], Some(Body::sdp("x")))
            .unwrap();
        let first = bench.one_request();
        bench.take(&response(&first, 491, "", ""));
        assert_eq!(bench.starts(), ["ACK"]);
        if is_caller {
            bench.pass(2_099);
            assert_eq!(bench.starts(), Vec::<String>::new());
            bench.pass(1_901);
        } else {
            bench.pass(2_000);
        }
        bench.no_event();
        let sent = bench.sent();
        let second = Request::parse(sent[0].as_bytes()).unwrap();
        assert_eq!(second.cseq().seq, first.cseq().seq + 1);
        assert_eq!((second.body(), second.header("X")), (first.body(), Some("y")));
        bench.take(&response(&second, 488, "", ""));
        assert!(matches!(bench.one_event(), Event::ReinviteRejected { status: 488, .. }));
    }
}

#[test]
fn a_notify_answered_481_ends_its_subscription_and_an_info_the_call() {
    for (method, ends) in [(Method::Notify, false), (Method::Info, true)] {
        let mut bench = Bench::udp();
        let (dialog, _) = bench.outgoing_confirmed();
        bench.ep.request(bench.now, dialog, method, vec![], None).unwrap();
        let request = bench.one_request();
        bench.take(&response(&request, 481, "", ""));
        bench.drain();
        assert!(matches!(bench.events.remove(0), Event::RequestDone { status: 481, .. }));
        assert_eq!(!bench.events.is_empty(), ends, "{:?}", bench.events);
    }
}

#[test]
fn a_reinvite_answered_481_or_not_at_all_ends_the_call() {
    let mut bench = Bench::udp();
    let (dialog, _) = bench.outgoing_confirmed();
    bench.ep.reinvite(bench.now, dialog, vec![], None).unwrap();
    let reinvite = bench.one_request();
    bench.take(&response(&reinvite, 481, "", ""));
    assert_eq!(bench.starts(), ["ACK"]);
    bench.drain();
    assert!(matches!(bench.events.remove(0), Event::ReinviteRejected { status: 481, .. }));
    assert!(matches!(
        bench.one_event(),
        Event::Ended { cause: EndCause::PeerGone { status: 481 }, .. }
    ));
    bench.assert_forgets_everything();

    let mut bench = Bench::udp();
    let (dialog, _) = bench.outgoing_confirmed();
    bench.ep.reinvite(bench.now, dialog, vec![], None).unwrap();
    bench.pass(31_999);
    bench.sent();
    bench.pass(1);
    assert_eq!(bench.starts(), ["BYE"]);
    assert!(matches!(bench.events.remove(0), Event::ReinviteRejected { status: 408, .. }));
    assert!(matches!(
        bench.one_event(),
        Event::Ended { cause: EndCause::PeerGone { status: 408 }, .. }
    ));
    bench.assert_forgets_everything();
    bench.no_event();
}

#[test]
fn requests_of_ours_inside_the_dialog_are_answered_to_the_caller() {
    let mut bench = Bench::udp();
    let (dialog, _) = bench.outgoing_confirmed();
    let body = Body::new("application/dtmf-relay", "Signal=5\r\n");
    let txn = bench.ep.request(bench.now, dialog, Method::Info, vec![], Some(body)).unwrap();
    let info = bench.one_request();
    assert_eq!((info.method(), info.to().tag()), (&Method::Info, Some("b")));
    bench.take(&response(&info, 100, "", ""));
    bench.no_event();
    bench.take(&response(&info, 415, "", ""));
    match bench.one_event() {
        Event::RequestDone { txn: done, dialog: of, status: 415, response: Some(_), .. } => {
            assert_eq!((done, of), (txn, dialog));
        }
        other => panic!("{other:?}"),
    }
    for method in [Method::Invite, Method::Ack, Method::Cancel, Method::Bye] {
        assert!(bench.ep.request(bench.now, dialog, method, vec![], None).is_err());
    }
    let odd = Method::Other("A B".into());
    assert!(bench.ep.request(bench.now, dialog, odd, vec![], None).is_err());
}

#[test]
fn a_request_that_cannot_be_sent_ends_the_call() {
    let mut bench = Bench::tcp();
    let (dialog, _) = bench.incoming_confirmed();
    bench.ep.request(bench.now, dialog, Method::Info, vec![], None).unwrap();
    bench.sent();
    bench.ep.handle_transport_error(bench.now, bench.flow);
    bench.drain();
    assert!(matches!(bench.events.remove(0), Event::RequestDone { status: 503, .. }));
    assert!(matches!(bench.one_event(), Event::Ended { cause: EndCause::Transport, .. }));
    assert_eq!(bench.starts(), Vec::<String>::new());
    bench.assert_forgets_everything();
}

#[test]
fn a_phone_that_comes_back_on_a_new_connection_is_followed() {
    let mut bench = Bench::tcp();
    let (dialog, tag) = bench.incoming_confirmed();
    bench.ep.handle_transport_error(bench.now, bench.flow);
    let new = Flow { connection: Some(8), peer: addr("192.0.2.2:40001"), ..bench.flow };
    bench.take_from(new, &request("OPTIONS", "2", &tag, ""));
    bench.sent();
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    bench.drain();
    assert_eq!(bench.wire[0].0, new);
}

#[test]
fn a_peer_that_closed_its_connection_is_reached_where_its_contact_says_it_listens() {
    for (contact, reached) in [
        ("Contact: <sip:bob@192.0.2.2:5070;transport=tcp>\r\n", true),
        ("Contact: <sip:bob@10.0.0.1:5070;transport=tcp>\r\n", false),
    ] {
        let mut bench = Bench::tcp();
        let (dialog, tag) = bench.incoming_confirmed();
        bench.take(&request("UPDATE", "2", &tag, contact));
        bench.sent();
        bench.ep.handle_transport_error(bench.now, bench.flow);
        bench.ep.bye(bench.now, dialog, vec![]).unwrap();
        bench.drain();
        let listening = Flow::tcp(bench.flow.local, addr("192.0.2.2:5070"), None);
        assert_eq!(bench.wire[0].0, if reached { listening } else { bench.flow });
        let text = bench.sent().remove(0);
        bench.take(&response(&Request::parse(text.as_bytes()).unwrap(), 200, "b", ""));
        bench.one_event();
        bench.assert_forgets_everything();
    }
}

#[test]
fn info_and_message_are_the_callers_to_answer() {
    let mut bench = Bench::udp();
    let (dialog, tag) = bench.incoming_confirmed();
    for (seq, method, status) in [("2", "INFO", 200), ("3", "MESSAGE", 202)] {
        let asked = request(method, seq, &tag, "");
        bench.take(&asked);
        let Event::Request { txn, dialog: Some(of), request, .. } = bench.one_event() else {
            panic!()
        };
        assert_eq!((of, request.method().as_str()), (dialog, method));
        bench.take(&asked);
        assert_eq!(bench.starts(), Vec::<String>::new(), "asked again before the answer");
        bench.ep.respond(bench.now, txn, Reply::new(status)).unwrap();
        assert_eq!(bench.one_response().status(), status);
        bench.take(&asked);
        assert_eq!(bench.one_response().status(), status);
        bench.no_event();
        assert!(bench.ep.respond(bench.now, txn, Reply::new(200)).is_err());
    }
}

#[test]
fn the_endpoint_answers_options_itself_and_refuses_the_rest() {
    let mut bench = Bench::udp();
    let (_, tag) = bench.incoming_confirmed();
    bench.take(&request("OPTIONS", "2", &tag, ""));
    let ok = bench.one_response();
    assert_eq!(ok.status(), 200);
    for name in ["Allow", "Accept", "Supported"] {
        assert!(ok.header(name).is_some());
    }
    for (method, status) in [("PUBLISH", 405), ("SUBSCRIBE", 405), ("FOO", 501)] {
        bench.take(&request(method, "3", &tag, ""));
        let refused = bench.one_response();
        assert_eq!(refused.status(), status);
        assert!(refused.header("Allow").unwrap().contains("MESSAGE"));
    }
    bench.no_event();
}

#[test]
fn a_number_out_of_order_is_refused() {
    let mut bench = Bench::udp();
    let (_, tag) = bench.incoming_confirmed();
    bench.take(&request("INFO", "9", &tag, ""));
    bench.one_event();
    bench.take(&request("INFO", "8", &tag, ""));
    assert_eq!(bench.starts(), ["500"]);
    bench.no_event();
}

#[test]
fn tags_and_call_id_must_all_be_right() {
    let mut bench = Bench::udp();
    let (_, tag) = bench.incoming_confirmed();
    let good = request("INFO", "2", &tag, "");
    for wrong in [
        good.replace(&tag, "other"),
        good.replace("tag=b\r", "tag=c\r"),
        good.replace("tag=b\r", "x=b\r"),
        good.replace("Call-ID: in", "Call-ID: on"),
    ] {
        assert_ne!(wrong, good);
        bench.take(&wrong);
        assert_eq!(bench.starts(), ["481"], "{wrong}");
        bench.no_event();
    }
}

#[test]
fn two_byes_that_cross_end_the_call_once() {
    let mut bench = Bench::udp();
    let (dialog, tag) = bench.incoming_confirmed();
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    let bye = bench.one_request();
    assert!(bench.ep.bye(bench.now, dialog, vec![]).is_err());
    bench.take(&request("BYE", "2", &tag, ""));
    assert_eq!(bench.starts(), ["200"]);
    bench.no_event();
    bench.take(&response(&bye, 481, "", ""));
    assert!(matches!(bench.one_event(), Event::Ended { cause: EndCause::Hangup, .. }));
    bench.assert_forgets_everything();
    bench.no_event();
}

#[test]
fn a_bye_nobody_answers_ends_the_call_all_the_same() {
    let mut bench = Bench::udp();
    let (dialog, _) = bench.incoming_confirmed();
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    bench.pass(32_000);
    assert_eq!(bench.sent().len(), 11);
    assert!(matches!(bench.one_event(), Event::Ended { cause: EndCause::Hangup, .. }));
    bench.assert_forgets_everything();
}

#[test]
fn hanging_up_during_a_reinvite_of_either_side_leaves_nothing_behind() {
    let mut bench = Bench::udp();
    let (dialog, tag) = bench.incoming_confirmed();
    bench.take(&request("INVITE", "2", &tag, ""));
    bench.one_event();
    bench.sent();
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    let sent = bench.sent();
    assert_eq!(sent.iter().map(|text| start_of(text)).collect::<Vec<_>>(), ["487", "BYE"]);
    bench.assert_forgets_everything();

    // ours is ringing when the peer hangs up and never gets its final response
    let mut bench = Bench::udp();
    let (dialog, tag) = bench.incoming_confirmed();
    bench.ep.reinvite(bench.now, dialog, vec![], None).unwrap();
    let reinvite = bench.one_request();
    bench.take(&response(&reinvite, 180, "", ""));
    bench.take(&request("BYE", "2", &tag, ""));
    assert_eq!(bench.starts(), ["200"]);
    assert!(matches!(bench.one_event(), Event::ByeReceived { .. }));
    bench.pass(1_000);
    bench.take(&response(&reinvite, 487, "", ""));
    assert_eq!(bench.starts(), ["ACK"]);
    assert_eq!(bench.ep.load().dialogs, 0);
    bench.assert_forgets_everything();

    let mut bench = Bench::udp();
    let (dialog, tag) = bench.incoming_confirmed();
    bench.ep.reinvite(bench.now, dialog, vec![], None).unwrap();
    let reinvite = bench.one_request();
    bench.take(&response(&reinvite, 180, "", ""));
    bench.take(&request("BYE", "2", &tag, ""));
    bench.assert_forgets_everything();
    bench.take(&response(&reinvite, 200, "", CONTACT));
    assert_eq!(bench.starts(), ["200"], "only the BYE's own answer");
}

#[test]
fn a_challenged_bye_is_sent_again_with_credentials() {
    let mut bench = Bench::udp();
    let user = crate::Credentials::new("alice", "s");
    let (dialog, invite) = bench.outgoing(Some(user));
    bench.take(&response(&invite, 200, "b", CONTACT));
    bench.sent();
    bench.one_event();
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    let bye = bench.one_request();
    let asked = format!(
        "Proxy-Authenticate: {}\r\n",
        crate::auth::challenge(Default::default(), "r", "n", false)
    );
    bench.take(&response(&bye, 407, "", &asked));
    let again = bench.one_request();
    assert!(again.header("Proxy-Authorization").is_some());
    assert_eq!(again.cseq().seq, bye.cseq().seq + 1);
    bench.no_event();
    bench.take(&response(&again, 200, "", ""));
    assert!(matches!(bench.one_event(), Event::Ended { cause: EndCause::Hangup, .. }));
}
