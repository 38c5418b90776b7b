//! Offers of the peer in responses to an INVITE of ours without offer (RFC 3261 §13.2.2.4).

use super::bench::{Bench, CONTACT, request, response, with_sdp};
use crate::{Body, DialogId, EndCause, Error, Event, Invite, Method, Request};

fn outgoing(bench: &mut Bench) -> (DialogId, Request) {
    let invite = Invite::new(
        "sip:bob@192.0.2.2".parse().unwrap(),
        bench.flow,
        "<sip:alice@example.com>".parse().unwrap(),
        "<sip:bob@example.com>".parse().unwrap(),
    );
    let (dialog, _) = bench.ep.invite(bench.now, invite).unwrap();
    (dialog, bench.one_request())
}

/// Answered with an offer.
fn offered(bench: &mut Bench) -> (DialogId, Request) {
    let (dialog, invite) = outgoing(bench);
    bench.take(&with_sdp(&response(&invite, 200, "b", CONTACT), "offer"));
    let Event::Answered { wants_answer: true, .. } = bench.one_event() else { panic!() };
    (dialog, invite)
}

#[test]
fn the_ack_waits_for_the_answer_and_brings_it() {
    let mut bench = Bench::udp();
    let (dialog, invite) = offered(&mut bench);
    bench.take(&with_sdp(&response(&invite, 200, "b", CONTACT), "offer"));
    assert_eq!(bench.starts(), Vec::<String>::new(), "the 2xx may repeat itself");
    bench.no_event();
    bench.ep.ack(bench.now, dialog, Some(Body::sdp("answer"))).unwrap();
    let ack = bench.one_request();
    assert_eq!((ack.method(), ack.cseq().seq, &ack.body()[..]), (&Method::Ack, 1, &b"answer"[..]));
    bench.take(&with_sdp(&response(&invite, 200, "b", CONTACT), "offer"));
    assert_eq!(bench.one_request(), ack);
    let again = bench.ep.ack(bench.now, dialog, None);
    assert_eq!(again, Err(Error::WrongState { dialog, order: "ack" }));
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    bench.sent();
    bench.assert_forgets_everything();
}

#[test]
fn an_offer_nobody_answers_is_acknowledged_and_hung_up_after_64_t1() {
    let mut bench = Bench::udp();
    offered(&mut bench);
    bench.pass(31_999);
    assert_eq!(bench.starts(), Vec::<String>::new());
    bench.pass(1);
    let sent = bench.sent();
    let [ack, bye] = [&sent[0], &sent[1]].map(|text| Request::parse(text.as_bytes()).unwrap());
    assert!(ack.method() == &Method::Ack && ack.body().is_empty());
    assert_eq!(bye.method(), &Method::Bye);
    assert!(bye.header("Reason").unwrap().starts_with("SIP;cause=500"));
    assert!(matches!(bench.one_event(), Event::Ended { cause: EndCause::Unanswered, .. }));
    bench.assert_forgets_everything();
    bench.no_event();
}

#[test]
fn hanging_up_instead_of_answering_acknowledges_first() {
    let mut bench = Bench::udp();
    let (dialog, _) = offered(&mut bench);
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    assert_eq!(bench.starts(), ["ACK", "BYE"]);

    let mut bench = Bench::udp();
    let (dialog, invite) = offered(&mut bench);
    let bye = request("BYE", "1", invite.from().tag().unwrap(), "")
        .replace("Call-ID: in", &format!("Call-ID: {}", invite.call_id()));
    bench.take(&bye);
    assert_eq!(bench.starts(), ["200", "ACK"]);
    assert!(matches!(bench.one_event(), Event::ByeReceived { .. }));
    assert_eq!(bench.ep.ack(bench.now, dialog, None), Err(Error::UnknownDialog(dialog)));
    bench.assert_forgets_everything();
}

#[test]
fn a_reinvite_without_offer_asks_for_one() {
    let mut bench = Bench::udp();
    let (dialog, _) = bench.outgoing_confirmed();
    bench.ep.reinvite(bench.now, dialog, vec![], None).unwrap();
    let reinvite = bench.one_request();
    bench.take(&with_sdp(&response(&reinvite, 200, "", CONTACT), "offer"));
    let Event::ReinviteAnswered { wants_answer: true, .. } = bench.one_event() else { panic!() };
    assert_eq!(bench.starts(), Vec::<String>::new());
    let busy = bench.ep.reinvite(bench.now, dialog, vec![], None);
    assert_eq!(busy, Err(Error::WrongState { dialog, order: "reinvite" }));
    bench.ep.ack(bench.now, dialog, Some(Body::sdp("answer"))).unwrap();
    let ack = bench.one_request();
    assert_eq!((ack.cseq().seq, &ack.body()[..]), (reinvite.cseq().seq, &b"answer"[..]));
    bench.ep.reinvite(bench.now, dialog, vec![], None).unwrap();
}

#[test]
fn rfc_3262_5_the_prack_of_an_offer_waits_for_the_answer() {
    let mut bench = Bench::udp();
    let (dialog, invite) = outgoing(&mut bench);
    let fields = format!("{CONTACT}Require: 100rel\r\nRSeq: 5\r\n");
    let media = with_sdp(&response(&invite, 183, "b", &fields), "offer");
    bench.take(&media);
    let Event::Provisional { wants_answer: true, .. } = bench.one_event() else { panic!() };
    bench.take(&media);
    bench.no_event();
    assert_eq!(bench.starts(), Vec::<String>::new());
    bench.ep.ack(bench.now, dialog, Some(Body::sdp("answer"))).unwrap();
    let prack = bench.one_request();
    assert_eq!(prack.header("RAck"), Some("5 1 INVITE"));
    assert_eq!((prack.to().tag(), &prack.body()[..]), (Some("b"), &b"answer"[..]));
    bench.take(&response(&prack, 200, "", ""));
    bench.take(&response(&invite, 200, "b", CONTACT));
    let Event::Answered { wants_answer: false, .. } = bench.one_event() else { panic!() };
    assert_eq!(bench.starts(), ["ACK"]);
}

#[test]
fn a_cancelled_call_acknowledges_an_offer_without_asking() {
    let mut bench = Bench::udp();
    let (dialog, invite) = outgoing(&mut bench);
    bench.ep.cancel(bench.now, dialog).unwrap();
    bench.take(&with_sdp(&response(&invite, 200, "b", CONTACT), "offer"));
    assert_eq!(bench.starts(), ["ACK", "BYE"]);
    assert!(matches!(bench.one_event(), Event::Rejected { status: 487, .. }));
}

#[test]
fn an_offer_that_crosses_our_bye_is_acknowledged_at_once() {
    let mut bench = Bench::udp();
    let (dialog, _) = bench.outgoing_confirmed();
    bench.ep.reinvite(bench.now, dialog, vec![], None).unwrap();
    let reinvite = bench.one_request();
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    assert_eq!(bench.starts(), ["BYE"]);
    bench.take(&with_sdp(&response(&reinvite, 200, "", CONTACT), "offer"));
    assert_eq!(bench.starts(), ["ACK"]);
    bench.no_event();
    bench.assert_forgets_everything();
}
