//! The digest itself: the Authorization value read and judged, or made (RFC 2617 §3.2.2, RFC 2069).

use std::fmt;

use md5::{Digest, Md5};

use super::challenge::Challenge;
use super::{digest_params, take};
use crate::endpoint::Credentials;
use crate::message::{Method, quote};

/// An Authorization or Proxy-Authorization value.
#[derive(Clone, PartialEq, Eq)]
pub struct DigestCredentials {
    username: String,
    realm: String,
    nonce: String,
    uri: String,
    response: String,
    qop: Option<Qop>,
    is_md5: bool,
}

/// What `qop=auth` adds.
#[derive(Clone, PartialEq, Eq)]
struct Qop {
    /// As written; it goes into the digest.
    name: String,
    cnonce: String,
    nc: String,
}

impl DigestCredentials {
    /// Reads a header value. `None` for another scheme or when a mandatory parameter is missing.
    pub fn parse(value: &str) -> Option<Self> {
        let params = digest_params(value)?;
        let qop = match take(&params, "qop") {
            Some(name) => Some(Qop {
                name,
                cnonce: take(&params, "cnonce")?,
                nc: take(&params, "nc").filter(|nc| nc.len() == 8)?,
            }),
            None => None,
        };
        Some(Self {
            username: take(&params, "username")?,
            realm: take(&params, "realm")?,
            nonce: take(&params, "nonce")?,
            uri: take(&params, "uri")?,
            response: take(&params, "response")?,
            qop,
            is_md5: take(&params, "algorithm").is_none_or(|a| a.eq_ignore_ascii_case("MD5")),
        })
    }

    /// The user name.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The realm.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The nonce.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The digest URI as written.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The nonce count: hexadecimal on the wire. `Some(None)` if it is unreadable.
    pub(crate) fn nonce_count(&self) -> Option<Option<u32>> {
        let qop = self.qop.as_ref()?;
        let digits = qop.nc.bytes().all(|b| b.is_ascii_hexdigit());
        Some(u32::from_str_radix(&qop.nc, 16).ok().filter(|_| digits))
    }
}

impl fmt::Debug for DigestCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestCredentials")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// `MD5(user:realm:password)` in hex: what a server stores.
pub fn ha1(user: &str, realm: &str, password: &str) -> String {
    md5_hex(&[user, realm, password])
}

/// Whether the credentials were made with the password behind `ha1_hex`. Takes the same time for
/// every wrong answer. The nonce is not judged: that is [`Nonces::check`](super::Nonces::check).
pub fn verify(credentials: &DigestCredentials, method: &Method, ha1_hex: &str) -> bool {
    if !credentials.is_md5 {
        return false;
    }
    let ha1 = ha1_hex.to_ascii_lowercase();
    let ha2 = md5_hex(&[method.as_str(), &credentials.uri]);
    let expected = match &credentials.qop {
        Some(qop) if qop.name.eq_ignore_ascii_case("auth") => {
            md5_hex(&[&ha1, &credentials.nonce, &qop.nc, &qop.cnonce, &qop.name, &ha2])
        }
        Some(_) => return false,
        None => md5_hex(&[&ha1, &credentials.nonce, &ha2]),
    };
    is_equal(expected.as_bytes(), credentials.response.to_ascii_lowercase().as_bytes())
}

/// The Authorization (or Proxy-Authorization) value that answers a challenge.
///
/// `nc` counts the uses of this nonce from 1; `cnonce` is fresh randomness.
pub fn authorize(
    challenge: &Challenge,
    credentials: &Credentials,
    method: &Method,
    uri: &str,
    nc: u32,
    cnonce: &str,
) -> String {
    let Credentials { username, password, .. } = credentials;
    let ha1 = ha1(username, &challenge.realm, password);
    let ha2 = md5_hex(&[method.as_str(), uri]);
    let nc = format!("{nc:08x}");
    let response = if challenge.has_qop_auth {
        md5_hex(&[&ha1, &challenge.nonce, &nc, cnonce, "auth", &ha2])
    } else {
        md5_hex(&[&ha1, &challenge.nonce, &ha2])
    };
    let mut value = format!(
        "Digest username={},realm={},nonce={},uri={},response=\"{response}\",algorithm=MD5",
        quote(username),
        quote(&challenge.realm),
        quote(&challenge.nonce),
        quote(uri),
    );
    if challenge.has_qop_auth {
        value.push_str(&format!(",qop=auth,nc={nc},cnonce={}", quote(cnonce)));
    }
    if let Some(opaque) = &challenge.opaque {
        value.push_str(&format!(",opaque={}", quote(opaque)));
    }
    value
}

