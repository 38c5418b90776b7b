//! Every transport but plain UDP and TCP: TLS, WebSocket, IPv6; and who is not let in by them.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use serde_json::json;
use support::rtp_peer::Voice;
use support::{Authority, Message, RtpPeer, SipPeer, ports};

use crate::stage::{LEVEL_DB, PASSWORD, SOON, Stage};

/// Name in the server's certificate.
const HOST: &str = "sip.example.com";

/// A server that also listens on TLS, WebSocket and both together, with certificates of its own.
struct Open {
    stage: Stage,
    authority: Authority,
    tls: SocketAddr,
    ws: SocketAddr,
    wss: SocketAddr,
}

impl Open {
    fn new(env: &[(&str, &str)]) -> Self {
        let authority = Authority::new();
        let (cert, key) = authority.pair("server", &[HOST]);
        let [cert, key] = [cert, key].map(|path| path.display().to_string());
        let [tls, ws, wss] = [(); 3].map(|()| local(ports::free_block(1)));
        let [tls_listen, ws_listen, wss_listen] = [tls, ws, wss].map(|at| at.to_string());
        let mut all = vec![
            ("TRUNKLINE__SIP__TLS_LISTEN", tls_listen.as_str()),
            ("TRUNKLINE__SIP__WS_LISTEN", &ws_listen),
            ("TRUNKLINE__SIP__WSS_LISTEN", &wss_listen),
            ("TRUNKLINE__SIP__TLS_CERT", &cert),
            ("TRUNKLINE__SIP__TLS_KEY", &key),
        ];
        all.extend_from_slice(env);
        Self { stage: Stage::with_env(&all), authority, tls, ws, wss }
    }

