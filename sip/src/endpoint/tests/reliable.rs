//! Reliable provisional responses of ours (RFC 3262 §3).

use super::bench::{Bench, CONTACT, addr, request, with_sdp};
use crate::{Body, Config, DialogId, EndCause, Error, Event, Flow, Reliable, Reply, Response};

/// A call with an offer comes in whose sender lists 100rel.
fn incoming(bench: &mut Bench, field: &str) -> DialogId {
    let invite = request("INVITE", "1", "", &format!("{CONTACT}{field}: 100rel\r\n"));
    bench.take(&with_sdp(&invite, "offer"));
    bench.sent();
    match bench.one_event() {
        Event::Invite { dialog, .. } => dialog,
        other => panic!("{other:?}"),
    }
}

fn early_media() -> Reply {
    Reply::new(183).with_body(Body::sdp("answer"))
}

fn rseq(response: &Response) -> u32 {
    assert_eq!(response.header("Require"), Some("100rel"));
    response.header("RSeq").unwrap().parse().unwrap()
}

fn prack(seq: u32, tag: &str, rseq: u32) -> String {
    request("PRACK", &seq.to_string(), tag, &format!("RAck: {rseq} 1 INVITE\r\n"))
}

fn config(reliable: Reliable) -> Bench {
    let flow = Flow::udp(addr("192.0.2.1:5060"), addr("192.0.2.2:5060"));
    Bench::with(|config: &mut Config| config.reliable = reliable, flow)
}

#[test]
fn rfc_3262_3_which_responses_are_reliable() {
    for (field, reliable, ringing, media) in [
        ("X-None", Reliable::WhenSupported, false, false),
        ("Supported", Reliable::WhenSupported, false, true),
        ("Supported", Reliable::WhenRequired, false, false),
        ("Require", Reliable::WhenSupported, true, true),
        ("Require", Reliable::WhenRequired, true, true),
    ] {
        for (reply, expected) in [(Reply::new(180), ringing), (early_media(), media)] {
            let mut bench = config(reliable);
            let dialog = incoming(&mut bench, field);
            bench.ep.progress(bench.now, dialog, reply).unwrap();
            let sent = bench.one_response();
            assert_eq!(sent.header("RSeq").is_some(), expected, "{field} {reliable:?}");
            assert!(sent.header("Contact").is_some());
        }
    }
}

#[test]
fn rfc_3262_3_a_response_goes_again_until_its_prack() {
    let mut bench = Bench::udp();
    let dialog = incoming(&mut bench, "Supported");
    bench.ep.progress(bench.now, dialog, early_media()).unwrap();
    let first = bench.one_response();
    let (tag, number) = (first.to().tag().unwrap().to_owned(), rseq(&first));
    assert!((1..1 << 31).contains(&number));
    let start = bench.now;
    let mut at = Vec::new();
    for _ in 0..8_000 {
        bench.pass(1);
        for text in bench.sent() {
            assert_eq!(Response::parse(text.as_bytes()).unwrap(), first);
            at.push(bench.now.duration_since(start).as_millis());
        }
    }
    assert_eq!(at, [500, 1_500, 3_500, 7_500]);
    for wrong in
        [prack(2, &tag, number + 1), prack(3, &tag, number).replace("1 INVITE", "2 INVITE")]
    {
        bench.take(&wrong);
        assert_eq!(bench.starts(), ["481"]);
    }
    for broken in ["x", "1", "1 1 BYE"] {
        let text = prack(4, &tag, number).replace(&format!("{number} 1 INVITE"), broken);
        bench.take(&text.replace("PRACK4", &format!("PRACK{}", broken.len())));
        assert_eq!(bench.starts(), ["400"], "{broken}");
    }
    bench.no_event();
    bench.take(&prack(5, &tag, number));
    assert_eq!(bench.starts(), ["200"]);
    assert!(matches!(bench.one_event(), Event::Pracked { body: None, .. }));
    bench.take(&prack(5, &tag, number));
    assert_eq!(bench.starts(), ["200"], "the same PRACK again");
    bench.take(&prack(6, &tag, number));
    assert_eq!(bench.starts(), ["481"], "another PRACK of the same response");
    bench.no_event();
    bench.pass(40_000);
    assert_eq!(bench.starts(), Vec::<String>::new());
}

