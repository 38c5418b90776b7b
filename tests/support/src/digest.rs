//! Digest authentication as a client does it (RFC 2617, RFC 8760; with or without `qop=auth`).

use std::fmt;

use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::message::Message;

/// User and password; the password does not print.
#[derive(Clone)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What a 401 or 407 asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Header the answer goes into: `Authorization` or `Proxy-Authorization`.
    pub answer_header: &'static str,
    pub realm: String,
    pub nonce: String,
    pub opaque: Option<String>,
    pub qop_auth: bool,
    pub stale: bool,
    /// SHA-256 instead of MD5.
    pub sha256: bool,
}

impl Challenge {
    /// The first challenge of a 401 or 407 by an algorithm known here.
    #[must_use]
    pub fn of(response: &Message) -> Option<Self> {
        let (asked, answer_header) = match response.code()? {
            401 => ("WWW-Authenticate", "Authorization"),
            407 => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => return None,
        };
        response.all(asked).find_map(|value| Self::parse(value, answer_header))
    }

    fn parse(value: &str, answer_header: &'static str) -> Option<Self> {
        let (scheme, rest) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let fields = fields(rest);
        let get = |name: &str| {
            fields.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone())
        };
        let algorithm = get("algorithm").unwrap_or_else(|| "MD5".to_owned());
        let sha256 = algorithm.eq_ignore_ascii_case("sha-256");
        if !sha256 && !algorithm.eq_ignore_ascii_case("md5") {
            return None;
        }
        Some(Self {
            answer_header,
            realm: get("realm")?,
            nonce: get("nonce")?,
            opaque: get("opaque"),
            qop_auth: get("qop").is_some_and(|q| q.split(',').any(|word| word.trim() == "auth")),
            stale: get("stale").is_some_and(|word| word.eq_ignore_ascii_case("true")),
            sha256,
        })
    }

    /// Value of the answering header. `count` is the nonce count (1 for the first use).
    #[must_use]
    pub fn answer(&self, who: &Credentials, method: &str, uri: &str, count: u32) -> String {
        let cnonce = "c0ffee42";
        let nc = format!("{count:08x}");
        let (hash, algorithm): (fn(&str) -> String, _) =
            if self.sha256 { (sha256_hex, "SHA-256") } else { (md5_hex, "MD5") };
        let ha1 = hash(&format!("{}:{}:{}", who.user, self.realm, who.password));
        let ha2 = hash(&format!("{method}:{uri}"));
        let nonce = &self.nonce;
        let response = if self.qop_auth {
            hash(&format!("{ha1}:{nonce}:{nc}:{cnonce}:auth:{ha2}"))
        } else {
            hash(&format!("{ha1}:{nonce}:{ha2}"))
        };
        let mut value = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm={algorithm}",
            who.user, self.realm
        );
        if self.qop_auth {
            value.push_str(&format!(", cnonce=\"{cnonce}\", qop=auth, nc={nc}"));
        }
        if let Some(opaque) = &self.opaque {
            value.push_str(&format!(", opaque=\"{opaque}\""));
        }
        value
    }
}

/// `name=value` pairs separated by commas; a quoted value may contain commas.
fn fields(mut text: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    while let Some((name, rest)) = text.split_once('=') {
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
        };
        fields.push((name.trim_matches([' ', ',', '\t']).to_owned(), value.trim().to_owned()));
        text = rest;
    }
    fields
}

fn sha256_hex(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mufasa() -> Credentials {
        Credentials { user: "Mufasa".into(), password: "Circle Of Life".into() }
    }

    #[test]
    fn the_example_of_rfc_2617_without_qop_gives_the_known_digest() {
        let unauthorized = Message::response(401, "x").with(
            "WWW-Authenticate",
            "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
             opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
        );
        let challenge = Challenge::of(&unauthorized).expect("challenge");
        let value = challenge.answer(&mufasa(), "GET", "/dir/index.html", 1);
        assert!(value.contains("response=\"670fd8c2df070c60b045671b8b24ff02\""), "{value}");
        assert!(value.contains("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""));
    }

    #[test]
    fn qop_is_found_in_a_list_and_the_count_goes_into_the_answer() {
        let response = Message::response(407, "x")
            .with("Proxy-Authenticate", "Digest realm=\"a,b\", qop=\"auth,auth-int\", nonce=\"n\"");
        let challenge = Challenge::of(&response).expect("challenge");
        assert_eq!((challenge.realm.as_str(), challenge.qop_auth), ("a,b", true));
        let value = challenge.answer(&mufasa(), "INVITE", "sip:x", 2);
        assert!(value.contains("nc=00000002") && value.contains("qop=auth"));
        assert_eq!(challenge.answer_header, "Proxy-Authorization");
    }

    #[test]
    fn a_challenge_of_another_algorithm_is_passed_over() {
        let response = Message::response(401, "x")
            .with("WWW-Authenticate", "Digest realm=\"a\", nonce=\"1\", algorithm=SHA-512-256")
            .with("WWW-Authenticate", "Digest realm=\"a\", nonce=\"2\", algorithm=MD5");
        assert_eq!(Challenge::of(&response).expect("second").nonce, "2");
    }

    #[test]
    fn a_password_is_not_printed() {
        assert!(!format!("{:?}", mufasa()).contains("Circle"));
    }
}
