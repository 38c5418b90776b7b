//! Requests of ours outside dialogs, and calls that take the place of others.

use super::bench::{Bench, CONTACT, addr, request, response};
use crate::auth::{Algorithm, DigestCredentials, challenge, ha1, verify};
use crate::{
    Body, Credentials, Error, Event, Flow, Invite, Method, Outside, Replaces, Request, Response,
};

fn outside(bench: &Bench, method: Method) -> Outside {
    Outside {
        method,
        uri: "sip:carrier.example".parse().unwrap(),
        flow: bench.flow,
        from: "<sip:acct@carrier.example>".parse().unwrap(),
        to: "<sip:acct@carrier.example>".parse().unwrap(),
        call_id: None,
        seq: 1,
        contact: None,
        headers: vec![],
        body: None,
        credentials: None,
        route: vec![],
    }
}

fn outcome(event: Event) -> (u16, u32, Option<Response>) {
    match event {
        Event::Response { status, seq, response, .. } => {
            (status, seq, response.map(|response| (*response).clone()))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_register_goes_out_as_given_and_its_answer_comes_back() {
    let mut bench = Bench::udp();
    let order = Outside {
        call_id: Some("series".into()),
        seq: 7,
        contact: Some((Some("acct".into()), ";expires=300".into())),
        headers: vec![("Expires".into(), "300".into())],
        route: vec!["<sip:edge.example;lr>".parse().unwrap()],
        ..outside(&bench, Method::Register)
    };
    let txn = bench.ep.send(bench.now, order).unwrap();
    let register = bench.one_request();
    assert_eq!(register.method(), &Method::Register);
    assert_eq!((register.call_id(), register.cseq().seq), ("series", 7));
    assert_eq!(register.header("Contact"), Some("<sip:acct@192.0.2.1:5060>;expires=300"));
    assert_eq!(register.header("Route"), Some("<sip:edge.example;lr>"));
    assert_eq!(register.header("Expires"), Some("300"));
    assert!(register.from().tag().is_some() && register.to().tag().is_none());
    bench.take(&response(&register, 100, "", ""));
    bench.no_event();
    bench.take(&response(&register, 200, "x", "Expires: 60\r\n"));
    match bench.one_event() {
        Event::Response { txn: done, status: 200, seq: 7, response: Some(response), .. } => {
            assert_eq!((done, response.header("Expires")), (txn, Some("60")));
        }
        other => panic!("{other:?}"),
    }
    bench.assert_forgets_everything();
    bench.no_event();
}

#[test]
fn a_challenge_of_the_right_realm_is_answered_with_the_next_number() {
    let mut bench = Bench::udp();
    let credentials = Credentials { realm: Some("r".into()), ..Credentials::new("acct", "secret") };
    let order = Outside { credentials: Some(credentials), ..outside(&bench, Method::Register) };
    bench.ep.send(bench.now, order.clone()).unwrap();
    let first = bench.one_request();
    // two challenges side by side: the one of our realm is answered
    let both = format!(
        "WWW-Authenticate: {}\r\nWWW-Authenticate: {}\r\n",
        challenge(Algorithm::Md5, "other", "n0", false),
        challenge(Algorithm::Md5, "r", "n1", false)
    );
    bench.take(&response(&first, 401, "x", &both));
    let again = bench.one_request();
    assert_eq!((again.call_id(), again.cseq().seq), (first.call_id(), 2));
    assert_eq!(again.from().tag(), first.from().tag());
    let value = DigestCredentials::parse(again.header("Authorization").unwrap()).unwrap();
    assert_eq!(value.nonce(), "n1");
    assert!(verify(
        &value,
        &Method::Register,
        Algorithm::Md5,
        &ha1(Algorithm::Md5, "acct", "r", "secret")
    ));
    bench.no_event();
    bench.take(&response(&again, 200, "x", ""));
    let (status, seq, _) = outcome(bench.one_event());
    assert_eq!((status, seq), (200, 2));

    bench.ep.send(bench.now, order).unwrap();
    let first = bench.one_request();
    let foreign =
        format!("WWW-Authenticate: {}\r\n", challenge(Algorithm::Md5, "other", "n", false));
    bench.take(&response(&first, 401, "x", &foreign));
    assert_eq!(outcome(bench.one_event()).0, 401, "no secret for a foreign realm");
    assert_eq!(bench.starts(), Vec::<String>::new());
}

#[test]
fn silence_and_a_broken_path_are_told_with_the_number_of_the_last_try() {
    let mut bench = Bench::udp();
    let order = Outside { seq: 3, ..outside(&bench, Method::Options) };
    bench.ep.send(bench.now, order.clone()).unwrap();
    bench.pass(31_999);
    bench.no_event();
    bench.pass(1);
    assert_eq!(outcome(bench.one_event()), (408, 3, None));
    bench.ep.send(bench.now, order).unwrap();
    bench.ep.handle_transport_error(bench.now, bench.flow);
    assert_eq!(outcome(bench.one_event()), (503, 3, None));
    bench.assert_forgets_everything();
}

#[test]
fn what_makes_a_dialog_or_cannot_be_written_is_not_sent() {
    let mut bench = Bench::udp();
    for method in
        [Method::Invite, Method::Ack, Method::Cancel, Method::Bye, Method::Prack, Method::Update]
    {
        let order = outside(&bench, method);
        assert_eq!(bench.ep.send(bench.now, order), Err(Error::WrongMethod));
    }
    let good = outside(&bench, Method::Message);
    for bad in [
        Outside { method: Method::Other("A B".into()), ..good.clone() },
        Outside { call_id: Some("a\r\nb".into()), ..good.clone() },
        Outside { contact: Some((None, ";x\r\n".into())), ..good.clone() },
        Outside { headers: vec![("X".into(), "\n".into())], ..good.clone() },
        Outside { headers: vec![("Via".into(), "x".into())], ..good.clone() },
        Outside { body: Some(Body::new("a\nb", "")), ..good },
    ] {
        assert!(bench.ep.send(bench.now, bad).is_err());
    }
    assert_eq!(bench.starts(), Vec::<String>::new());
}

#[test]
fn requests_outside_are_bounded() {
    let flow = Flow::udp(addr("192.0.2.1:5060"), addr("192.0.2.2:5060"));
    let mut bench = Bench::with(|config| config.max_transactions = 1, flow);
    let order = outside(&bench, Method::Options);
    bench.ep.send(bench.now, order.clone()).unwrap();
    let full = Error::Full { what: "client transactions", limit: 1 };
    assert_eq!(bench.ep.send(bench.now, order), Err(full));
}

#[test]
fn rfc_3891_a_dialog_is_found_by_call_id_and_both_tags() {
    let mut bench = Bench::udp();
    let (dialog, tag) = bench.incoming_confirmed();
    let replaces = |to_tag: &str, from_tag: &str| Replaces {
        call_id: "in".into(),
        to_tag: to_tag.into(),
        from_tag: from_tag.into(),
        early_only: false,
    };
    assert_eq!(bench.ep.find_replaced(&replaces(&tag, "b")), Some(dialog));
    for wrong in [
        replaces(&tag, "c"),
        replaces("x", "b"),
        replaces("b", &tag),
        Replaces { call_id: "on".into(), ..replaces(&tag, "b") },
    ] {
        assert_eq!(bench.ep.find_replaced(&wrong), None, "{wrong}");
    }
    bench.ep.bye(bench.now, dialog, vec![]).unwrap();
    assert_eq!(bench.ep.find_replaced(&replaces(&tag, "b")), None, "it is ending");
}

#[test]
fn rfc_3891_an_early_dialog_is_replaced_only_by_its_caller() {
    let mut bench = Bench::udp();
    let (dialog, invite) = bench.outgoing(None);
    bench.take(&response(&invite, 180, "b", CONTACT));
    let own = Replaces {
        call_id: invite.call_id().into(),
        to_tag: invite.from().tag().unwrap().into(),
        from_tag: "b".into(),
        early_only: true,
    };
    assert_eq!(bench.ep.find_replaced(&own), Some(dialog));
    let mut bench = Bench::udp();
    bench.take(&request("INVITE", "1", "", CONTACT));
    let dialog = dialog_of(&mut bench);
    bench.ep.progress(bench.now, dialog, crate::Reply::new(180)).unwrap();
    let ringing = Response::parse(bench.sent()[0].as_bytes()).unwrap();
    let tag = ringing.to().tag().unwrap().to_owned();
    let theirs =
        Replaces { call_id: "in".into(), to_tag: tag, from_tag: "b".into(), early_only: true };
    assert_eq!(bench.ep.find_replaced(&theirs), None);
}

fn dialog_of(bench: &mut Bench) -> crate::DialogId {
    match bench.one_event() {
        Event::Invite { dialog, .. } => dialog,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rfc_3891_a_call_that_replaces_another_requires_to_be_understood() {
    let mut bench = Bench::udp();
    let mut invite = Invite::new(
        "sip:bob@192.0.2.2".parse().unwrap(),
        bench.flow,
        "<sip:alice@example.com>".parse().unwrap(),
        "<sip:bob@example.com>".parse().unwrap(),
    );
    invite.replaces = Some("c@h;to-tag=1;from-tag=2;early-only".parse().unwrap());
    bench.ep.invite(bench.now, invite.clone()).unwrap();
    let sent: Request = bench.one_request();
    assert_eq!(sent.header("Replaces"), Some("c@h;to-tag=1;from-tag=2;early-only"));
    assert_eq!(sent.header("Require"), Some("replaces"));
    assert!(sent.header("Supported").unwrap().contains("replaces"));
    for bad in ["c\r\nX: y", "c;to-tag=9", ""] {
        let replaces = Replaces { call_id: bad.into(), ..invite.replaces.clone().unwrap() };
        let bad = Invite { replaces: Some(replaces), ..invite.clone() };
        assert!(bench.ep.invite(bench.now, bad).is_err());
    }
    assert_eq!(bench.starts(), Vec::<String>::new());
}
