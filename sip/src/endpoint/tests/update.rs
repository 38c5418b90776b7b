//! UPDATE both ways, in calls and before their answer (RFC 3311).

use super::bench::{Bench, CONTACT, request, response, with_sdp};
use crate::{Body, DialogId, EndCause, Error, Event, Method, Reply, Request};

fn sdp(text: &'static str) -> Option<Body> {
    Some(Body::sdp(text))
}

fn update(seq: u32, tag: &str) -> String {
    request("UPDATE", &seq.to_string(), tag, "Contact: <sip:bob@192.0.2.2:7000>\r\n")
}

/// A call of ours whose callee answered the offer in a reliable 183, and that was acknowledged.
fn early(bench: &mut Bench) -> (DialogId, Request) {
    let (dialog, invite) = bench.outgoing(None);
    let fields = format!("{CONTACT}Allow: INVITE, UPDATE\r\nRequire: 100rel\r\nRSeq: 1\r\n");
    bench.take(&with_sdp(&response(&invite, 183, "b", &fields), "answer"));
    let prack = bench.one_request();
    bench.take(&response(&prack, 200, "", ""));
    bench.one_event();
    (dialog, invite)
}

#[test]
fn rfc_3311_5_2_an_update_without_offer_is_answered_here_and_moves_the_target() {
    let mut bench = Bench::udp();
    let (dialog, tag) = bench.incoming_confirmed();
    bench.take(&update(2, &tag));
    let ok = bench.one_response();
    assert_eq!((ok.status(), ok.header("Contact")), (200, Some("<sip:alice@192.0.2.1:5060>")));
    bench.no_event();
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    assert_eq!(bench.one_request().uri().to_string(), "sip:bob@192.0.2.2:7000");
}

#[test]
fn rfc_3311_5_2_an_offer_is_the_owners_to_answer() {
    for status in [200, 488] {
        let mut bench = Bench::udp();
        let (dialog, tag) = bench.incoming_confirmed();
        bench.take(&with_sdp(&update(2, &tag), "offer"));
        let Event::Update { txn, dialog: of, request } = bench.one_event() else { panic!() };
        assert_eq!((of, &request.body()[..]), (dialog, &b"offer"[..]));
        let provisional = bench.ep.respond(bench.now, txn, Reply::new(180));
        assert_eq!(provisional, Err(Error::WrongStatus(180)));
        let reply = Reply::new(status).with_body(Body::sdp("answer"));
        bench.ep.respond(bench.now, txn, reply).unwrap();
        let sent = bench.one_response();
        assert_eq!(sent.header("Contact").is_some(), status == 200);
        bench.ep.bye(bench.now, dialog, vec![]).unwrap();
        let moved = bench.one_request().uri().to_string() == "sip:bob@192.0.2.2:7000";
        assert_eq!(moved, status == 200, "a refused UPDATE refreshes nothing");
    }
}

#[test]
fn rfc_3311_5_2_offers_that_meet_are_refused() {
    let mut bench = Bench::udp();
    let (dialog, tag) = bench.incoming_confirmed();
    bench.take(&with_sdp(&update(2, &tag), "offer"));
    let Event::Update { txn, .. } = bench.one_event() else { panic!() };
    for (at, text) in [with_sdp(&update(3, &tag), "offer"), update(4, &tag)].iter().enumerate() {
        bench.take(text);
        let wait = bench.one_response();
        assert_eq!(wait.status(), 500, "{at}");
        assert!(wait.header("Retry-After").unwrap().parse::<u32>().unwrap() < 10);
    }
    bench.take(&with_sdp(&request("INVITE", "5", &tag, CONTACT), "offer"));
    assert_eq!(bench.starts(), ["500"]);
    let refused = Err(Error::WrongState { dialog, order: "update" });
    assert_eq!(bench.ep.update(bench.now, dialog, vec![], sdp("x")), refused);
    let refused = Err(Error::WrongState { dialog, order: "reinvite" });
    assert_eq!(bench.ep.reinvite(bench.now, dialog, vec![], sdp("x")), refused);
    bench.ep.respond(bench.now, txn, Reply::new(200)).unwrap();
    bench.sent();
    bench.ep.update(bench.now, dialog, vec![], sdp("x")).unwrap();
    bench.sent();
    for text in [update(6, &tag), request("INVITE", "7", &tag, CONTACT)] {
        bench.take(&with_sdp(&text, "offer"));
        assert_eq!(bench.starts(), ["491"]);
    }
    bench.take(&update(8, &tag));
    assert_eq!(bench.starts(), ["200"], "without offer nothing meets");
    bench.no_event();
}

#[test]
fn an_update_nobody_answers_stands_in_the_way_for_64_t1_only() {
    let mut bench = Bench::udp();
    let (dialog, tag) = bench.incoming_confirmed();
    bench.take(&with_sdp(&update(2, &tag), "offer"));
    bench.one_event();
    bench.pass(32_000);
    bench.ep.update(bench.now, dialog, vec![], sdp("x")).unwrap();
    assert_eq!(bench.starts(), ["UPDATE"]);
}

#[test]
fn rfc_3261_15_1_2_an_open_update_is_refused_when_the_call_ends() {
    for ours in [true, false] {
        let mut bench = Bench::udp();
        let (dialog, tag) = bench.incoming_confirmed();
        bench.take(&with_sdp(&update(2, &tag), "offer"));
        let Event::Update { txn, .. } = bench.one_event() else { panic!() };
        if ours {
            bench.ep.bye(bench.now, dialog, vec![]).unwrap();
            assert_eq!(bench.starts(), ["487", "BYE"]);
        } else {
            bench.take(&request("BYE", "3", &tag, ""));
            assert_eq!(bench.starts(), ["200", "487"]);
        }
        assert!(bench.ep.respond(bench.now, txn, Reply::new(200)).is_err());
    }
}

