//! Session timers, both roles (RFC 4028).

use std::time::Duration;

use super::bench::{Bench, CONTACT, addr, request, response, start_of, with_sdp};
use crate::{Body, Config, DialogId, EndCause, Event, Flow, Method, Reply, Request, Response};

fn bench(change: impl FnOnce(&mut Config)) -> Bench {
    Bench::with(change, Flow::udp(addr("192.0.2.1:5060"), addr("192.0.2.2:5060")))
}

/// A call with these fields is taken and acknowledged; its dialog, our tag and the 2xx.
fn taken(bench: &mut Bench, fields: &str) -> (DialogId, String, Response) {
    bench.take(&with_sdp(&request("INVITE", "1", "", &format!("{CONTACT}{fields}")), "offer"));
    bench.sent();
    let Event::Invite { dialog, .. } = bench.one_event() else { panic!() };
    let reply = Reply::new(200).with_body(Body::sdp("answer"));
    bench.ep.answer(bench.now, dialog, reply).unwrap();
    let ok = bench.one_response();
    let tag = ok.to().tag().unwrap().to_owned();
    bench.take(&request("ACK", "1", &tag, ""));
    bench.one_event();
    (dialog, tag, ok)
}

/// A call of ours is answered with these fields.
fn placed(bench: &mut Bench, fields: &str) -> (DialogId, Request) {
    let (dialog, invite) = bench.outgoing(None);
    bench.take(&response(&invite, 200, "b", &format!("{CONTACT}{fields}")));
    assert!(matches!(bench.one_event(), Event::Answered { .. }));
    assert_eq!(bench.starts(), ["ACK"]);
    (dialog, invite)
}

fn seconds(bench: &mut Bench, seconds: u64) {
    bench.pass(seconds * 1_000);
}

#[test]
fn rfc_4028_7_1_a_call_of_ours_asks_for_the_interval() {
    let mut bench = bench(|config| config.session_expires = Some(Duration::from_secs(600)));
    let (_, invite) = bench.outgoing(None);
    assert_eq!(invite.header("Session-Expires"), Some("600"));
    assert_eq!(invite.header("Min-SE"), None, "90 is what the RFC says itself");
    assert!(invite.header("Supported").unwrap().contains("timer"));
    let mut bench = self::bench(|config| {
        config.session_expires = Some(Duration::from_secs(60));
        config.min_se = Duration::from_secs(120);
    });
    let (_, invite) = bench.outgoing(None);
    assert_eq!(
        (invite.header("Session-Expires"), invite.header("Min-SE")),
        (Some("120"), Some("120"))
    );
    let mut bench = self::bench(|config| config.session_expires = None);
    let (_, invite) = bench.outgoing(None);
    assert_eq!(invite.header("Session-Expires"), None);
    assert!(invite.header("Supported").unwrap().contains("timer"));
}

#[test]
fn rfc_4028_7_3_a_422_raises_the_interval() {
    let mut bench = Bench::udp();
    let (_, invite) = bench.outgoing(None);
    bench.take(&response(&invite, 422, "b", "Min-SE: 3600\r\n"));
    let sent = bench.sent();
    assert_eq!(start_of(&sent[0]), "ACK");
    let again = Request::parse(sent[1].as_bytes()).unwrap();
    assert_eq!((again.call_id(), again.cseq().seq), (invite.call_id(), 2));
    assert_eq!(again.header("Session-Expires"), Some("3600"));
    assert_eq!(again.header("Min-SE"), Some("3600"));
    bench.no_event();
    // a proxy that asks for what it got is not humoured
    bench.take(&response(&again, 422, "b", "Min-SE: 3600\r\n"));
    assert!(matches!(bench.one_event(), Event::Rejected { status: 422, .. }));
    assert_eq!(bench.starts(), ["ACK"]);
    bench.assert_forgets_everything();
}

#[test]
fn rfc_4028_7_3_an_interval_is_raised_three_times_at_most() {
    let mut bench = Bench::udp();
    let (_, mut invite) = bench.outgoing(None);
    for round in 1..=4_u32 {
        let least = 2_000 * round;
        bench.take(&response(&invite, 422, "b", &format!("Min-SE: {least}\r\n")));
        let sent = bench.sent();
        assert_eq!(sent.len() == 2, round < 4, "{round}");
        if let Some(text) = sent.get(1) {
            invite = Request::parse(text.as_bytes()).unwrap();
        }
    }
    assert!(matches!(bench.one_event(), Event::Rejected { status: 422, .. }));
}

