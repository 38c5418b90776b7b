//! Foreign programs over TLS: the phone `baresip` and the client of `openssl`, with certificates that
//! are made for the test, right ones and wrong ones.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

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
fn a_phone_over_tls_registers_and_is_heard_in_a_conference() {
    let secure = Secure::new(&[]);
    let (own, ca) = (both(&secure.authority), secure.authority.ca());
    let mut alice = secure.phone("alice", Codec::G722, MediaEncryption::Off, &ca, &own);
    talks(&secure, &mut alice, "alice");
    let user = secure.stage.get("/RegisteredSipUsers/alice");
    assert_eq!(user["protocol"], "tls", "{user}");
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
