//! Foreign programs over TLS: the phone `baresip` and the client of `openssl`, with certificates that
//! are made for the test, right ones and wrong ones.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use support::baresip::{Codec, MediaEncryption, Phone, Security};
use support::heard::median_level_db;
use support::{Authority, Baresip, ports, wait};

use crate::stage::{LEVEL_DB, PASSWORD, SOON, Stage};

const PHONE_HZ: f64 = 750.0;
const PEER_HZ: f64 = 450.0;

/// A server that listens on TLS with a certificate for 127.0.0.1, and trusts who signed it.
struct Secure {
    stage: Stage,
    authority: Authority,
    tls: SocketAddr,
}

impl Secure {
    fn new(env: &[(&str, &str)]) -> Self {
        let authority = Authority::new();
        let (cert, key) = authority.pair("server", &["127.0.0.1"]);
        let tls = SocketAddr::from(([127, 0, 0, 1], ports::free_block(1)));
        let listen = tls.to_string();
        let [cert, key, ca] = [cert, key, authority.ca()].map(|path| path.display().to_string());
        let mut all = vec![
            ("TRUNKLINE__SIP__TLS_LISTEN", listen.as_str()),
            ("TRUNKLINE__SIP__TLS_CERT", &cert),
            ("TRUNKLINE__SIP__TLS_KEY", &key),
            ("TRUNKLINE__SIP__TLS_CA", &ca),
        ];
        all.extend_from_slice(env);
        Self { stage: Stage::with_env(&all), authority, tls }
    }

    /// A phone of the account over TLS, with the certificate `own` and trust in `ca`.
    fn phone(
        &self,
        user: &str,
        codec: Codec,
        media: MediaEncryption,
        ca: &Path,
        own: &Path,
    ) -> Baresip {
        self.stage.tenant.client(user, PASSWORD).expect("a SIP client");
        let phone = Phone {
            user,
            password: PASSWORD,
            realm: &self.stage.tenant.realm,
            server: self.tls,
            transport: "tls",
            tones: &[(PHONE_HZ, LEVEL_DB)],
            codec,
        };
        let security = Security { media, ca: Some(ca), certificate: Some(own) };
        Baresip::start_secure(&phone, &security).expect("baresip runs")
    }
}

/// Certificate and key in one file, as `baresip` reads them.
fn both(authority: &Authority) -> PathBuf {
    let (cert, key) = authority.pair("phone", &["127.0.0.1"]);
    let read = |path: &Path| std::fs::read_to_string(path).expect("our own file");
    let path = cert.with_file_name("phone-both.pem");
    std::fs::write(&path, format!("{}{}", read(&key), read(&cert))).expect("a file");
    path
}

/// Phone and peer are in one conference and hear each other; then the phone hangs up.
fn talks(secure: &Secure, phone: &mut Baresip, user: &str) {
    let stage = &secure.stage;
    stage.answer_with_conference("vault");
    phone.wait_registered(SOON).expect("registered");
    let mut peer = stage.caller(&format!("peer-of-{user}"), PEER_HZ);
    phone.dial(&stage.uri("1000"), SOON).expect("answered");
    wait::expect("the phone is heard", SOON, || {
        let level = peer.rtp.listen(Duration::from_millis(240)).level_db(PHONE_HZ);
        (level - LEVEL_DB).abs() < 1.5
    });
    wait::expect("the peer is heard", SOON, || {
        let heard = phone.listen(0.3).expect("sound");
        (median_level_db(&heard, PEER_HZ) - LEVEL_DB).abs() < 1.5
    });
    let call_sid = stage.call_sid_from(user);
    phone.hang_up().expect("hung up");
    assert_eq!(stage.statuses(&call_sid), ["trying", "in-progress", "completed"]);
    peer.hang_up();
}

