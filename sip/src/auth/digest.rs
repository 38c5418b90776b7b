//! The digest itself: the Authorization value read and judged, or made (RFC 7616 §3.4, RFC 8760;
//! RFC 2617 §3.2.2 for MD5).

use std::fmt;

use super::algorithm::Algorithm;
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
    /// `None` for one we do not know.
    algorithm: Option<Algorithm>,
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
            algorithm: match take(&params, "algorithm") {
                Some(name) => Algorithm::from_name(&name),
                None => Some(Algorithm::Md5),
            },
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

/// `H(user:realm:password)` in hex: what a server stores.
pub fn ha1(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> String {
    algorithm.hex(&[user, realm, password])
}

/// Whether the credentials were made with the password behind `ha1_hex`, by the algorithm that was
/// asked for. Takes the same time for every wrong answer. The nonce is not judged: that is
/// [`Nonces::check`](super::Nonces::check).
///
/// Our challenges offer qop "auth", so it must be used (RFC 3261 §22.4 item 8): an answer without it
/// would leave out the client's own nonce and the count that tells a repetition.
pub fn verify(
    credentials: &DigestCredentials,
    method: &Method,
    algorithm: Algorithm,
    ha1_hex: &str,
) -> bool {
    let nothing = Qop { name: String::new(), cnonce: String::new(), nc: String::new() };
    let qop = credentials.qop.as_ref().unwrap_or(&nothing);
    let ha1 = ha1_hex.to_ascii_lowercase();
    let ha2 = algorithm.hex(&[method.as_str(), &credentials.uri]);
    let expected =
        algorithm.hex(&[&ha1, &credentials.nonce, &qop.nc, &qop.cnonce, &qop.name, &ha2]);
    let given = credentials.response.to_ascii_lowercase();
    is_equal(expected.as_bytes(), given.as_bytes())
        & (credentials.algorithm == Some(algorithm))
        & qop.name.eq_ignore_ascii_case("auth")
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
    let algorithm = challenge.algorithm;
    let ha1 = ha1(algorithm, username, &challenge.realm, password);
    let ha2 = algorithm.hex(&[method.as_str(), uri]);
    let nc = format!("{nc:08x}");
    let response = if challenge.has_qop_auth {
        algorithm.hex(&[&ha1, &challenge.nonce, &nc, cnonce, "auth", &ha2])
    } else {
        algorithm.hex(&[&ha1, &challenge.nonce, &ha2])
    };
    let mut value = format!(
        "Digest username={},realm={},nonce={},uri={},response=\"{response}\",algorithm={}",
        quote(username),
        quote(&challenge.realm),
        quote(&challenge.nonce),
        quote(uri),
        algorithm.name(),
    );
    if challenge.has_qop_auth {
        value.push_str(&format!(",qop=auth,nc={nc},cnonce={}", quote(cnonce)));
    }
    if let Some(opaque) = &challenge.opaque {
        value.push_str(&format!(",opaque={}", quote(opaque)));
    }
    value
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
        let md5 = Algorithm::Md5;
        let ha1 = ha1(md5, "Mufasa", "testrealm@host.com", "Circle Of Life");
        assert_eq!(ha1, "939e7578ed9e3c518a452acee763bce9");
        let get = Method::Other("GET".into());
        assert!(verify(&credentials, &get, md5, &ha1));
        assert!(verify(&credentials, &get, md5, &ha1.to_ascii_uppercase()));
        assert!(!verify(&credentials, &Method::Invite, md5, &ha1));
        assert!(!verify(&credentials, &get, md5, "939e7578ed9e3c518a452acee763bce8"));
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
            let ha1 = ha1(Algorithm::Md5, credentials.username(), "sip.test", "secret");
            assert!(verify(&credentials, &Method::Register, Algorithm::Md5, &ha1), "{file}");
        }
    }

    /// RFC 7616 §3.9.1: the same request by both algorithms.
    #[test]
    fn the_examples_of_rfc_7616_verify() {
        for (algorithm, name, response) in [
            (Algorithm::Md5, "MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                Algorithm::Sha256,
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let value = format!(
                "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", \
                 uri=\"/dir/index.html\", algorithm={name}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
                 cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
                 response=\"{response}\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            );
            let credentials = DigestCredentials::parse(&value).unwrap();
            let get = Method::Other("GET".into());
            for asked in Algorithm::ALL {
                let ha1 = ha1(asked, "Mufasa", "http-auth@example.org", "Circle of Life");
                let proves = verify(&credentials, &get, asked, &ha1);
                assert_eq!(proves, asked == algorithm, "{name} for {}", asked.name());
            }
        }
    }

    #[test]
    fn our_answer_to_our_challenge_verifies() {
        let user = Credentials::new("al\"ice", "s:e\\cret");
        for algorithm in Algorithm::ALL {
            let ha1 = ha1(algorithm, "al\"ice", "r", "s:e\\cret");
            let challenge =
                Challenge::parse(&super::super::challenge(algorithm, "r", "n", false)).unwrap();
            let value = authorize(&challenge, &user, &Method::Invite, "sip:b@h;x=y", 10, "cc");
            let read = DigestCredentials::parse(&value).unwrap();
            assert!(verify(&read, &Method::Invite, algorithm, &ha1), "{value}");
            assert_eq!(read.nonce_count(), Some(Some(10)));
        }
    }

    #[test]
    fn a_server_of_rfc_2069_is_answered_but_no_client_of_it_believed() {
        let user = Credentials::new("alice", "secret");
        let old = Challenge::parse("Digest realm=\"r\",nonce=\"n\",opaque=\"o\"").unwrap();
        let value = authorize(&old, &user, &Method::Invite, "sip:b@h", 1, "cc");
        // H(H(alice:r:secret):n:H(INVITE:sip:b@h))
        let md5 = Algorithm::Md5;
        let ha1 = ha1(md5, "alice", "r", "secret");
        let response = md5.hex(&[&ha1, "n", &md5.hex(&["INVITE", "sip:b@h"])]);
        assert!(value.contains(&format!("response=\"{response}\"")), "{value}");
        assert!(value.ends_with("opaque=\"o\"") && !value.contains("qop"));
        let read = DigestCredentials::parse(&value).unwrap();
        assert_eq!(read.nonce_count(), None);
        assert!(!verify(&read, &Method::Invite, md5, &ha1));
    }

    #[test]
    fn foreign_schemes_algorithms_and_gaps_do_not_authenticate() {
        assert!(DigestCredentials::parse("NoOneKnowsThisScheme opaque-data=here").is_none());
        assert!(DigestCredentials::parse(&RFC2617.replace("nc=00000001, ", "")).is_none());
        assert!(DigestCredentials::parse(&RFC2617.replace("uri=", "url=")).is_none());
        let ha1 = ha1(Algorithm::Md5, "Mufasa", "testrealm@host.com", "Circle Of Life");
        let get = Method::Other("GET".into());
        let proves = |value: &str| {
            let credentials = DigestCredentials::parse(value).unwrap();
            Algorithm::ALL.iter().any(|asked| verify(&credentials, &get, *asked, &ha1))
        };
        assert!(proves(&format!("{RFC2617}, algorithm=\"md5\"")));
        for algorithm in ["SHA-256", "MD5-sess", "SHA-1", "\"\""] {
            assert!(!proves(&format!("{RFC2617}, algorithm={algorithm}")), "{algorithm}");
        }
        assert!(!proves(&RFC2617.replace("qop=auth", "qop=auth-int")));
        assert!(!proves(&RFC2617.replace("qop=auth, ", "")));
    }

    #[test]
    fn secrets_do_not_show_in_debug_text() {
        let credentials = DigestCredentials::parse(RFC2617).unwrap();
        assert!(!format!("{credentials:?}").contains("6629fae4"));
        let user = Credentials::new("a", "hidden");
        assert!(!format!("{user:?}").contains("hidden"));
    }
}