#[test]
fn rfc_4028_9_too_short_an_interval_is_refused_if_the_peer_can_ask_again() {
    let mut bench = Bench::udp();
    let brief = "Supported: timer\r\nSession-Expires: 89\r\n";
    bench.take(&request("INVITE", "1", "", brief));
    let refused = bench.one_response();
    assert_eq!((refused.status(), refused.header("Min-SE")), (422, Some("90")));
    bench.take(&request("INVITE", "2", "", "Session-Expires: x\r\n"));
    assert_eq!(bench.starts(), ["400"]);
    bench.no_event();
    let (.., ok) = taken(&mut bench, "Session-Expires: 60\r\n");
    assert_eq!(ok.header("Session-Expires"), Some("60;refresher=uas"));
    let mut bench = Bench::udp();
    let (_, tag, _) = taken(&mut bench, "");
    bench.take(&request("UPDATE", "2", &tag, brief));
    assert_eq!(bench.starts(), ["422"]);
}

#[test]
fn rfc_4028_9_a_peer_with_timers_refreshes_or_is_hung_up() {
    let mut bench = Bench::udp();
    let (dialog, tag, ok) = taken(&mut bench, "Supported: timer\r\nSession-Expires: 90\r\n");
    assert_eq!(ok.header("Session-Expires"), Some("90;refresher=uac"));
    assert_eq!(ok.header("Require"), Some("timer"));
    seconds(&mut bench, 45);
    let refresh = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n";
    bench.take(&request("UPDATE", "2", &tag, refresh));
    let ok = bench.one_response();
    assert_eq!(ok.header("Session-Expires"), Some("90;refresher=uac"));
    bench.no_event();
    seconds(&mut bench, 30);
    // a re-INVITE refreshes as well, when it is answered
    bench.take(&request("INVITE", "3", &tag, refresh));
    assert!(matches!(bench.one_event(), Event::Reinvite { .. }));
    bench.ep.answer(bench.now, dialog, Reply::new(200)).unwrap();
    bench.sent();
    bench.take(&request("ACK", "3", &tag, ""));
    bench.one_event();
    bench.pass(59_999);
    bench.no_event();
    bench.pass(1);
    assert!(matches!(bench.one_event(), Event::Ended { cause: EndCause::SessionExpired, .. }));
    let bye = bench.one_request();
    assert_eq!(bye.method(), &Method::Bye);
    assert_eq!(bye.header("Reason"), Some("SIP;cause=408;text=\"Session expired\""));
    bench.assert_forgets_everything();
    bench.no_event();
}

#[test]
fn rfc_4028_9_a_peer_without_timers_is_refreshed_by_us() {
    let mut bench = Bench::udp();
    let (_, _, ok) = taken(&mut bench, "Allow: INVITE, ACK, BYE\r\n");
    assert_eq!(ok.header("Session-Expires"), Some("1800;refresher=uas"));
    assert_eq!(ok.header("Require"), None);
    for seq in 1..=3 {
        bench.pass(899_999);
        assert_eq!(bench.starts(), Vec::<String>::new());
        bench.pass(1);
        let refresh = bench.one_request();
        assert_eq!((refresh.method(), &refresh.body()[..]), (&Method::Invite, &b"answer"[..]));
        assert_eq!(refresh.header("Session-Expires"), Some("1800;refresher=uac"));
        assert_eq!(refresh.cseq().seq, seq);
        bench.take(&with_sdp(&response(&refresh, 200, "", CONTACT), "offer"));
        assert_eq!(bench.starts(), ["ACK"]);
        assert!(matches!(bench.one_event(), Event::ReinviteAnswered { .. }));
    }
}