    fn client(&self, peer: SipPeer, user: &str) -> SipPeer {
        self.stage.tenant.client(user, PASSWORD).expect("a client");
        peer.as_client(user, PASSWORD, &self.stage.tenant.realm)
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Registers, calls the application, is called over the same connection, and hangs up.
fn is_a_phone(stage: &Stage, mut phone: SipPeer, user: &str, protocol: &str) {
    assert_eq!(phone.register(300).code(), Some(200), "{}", phone.history());
    let found = stage.get(&format!("/RegisteredSipUsers/{user}"));
    assert_eq!(found["protocol"], protocol, "{found}");

    let rtp = RtpPeer::start(Voice::tone(450.0, LEVEL_DB));
    let mut call = phone.call(&stage.uri("1000"), &rtp).expect("answered");
    let contact = call.answer.header("Contact").unwrap_or_default().to_owned();
    let transport = if protocol == "wss" { "ws" } else { protocol };
    assert!(contact.contains(&format!(";transport={transport}")), "{contact}");
    assert!(!rtp.listen(Duration::from_millis(200)).frames.is_empty());
    assert_eq!(phone.in_dialog(&mut call.dialog, "OPTIONS").code(), Some(200));
    assert_eq!(phone.hang_up(&mut call).code(), Some(200));

    let to = json!({ "type": "user", "name": format!("{user}@{}", stage.tenant.realm) });
    let call_sid = stage.create_call(&json!({
        "from": "15083084809",
        "to": to,
        "call_hook": stage.hooks.url("/call"),
        "call_status_hook": stage.hooks.url("/status"),
    }));
    let invite = phone.expect_request("INVITE", SOON);
    let via = invite.header("Via").unwrap_or_default();
    assert!(via.starts_with(&format!("SIP/2.0/{} ", protocol.to_uppercase())), "{via}");
    let mut call = phone.accept(&invite, &rtp);
    stage.hooks.wait_for("/call", SOON, |asked| {
        asked.iter().any(|request| request.text("call_sid") == call_sid)
    });
    assert_eq!(phone.hang_up(&mut call).code(), Some(200));
    assert_eq!(stage.statuses(&call_sid).last().map(String::as_str), Some("completed"));
}

#[test]
fn a_phone_over_tls_registers_calls_and_is_called() {
    let open = Open::new(&[]);
    open.stage.answer_with_conference("tls");
    let peer = SipPeer::tls(open.tls, HOST, &open.authority).expect("TLS");
    is_a_phone(&open.stage, open.client(peer, "alice"), "alice", "tls");
}

#[test]
fn a_browser_over_websocket_registers_calls_and_is_called() {
    let open = Open::new(&[]);
    open.stage.answer_with_conference("ws");
    let peer = SipPeer::ws(open.ws, "sip", Some("https://anywhere.example")).expect("WebSocket");
    is_a_phone(&open.stage, open.client(peer, "alice"), "alice", "ws");
    let peer = SipPeer::wss(open.wss, HOST, &open.authority).expect("WebSocket inside TLS");
    is_a_phone(&open.stage, open.client(peer, "bob"), "bob", "wss");
}

#[test]
fn a_websocket_needs_the_subprotocol_and_an_origin_that_is_allowed() {
    let open = Open::new(&[("TRUNKLINE__SIP__WS_ORIGINS", "https://phone.example.com")]);
    let own = Some("https://phone.example.com");
    for (protocol, origin, status) in [
        ("chat", own, "400"),
        ("sip", Some("https://elsewhere.example"), "403"),
        ("sip", None, "403"),
    ] {
        let refused = SipPeer::ws(open.ws, protocol, origin).expect_err("refused").to_string();
        assert!(refused.contains(status), "{protocol} {origin:?}: {refused}");
    }
    let mut peer = SipPeer::ws(open.ws, "mqtt, sip", own).expect("let in");
    let options = peer.request("OPTIONS", &format!("sip:{}", open.ws));
    assert_eq!(peer.transact(&options).code(), Some(200));
}

#[test]
fn certificates_change_while_calls_go_on() {
    let open = Open::new(&[]);
    open.stage.answer_with_conference("renewed");
    let peer = SipPeer::tls(open.tls, HOST, &open.authority).expect("TLS");
    let mut alice = open.client(peer, "alice");
    let rtp = RtpPeer::start(Voice::Silence);
    let mut call = alice.call(&open.stage.uri("1000"), &rtp).expect("answered");

    open.stage.server.reload().expect("signalled");
    support::wait::expect("SIGHUP is followed", SOON, || {
        open.stage.server.log().contains("certificates were read again")
    });
    // Half of a renewal: the old pair goes on, and the log says so.
    let (cert, _) = open.authority.pair("other", &["new.example.com"]);
    let broken = fs::read(&cert).expect("a file");
    fs::write(open.authority.ca().with_file_name("server.pem"), broken).expect("a file");
    support::wait::expect("the mismatch is told", SOON, || {
        open.stage.server.log().contains("the old ones stay")
    });
    assert!(SipPeer::tls(open.tls, HOST, &open.authority).is_ok());

    open.authority.pair("server", &["new.example.com"]);
    support::wait::expect("the new certificate is shown", SOON, || {
        SipPeer::tls(open.tls, "new.example.com", &open.authority).is_ok()
    });
    assert!(SipPeer::tls(open.tls, HOST, &open.authority).is_err());
    assert_eq!(alice.in_dialog(&mut call.dialog, "OPTIONS").code(), Some(200));
    assert_eq!(alice.hang_up(&mut call).code(), Some(200));
}

#[test]
fn a_phone_over_ipv6_registers_and_is_called() {
    let port = ports::free_block(1);
    let listener = format!("udp://[::1]:{port}");
    let stage = Stage::with_env(&[("TRUNKLINE__SIP__LISTENERS", listener.as_str())]);
    stage.answer_with_conference("six");
    stage.tenant.client("alice", PASSWORD).expect("a client");
    let from = "[::1]:0".parse().expect("an address");
    let server = format!("[::1]:{port}").parse().expect("an address");
    let mut alice =
        SipPeer::udp_from(from, server).as_client("alice", PASSWORD, &stage.tenant.realm);
    assert_eq!(alice.register(300).code(), Some(200), "{}", alice.history());
    let rtp = RtpPeer::start(Voice::Silence);
    let mut call = alice.call(&stage.uri("1000"), &rtp).expect("answered");
    let contact = call.answer.header("Contact").unwrap_or_default().to_owned();
    assert!(contact.contains(&format!("[::1]:{port}")), "{contact}");
    assert_eq!(alice.hang_up(&mut call).code(), Some(200));
    stage.create_call(&json!({
        "from": "15083084809",
        "to": { "type": "user", "name": format!("alice@{}", stage.tenant.realm) },
        "call_hook": stage.hooks.url("/call"),
        "call_status_hook": stage.hooks.url("/status"),
    }));
    let invite = alice.expect_request("INVITE", SOON);
    assert!(invite.header("Via").is_some_and(|via| via.contains("[::1]")), "{invite}");
    alice.reply(&invite, 486, "Busy Here");
    alice.expect_request("ACK", SOON);
}

#[test]
fn a_large_invite_stays_on_the_flow_the_phone_registered_over() {
    let stage = Stage::new();
    stage.tenant.client("alice", PASSWORD).expect("a client");
    let mut alice =
        SipPeer::udp(stage.server.sip()).as_client("alice", PASSWORD, &stage.tenant.realm);
    assert_eq!(alice.register(300).code(), Some(200), "{}", alice.history());
    let stream = TcpListener::bind(alice.local_addr()).expect("the same port over TCP");
    stream.set_nonblocking(true).expect("non-blocking");
    stage.create_call(&json!({
        "from": "15083084809",
        "to": { "type": "user", "name": format!("alice@{}", stage.tenant.realm) },
        "headers": { "X-Large": "x".repeat(1_500) },
        "call_hook": stage.hooks.url("/call"),
        "call_status_hook": stage.hooks.url("/status"),
    }));
    let invite = alice.expect_request("INVITE", SOON);
    assert!(invite.header("X-Large").is_some_and(|value| value.len() == 1_500), "{invite}");
    assert!(stream.accept().is_err(), "the phone's NAT would let no connection in");
    alice.reply(&invite, 486, "Busy Here");
    alice.expect_request("ACK", SOON);
}

#[test]
fn scanners_and_guessers_are_not_heard_for_a_while() {
    let env = [("TRUNKLINE__SIP__BAN_FAILURES", "3"), ("TRUNKLINE__SIP__BAN_TIME", "2s")];
    let stage = Stage::with_env(&env);
    let options = |peer: &SipPeer| peer.request("OPTIONS", &format!("sip:{}", stage.server.sip()));

    let mut scanner = SipPeer::udp(stage.server.sip());
    let probe = options(&scanner).with("User-Agent", "friendly-scanner");
    scanner.send(&probe);
    let mut peer = SipPeer::udp(stage.server.sip());
    peer.send(&options(&peer));
    assert!(peer.next_message(Duration::from_millis(300)).is_none(), "{}", peer.history());
    support::wait::expect("the ban is over", SOON, || is_heard(&mut peer, &options));

    stage.tenant.client("alice", PASSWORD).expect("a client");
    let mut guesser =
        SipPeer::tcp(stage.server.sip()).as_client("alice", "wrong", &stage.tenant.realm);
    for _ in 0..3 {
        assert_ne!(guesser.register(300).code(), Some(200));
    }
    peer.send(&options(&peer));
    assert!(peer.next_message(Duration::from_millis(300)).is_none(), "{}", peer.history());
    support::wait::expect("the ban is over", SOON, || is_heard(&mut peer, &options));
    assert!(stage.server.log().contains("too many refusals"));
}

fn is_heard(peer: &mut SipPeer, options: &impl Fn(&SipPeer) -> Message) -> bool {
    let request = options(peer);
    peer.send(&request);
    peer.next_message(Duration::from_millis(200)).is_some()
}

#[test]
fn a_trusted_network_may_fail_as_often_as_it_likes() {
    let env = [
        ("TRUNKLINE__SIP__BAN_FAILURES", "1"),
        ("TRUNKLINE__SIP__RATE_PER_SECOND", "1"),
        ("TRUNKLINE__SIP__RATE_BURST", "1"),
        ("TRUNKLINE__SIP__TRUSTED", "127.0.0.0/8"),
    ];
    let stage = Stage::with_env(&env);
    let mut stranger = SipPeer::udp(stage.server.sip());
    let rtp = RtpPeer::start(Voice::Silence);
    for _ in 0..3 {
        let refused = stranger.call(&stage.uri("1000"), &rtp).expect_err("refused");
        assert!(refused.code().is_some_and(|code| code >= 400), "{refused}");
    }
}

#[test]
fn behind_a_nat_peers_are_told_the_public_address() {
    let port = ports::free_block(1);
    let listener = format!("udp://127.0.0.1:{port}?public=203.0.113.9:15060");
    let stage = Stage::with_env(&[("TRUNKLINE__SIP__LISTENERS", listener.as_str())]);
    stage.answer_with_conference("nat");
    stage.tenant.client("alice", PASSWORD).expect("a client");
    let mut alice = SipPeer::udp(local(port)).as_client("alice", PASSWORD, &stage.tenant.realm);
    let rtp = RtpPeer::start(Voice::Silence);
    let mut call = alice.call(&stage.uri("1000"), &rtp).expect("answered");
    let contact = call.answer.header("Contact").unwrap_or_default().to_owned();
    assert!(contact.contains("203.0.113.9:15060"), "{contact}");
    assert_eq!(alice.hang_up(&mut call).code(), Some(200));
}
