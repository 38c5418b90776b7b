//! Requests too large for a datagram (RFC 3261 §18.1.1), and requests of ours that come back (§16.3).

use super::bench::{Bench, addr, request, response};
use crate::{
    Body, Config, Credentials, DialogId, Event, Flow, Invite, Listener, Outside, Request, Transport,
};

fn stream() -> Flow {
    Flow::tcp(addr("192.0.2.1:5060"), addr("192.0.2.2:5060"), None)
}

fn invite(bench: &Bench, octets: usize) -> Invite {
    Invite {
        body: Some(Body::sdp("x".repeat(octets))),
        contact_user: Some("alice".into()),
        ..Invite::new(
            "sip:bob@192.0.2.2".parse().unwrap(),
            bench.flow,
            "<sip:alice@example.com>".parse().unwrap(),
            "<sip:bob@example.com>".parse().unwrap(),
        )
    }
}

fn place(bench: &mut Bench, octets: usize) -> DialogId {
    let invite = invite(bench, octets);
    bench.ep.invite(bench.now, invite).unwrap().0
}

/// What was sent: the way and the message.
fn sent(bench: &mut Bench) -> Vec<(Flow, Request)> {
    bench.drain();
    let wire = std::mem::take(&mut bench.wire);
    wire.into_iter().map(|(flow, text)| (flow, Request::parse(text.as_bytes()).unwrap())).collect()
}

#[test]
fn rfc_3261_18_1_1_the_limit_decides_between_udp_and_tcp() {
    let mut bench = Bench::udp();
    place(&mut bench, 0);
    let (_, small) = sent(&mut bench).remove(0);
    // the length of the body has more digits than 0
    let room = 1_300 - small.raw().len() - 2;
    for (octets, transport) in [(room, Transport::Udp), (room + 1, Transport::Tcp)] {
        let mut bench = Bench::udp();
        place(&mut bench, octets);
        let (flow, invite) = sent(&mut bench).remove(0);
        assert_eq!(flow.transport, transport, "{}", invite.raw().len());
        assert_eq!(invite.via().transport, transport.via_token());
        assert_eq!(invite.header("Contact"), Some("<sip:alice@192.0.2.1:5060>"));
    }
}

#[test]
fn without_tcp_or_where_the_flow_is_all_there_is_it_stays_a_datagram() {
    let udp = |config: &mut Config| config.listeners.retain(|l| l.transport == Transport::Udp);
    let other = |config: &mut Config| {
        let local = addr("[2001:db8::1]:5060");
        config.listeners[1] = Listener { transport: Transport::Tcp, local, public: local };
    };
    let off = |config: &mut Config| config.udp_max_request = None;
    for change in [udp as fn(&mut Config), other, off] {
        let mut bench = Bench::with(change, Bench::udp().flow);
        place(&mut bench, 2_000);
        assert_eq!(sent(&mut bench)[0].0.transport, Transport::Udp);
    }
    let mut bench = Bench::udp();
    let invite = Invite { keeps_flow: true, ..invite(&bench, 2_000) };
    bench.ep.invite(bench.now, invite).unwrap();
    assert_eq!(sent(&mut bench)[0].0.transport, Transport::Udp);
}

#[test]
fn a_call_that_left_udp_returns_to_it_unless_its_peer_asks_for_tcp() {
    for (contact, back) in [
        ("Contact: <sip:bob@192.0.2.2>\r\n", Transport::Udp),
        ("Contact: <sip:bob@192.0.2.2;transport=TCP>\r\n", Transport::Tcp),
        (
            "Record-Route: <sip:p;lr;transport=tcp>\r\nContact: <sip:bob@192.0.2.2>\r\n",
            Transport::Tcp,
        ),
    ] {
        let mut bench = Bench::udp();
        let dialog = place(&mut bench, 2_000);
        let (_, invite) = sent(&mut bench).remove(0);
        let came = Flow { connection: Some(4), ..stream() };
        bench.take_from(came, &response(&invite, 200, "b", contact));
        assert!(matches!(bench.one_event(), Event::Answered { .. }));
        bench.ep.bye(bench.now, dialog, vec![]).unwrap();
        for (flow, request) in sent(&mut bench) {
            assert_eq!(flow.transport, back, "{contact}");
            assert_eq!(request.via().transport, back.via_token());
        }
    }
}

