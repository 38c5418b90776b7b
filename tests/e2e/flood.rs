//! A flood of SIP requests from one address: what becomes of it, and what the others notice.

use std::net::UdpSocket;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;
use support::rtp_peer::Voice;
use support::{RtpPeer, SipPeer};

use crate::stage::{PASSWORD, SOON, Stage};

const RATE: f64 = 100.0;
const BURST: f64 = 200.0;
const REQUESTS: usize = 20_000;

/// The calls that stand lose nothing and no one else is refused; whoever floods is answered no more
/// often than is allowed.
#[test]
fn a_flood_from_one_address_is_hardly_answered_and_harms_nobody_else() {
    let stage = Stage::with_env(&[
        ("TRUNKLINE__SIP__RATE_PER_SECOND", "100"),
        ("TRUNKLINE__SIP__RATE_BURST", "200"),
    ]);
    stage.answer_with_conference("calm");
    let mut alice = stage.caller("alice", 450.0);
    let mut bob = stage.caller("bob", 750.0);

    let socket = UdpSocket::bind("127.0.0.2:0").expect("another loopback address");
    socket.connect(stage.server.sip()).expect("a way to the server");
    socket.set_nonblocking(true).expect("a socket that does not wait");
    let (start, began) = (SystemTime::now(), Instant::now());
    let mut answers = 0.0;
    let mut buffer = [0; 2_048];
    let model = SipPeer::udp(stage.server.sip());
    for number in 0..REQUESTS {
        let method = ["OPTIONS", "INVITE", "REGISTER"][number % 3];
        let mut request = model.request(method, &format!("sip:nobody@{}", stage.server.sip()));
        let local = socket.local_addr().expect("a bound socket");
        request.set("Via", format!("SIP/2.0/UDP {local};branch=z9hG4bK-flood-{number};rport"));
        // A full buffer loses it, as the network would.
        let _ = socket.send(&request.to_bytes());
        while socket.recv(&mut buffer).is_ok() {
            answers += 1.0;
        }
    }
    // Somebody else, meanwhile and with the flood still in the server's buffers.
    stage.tenant.client("carol", PASSWORD).expect("a client");
    let mut carol =
        SipPeer::udp(stage.server.sip()).as_client("carol", PASSWORD, &stage.tenant.realm);
    let rtp = RtpPeer::start(Voice::Silence);
    let mut call = carol.call(&stage.uri("1000"), &rtp).expect("answered");
    assert_eq!(carol.hang_up(&mut call).code(), Some(200));
    while socket.recv(&mut buffer).is_ok() {
        answers += 1.0;
    }
    // Of an INVITE there are two answers, of which one may be repeated.
    let most = 3.0 * (BURST + RATE * began.elapsed().as_secs_f64());
    assert!(answers <= most, "{answers} answers to {REQUESTS} requests, {most} at the most");

    for (listener, hz) in [(&alice, 750.0), (&bob, 450.0)] {
        let heard = listener.rtp.heard().since(start);
        let lost =
            heard.frames.windows(2).filter(|pair| pair[1].seq != pair[0].seq.wrapping_add(1));
        assert_eq!(lost.count(), 0, "frames lost");
        assert!(listener.rtp.listen(Duration::from_millis(300)).level_db(hz) > -20.0);
    }
    alice.hang_up();
    bob.hang_up();
    support::wait::expect("no live call", SOON, || {
        stage.get("/CallCount") == json!({ "inbound": 0, "outbound": 0 })
    });
}
