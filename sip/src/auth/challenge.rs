//! The challenge of a 401 or 407: writing ours, reading theirs (RFC 7616 §3.3, RFC 8760 §2).

use super::algorithm::Algorithm;
use super::{digest_params, take};
use crate::message::quote;

/// A WWW-Authenticate value with qop "auth". One is sent, with the algorithm of whoever is asked:
/// most phones and both browser libraries mishandle two.
///
/// `realm` and `nonce` are quoted here; control characters in the realm are left out.
pub fn challenge(algorithm: Algorithm, realm: &str, nonce: &str, stale: bool) -> String {
    let realm: String = realm.chars().filter(|c| !c.is_control()).collect();
    let realm = quote(&realm);
    let stale = if stale { ",stale=true" } else { "" };
    let algorithm = algorithm.name();
    format!("Digest realm={realm},nonce=\"{nonce}\",algorithm={algorithm},qop=\"auth\"{stale}")
}

/// A challenge as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The realm to show or to look a password up by.
    pub realm: String,
    /// The nonce.
    pub nonce: String,
    /// The hash that is asked for.
    pub algorithm: Algorithm,
    /// To be sent back unchanged.
    pub opaque: Option<String>,
    /// Whether qop "auth" is offered; without any qop the old digest of RFC 2069 is meant.
    pub has_qop_auth: bool,
    /// Whether only the nonce was too old.
    pub is_stale: bool,
}

impl Challenge {
    /// Reads a WWW-Authenticate or Proxy-Authenticate value. `None` for anything but a digest
    /// challenge we can answer: an [`Algorithm`] we know, with qop "auth" or none. Neither the
    /// `-sess` algorithms nor qop "auth-int" are answered.
    pub fn parse(value: &str) -> Option<Self> {
        let params = digest_params(value)?;
        let algorithm = match take(&params, "algorithm") {
            Some(name) => Algorithm::from_name(&name)?,
            None => Algorithm::Md5,
        };
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
            algorithm,
            opaque: take(&params, "opaque"),
            has_qop_auth,
            is_stale: take(&params, "stale").is_some_and(|s| s.eq_ignore_ascii_case("true")),
        })
    }

    /// Of the challenges in a response, the one to answer for each realm, in the order of the realms.
    ///
    /// RFC 8760 §2.4 takes the topmost that is known, unless policy says otherwise. Ours: MD5 only
    /// where nothing better is asked for, so that nobody on the way pulls us down by the order.
    pub fn best<'a>(values: impl Iterator<Item = &'a str>) -> Vec<Self> {
        let mut best: Vec<Self> = Vec::new();
        for challenge in values.filter_map(Self::parse).take(MAX_CHALLENGES) {
            match best.iter_mut().find(|known| known.realm == challenge.realm) {
                None => best.push(challenge),
                Some(known) if challenge.algorithm.is_strong() && !known.algorithm.is_strong() => {
                    *known = challenge;
                }
                Some(_) => {}
            }
        }
        best
    }
}

/// Challenges of one response that are read.
const MAX_CHALLENGES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_challenge_reads_back() {
        for algorithm in Algorithm::ALL {
            let value = challenge(algorithm, "acme \"x\"", "abc", true);
            let read = Challenge::parse(&value).unwrap();
            assert_eq!(read.realm, "acme \"x\"");
            assert_eq!(read.nonce, "abc");
            assert_eq!(read.algorithm, algorithm);
            assert!(read.has_qop_auth && read.is_stale);
            let young = challenge(algorithm, "r", "n", false);
            assert!(!Challenge::parse(&young).unwrap().is_stale);
        }
    }

    #[test]
    fn the_strongest_challenge_of_each_realm_is_answered() {
        let value = |realm: &str, algorithm: &str| {
            format!(
                "Digest realm=\"{realm}\",nonce=\"{algorithm}\",qop=\"auth\",algorithm={algorithm}"
            )
        };
        let best = |values: &[String]| -> Vec<String> {
            let best = Challenge::best(values.iter().map(String::as_str));
            best.iter().map(|c| format!("{} {}", c.realm, c.algorithm.name())).collect()
        };
        let (md5, sha) = (value("r", "MD5"), value("r", "SHA-256"));
        assert_eq!(best(&[md5.clone(), sha.clone()]), ["r SHA-256"]);
        assert_eq!(best(&[sha.clone(), md5.clone()]), ["r SHA-256"]);
        let long = value("r", "SHA-512-256");
        assert_eq!(best(&[long.clone(), sha.clone(), md5.clone()]), ["r SHA-512-256"]);
        assert_eq!(best(&[md5.clone(), sha, long]), ["r SHA-256"], "the topmost of the strong");
        assert_eq!(
            best(&[value("s", "\"sha-256\""), md5.clone(), value("r", "SHA-256-sess")]),
            ["s SHA-256", "r MD5"]
        );
        assert!(best(&["Basic realm=\"r\"".to_owned()]).is_empty());
        let many: Vec<String> = (0..40).map(|n| value(&n.to_string(), "MD5")).collect();
        assert_eq!(best(&many).len(), MAX_CHALLENGES);
    }

    #[test]
    fn a_realm_cannot_start_a_header_of_its_own() {
        assert!(!challenge(Algorithm::Md5, "a\r\nX: y", "n", false).contains(['\r', '\n']));
    }

    #[test]
    fn challenges_that_cannot_be_answered_are_none() {
        for value in [
            "Basic realm=\"x\"",
            "Digest realm=\"x\"",
            "Digest realm=\"x\",nonce=\"n\",algorithm=SHA-1",
            "Digest realm=\"x\",nonce=\"n\",algorithm=MD5-sess",
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