#[test]
fn a_phone_over_tls_talks_over_srtp_and_its_transport_is_shown() {
    let secure = Secure::new(&[]);
    let (own, ca) = (both(&secure.authority), secure.authority.ca());
    let mut alice = secure.phone("alice", Codec::G722, MediaEncryption::Required, &ca, &own);
    talks(&secure, &mut alice, "alice");
    let user = secure.stage.get("/RegisteredSipUsers/alice");
    assert_eq!(user["protocol"], "tls", "{user}");
    assert!(alice.log().contains("SRTP is Enabled"), "{}", alice.log());
}

/// Keys in a plain AVP offer, as phones of the field make it, and over plain UDP.
#[test]
fn a_phone_that_offers_srtp_over_udp_talks_over_it() {
    let secure = Secure::new(&[]);
    let user = "oscar";
    secure.stage.tenant.client(user, PASSWORD).expect("a SIP client");
    let phone = Phone {
        user,
        password: PASSWORD,
        realm: &secure.stage.tenant.realm,
        server: secure.stage.server.sip(),
        transport: "udp",
        tones: &[(PHONE_HZ, LEVEL_DB)],
        codec: Codec::Opus,
    };
    let security = Security { media: MediaEncryption::Offered, ..Security::default() };
    let mut oscar = Baresip::start_secure(&phone, &security).expect("baresip runs");
    talks(&secure, &mut oscar, user);
    assert!(oscar.log().contains("SRTP is Enabled"), "{}", oscar.log());
}

/// A connection of ours, whose certificate is checked: signed by whom we trust, or not.
#[test]
fn a_phone_is_called_over_tls_and_one_with_a_foreign_certificate_is_not() {
    let secure = Secure::new(&[]);
    let (ca, stage) = (secure.authority.ca(), &secure.stage);
    let other = Authority::new();
    let [own, foreign] = [&secure.authority, &other].map(both);
    let alice = secure.phone("alice", Codec::G722, MediaEncryption::Off, &ca, &own);
    let mallory = secure.phone("mallory", Codec::Pcmu, MediaEncryption::Off, &ca, &foreign);
    stage.hooks.on_json("/call", json!([{ "verb": "pause", "length": 60 }]));
    for (user, phone, stands) in [("alice", &alice, true), ("mallory", &mallory, false)] {
        let uri = format!("sip:{user}@{};transport=tls", phone.tls_address());
        let call_sid = stage.create_call(&json!({
            "from": "15083084809",
            "to": { "type": "sip", "sipUri": uri },
            "application_sid": stage.application_sid,
        }));
        if stands {
            stage.hooks.wait_for("/call", SOON, |asked| {
                asked.iter().any(|request| request.text("call_sid") == call_sid)
            });
            assert_eq!(stage.delete(&format!("/Calls/{call_sid}")), 204);
        }
        let last = stage.statuses(&call_sid).pop();
        assert_eq!(last.as_deref(), Some(if stands { "completed" } else { "failed" }));
    }
    assert!(mallory.events("CALL_INCOMING").is_empty(), "{}", mallory.log());
}

/// What `openssl s_client` says of the server, and whether the handshake was completed.
fn openssl(server: SocketAddr, ca: &Path, version: &str) -> (bool, String) {
    let output = Command::new("openssl")
        .args(["s_client", "-brief", "-verify_return_error", "-verify_ip", "127.0.0.1", version])
        .args(["-connect", &server.to_string(), "-CAfile"])
        .arg(ca)
        .stdin(Stdio::null())
        .output()
        .expect("openssl runs (Debian package openssl)");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn openssl_gets_through_with_tls_1_2_and_1_3_and_the_right_authority_alone() {
    let secure = Secure::new(&[]);
    let other = Authority::new();
    let (right, wrong) = (secure.authority.ca(), other.ca());
    for (version, shown) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let (done, said) = openssl(secure.tls, &right, version);
        assert!(done && said.contains(shown) && said.contains("Verification: OK"), "{said}");
        let (done, said) = openssl(secure.tls, &wrong, version);
        assert!(!done, "{said}");
    }
    let (done, said) = openssl(secure.tls, &right, "-tls1_1");
    assert!(!done, "{said}");
}