#[test]
fn a_peer_without_tcp_gets_the_datagram_at_once() {
    let mut bench = Bench::udp();
    place(&mut bench, 2_000);
    let (flow, first) = sent(&mut bench).remove(0);
    bench.ep.handle_transport_error(bench.now, flow);
    bench.no_event();
    let (flow, again) = sent(&mut bench).remove(0);
    assert_eq!((flow, again.via().transport.as_str()), (bench.flow, "UDP"));
    assert_ne!(again.via().branch(), first.via().branch());
    assert_eq!((again.cseq(), again.body()), (first.cseq(), first.body()));
    bench.pass(600);
    assert_eq!(bench.starts(), ["INVITE"], "and it is repeated as one");
    bench.take(&response(&again, 200, "b", ""));
    assert!(matches!(bench.one_event(), Event::Answered { .. }));
    assert_eq!(bench.starts(), ["ACK"]);
}

#[test]
fn a_peer_that_does_not_even_refuse_tcp_gets_the_datagram_after_4_t1() {
    let mut bench = Bench::udp();
    let dialog = place(&mut bench, 2_000);
    sent(&mut bench);
    bench.pass(1_999);
    assert_eq!(bench.starts(), Vec::<String>::new());
    bench.pass(1);
    let (flow, again) = sent(&mut bench).remove(0);
    assert_eq!(flow.transport, Transport::Udp);
    bench.take(&response(&again, 180, "b", ""));
    bench.one_event();
    bench.ep.cancel(bench.now, dialog).unwrap();
    assert_eq!(bench.starts(), ["CANCEL"]);
}

#[test]
fn a_stream_that_has_answered_is_kept_and_its_loss_is_a_failure() {
    let mut bench = Bench::udp();
    place(&mut bench, 2_000);
    let (flow, invite) = sent(&mut bench).remove(0);
    bench.take_from(flow, &response(&invite, 100, "", ""));
    assert!(matches!(bench.one_event(), Event::Trying { .. }));
    bench.pass(10_000);
    assert_eq!(bench.starts(), Vec::<String>::new());
    bench.ep.handle_transport_error(bench.now, flow);
    assert!(matches!(bench.one_event(), Event::Rejected { status: 503, .. }));
    bench.assert_forgets_everything();
}

#[test]
fn a_request_outside_dialogs_follows_the_same_rule() {
    let mut bench = Bench::udp();
    let order = Outside {
        method: crate::Method::Message,
        uri: "sip:bob@192.0.2.2".parse().unwrap(),
        flow: bench.flow,
        from: "<sip:a@h>".parse().unwrap(),
        to: "<sip:b@h>".parse().unwrap(),
        call_id: None,
        seq: 1,
        contact: None,
        headers: vec![],
        body: Some(Body::new("text/plain", "x".repeat(2_000))),
        credentials: Some(Credentials::new("a", "b")),
        route: vec![],
    };
    bench.ep.send(bench.now, order).unwrap();
    let (flow, _) = sent(&mut bench).remove(0);
    assert_eq!(flow.transport, Transport::Tcp);
    bench.pass(5_000);
    assert_eq!(bench.starts(), Vec::<String>::new(), "its answer may take its time");
    bench.ep.handle_transport_error(bench.now, flow);
    let (flow, again) = sent(&mut bench).remove(0);
    assert_eq!(flow.transport, Transport::Udp);
    bench.take(&response(&again, 200, "x", ""));
    assert!(matches!(bench.one_event(), Event::Response { status: 200, .. }));
    bench.assert_forgets_everything();
}

#[test]
fn rfc_3261_16_3_a_request_of_ours_that_comes_back_is_a_loop_but_not_a_spiral() {
    let mut bench = Bench::udp();
    place(&mut bench, 10);
    let own = bench.sent().remove(0);
    let proxied = own
        .replace("Via:", "Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKproxy\r\nVia:")
        .replace("Max-Forwards: 70", "Max-Forwards: 69");
    for back in [&own, &proxied] {
        bench.take(back);
        assert_eq!(bench.starts(), ["482"]);
        bench.no_event();
    }
    bench.take(&proxied.replace("INVITE sip:bob@192.0.2.2 ", "INVITE sip:carol@192.0.2.1 "));
    assert!(matches!(bench.one_event(), Event::Invite { .. }));
    // another call by a client that draws branches as we do
    let foreign = request("INVITE", "1", "", "");
    bench.take(&foreign.replace("z9hG4bKINVITE1", "z9hG4bK0123456789abcdef"));
    assert!(matches!(bench.one_event(), Event::Invite { .. }));
}
