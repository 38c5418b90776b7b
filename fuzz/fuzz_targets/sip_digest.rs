//! Digest, both sides: foreign credentials never prove anything, foreign challenges never panic.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use sip::auth::{
    Algorithm, Challenge, DigestCredentials, NonceVerdict, Nonces, authorize, ha1, verify,
};
use sip::{Credentials, Method};

static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fuzz_target!(|text: &str| {
    for value in text.lines() {
        judge(value);
    }
    let best = Challenge::best(text.lines());
    for challenge in &best {
        let of_realm = |value| Challenge::parse(value).is_some_and(|c| c == *challenge);
        assert!(text.lines().any(of_realm), "made of nothing");
        let twins = best.iter().filter(|other| other.realm == challenge.realm).count();
        assert_eq!(twins, 1, "one answer for each realm");
    }
});

fn judge(value: &str) {
    if let Some(given) = DigestCredentials::parse(value) {
        for algorithm in Algorithm::ALL {
            let ha1 = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
            let is_right = verify(&given, &Method::Register, algorithm, ha1);
            assert!(!is_right, "nobody knows this hash");
        }
        let mut nonces = Nonces::new([7; 32]);
        assert_ne!(nonces.check(*NOW, PEER, &given), NonceVerdict::Fresh);
    }
    if let Some(challenge) = Challenge::parse(value) {
        let who = Credentials::new("alice", "wonder\"land");
        let answer = authorize(&challenge, &who, &Method::Invite, "sip:bob@example.com", 1, "c0");
        if let Some(given) = DigestCredentials::parse(&answer) {
            for algorithm in Algorithm::ALL {
                let ha1 = ha1(algorithm, "alice", given.realm(), &who.password);
                let is_right = verify(&given, &Method::Invite, algorithm, &ha1);
                let is_ours = algorithm == challenge.algorithm && challenge.has_qop_auth;
                assert_eq!(is_right, is_ours, "our own answer proves us, as it was asked for");
            }
        }
    }
}