#[test]
fn rfc_4028_7_4_we_refresh_by_update_where_the_peer_takes_it() {
    let mut bench = Bench::udp();
    let fields =
        "Allow: INVITE, UPDATE\r\nRequire: timer\r\nSession-Expires: 100;refresher=uac\r\n";
    placed(&mut bench, fields);
    seconds(&mut bench, 50);
    let refresh = bench.one_request();
    assert_eq!(refresh.method(), &Method::Update);
    assert!(refresh.body().is_empty());
    assert_eq!(refresh.header("Session-Expires"), Some("100;refresher=uac"));
    // the peer changes roles and interval
    bench.take(&response(&refresh, 200, "", "Session-Expires: 120;refresher=uas\r\n"));
    bench.no_event();
    seconds(&mut bench, 79);
    assert_eq!(bench.starts(), Vec::<String>::new());
    seconds(&mut bench, 9);
    assert_eq!(bench.starts(), ["BYE"], "120 s less a third is 80, less 32 is 88");
    assert!(matches!(bench.one_event(), Event::Ended { cause: EndCause::SessionExpired, .. }));
}

#[test]
fn rfc_4028_10_a_refresh_that_is_refused_is_tried_again_until_the_end() {
    let mut bench = Bench::udp();
    let fields = "Allow: INVITE, UPDATE\r\nSession-Expires: 100;refresher=uac\r\n";
    placed(&mut bench, fields);
    seconds(&mut bench, 50);
    let refresh = bench.one_request();
    bench.take(&response(&refresh, 500, "", ""));
    seconds(&mut bench, 10);
    let refresh = bench.one_request();
    // an Allow that promised too much: the next is a re-INVITE, at once
    bench.take(&response(&refresh, 405, "", ""));
    bench.pass(0);
    let refresh = bench.one_request();
    assert_eq!((refresh.method(), &refresh.body()[..]), (&Method::Invite, &b"v=0\r\n"[..]));
    bench.take(&response(&refresh, 488, "", ""));
    assert_eq!(bench.starts(), ["ACK"]);
    bench.no_event();
    seconds(&mut bench, 8);
    assert_eq!(bench.starts(), ["BYE"]);
    assert!(matches!(bench.one_event(), Event::Ended { cause: EndCause::SessionExpired, .. }));
    bench.assert_forgets_everything();
}

#[test]
fn rfc_4028_10_a_refresh_that_finds_nobody_ends_the_call() {
    for answered in [true, false] {
        let mut bench = Bench::udp();
        placed(&mut bench, "Allow: UPDATE\r\nSession-Expires: 1000;refresher=uac\r\n");
        seconds(&mut bench, 500);
        let refresh = bench.one_request();
        let cause = match answered {
            true => {
                bench.take(&response(&refresh, 481, "", ""));
                EndCause::PeerGone { status: 481 }
            }
            false => {
                seconds(&mut bench, 32);
                EndCause::PeerGone { status: 408 }
            }
        };
        match bench.one_event() {
            Event::Ended { cause: seen, .. } => assert_eq!(seen, cause),
            other => panic!("{other:?}"),
        }
        bench.assert_forgets_everything();
    }
}

#[test]
fn rfc_4028_7_2_without_session_expires_in_the_answer_the_session_has_no_end() {
    let mut bench = Bench::udp();
    placed(&mut bench, "");
    seconds(&mut bench, 100_000);
    assert_eq!(bench.starts(), Vec::<String>::new());
    bench.no_event();
}

#[test]
fn rfc_4028_7_4_a_reinvite_keeps_the_roles() {
    for (refresher, kept) in [("uac", "uac"), ("uas", "uas")] {
        let mut bench = Bench::udp();
        let (dialog, _) =
            placed(&mut bench, &format!("Session-Expires: 200;refresher={refresher}\r\n"));
        bench.ep.reinvite(bench.now, dialog, vec![], Some(Body::sdp("x"))).unwrap();
        let sent = bench.one_request();
        assert_eq!(sent.header("Session-Expires"), Some(&*format!("200;refresher={kept}")));
    }
}

#[test]
fn a_refresh_waits_until_the_dialog_is_free() {
    let mut bench = Bench::udp();
    let (dialog, tag, _) = taken(&mut bench, "Allow: UPDATE\r\nSession-Expires: 200\r\n");
    seconds(&mut bench, 99);
    bench.take(&with_sdp(&request("INVITE", "2", &tag, CONTACT), "offer"));
    bench.sent();
    bench.one_event();
    seconds(&mut bench, 3);
    assert_eq!(bench.starts(), Vec::<String>::new());
    bench.ep.reject(bench.now, dialog, Reply::new(488)).unwrap();
    bench.take(&request("ACK", "2", &tag, ""));
    bench.sent();
    seconds(&mut bench, 1);
    assert_eq!(bench.starts(), ["UPDATE"]);
}
