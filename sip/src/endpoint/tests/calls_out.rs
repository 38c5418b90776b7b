//! Calls that go out: answer, failure, challenge, CANCEL and its races, forks, silence.

use super::bench::{Bench, CONTACT, addr, request, response, start_of};
use crate::auth::{Algorithm, DigestCredentials, challenge, ha1, verify};
use crate::{Body, Credentials, EndCause, Error, Event, Flow, Invite, Method, Request};

fn credentials() -> Option<Credentials> {
    Some(Credentials::new("alice", "secret"))
}

fn rejected(event: Event) -> (u16, bool) {
    match event {
        Event::Rejected { status, response, .. } => (status, response.is_some()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_is_placed_answered_acknowledged_and_hung_up() {
    let mut bench = Bench::udp();
    let (dialog, invite) = bench.outgoing(None);
    assert_eq!(invite.uri().to_string(), "sip:bob@192.0.2.2");
    assert_eq!(invite.header("Contact"), Some("<sip:alice@192.0.2.1:5060>"));
    assert_eq!(invite.from().display.as_deref(), Some("Alice"));
    assert_eq!(invite.to().tag(), None);
    assert_eq!(invite.header("Max-Forwards"), Some("70"));
    assert!(invite.via().has_unique_branch() && invite.via().params.has("rport"));
    bench.take(&response(&invite, 100, "", ""));
    assert!(matches!(bench.one_event(), Event::Trying { .. }));
    bench.take(&response(&invite, 180, "b", CONTACT));
    assert!(matches!(bench.one_event(), Event::Provisional { .. }));
    bench.take(&response(&invite, 200, "b", "Contact: <sip:bob@192.0.2.2:5070;x=y>\r\n"));
    let Event::Answered { response: answered, .. } = bench.one_event() else { panic!() };
    assert_eq!(answered.status(), 200);
    let ack = bench.one_request();
    assert_eq!(ack.method(), &Method::Ack);
    assert_eq!(ack.uri().to_string(), "sip:bob@192.0.2.2:5070;x=y");
    assert_eq!(ack.cseq().seq, invite.cseq().seq);
    assert_eq!(ack.to().tag(), Some("b"));
    assert_ne!(ack.via().branch(), invite.via().branch());
    bench.pass(1_000);
    bench.take(&response(&invite, 200, "b", ""));
    assert_eq!(bench.one_request(), ack, "a repeated 2xx gets the same ACK");
    bench.no_event();
    bench.ep.bye(bench.now, dialog, vec![("X-Reason".into(), "Max".into())]).unwrap();
    let bye = bench.one_request();
    assert_eq!(bye.cseq().seq, invite.cseq().seq + 1);
    assert_eq!(bye.header("X-Reason"), Some("Max"));
    assert_eq!(bye.from().to_string(), invite.from().to_string());
    bench.take(&response(&bye, 200, "", ""));
    assert!(matches!(bench.one_event(), Event::Ended { cause: EndCause::Hangup, .. }));
    bench.assert_forgets_everything();
}

#[test]
fn a_failure_is_acknowledged_in_the_transaction_and_told_once() {
    for mut bench in [Bench::udp(), Bench::tcp()] {
        let (_, invite) = bench.outgoing(None);
        let busy = response(&invite, 486, "b", "Reason: Q.850;cause=17\r\n");
        bench.take(&busy);
        let ack = bench.one_request();
        assert_eq!(ack.method(), &Method::Ack);
        assert_eq!(ack.via(), invite.via());
        assert_eq!(ack.uri(), invite.uri());
        assert_eq!(ack.to().tag(), Some("b"));
        assert_eq!(ack.cseq().seq, invite.cseq().seq);
        let Event::Rejected { status: 486, reason, response: Some(seen), .. } = bench.one_event()
        else {
            panic!()
        };
        assert_eq!(reason, "Whatever");
        assert_eq!(seen.header("Reason"), Some("Q.850;cause=17"));
        bench.take(&busy);
        assert_eq!(bench.starts(), ["ACK"]);
        bench.no_event();
        bench.assert_forgets_everything();
    }
}

#[test]
fn silence_ends_as_408_after_64_t1() {
    let mut bench = Bench::udp();
    bench.outgoing(None);
    bench.pass(31_999);
    assert_eq!(bench.sent().len(), 6);
    bench.no_event();
    bench.pass(1);
    assert_eq!(rejected(bench.one_event()), (408, false));
    bench.assert_forgets_everything();
}

#[test]
fn a_broken_path_ends_as_503_at_once() {
    for mut bench in [Bench::udp(), Bench::tcp()] {
        bench.outgoing(None);
        let elsewhere = Flow { connection: Some(8), peer: addr("192.0.2.3:1"), ..bench.flow };
        bench.ep.handle_transport_error(bench.now, elsewhere);
        bench.no_event();
        bench.ep.handle_transport_error(bench.now, bench.flow);
        assert_eq!(rejected(bench.one_event()), (503, false));
        bench.assert_forgets_everything();
    }
}

#[test]
fn a_stream_still_to_be_opened_fails_by_its_peer_address() {
    let mut bench = Bench::udp();
    bench.flow = Flow::tcp(addr("192.0.2.1:5060"), addr("192.0.2.2:5060"), None);
    bench.outgoing(None);
    bench.ep.handle_transport_error(bench.now, bench.flow);
    assert_eq!(rejected(bench.one_event()), (503, false));
}

#[test]
fn rfc_3261_8_1_1_8_a_call_to_sips_names_a_secure_contact() {
    for (uri, contact) in [
        ("sips:bob@192.0.2.2", "<sips:192.0.2.1:5060>"),
        ("sip:bob@192.0.2.2", "<sip:192.0.2.1:5060;transport=tls>"),
    ] {
        let mut bench = Bench::tcp();
        bench.flow.transport = crate::Transport::Tls;
        let (from, to) = ("<sip:a@h>".parse().unwrap(), "<sip:b@h>".parse().unwrap());
        let invite = Invite::new(uri.parse().unwrap(), bench.flow, from, to);
        bench.ep.invite(bench.now, invite).unwrap();
        assert_eq!(bench.one_request().header("Contact"), Some(contact));
    }
}

#[test]
fn a_dialog_made_over_a_new_stream_stays_on_its_connection() {
    let mut bench = Bench::udp();
    bench.flow = Flow::tcp(addr("192.0.2.1:5060"), addr("192.0.2.2:5060"), None);
    let (dialog, invite) = bench.outgoing(None);
    assert!(invite.header("Contact").unwrap().contains(";transport=tcp"));
    let opened = Flow { connection: Some(3), ..bench.flow };
    bench.take_from(opened, &response(&invite, 200, "b", CONTACT));
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    bench.drain();
    let flows: Vec<_> = bench.wire.iter().map(|(flow, text)| (start_of(text), *flow)).collect();
    assert_eq!(flows, [("ACK".to_owned(), opened), ("BYE".to_owned(), opened)]);
}

#[test]
fn a_challenge_is_answered_once() {
    for (status, asks, answers) in [
        (401, "WWW-Authenticate", "Authorization"),
        (407, "Proxy-Authenticate", "Proxy-Authorization"),
    ] {
        let mut bench = Bench::udp();
        let (dialog, invite) = bench.outgoing(credentials());
        let asked = format!("{asks}: {}\r\n", challenge(Algorithm::Md5, "r", "n1", false));
        bench.take(&response(&invite, status, "b", &asked));
        let sent = bench.sent();
        assert_eq!(start_of(&sent[0]), "ACK");
        let again = Request::parse(sent[1].as_bytes()).unwrap();
        assert_eq!(again.call_id(), invite.call_id());
        assert_eq!(again.from().tag(), invite.from().tag());
        assert_eq!(again.cseq().seq, invite.cseq().seq + 1);
        assert_ne!(again.via().branch(), invite.via().branch());
        assert_eq!(again.body(), invite.body());
        let value = DigestCredentials::parse(again.header(answers).unwrap()).unwrap();
        assert!(verify(
            &value,
            &Method::Invite,
            Algorithm::Md5,
            &ha1(Algorithm::Md5, "alice", "r", "secret")
        ));
        bench.no_event();
        bench.take(&response(&again, 200, "b", CONTACT));
        assert!(matches!(bench.one_event(), Event::Answered { .. }));
        let ack = bench.one_request();
        assert_eq!(ack.cseq().seq, again.cseq().seq);
        assert_eq!(ack.header(answers), again.header(answers), "§22.1");
        bench.ep.bye(bench.now, dialog, vec![]).unwrap();
        assert_eq!(bench.one_request().cseq().seq, again.cseq().seq + 1);
    }
}

#[test]
fn of_two_algorithms_the_stronger_is_answered() {
    let mut bench = Bench::udp();
    let (_, invite) = bench.outgoing(credentials());
    let asks =
        |algorithm| format!("WWW-Authenticate: {}\r\n", challenge(algorithm, "r", "n", false));
    let asked = asks(Algorithm::Md5) + &asks(Algorithm::Sha256);
    bench.take(&response(&invite, 401, "b", &asked));
    let again = Request::parse(bench.sent()[1].as_bytes()).unwrap();
    let values: Vec<&str> = again.headers("Authorization").collect();
    assert_eq!(values.len(), 1);
    let value = DigestCredentials::parse(values[0]).unwrap();
    let known = ha1(Algorithm::Sha256, "alice", "r", "secret");
    assert!(verify(&value, &Method::Invite, Algorithm::Sha256, &known));
}

#[test]
fn a_wrong_password_is_not_tried_twice_but_a_stale_nonce_is_once() {
    for (stale, tries) in [(false, 1), (true, 2)] {
        let mut bench = Bench::udp();
        let (_, mut invite) = bench.outgoing(credentials());
        for n in 0..4 {
            let value = challenge(Algorithm::Md5, "r", &format!("n{n}"), stale && n > 0);
            let asked = format!("WWW-Authenticate: {value}\r\n");
            bench.take(&response(&invite, 401, "b", &asked));
            let sent = bench.sent();
            if n == tries {
                assert_eq!(sent.len(), 1);
                assert_eq!(rejected(bench.one_event()), (401, true));
                break;
            }
            invite = Request::parse(sent[1].as_bytes()).unwrap();
        }
        bench.assert_forgets_everything();
        bench.no_event();
    }
}

#[test]
fn without_credentials_or_with_a_foreign_challenge_a_401_is_final() {
    let sha = "WWW-Authenticate: Digest realm=\"r\",nonce=\"n\",algorithm=SHA-1\r\n".to_owned();
    let md5 = format!("WWW-Authenticate: {}\r\n", challenge(Algorithm::Md5, "r", "n", false));
    for (credentials, asked) in [(None, md5), (credentials(), sha), (credentials(), String::new())]
    {
        let mut bench = Bench::udp();
        let (_, invite) = bench.outgoing(credentials);
        bench.take(&response(&invite, 401, "b", &asked));
        assert_eq!(rejected(bench.one_event()), (401, true));
        assert_eq!(bench.starts(), ["ACK"]);
    }
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut bench = Bench::udp();
    let (dialog, invite) = bench.outgoing(None);
    bench.ep.cancel(bench.now, dialog).unwrap();
    assert_eq!(bench.starts(), Vec::<String>::new());
    bench.take(&response(&invite, 100, "", ""));
    let cancel = bench.one_request();
    assert_eq!(cancel.method(), &Method::Cancel);
    assert_eq!(cancel.via(), invite.via());
    assert_eq!(cancel.uri(), invite.uri());
    assert_eq!(cancel.cseq().seq, invite.cseq().seq);
    assert_eq!(cancel.to().tag(), None);
    assert_eq!(cancel.header("Contact"), None);
    bench.take(&response(&cancel, 200, "b", ""));
    bench.take(&response(&invite, 180, "b", ""));
    bench.no_event();
    bench.take(&response(&invite, 487, "b", ""));
    assert_eq!(bench.starts(), ["ACK"]);
    assert_eq!(rejected(bench.one_event()), (487, true));
    assert_eq!(bench.ep.cancel(bench.now, dialog), Err(Error::UnknownDialog(dialog)));
    bench.assert_forgets_everything();
}

#[test]
fn a_cancel_says_why_and_a_100_that_somebody_is_there() {
    let mut bench = Bench::udp();
    let (dialog, invite) = bench.outgoing(None);
    bench.take(&response(&invite, 100, "", ""));
    assert!(matches!(bench.one_event(), Event::Trying { .. }));
    let reason = "SIP;cause=200;text=\"Call completed elsewhere\"";
    let field = |value: &str| vec![("Reason".to_owned(), value.to_owned())];
    assert!(bench.ep.cancel_with(bench.now, dialog, field("a\r\nVia: b")).is_err());
    bench.ep.cancel_with(bench.now, dialog, field(reason)).unwrap();
    assert_eq!(bench.one_request().header("Reason"), Some(reason));
}

#[test]
fn a_cancelled_call_without_final_response_ends_as_487_after_64_t1() {
    let mut bench = Bench::udp();
    let (dialog, invite) = bench.outgoing(None);
    bench.take(&response(&invite, 180, "b", ""));
    bench.one_event();
    bench.ep.cancel(bench.now, dialog).unwrap();
    bench.ep.cancel(bench.now, dialog).unwrap();
    assert_eq!(bench.starts(), ["CANCEL"]);
    bench.pass(31_999);
    bench.no_event();
    bench.pass(1);
    assert_eq!(rejected(bench.one_event()), (487, false));
    bench.assert_forgets_everything();
    bench.no_event();
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up() {
    for sent_already in [true, false] {
        let mut bench = Bench::udp();
        let (dialog, invite) = bench.outgoing(None);
        if sent_already {
            bench.take(&response(&invite, 180, "b", ""));
            bench.one_event();
        }
        bench.ep.cancel(bench.now, dialog).unwrap();
        bench.sent();
        bench.take(&response(&invite, 200, "b", CONTACT));
        assert_eq!(rejected(bench.one_event()), (487, false));
        let sent = bench.sent();
        assert_eq!(sent.iter().map(|text| start_of(text)).collect::<Vec<_>>(), ["ACK", "BYE"]);
        let bye = Request::parse(sent[1].as_bytes()).unwrap();
        bench.take(&response(&bye, 200, "", ""));
        bench.assert_forgets_everything();
        bench.no_event();
    }
}

#[test]
fn cancel_after_the_answer_hangs_up() {
    let mut bench = Bench::udp();
    let (dialog, _) = bench.outgoing_confirmed();
    bench.ep.cancel(bench.now, dialog).unwrap();
    assert_eq!(bench.starts(), ["BYE"]);
}

#[test]
fn bye_before_the_answer_cancels() {
    let mut bench = Bench::udp();
    let (dialog, invite) = bench.outgoing(None);
    bench.take(&response(&invite, 183, "b", ""));
    bench.one_event();
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    assert_eq!(bench.starts(), ["CANCEL"]);
}

#[test]
fn a_call_that_rings_for_ever_is_cancelled_by_itself() {
    let mut bench = Bench::udp();
    let (_, invite) = bench.outgoing(None);
    bench.take(&response(&invite, 180, "b", ""));
    bench.one_event();
    bench.pass(600_000);
    let cancel = bench.one_request();
    assert_eq!(cancel.method(), &Method::Cancel);
    assert!(cancel.header("Reason").unwrap().starts_with("SIP;cause=408"), "RFC 3326");
    bench.pass(32_000);
    assert_eq!(rejected(bench.one_event()), (487, false));
    bench.assert_forgets_everything();
}

#[test]
fn the_answers_of_other_forks_are_acknowledged_and_hung_up() {
    let mut bench = Bench::udp();
    let (_, invite) = bench.outgoing_confirmed();
    let routes = "Record-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\n";
    let contact = "Contact: <sip:late@192.0.2.9>\r\n";
    let late = response(&invite, 200, "late", &format!("{routes}{contact}"));
    bench.take(&late);
    bench.no_event();
    let sent = bench.sent();
    let [ack, bye] = [&sent[0], &sent[1]].map(|text| Request::parse(text.as_bytes()).unwrap());
    for (request, method) in [(&ack, Method::Ack), (&bye, Method::Bye)] {
        assert_eq!(request.method(), &method);
        assert_eq!(request.to().tag(), Some("late"));
        assert_eq!(request.uri().to_string(), "sip:late@192.0.2.9");
        assert_eq!(request.headers("Route").collect::<Vec<_>>(), ["<sip:p2;lr>", "<sip:p1;lr>"]);
    }
    bench.take(&late);
    assert_eq!(bench.starts(), ["ACK"], "one BYE is enough");
    bench.take(&response(&bye, 200, "", ""));
    bench.no_event();
}

#[test]
fn a_2xx_that_comes_after_the_call_is_over_is_acknowledged() {
    let mut bench = Bench::udp();
    let (dialog, invite) = bench.outgoing_confirmed();
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    let bye = bench.one_request();
    bench.take(&response(&bye, 200, "", ""));
    bench.one_event();
    bench.take(&response(&invite, 200, "b", CONTACT));
    assert_eq!(bench.starts(), ["ACK"]);
    bench.take(&response(&invite, 200, "other", CONTACT));
    assert_eq!(bench.starts(), ["ACK", "BYE"]);
    bench.assert_forgets_everything();
}

#[test]
fn stray_responses_are_dropped() {
    let mut bench = Bench::udp();
    let (_, invite) = bench.outgoing(None);
    let good = response(&invite, 200, "b", CONTACT);
    let branch = invite.via().branch().unwrap();
    for stray in [
        good.replace(branch, "z9hG4bKother"),
        good.replace("From:", "Via: SIP/2.0/UDP 255.255.255.255;branch=x\r\nFrom:"),
        good.replace("1 INVITE", "1 BYE"),
        good.replace("SIP/2.0 200", "SIP/2.0 4294967301"),
        good.replace("SIP/2.0 200", "SIP/2.0 99"),
        good.replace("SIP/2.0 200", "SIP/2.0 700"),
        good.replace("To:", "Ta:"),
    ] {
        assert_ne!(stray, good);
        bench.take(&stray);
        assert_eq!(bench.starts(), Vec::<String>::new(), "{stray}");
        bench.no_event();
    }
}

#[test]
fn a_request_of_the_callee_that_overtakes_its_answer_is_asked_to_wait() {
    let mut bench = Bench::udp();
    let (_, invite) = bench.outgoing(None);
    let tag = invite.from().tag().unwrap();
    let early = request("INFO", "1", tag, "")
        .replace("Call-ID: in", &format!("Call-ID: {}", invite.call_id()));
    bench.take(&early);
    let wait = bench.one_response();
    assert_eq!(wait.status(), 500);
    assert!(wait.header("Retry-After").is_some());
    bench.no_event();
}

#[test]
fn a_call_with_text_that_cannot_be_written_is_not_placed() {
    let mut bench = Bench::udp();
    let good = Invite::new(
        "sip:b@192.0.2.2".parse().unwrap(),
        bench.flow,
        "<sip:a@h>".parse().unwrap(),
        "<sip:b@h>".parse().unwrap(),
    );
    let header = |name: &str, value: &str| Invite {
        headers: vec![(name.into(), value.into())],
        ..good.clone()
    };
    let mut display = good.clone();
    display.from = display.from.with_display("x\r\nX: y");
    let body = Invite { body: Some(Body::new("a\r\nb", "")), ..good.clone() };
    for bad in [
        header("X", "a\r\nVia: b"),
        header("X", "\0"),
        header("X: y\r\nZ", "a"),
        header("v", "SIP/2.0/UDP x"),
        header("Contact", "<sip:x>"),
        header("Call-ID", "x"),
        header("Route", "<sip:x>"),
        header("Content-Type", "text/plain"),
        header("Content-Length", "9"),
        display,
        body,
    ] {
        assert!(bench.ep.invite(bench.now, bad).is_err());
    }
    assert_eq!(bench.starts(), Vec::<String>::new());
    assert_eq!(bench.ep.load().dialogs, 0);
    let own = header("User-Agent", "mine");
    let user = Invite { contact_user: Some("a b@c\r\nX".into()), ..own };
    bench.ep.invite(bench.now, user).unwrap();
    let sent = bench.one_request();
    assert_eq!(sent.headers("User-Agent").collect::<Vec<_>>(), ["mine"]);
    assert_eq!(sent.contact().unwrap().uri.user().unwrap(), "a b@c\r\nX");
}

#[test]
fn a_preloaded_route_is_followed_and_kept_out_of_the_request_uri() {
    let mut bench = Bench::udp();
    let mut invite = Invite::new(
        "sip:b@192.0.2.2".parse().unwrap(),
        bench.flow,
        "<sip:a@h>".parse().unwrap(),
        "<sip:b@h>".parse().unwrap(),
    );
    invite.route = vec!["<sip:edge.example;lr>".parse().unwrap()];
    bench.ep.invite(bench.now, invite).unwrap();
    let sent = bench.one_request();
    assert_eq!(sent.header("Route"), Some("<sip:edge.example;lr>"));
    assert_eq!(sent.uri().to_string(), "sip:b@192.0.2.2");
    bench.take(&response(&sent, 486, "b", ""));
    assert_eq!(bench.one_request().header("Route"), Some("<sip:edge.example;lr>"));
}

#[test]
fn a_full_table_refuses_new_calls() {
    let flow = Flow::udp(addr("192.0.2.1:5060"), addr("192.0.2.2:5060"));
    let mut bench = Bench::with(|config| config.max_dialogs = 1, flow);
    bench.outgoing(None);
    let another = Invite::new(
        "sip:b@192.0.2.2".parse().unwrap(),
        bench.flow,
        "<sip:a@h>".parse().unwrap(),
        "<sip:b@h>".parse().unwrap(),
    );
    let full = bench.ep.invite(bench.now, another);
    assert_eq!(full, Err(Error::Full { what: "dialogs", limit: 1 }));
}
