//! Digest, both sides: foreign credentials never prove anything, foreign challenges never panic.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use sip::auth::{Challenge, DigestCredentials, NonceVerdict, Nonces, authorize, ha1, verify};
use sip::{Credentials, Method};

static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fuzz_target!(|value: &str| {
    if let Some(given) = DigestCredentials::parse(value) {
        let ha1 = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
        assert!(!verify(&given, &Method::Register, ha1), "nobody knows this hash");
        let mut nonces = Nonces::new([7; 32]);
        assert_ne!(nonces.check(*NOW, PEER, &given), NonceVerdict::Fresh);
    }
    if let Some(challenge) = Challenge::parse(value) {
        let who = Credentials::new("alice", "wonder\"land");
        let answer = authorize(&challenge, &who, &Method::Invite, "sip:bob@example.com", 1, "c0");
        if let Some(given) = DigestCredentials::parse(&answer) {
            let ha1 = ha1("alice", given.realm(), &who.password);
            assert!(verify(&given, &Method::Invite, &ha1), "our own answer proves us");
        }
    }
});
