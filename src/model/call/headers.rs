//! SIP headers that an application or an API client adds to our requests and responses.
//!
//! They come from outside and end in a SIP message, so nothing that could break out of a header
//! line passes, and the headers that make the dialog work stay ours.

use serde_json::Value;

/// Name and value pairs, in the order given; safe to write into a message as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SipHeaders(Vec<(String, String)>);

impl SipHeaders {
    /// Reads a JSON object of strings, numbers or booleans. Headers that belong to the dialog
    /// (`Via`, `CSeq`, `Content-Length` …) are left out; an unusable name or value is an error
    /// that names it.
    ///
    /// # Errors
    /// A sentence for the client, without the property's name in front.
    pub fn parse(value: &Value) -> Result<Self, String> {
        let object = value.as_object().ok_or("must be an object")?;
        if object.len() > MAX_HEADERS {
            return Err(format!("must not have more than {MAX_HEADERS} entries"));
        }
        let mut headers = Vec::with_capacity(object.len());
        for (name, value) in object {
            if !is_token(name) {
                return Err("has a name that is no SIP header name".into());
            }
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                Value::Array(_) | Value::Object(_) => {
                    return Err(format!("has a value for {name} that is not a string"));
                }
            };
            if !Self::is_value(&text) {
                return Err(format!("has a value for {name} that does not fit a header"));
            }
            if !is_reserved(name) {
                headers.push((name.clone(), text));
            }
        }
        Ok(Self(headers))
    }

    /// Whether a text may stand as the value of a header: one line, not too long.
    pub fn is_value(text: &str) -> bool {
        text.len() <= MAX_VALUE_BYTES && !text.chars().any(char::is_control)
    }

    /// Adds a header of our own making, or replaces the one of that name (in any case).
    /// Control characters in the value become spaces and the length is cut.
    pub fn set(&mut self, name: &str, value: &str) {
        let clean: String = value
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(MAX_OWN_VALUE_CHARS)
            .collect();
        self.0.retain(|(have, _)| !have.eq_ignore_ascii_case(name));
        self.0.push((name.to_owned(), clean));
    }

    /// Adds a header whose value [`is_value`](Self::is_value) as it is; else nothing.
    pub fn put(&mut self, name: &str, value: String) {
        if Self::is_value(&value) {
            self.0.retain(|(have, _)| !have.eq_ignore_ascii_case(name));
            self.0.push((name.to_owned(), value));
        }
    }

    /// Takes over all of `other`; its values win over ours.
    pub fn merge(&mut self, other: Self) {
        for (name, value) in other.0 {
            self.0.retain(|(have, _)| !have.eq_ignore_ascii_case(&name));
            self.0.push((name, value));
        }
    }

    /// The value of a header, its name in any case.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// RFC 3261 §25.1 `token`.
fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
}

fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
}

const MAX_HEADERS: usize = 64;
const MAX_VALUE_BYTES: usize = 4096;
const MAX_OWN_VALUE_CHARS: usize = 256;

/// Headers that our stack writes itself, with their compact forms.
const RESERVED: [&str; 29] = [
    "Via",
    "v",
    "From",
    "f",
    "To",
    "t",
    "Call-ID",
    "i",
    "CSeq",
    "Contact",
    "m",
    "Content-Length",
    "l",
    "Content-Type",
    "c",
    "Content-Encoding",
    "e",
    "Max-Forwards",
    "Route",
    "Record-Route",
    "Authorization",
    "Proxy-Authorization",
    "RSeq",
    "RAck",
    "Require",
    "Session-Expires",
    "x",
    "Min-SE",
    "Proxy-Require",
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn headers_keep_their_order_and_drop_what_belongs_to_the_dialog() {
        let headers =
            SipHeaders::parse(&json!({"X-B": "1", "content-length": 5, "X-A": 7, "v": "x"}))
                .unwrap();
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("X-B", "1"), ("X-A", "7")]);
        assert_eq!(headers.find("x-a"), Some("7"));
    }

    #[test]
    fn a_header_cannot_break_out_of_its_line() {
        assert!(SipHeaders::parse(&json!({"X-A": "1\r\nVia: evil"})).is_err());
        assert!(SipHeaders::parse(&json!({"X-A: 1\r\nX": "1"})).is_err());
        assert!(SipHeaders::parse(&json!({"X-A": {"b": 1}})).is_err());
        assert!(SipHeaders::parse(&json!(["X-A"])).is_err());
        let mut own = SipHeaders::default();
        own.set("X-Reason", "unknown verb a\r\nb");
        assert_eq!(own.find("X-Reason"), Some("unknown verb a  b"));
    }

    #[test]
    fn the_merged_in_value_wins() {
        let mut base = SipHeaders::parse(&json!({"X-A": "1", "X-B": "2"})).unwrap();
        base.merge(SipHeaders::parse(&json!({"x-a": "3"})).unwrap());
        assert_eq!(base.iter().collect::<Vec<_>>(), [("X-B", "2"), ("x-a", "3")]);
    }
}
