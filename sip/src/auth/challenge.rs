//! The challenge of a 401 or 407: writing ours, reading theirs (RFC 2617 §3.2.1).

use super::{digest_params, take};
use crate::message::quote;

/// A WWW-Authenticate value: MD5, qop "auth".
///
/// `realm` and `nonce` are quoted here; control characters in the realm are left out.
pub fn challenge(realm: &str, nonce: &str, stale: bool) -> String {
    let realm: String = realm.chars().filter(|c| !c.is_control()).collect();
    let realm = quote(&realm);
    let stale = if stale { ",stale=true" } else { "" };
    format!("Digest realm={realm},nonce=\"{nonce}\",algorithm=MD5,qop=\"auth\"{stale}")
}

/// A challenge as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The realm to show or to look a password up by.
    pub realm: String,
    /// The nonce.
    pub nonce: String,
    /// To be sent back unchanged.
    pub opaque: Option<String>,
    /// Whether qop "auth" is offered; without any qop the old digest of RFC 2069 is meant.
    pub has_qop_auth: bool,
    /// Whether only the nonce was too old.
    pub is_stale: bool,
}

impl Challenge {
    /// Reads a WWW-Authenticate or Proxy-Authenticate value. `None` for anything but a digest
    /// challenge we can answer: MD5, with qop "auth" or none.
    pub fn parse(value: &str) -> Option<Self> {
        let params = digest_params(value)?;
        let algorithm = take(&params, "algorithm");
        if !algorithm.is_none_or(|name| name.eq_ignore_ascii_case("MD5")) {
            return None;
        }
        let qop = take(&params, "qop");
        let has_qop_auth = qop
            .as_deref()
            .is_some_and(|list| list.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")));
        if qop.is_some() && !has_qop_auth {
            return None;
        }
        Some(Self {
            realm: take(&params, "realm")?,
            nonce: take(&params, "nonce")?,
            opaque: take(&params, "opaque"),
            has_qop_auth,
            is_stale: take(&params, "stale").is_some_and(|s| s.eq_ignore_ascii_case("true")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_challenge_is_one_md5_challenge_that_reads_back() {
        let value = challenge("acme \"x\"", "abc", true);
        let read = Challenge::parse(&value).unwrap();
        assert_eq!(read.realm, "acme \"x\"");
        assert_eq!(read.nonce, "abc");
        assert!(read.has_qop_auth && read.is_stale);
        assert!(!Challenge::parse(&challenge("r", "n", false)).unwrap().is_stale);
    }

    #[test]
    fn a_realm_cannot_start_a_header_of_its_own() {
        assert!(!challenge("a\r\nX: y", "n", false).contains(['\r', '\n']));
    }

    #[test]
    fn challenges_that_cannot_be_answered_are_none() {
        for value in [
            "Basic realm=\"x\"",
            "Digest realm=\"x\"",
            "Digest realm=\"x\",nonce=\"n\",algorithm=SHA-256",
            "Digest realm=\"x\",nonce=\"n\",qop=\"auth-int\"",
            "Digest",
        ] {
            assert_eq!(Challenge::parse(value), None, "{value}");
        }
        assert!(
            Challenge::parse("digest realm=\"x\", nonce=\"n\", qop=\"auth,auth-int\"").is_some()
        );
        assert!(!Challenge::parse("Digest realm=x,nonce=n").unwrap().has_qop_auth);
    }
}
