//! The `Jambonz-Signature` header (contract verbs.md §1.3): HMAC-SHA-256 over time and body, by
//! which an application knows that a request comes from its account.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::model::Secret;

/// Name of the header.
pub(super) const SIGNATURE_HEADER: &str = "Jambonz-Signature";

/// What a GET is signed over: verifiers compute over the body they parsed, which is none (D-3).
pub(super) const GET_BODY: &str = "{}";

/// The header's value: `t=<unix seconds>,v1=<64 lower-case hexadecimal digits>`.
///
/// `body` is the exact text sent, or [`GET_BODY`].
pub(super) fn signature(secret: &Secret, unix_seconds: u64, body: &str) -> String {
    let mut value = format!("t={unix_seconds},v1=");
    for byte in digest(secret.0.as_bytes(), unix_seconds, body) {
        value.push(hex_digit(byte >> 4));
        value.push(hex_digit(byte & 0x0f));
    }
    value
}

fn digest(key: &[u8], unix_seconds: u64, body: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC has no wrong key lengths");
    mac.update(unix_seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().into()
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_the_one_known_verifiers_accept() {
        // Computed with the verifier of the public Node client.
        for (key, seconds, body, hex) in [
            (
                "wh_secret_0123456789",
                1_700_000_000,
                r#"{"call_sid":"c1","from":"José","n":1.5}"#,
                "7eb5f337ddb24106412fa4b34bfd32b406f1971eaeb9e091ebf1436d95d8bf63",
            ),
            ("s", 1, GET_BODY, "b253639bcd705ed1cda3073f66104f16988bd40272584dea7d0d345ae93e61cc"),
            (
                // Longer than a block: hashed first (RFC 2104 §2).
                &"x".repeat(100),
                1_700_000_000,
                GET_BODY,
                "70cf6623771562c9c1e502d121ca3d5d544af86b936ed8b68a6a0f4ab3368ae2",
            ),
        ] {
            assert_eq!(
                signature(&Secret(key.to_owned()), seconds, body),
                format!("t={seconds},v1={hex}")
            );
        }
    }

    #[test]
    fn another_second_body_or_key_gives_another_signature() {
        let secret = Secret("s".into());
        let one = signature(&secret, 1, "{}");
        assert_ne!(one, signature(&secret, 2, "{}"));
        assert_ne!(one, signature(&secret, 1, "[]"));
        assert_ne!(one, signature(&Secret("t".into()), 1, "{}"));
    }
}
