//! Digest authentication with MD5 (RFC 3261 §22, RFC 2617, RFC 8760 for the names), both sides.
//!
//! A server: [`Nonces::issue`] and [`challenge`] make the 401; [`DigestCredentials::parse`], [`verify`]
//! and [`Nonces::check`] judge the answer. It stores `MD5(user:realm:password)` and no password.
//! A client: [`Challenge::parse`] and [`authorize`]. One MD5 challenge is all that every phone in the
//! field understands, so it is the only one made here.

mod challenge;
mod digest;
mod nonce;

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
