//! Digest authentication (RFC 3261 §22, RFC 7616, RFC 8760), both sides.
//!
//! A server: [`Nonces::issue`] and [`challenge`] make the 401; [`DigestCredentials::parse`], [`verify`]
//! and [`Nonces::check`] judge the answer. It stores [`ha1`] and no password. The algorithm is that of
//! whoever is asked, MD5 unless its owner chose better, since it is all that every phone understands.
//! A client: [`Challenge::best`] and [`authorize`].
//!
//! Not supported, and refused where a peer demands it: the `-sess` algorithms and qop `auth-int`.

mod algorithm;
mod challenge;
mod digest;
mod nonce;

pub use algorithm::Algorithm;
pub use challenge::{Challenge, challenge};
pub use digest::{DigestCredentials, authorize, ha1, verify};
pub use nonce::{NonceVerdict, Nonces};

use crate::message::{is_token, split_outside_quotes, unquote};

/// The parameters of a `Digest` header value, unquoted, names in lower case. `None` for another
/// scheme or broken grammar.
fn digest_params(value: &str) -> Option<Vec<(String, String)>> {
    let (scheme, rest) = value.trim().split_once(|c: char| c.is_whitespace())?;
    if !scheme.eq_ignore_ascii_case("Digest") {
        return None;
    }
    let mut params = Vec::new();
    for item in split_outside_quotes(rest, ',').map(str::trim).filter(|item| !item.is_empty()) {
        let (name, value) = item.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        if !is_token(&name) || params.len() == MAX_DIGEST_PARAMS {
            return None;
        }
        params.push((name, unquote(value.trim()).into_owned()));
    }
    Some(params)
}

fn take(params: &[(String, String)], name: &str) -> Option<String> {
    params.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone())
}

/// Parameters of one digest header; the RFCs name a dozen.
const MAX_DIGEST_PARAMS: usize = 32;