/// MD5 over the parts joined by colons, in hex.
fn md5_hex(parts: &[&str]) -> String {
    let mut hash = Md5::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            hash.update(b":");
        }
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// Compares without an early way out.
pub(super) fn is_equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const RFC2617: &str = "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
        nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", qop=auth, nc=00000001, \
        cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", \
        opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";

    #[test]
    fn the_example_of_rfc_2617_verifies() {
        let credentials = DigestCredentials::parse(RFC2617).unwrap();
        let ha1 = ha1("Mufasa", "testrealm@host.com", "Circle Of Life");
        assert_eq!(ha1, "939e7578ed9e3c518a452acee763bce9");
        let get = Method::Other("GET".into());
        assert!(verify(&credentials, &get, &ha1));
        assert!(verify(&credentials, &get, &ha1.to_ascii_uppercase()));
        assert!(!verify(&credentials, &Method::Invite, &ha1));
        assert!(!verify(&credentials, &get, "939e7578ed9e3c518a452acee763bce8"));
    }

    #[test]
    fn what_browsers_send_is_read_with_algorithm_first_and_bare_qop_and_nc() {
        for file in ["jssip-register-2-auth.sip", "sipjs-register-2-auth.sip"] {
            let path = format!("{}/tests/data/{file}", env!("CARGO_MANIFEST_DIR"));
            let request = crate::Request::parse(&std::fs::read(path).unwrap()).unwrap();
            let value = request.header("Authorization").unwrap();
            let credentials = DigestCredentials::parse(value).unwrap();
            assert_eq!(credentials.realm(), "sip.test");
            assert_eq!(credentials.nonce_count(), Some(Some(1)));
            let ha1 = ha1(credentials.username(), "sip.test", "secret");
            assert!(verify(&credentials, &Method::Register, &ha1), "{file}");
        }
    }

    #[test]
    fn our_answer_to_our_challenge_verifies_with_and_without_qop() {
        let user = Credentials::new("al\"ice", "s:e\\cret");
        let ha1 = ha1("al\"ice", "r", "s:e\\cret");
        for qop in [",qop=\"auth\"", ""] {
            let challenge =
                Challenge::parse(&format!("Digest realm=\"r\",nonce=\"n\"{qop}")).unwrap();
            let value = authorize(&challenge, &user, &Method::Invite, "sip:b@h;x=y", 10, "cc");
            let read = DigestCredentials::parse(&value).unwrap();
            assert!(verify(&read, &Method::Invite, &ha1), "{value}");
            assert_eq!(read.nonce_count().is_some(), !qop.is_empty());
            assert_eq!(read.nonce_count().flatten(), (!qop.is_empty()).then_some(10));
        }
    }

    #[test]
    fn foreign_schemes_algorithms_and_gaps_do_not_authenticate() {
        assert!(DigestCredentials::parse("NoOneKnowsThisScheme opaque-data=here").is_none());
        assert!(DigestCredentials::parse(&RFC2617.replace("nc=00000001, ", "")).is_none());
        assert!(DigestCredentials::parse(&RFC2617.replace("uri=", "url=")).is_none());
        let sha = DigestCredentials::parse(&format!("{RFC2617}, algorithm=SHA-256")).unwrap();
        assert!(!verify(&sha, &Method::Invite, "x"));
        let int = DigestCredentials::parse(&RFC2617.replace("qop=auth", "qop=auth-int")).unwrap();
        assert!(!verify(&int, &Method::Invite, "x"));
    }

    #[test]
    fn secrets_do_not_show_in_debug_text() {
        let credentials = DigestCredentials::parse(RFC2617).unwrap();
        assert!(!format!("{credentials:?}").contains("6629fae4"));
        let user = Credentials::new("a", "hidden");
        assert!(!format!("{user:?}").contains("hidden"));
    }
}
