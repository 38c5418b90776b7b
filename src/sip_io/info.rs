//! Keys in INFO requests: `application/dtmf-relay` and `application/dtmf`, as phones without
//! telephone-events send them. No RFC fixes the two formats; this is what the field agrees on.

use std::time::Duration;

use sip::{Reply, Request};

use super::message::Key;

/// The contents understood.
pub const ACCEPT: &str = "application/dtmf-relay, application/dtmf";
/// Held for so long if nothing is said.
const USUAL: Duration = Duration::from_millis(250);
/// The longest press believed.
const LONGEST: Duration = Duration::from_secs(60);

/// The answer to an INFO that presses no key and that no application reads (RFC 6086 §4.2.2: 469 for
/// a package nobody has agreed to; RFC 3261 §8.2.3: 415 for content that is not understood).
pub fn usual_answer(request: &Request) -> u16 {
    if request.header("Info-Package").is_some() {
        return 469;
    }
    match read(request.content_type(), request.body()) {
        Ok(_) => 200,
        Err(refusal) => refusal.status,
    }
}

/// Reads the key of an INFO. `None` for one that presses nothing: without content, as some phones
/// send it to keep a session alive, or with a hook flash.
///
/// # Errors
/// The refusal: 415 for other content, 400 for what does not name a key.
pub(super) fn key(request: &Request) -> Result<Option<Key>, Reply> {
    read(request.content_type(), request.body())
}

fn read(content_type: Option<&str>, body: &[u8]) -> Result<Option<Key>, Reply> {
    if body.is_empty() && content_type.is_none() {
        return Ok(None);
    }
    let malformed = || Reply::new(400).with_reason("Bad Request: no key in the body");
    let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let text = str::from_utf8(body).map_err(|_| malformed());
    let (signal, duration) = if kind.eq_ignore_ascii_case("application/dtmf-relay") {
        relay(text?).ok_or_else(malformed)?
    } else if kind.eq_ignore_ascii_case("application/dtmf") {
        (text?.trim(), USUAL)
    } else {
        return Err(Reply::new(415).with_header("Accept", ACCEPT));
    };
    match symbol(signal).ok_or_else(malformed)? {
        Signal::Flash => Ok(None),
        Signal::Key(symbol) => Ok(Some(Key { symbol, duration })),
    }
}

/// `Signal=5` and `Duration=160`, in milliseconds, a line each.
fn relay(text: &str) -> Option<(&str, Duration)> {
    let (mut signal, mut duration) = (None, USUAL);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (name, value) = line.split_once('=')?;
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "signal" => signal = signal.or(Some(value)),
            "duration" => duration = Duration::from_millis(value.parse().ok()?).min(LONGEST),
            _ => {}
        }
    }
    Some((signal?, duration))
}

enum Signal {
    Key(char),
    Flash,
}

/// A key by its name, or by its event code (RFC 4733 §3.2) from 10 on.
fn symbol(text: &str) -> Option<Signal> {
    let named = match text {
        "10" => '*',
        "11" => '#',
        "12" => 'A',
        "13" => 'B',
        "14" => 'C',
        "15" => 'D',
        "16" | "!" => return Some(Signal::Flash),
        _ => {
            let mut symbols = text.chars();
            let symbol = symbols.next()?.to_ascii_uppercase();
            let is_key = matches!(symbol, '0'..='9' | '*' | '#' | 'A'..='D');
            return (is_key && symbols.next().is_none()).then_some(Signal::Key(symbol));
        }
    };
    Some(Signal::Key(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAY: &str = "application/dtmf-relay";

    /// `5 160` for the key and its milliseconds, `-` for none, or the status of the refusal.
    fn outcome(content_type: Option<&str>, body: &[u8]) -> String {
        match read(content_type, body) {
            Ok(Some(key)) => format!("{} {}", key.symbol, key.duration.as_millis()),
            Ok(None) => "-".to_owned(),
            Err(reply) => reply.status.to_string(),
        }
    }

    #[test]
    fn keys_are_read_as_phones_write_them() {
        let rows: [(&str, &str, &str); 24] = [
            (RELAY, "Signal=5\r\nDuration=160\r\n", "5 160"),
            (RELAY, "Signal= 5\r\nDuration= 160", "5 160"),
            (RELAY, "signal=d\nduration=1000\n", "D 1000"),
            (RELAY, "Signal=*\r\n", "* 250"),
            (RELAY, "Duration=80\r\nSignal=#\r\n\r\n", "# 80"),
            (RELAY, "Signal=11\r\nDuration=100\r\n", "# 100"),
            (RELAY, "Signal=1\r\nSignal=2\r\nVolume=10\r\n", "1 250"),
            (RELAY, "Signal=7\r\nDuration=99999999\r\n", "7 60000"),
            ("Application/DTMF-Relay; charset=x", "Signal=0\r\n", "0 250"),
            (RELAY, "Signal=16\r\nDuration=100\r\n", "-"),
            (RELAY, "", "400"),
            (RELAY, "Signal=\r\n", "400"),
            (RELAY, "Signal=55\r\n", "400"),
            (RELAY, "Signal=x\r\n", "400"),
            (RELAY, "Duration=160\r\n", "400"),
            (RELAY, "Signal=5\r\nDuration=long\r\n", "400"),
            (RELAY, "Signal=5\r\nDuration=-1\r\n", "400"),
            (RELAY, "5", "400"),
            ("application/dtmf", "5", "5 250"),
            ("application/dtmf", " * \r\n", "* 250"),
            ("application/dtmf", "!", "-"),
            ("application/dtmf", "12 34", "400"),
            ("application/media_control+xml", "<x/>", "415"),
            ("text/plain", "5", "415"),
        ];
        for (kind, body, expected) in rows {
            assert_eq!(outcome(Some(kind), body.as_bytes()), expected, "{kind}: {body:?}");
        }
        assert_eq!(outcome(None, b""), "-", "a keep-alive");
        assert_eq!(outcome(None, b"5"), "415");
        assert_eq!(outcome(Some(RELAY), b"Signal=\xff"), "400");
        let refused = read(Some("text/plain"), b"5").unwrap_err();
        assert!(refused.headers.iter().any(|(name, _)| name == "Accept"));
    }
}
