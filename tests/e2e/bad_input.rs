//! Bad weather on the sockets: garbage, intruders, and phones that vanish.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use support::g711::ulaw_encode;
use support::rtp::Writer;
use support::sip_peer::PATIENCE;
use support::tone::Tone;

use crate::stage::{LEVEL_DB, SOON, Stage};

/// A gap beyond this is an outage. Shorter ones are the machine's: other tests share its two processors, and
/// the server here is not optimised.
const GAP_LIMIT: Duration = Duration::from_millis(200);
/// How long it rains.
const RAIN: Duration = Duration::from_secs(3);

/// SIP that is no SIP, in the ways that parsers like least.
fn garbage() -> Vec<Vec<u8>> {
    let mut garbage: Vec<Vec<u8>> = [
        "",
        "\r\n\r\n",
        "\0\0\0\0",
        "INVITE",
        "INVITE sip:a@b SIP/2.0",
        "INVITE sip:a@b SIP/2.0\r\n\r\n",
        "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP\r\nCSeq: 99999999999999999999 INVITE\r\n\r\n",
        "INVITE sip:a@b SIP/2.0\r\nContent-Length: -1\r\nCall-ID: 1\r\n\r\n",
        "INVITE sip:a@b SIP/2.0\r\nContent-Length: 4294967296\r\nCall-ID: 1\r\n\r\nx",
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK\r\nCSeq: 1 INVITE\r\n\r\n",
        "SIP/2.0 99999 What\r\n\r\n",
        "REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5;branch=z9hG4bKq\r\nFrom: <<<<>;tag\r\n\
         To: \"\r\nCall-ID: 2\r\nCSeq: 1 REGISTER\r\nAuthorization: Digest ,,,=\"\r\n\r\n",
        "BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP [::1;branch=;;;=\r\nCSeq: x\r\n\r\n",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    garbage.push(vec![0xFF; 1_400]);
    garbage.push((0..=255).cycle().take(60_000).collect());
    garbage.push(format!("OPTIONS sip:x SIP/2.0\r\n{}\r\n", "X: y\r\n".repeat(5_000)).into_bytes());
    garbage.push(format!("OPTIONS sip:{} SIP/2.0\r\n\r\n", "a".repeat(40_000)).into_bytes());
    garbage
}

/// Throws all kinds of garbage at the SIP port (UDP, TCP) and at the RTP and RTCP ports of a call.
fn rain(sip: SocketAddr, rtp: SocketAddr, stop: &AtomicBool) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let rtcp = SocketAddr::new(rtp.ip(), rtp.port() + 1);
    let (mut writer, mut tone) = (Writer::new(0xBAD), Tone::new(1_500.0, -6.0));
    let (garbage, mut packet) = (garbage(), Vec::new());
    for round in 0.. {
        for bytes in &garbage {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            // Refusals are welcome: nobody has to take this.
            let _ = socket.send_to(bytes, sip);
            let media = &bytes[..bytes.len().min(1_400)];
            let _ = socket.send_to(media, rtp);
            let _ = socket.send_to(media, rtcp);
            if round % 4 == 0
                && let Ok(mut stream) = TcpStream::connect(sip)
            {
                let _ = stream.write_all(bytes);
            }
            // Flawless RTP, but from somebody else.
            let payload: Vec<u8> = (0..160).map(|_| ulaw_encode(tone.sample())).collect();
            writer.write(0, &payload, &mut packet);
            let _ = socket.send_to(&packet, rtp);
            thread::sleep(Duration::from_millis(2)); // some hundred messages a second
        }
    }
}

#[test]
fn garbage_on_sip_and_rtp_ports_leaves_a_live_call_without_gaps() {
    let stage = Stage::new();
    stage.answer_with_conference("storm");
    let mut alice = stage.caller("alice", 450.0);
    let mut bob = stage.caller("bob", 800.0);
    let calm = bob.rtp.listen(Duration::from_millis(500));
    assert!((calm.level_db(450.0) - LEVEL_DB).abs() <= 1.0, "alice is not heard in calm weather");

    let stop = Arc::new(AtomicBool::new(false));
    let (sip, rtp) = (stage.server.sip(), bob.rtp.remote().expect("a call"));
    let cloud = thread::spawn({
        let stop = Arc::clone(&stop);
        move || rain(sip, rtp, &stop)
    });
    let heard = bob.rtp.listen(RAIN);
    let at_alice = alice.rtp.heard().since(heard.frames[0].at);
    stop.store(true, Ordering::Relaxed);
    cloud.join().expect("the cloud is content");

    assert!(heard.longest_gap() <= GAP_LIMIT, "a gap of {:?} at bob", heard.longest_gap());
    assert!(at_alice.longest_gap() <= GAP_LIMIT, "a gap of {:?} at alice", at_alice.longest_gap());
    assert!((heard.level_db(450.0) - LEVEL_DB).abs() <= 1.0, "bob no longer hears alice");
    assert!((at_alice.level_db(800.0) - LEVEL_DB).abs() <= 1.0, "alice no longer hears bob");
    let intruder = at_alice.level_db(1_500.0);
    assert!(intruder < LEVEL_DB - 40.0, "alice hears an intruder on bob's port at {intruder} dB");

    alice.hang_up();
    bob.hang_up();
    assert_eq!(stage.statuses(&alice.call_sid), ["trying", "in-progress", "completed"]);
}

#[test]
fn a_phone_that_vanishes_is_hung_up_by_the_media_timeout() {
    let stage = Stage::with_env(&[("TRUNKLINE__RTP__INACTIVITY_TIMEOUT", "2s")]);
    stage.answer_with_conference("ghost");
    let alice = stage.caller("alice", 450.0);
    let mut bob = stage.caller("bob", 800.0);
    let vanished = alice.call_sid.clone();
    let crate::stage::Caller { mut sip, rtp, .. } = alice;
    drop(rtp);
    let bye = sip.expect_bye(SOON);
    assert_eq!(bye.header("X-Reason"), Some("Media Timeout"));
    assert_eq!(stage.statuses(&vanished), ["trying", "in-progress", "completed"]);

    let heard = bob.rtp.listen(Duration::from_millis(500));
    assert!(heard.level_db(450.0) < LEVEL_DB - 40.0, "bob hears a ghost");
    assert!(bob.sip.hears_no("BYE", Duration::from_millis(100)), "bob was hung up, too");
    bob.hang_up();
}

#[test]
fn a_phone_gone_with_its_signalling_ends_too() {
    let stage = Stage::with_env(&[("TRUNKLINE__RTP__INACTIVITY_TIMEOUT", "1s")]);
    stage.answer_with_conference("ghost");
    let alice = stage.caller("alice", 450.0);
    let vanished = alice.call_sid.clone();
    drop(alice);
    assert_eq!(stage.statuses(&vanished), ["trying", "in-progress", "completed"]);
    support::wait::expect("no call is left", PATIENCE, || {
        stage.get("/CallCount") == serde_json::json!({ "inbound": 0, "outbound": 0 })
    });
}
