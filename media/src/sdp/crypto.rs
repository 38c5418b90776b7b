//! Keys in SDP (SDES, RFC 4568): the attribute `a=crypto`, read and written.
//!
//! A line that we could not keep to is passed over as if it were not there: suites we do not have,
//! keys of a wrong length, several keys in one line, parameters that weaken the protection or ask
//! for what we do not do. The lines are in the offerer's order, and the first one left is the one.

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::wire::Section;
use crate::srtp::{MasterKey, Mki, Suite};

/// How much media is to be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Encryption {
    /// Never: offers of keys are not taken, sections that need them are declined.
    Off,
    /// If the peer does it too: plain sections carry keys, and an offer of keys is taken.
    #[default]
    Offered,
    /// Always: a peer without keys is refused.
    Required,
}

/// Keys are written with padding, and read with or without: RFC 4568 leaves it open.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// One `a=crypto` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crypto {
    /// Which line it is; an answer repeats it (RFC 4568 §5.1.2).
    pub(super) tag: u32,
    pub(super) key: MasterKey,
    pub(super) mki: Option<Mki>,
}

impl Section<'_> {
    /// The lines that we can keep to, in the order of their author.
    pub(super) fn cryptos(&self) -> impl Iterator<Item = Crypto> {
        self.attributes
            .iter()
            .filter(|attribute| attribute.name.eq_ignore_ascii_case("crypto"))
            .filter_map(|attribute| Crypto::parse(attribute.value))
    }
}

impl Crypto {
    /// `tag suite key-params [session-params]` (RFC 4568 §9.1).
    fn parse(value: &str) -> Option<Self> {
        let mut tokens = value.split_ascii_whitespace();
        let tag = number(tokens.next()?, 9)?;
        let suite = Suite::from_name(tokens.next()?)?;
        let (key, mki) = key_of(suite, tokens.next()?)?;
        tokens.all(is_harmless).then_some(Self { tag, key, mki })
    }
}

impl fmt::Display for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tag, key, .. } = self;
        write!(f, "{tag} {} inline:{}", key.suite().name(), BASE64.encode(key.key_and_salt()))
    }
}

/// `inline:key||salt[|lifetime][|MKI:length]` (RFC 4568 §6.1). Of several keys none is taken: we could
/// not tell which one a packet is sent with unless each carried its MKI.
fn key_of(suite: Suite, params: &str) -> Option<(MasterKey, Option<Mki>)> {
    let (method, info) = params.split_once(':')?;
    if !method.eq_ignore_ascii_case("inline") || info.contains(';') {
        return None;
    }
    let mut parts = info.split('|');
    let key = MasterKey::new(suite, &BASE64.decode(parts.next()?).ok()?)?;
    let (second, third) = (parts.next(), parts.next());
    let mki = match (second, third, parts.next()) {
        (None, ..) => None,
        // A lifetime has no colon, an MKI has one; each may stand alone.
        (Some(only), None, _) if only.contains(':') => Some(mki(only)?),
        (Some(only), None, _) => is_lifetime(only).then_some(None)?,
        (Some(first), Some(second), None) if is_lifetime(first) => Some(mki(second)?),
        _ => return None,
    };
    Some((key, mki))
}

/// How many packets the key is good for: `2^n` or a number. No call comes near the least in use.
fn is_lifetime(text: &str) -> bool {
    let digits = text.strip_prefix("2^").unwrap_or(text);
    number(digits, 20).is_some() || (digits.len() <= 20 && digits.parse::<u64>().is_ok())
}

/// `value:length` in bytes. Lengths up to 128 are allowed; beyond four nobody has been seen.
fn mki(text: &str) -> Option<Mki> {
    let (value, len) = text.split_once(':')?;
    let (value, len) = (number(value, 10)?, u8::try_from(number(len, 3)?).ok()?);
    let fits = (1..=4).contains(&len) && u64::from(value) < 1 << (8 * u64::from(len));
    fits.then_some(Mki { value, len })
}

/// Digits and nothing else.
fn number(text: &str, max_digits: usize) -> Option<u32> {
    let is_number =
        (1..=max_digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// Session parameters that change nothing for us (RFC 4568 §6.3): the hint at a window size, and
/// extensions whose author lets us pass them over (`-`). All others would have to be kept to.
fn is_harmless(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default();
    name.eq_ignore_ascii_case("WSH") || (parameter.starts_with('-') && parameter.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 30 bytes, of RFC 4568 §10.
    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    fn line(rest: &str) -> Option<Crypto> {
        Crypto::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}{rest}"))
    }

    #[test]
    fn the_lines_of_the_rfc_and_of_phones_are_read() {
        let plain = line("").unwrap();
        assert_eq!((plain.tag, plain.mki), (1, None));
        assert_eq!(plain.key.key_and_salt(), b"YS___semctl () {\t220;}\n}\nunles".as_slice());
        for rest in
            ["|2^20", "|2^31", "|1048576", "|2^48", " WSH=128", " wsh=64 -x=1", "|2^20 -KDR"]
        {
            assert_eq!(
                line(rest).map(|line| (line.key, line.mki)),
                Some((plain.key, None)),
                "{rest}"
            );
        }
        let mki = |value, len| Some(Some(Mki { value, len }));
        for (rest, expected) in [
            ("|2^20|1:4", mki(1, 4)),
            ("|2^31|1:1", mki(1, 1)),
            ("|1:32", None),
            ("|66051:3", mki(66_051, 3)),
            ("|255:1", mki(255, 1)),
            ("|256:1", None),
            ("|4294967295:4", mki(u32::MAX, 4)),
            ("|1:0", None),
            ("|1:", None),
            ("|:1", None),
        ] {
            assert_eq!(line(rest).map(|line| line.mki), expected, "{rest}");
        }
    }

    #[test]
    fn what_we_cannot_keep_to_is_passed_over() {
        for rest in [
            "|",
            "|x",
            "|2^",
            "|2^x",
            "|-1",
            "|2^20|",
            "|2^20|1",
            "|1:1|2^20",
            "|2^20|1:1|x",
            "=x",
            ";inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|2:4",
            " UNENCRYPTED_SRTP",
            " UNENCRYPTED_SRTCP",
            " UNAUTHENTICATED_SRTP",
            " KDR=0",
            " KDR=24",
            " FEC_ORDER=FEC_SRTP",
            " FEC_KEY=inline:x",
            " WSH=64 KDR=1",
            " what",
            " -",
            "A",
        ] {
            assert_eq!(line(rest), None, "{rest}");
        }
        let short = &KEY[..36];
        for text in [
            String::new(),
            "1".to_owned(),
            "1 AES_CM_128_HMAC_SHA1_80".to_owned(),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 uri:{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{short}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{short}????"),
            format!("1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}"),
            format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"),
            format!("x AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            format!("-1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            format!("1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
        ] {
            assert_eq!(Crypto::parse(&text), None, "{text}");
        }
    }

    #[test]
    fn what_we_write_reads_back_with_or_without_padding() {
        for suite in Suite::ALL {
            let key = MasterKey::new(suite, &vec![0xa5; suite.inline_bytes()]).unwrap();
            let written = Crypto { tag: 3, key, mki: None };
            let text = written.to_string();
            assert_eq!(Crypto::parse(&text), Some(written));
            assert_eq!(Crypto::parse(text.trim_end_matches('=')), Some(written), "{text}");
        }
    }
}