#[test]
fn rfc_3262_3_responses_go_one_after_the_other_and_numbers_rise_by_one() {
    let mut bench = Bench::udp();
    let dialog = incoming(&mut bench, "Require");
    for status in [180, 181, 182] {
        bench.ep.progress(bench.now, dialog, Reply::new(status)).unwrap();
    }
    let first = bench.one_response();
    let (tag, number) = (first.to().tag().unwrap().to_owned(), rseq(&first));
    for (at, status) in [(0, 181), (1, 182)] {
        bench.take(&prack(2 + at, &tag, number + at));
        let sent = bench.sent();
        let next = Response::parse(sent[1].as_bytes()).unwrap();
        assert_eq!((next.status(), rseq(&next)), (status, number + at + 1));
    }
    let full = Error::Full { what: "provisional responses", limit: 8 };
    for at in 0..9 {
        let done = bench.ep.progress(bench.now, dialog, Reply::new(183));
        assert_eq!(done, if at < 8 { Ok(()) } else { Err(full.clone()) });
    }
}

#[test]
fn rfc_3262_3_the_2xx_waits_for_the_prack_of_a_description() {
    let mut bench = Bench::udp();
    let dialog = incoming(&mut bench, "Supported");
    bench.ep.progress(bench.now, dialog, early_media()).unwrap();
    let media = bench.one_response();
    let answer = Reply::new(200).with_body(Body::sdp("answer"));
    bench.ep.answer(bench.now, dialog, answer.clone()).unwrap();
    assert_eq!(bench.starts(), Vec::<String>::new());
    let wrong = Err(Error::WrongState { dialog, order: "answer" });
    assert_eq!(bench.ep.answer(bench.now, dialog, answer), wrong);
    let tag = media.to().tag().unwrap();
    bench.take(&prack(2, tag, rseq(&media)));
    let sent = bench.sent();
    let [acked, ok] = [&sent[0], &sent[1]].map(|text| Response::parse(text.as_bytes()).unwrap());
    assert_eq!((acked.status(), acked.cseq().seq), (200, 2));
    assert_eq!((ok.status(), ok.cseq().seq), (200, 1));
    assert!(ok.body().is_empty(), "the answer was given already");
    assert!(matches!(bench.one_event(), Event::Pracked { .. }));
    bench.take(&request("ACK", "1", tag, ""));
    assert!(matches!(bench.one_event(), Event::Acked { .. }));
}

#[test]
fn rfc_3262_3_the_2xx_does_not_wait_for_the_prack_of_a_mere_ringing() {
    let mut bench = Bench::udp();
    let dialog = incoming(&mut bench, "Require");
    bench.ep.progress(bench.now, dialog, Reply::new(180)).unwrap();
    let ringing = bench.one_response();
    let tag = ringing.to().tag().unwrap();
    let answer = Reply::new(200).with_body(Body::sdp("answer"));
    bench.ep.answer(bench.now, dialog, answer).unwrap();
    assert_eq!(&bench.one_response().body()[..], b"answer");
    bench.pass(400);
    bench.take(&prack(2, tag, rseq(&ringing)));
    assert_eq!(bench.starts(), ["200"], "it is acknowledged late");
    bench.pass(200);
    assert_eq!(bench.starts(), ["200"], "only the 2xx goes again");
}

#[test]
fn rfc_3262_3_without_prack_the_invite_is_refused_after_64_t1() {
    for answered in [false, true] {
        let mut bench = Bench::udp();
        let dialog = incoming(&mut bench, "Supported");
        bench.ep.progress(bench.now, dialog, early_media()).unwrap();
        if answered {
            bench.ep.answer(bench.now, dialog, Reply::new(200)).unwrap();
        }
        bench.pass(31_999);
        bench.no_event();
        bench.sent();
        bench.pass(1);
        assert_eq!(bench.starts(), ["504"]);
        assert!(matches!(bench.one_event(), Event::Ended { cause: EndCause::NoPrack, .. }));
        bench.assert_forgets_everything();
    }
}

