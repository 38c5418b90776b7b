//! Parameter lists `;name=value;flag` of URIs and header values (RFC 3261 §7.3.1, §19.1.1).
//!
//! Names compare without case. Values are kept as they stood, quotes included, so that printing
//! gives back what was read; [`Params::unquoted`] looks inside the quotes.

use std::borrow::Cow;
use std::fmt;

use super::limits::MAX_PARAMS;
use crate::Error;

/// An ordered parameter list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// Parses `a=b;c`, without the leading semicolon. White space around the separators is allowed.
    pub(crate) fn parse(text: &str, what: &'static str) -> Result<Self, Error> {
        let mut params = Vec::new();
        for item in split_outside_quotes(text, ';') {
            let (name, value) = match find_outside_quotes(item, '=') {
                Some(at) => (&item[..at], Some(item[at + 1..].trim())),
                None => (item, None),
            };
            let name = name.trim();
            let good = !name.is_empty()
                && name.chars().all(is_param_char)
                && value.is_none_or(is_param_value);
            if !good {
                return Err(Error::Malformed { what });
            }
            if params.len() == MAX_PARAMS {
                return Err(Error::TooLarge { what, limit: MAX_PARAMS });
            }
            params.push((name.to_owned(), value.map(str::to_owned)));
        }
        Ok(Self(params))
    }

    /// Whether the list has no parameter.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a parameter of that name stands, with or without value.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    /// The value as written, quotes included. `None` for a missing parameter and for a bare flag.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).and_then(|(_, v)| v.as_deref())
    }

    /// The value without quotes and escapes.
    pub fn unquoted(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(unquote)
    }

    /// Sets or adds a parameter. The caller vouches for the octets.
    pub(crate) fn set(&mut self, name: &str, value: Option<String>) {
        match self.0.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some(slot) => slot.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Takes a parameter away.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// Name and value of each parameter, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_deref()))
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            match value {
                Some(value) => write!(f, ";{name}={value}")?,
                None => write!(f, ";{name}")?,
            }
        }
        Ok(())
    }
}

/// Splits at a separator that stands outside quoted strings and angle brackets.
pub(crate) fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        match find_outside_quotes(current, separator) {
            Some(at) => {
                rest = current.get(at + separator.len_utf8()..);
                current.get(..at)
            }
            None => rest.take(),
        }
    })
}

/// The octet position of a separator outside quoted strings and angle brackets.
pub(crate) fn find_outside_quotes(text: &str, wanted: char) -> Option<usize> {
    let (mut quoted, mut escaped, mut angle) = (false, false, false);
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if quoted {
            match c {
                '\\' => escaped = true,
                '"' => quoted = false,
                _ => {}
            }
        } else if c == wanted && !angle {
            return Some(at);
        } else {
            match c {
                '"' => quoted = true,
                '<' => angle = true,
                '>' => angle = false,
                _ => {}
            }
        }
    }
    None
}

/// The inside of a quoted string, escapes resolved; other text comes back as it is.
pub(crate) fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(c);
            escaped = false;
        }
    }
    Cow::Owned(out)
}

/// Text as a quoted string.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// A token of RFC 3261 §25.1.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
}

/// Names: tokens, plus the characters a URI parameter name may have (§25.1 `paramchar`).
fn is_param_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-.!%*_+`'~()[]/:&$".contains(c)
}

fn is_param_value(value: &str) -> bool {
    if value.starts_with('"') {
        return is_quoted_string(value);
    }
    !value.is_empty() && !value.chars().any(|c| c.is_whitespace() || c.is_control() || c == '"')
}

/// Whether the text is exactly one quoted string, its closing quote the last character.
pub(crate) fn is_quoted_string(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('"') else { return false };
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1 == inner.len(),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Params, Error> {
        Params::parse(text, "test")
    }

    #[test]
    fn white_space_around_separators_is_ignored() {
        let params = parse(" tag  = 1918181833n ; lr").unwrap();
        assert_eq!(params.get("TAG"), Some("1918181833n"));
        assert!(params.has("lr"));
        assert_eq!(params.to_string(), ";tag=1918181833n;lr");
    }

    #[test]
    fn separators_inside_quotes_and_brackets_do_not_split() {
        let params = parse(r#"+sip.instance="<urn:uuid:a;b>";q=0.1;x="a\"b;c""#).unwrap();
        assert_eq!(params.unquoted("+sip.instance").unwrap(), "<urn:uuid:a;b>");
        assert_eq!(params.unquoted("x").unwrap(), "a\"b;c");
        assert_eq!(params.get("q"), Some("0.1"));
    }

    #[test]
    fn empty_items_and_open_quotes_are_refused() {
        for bad in ["", ";a", "a;;b", "a=", "=b", "a=\"b", "a=\"b\"c", "a b"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn list_length_is_bounded() {
        let of = |n: usize| (0..n).map(|i| format!("p{i}")).collect::<Vec<_>>().join(";");
        assert!(parse(&of(MAX_PARAMS)).is_ok());
        assert_eq!(
            parse(&of(MAX_PARAMS + 1)),
            Err(Error::TooLarge { what: "test", limit: MAX_PARAMS })
        );
    }

    #[test]
    fn quoting_and_unquoting_are_inverse() {
        for text in ["", "plain", "a\"b", "back\\slash", "\\\"", "日本"] {
            assert_eq!(unquote(&quote(text)), text);
            assert!(is_quoted_string(&quote(text)));
        }
    }
}