#[test]
fn rfc_3311_5_1_our_update_is_answered_or_refused() {
    let mut bench = Bench::udp();
    let (dialog, _) = bench.outgoing_confirmed();
    let header = vec![("X".to_owned(), "y".to_owned())];
    bench.ep.update(bench.now, dialog, header, sdp("offer")).unwrap();
    let sent = bench.one_request();
    assert_eq!((sent.method(), sent.header("X")), (&Method::Update, Some("y")));
    assert!(sent.header("Contact").is_some() && sent.header("Allow").unwrap().contains("UPDATE"));
    let busy = Err(Error::WrongState { dialog, order: "update" });
    assert_eq!(bench.ep.update(bench.now, dialog, vec![], None), busy);
    bench.take(&with_sdp(
        &response(&sent, 200, "", "Contact: <sip:bob@192.0.2.2:7000>\r\n"),
        "answer",
    ));
    let Event::UpdateAnswered { response: ok, .. } = bench.one_event() else { panic!() };
    assert_eq!(&ok.body()[..], b"answer");
    bench.ep.update(bench.now, dialog, vec![], sdp("offer")).unwrap();
    let sent = bench.one_request();
    assert_eq!(sent.uri().to_string(), "sip:bob@192.0.2.2:7000");
    bench.take(&response(&sent, 488, "", ""));
    assert!(matches!(bench.one_event(), Event::UpdateRejected { status: 488, .. }));
    bench.ep.update(bench.now, dialog, vec![], None).unwrap();
    let sent = bench.one_request();
    bench.take(&response(&sent, 481, "", ""));
    assert!(matches!(bench.events.remove(0), Event::UpdateRejected { status: 481, .. }));
    let gone = EndCause::PeerGone { status: 481 };
    assert!(matches!(bench.one_event(), Event::Ended { cause, .. } if cause == gone));
    bench.assert_forgets_everything();
}

#[test]
fn rfc_3311_5_3_our_update_is_tried_again_after_491() {
    let mut bench = Bench::udp();
    let (dialog, _) = bench.outgoing_confirmed();
    bench.ep.update(bench.now, dialog, vec![], sdp("offer")).unwrap();
    let first = bench.one_request();
    bench.take(&response(&first, 491, "", ""));
    bench.pass(2_099);
    assert_eq!(bench.starts(), Vec::<String>::new());
    bench.pass(1_901);
    bench.no_event();
    let again = Request::parse(bench.sent()[0].as_bytes()).unwrap();
    assert_eq!((again.method(), again.body()), (&Method::Update, first.body()));
    bench.take(&response(&again, 200, "", ""));
    assert!(matches!(bench.one_event(), Event::UpdateAnswered { .. }));
}

#[test]
fn rfc_3311_5_1_a_call_that_still_rings_is_changed_in_its_fork() {
    let mut bench = Bench::udp();
    let (dialog, invite) = bench.outgoing(None);
    bench.take(&response(&invite, 180, "c", "Contact: <sip:c@h>\r\nAllow: UPDATE\r\n"));
    bench.one_event();
    assert!(!bench.ep.can_update(dialog));
    let early_offer = Err(Error::WrongState { dialog, order: "update" });
    assert_eq!(bench.ep.update(bench.now, dialog, vec![], sdp("x")), early_offer);

    let mut bench = Bench::udp();
    let (dialog, invite) = early(&mut bench);
    assert!(bench.ep.can_update(dialog));
    bench.ep.update(bench.now, dialog, vec![], sdp("offer 2")).unwrap();
    assert!(!bench.ep.can_update(dialog));
    let sent = bench.one_request();
    assert_eq!((sent.to().tag(), sent.cseq().seq), (Some("b"), 3));
    // the call is answered before the UPDATE is
    bench.take(&response(&invite, 200, "b", CONTACT));
    assert_eq!(bench.starts(), ["ACK"]);
    assert!(matches!(bench.one_event(), Event::Answered { .. }));
    bench.take(&with_sdp(&response(&sent, 200, "", CONTACT), "answer 2"));
    assert!(matches!(bench.one_event(), Event::UpdateAnswered { .. }));
    assert!(bench.ep.update(bench.now, dialog, vec![], sdp("offer 3")).is_ok());
}

#[test]
fn rfc_3311_5_2_the_callee_changes_a_call_that_still_rings() {
    let mut bench = Bench::udp();
    let (dialog, invite) = early(&mut bench);
    let asked = with_sdp(&update(1, invite.from().tag().unwrap()), "offer 2")
        .replace("Call-ID: in", &format!("Call-ID: {}", invite.call_id()));
    bench.take(&asked);
    let Event::Update { txn, dialog: of, .. } = bench.one_event() else { panic!() };
    assert_eq!(of, dialog);
    bench.ep.respond(bench.now, txn, Reply::new(200).with_body(Body::sdp("answer 2"))).unwrap();
    assert_eq!(&bench.one_response().body()[..], b"answer 2");
}

#[test]
fn rfc_3311_5_2_an_offer_before_the_first_answer_has_to_wait() {
    let mut bench = Bench::udp();
    bench.take(&with_sdp(&request("INVITE", "1", "", CONTACT), "offer"));
    bench.sent();
    let Event::Invite { dialog, .. } = bench.one_event() else { panic!() };
    bench.ep.progress(bench.now, dialog, Reply::new(180)).unwrap();
    let tag = bench.one_response().to().tag().unwrap().to_owned();
    bench.take(&with_sdp(&update(2, &tag), "offer 2"));
    assert_eq!(bench.starts(), ["500"]);
    bench.no_event();
}