#[test]
fn rfc_3262_5_our_offer_in_a_reliable_response_is_answered_in_the_prack() {
    let mut bench = Bench::udp();
    bench.take(&request("INVITE", "1", "", &format!("{CONTACT}Supported: 100rel\r\n")));
    bench.sent();
    let Event::Invite { dialog, .. } = bench.one_event() else { panic!() };
    bench.ep.progress(bench.now, dialog, Reply::new(183).with_body(Body::sdp("offer"))).unwrap();
    let media = bench.one_response();
    assert_eq!(&media.body()[..], b"offer");
    let tag = media.to().tag().unwrap();
    bench.take(&with_sdp(&prack(2, tag, rseq(&media)), "answer"));
    assert_eq!(bench.starts(), ["200"]);
    match bench.one_event() {
        Event::Pracked { body: Some(body), .. } => assert_eq!(body, Body::sdp("answer")),
        other => panic!("{other:?}"),
    }
    bench.ep.answer(bench.now, dialog, Reply::new(200).with_body(Body::sdp("offer"))).unwrap();
    assert!(bench.one_response().body().is_empty(), "no second offer in the 2xx");
}

#[test]
fn rfc_3261_13_2_1_no_offer_stands_in_an_unreliable_response() {
    let mut bench = Bench::udp();
    bench.take(&request("INVITE", "1", "", CONTACT));
    bench.sent();
    let Event::Invite { dialog, .. } = bench.one_event() else { panic!() };
    bench.ep.progress(bench.now, dialog, Reply::new(183).with_body(Body::sdp("offer"))).unwrap();
    assert!(bench.one_response().body().is_empty());
    bench.ep.answer(bench.now, dialog, Reply::new(200).with_body(Body::sdp("offer"))).unwrap();
    assert_eq!(&bench.one_response().body()[..], b"offer");
}

#[test]
fn rfc_3262_5_a_prack_may_make_an_offer_of_its_own() {
    let mut bench = Bench::udp();
    let dialog = incoming(&mut bench, "Supported");
    bench.ep.progress(bench.now, dialog, early_media()).unwrap();
    let media = bench.one_response();
    let tag = media.to().tag().unwrap();
    bench.take(&with_sdp(&prack(2, tag, rseq(&media)), "offer 2"));
    assert!(matches!(bench.events.remove(0), Event::Pracked { body: None, .. }));
    let Event::Update { txn, request: prack, .. } = bench.one_event() else { panic!() };
    assert_eq!(&prack.body()[..], b"offer 2");
    assert_eq!(bench.starts(), Vec::<String>::new());
    let reply = Reply::new(200).with_body(Body::sdp("answer 2"));
    bench.ep.respond(bench.now, txn, reply.clone()).unwrap();
    let ok = bench.one_response();
    assert_eq!((ok.cseq().seq, &ok.body()[..]), (2, &b"answer 2"[..]));
    assert!(bench.ep.respond(bench.now, txn, reply).is_err());
}

#[test]
fn a_cancel_or_bye_ends_a_call_whose_prack_is_missing() {
    for (method, tagged, starts) in
        [("CANCEL", false, ["200", "487"]), ("BYE", true, ["200", "487"])]
    {
        let mut bench = Bench::udp();
        let dialog = incoming(&mut bench, "Supported");
        bench.ep.progress(bench.now, dialog, early_media()).unwrap();
        bench.ep.answer(bench.now, dialog, Reply::new(200)).unwrap();
        let tag = bench.one_response().to().tag().unwrap().to_owned();
        let seq = if tagged { "2" } else { "1" };
        bench.take(&request(method, seq, if tagged { &tag } else { "" }, ""));
        assert_eq!(bench.starts(), starts);
        bench.one_event();
        bench.take(&request("ACK", "1", &tag, ""));
        bench.pass(5_000);
        assert_eq!(bench.starts(), Vec::<String>::new());
        bench.assert_forgets_everything();
        bench.no_event();
    }
}

#[test]
fn a_call_that_rings_for_minutes_is_kept_alive_with_new_responses() {
    let mut bench = Bench::udp();
    let dialog = incoming(&mut bench, "Require");
    bench.ep.progress(bench.now, dialog, early_media()).unwrap();
    let media = bench.one_response();
    let tag = media.to().tag().unwrap().to_owned();
    bench.take(&prack(2, &tag, rseq(&media)));
    bench.sent();
    bench.pass(60_000);
    let again = bench.one_response();
    assert_eq!((again.status(), rseq(&again)), (183, rseq(&media) + 1));
    assert!(again.body().is_empty());
    bench.take(&prack(3, &tag, rseq(&again)));
    assert_eq!(bench.starts(), ["200"]);
}
