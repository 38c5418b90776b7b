//! The header fields of a message, in order, held as rsip's `Header` values.
//!
//! rsip names the fields it knows and keeps the rest as name and text; this wrapper gives both one
//! look: `(name, value)`, names compared without case, compact names long. Only here and in the
//! lexer is rsip named, so that a change of library stays in this folder.

use rsip::headers::UntypedHeader;

use super::params::split_outside_quotes;

/// An ordered list of header fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<rsip::Header>);

impl Headers {
    /// Adds a field at the end. The name may be compact; the value must be free of line ends.
    pub(crate) fn push(&mut self, name: &str, value: impl Into<String>) {
        self.0.push(from_wire(long_name(name), value.into()));
    }

    /// The first field of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let name = long_name(name);
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every field of that name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let name = long_name(name);
        self.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every comma separated item of every field of that name, trimmed, empty ones left out.
    pub fn items<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.all(name)
            .flat_map(|value| split_outside_quotes(value, ','))
            .map(str::trim)
            .filter(|item| !item.is_empty())
    }

    /// Name and value of every field. Names are long; known ones are in the RFC's spelling, others
    /// as received.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|header| (name_of(header), value_of(header)))
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Replaces the value of the first field of that name.
    pub(crate) fn replace_first(&mut self, name: &str, value: String) {
        let found = self.0.iter_mut().find(|header| name_of(header).eq_ignore_ascii_case(name));
        if let Some(slot) = found {
            *slot = from_wire(name, value);
        }
    }
}

/// The long form of a compact header name (RFC 3261 §7.3.3 and the IANA list of compact forms).
pub(crate) fn long_name(name: &str) -> &str {
    let [letter] = name.as_bytes() else { return name };
    match letter.to_ascii_lowercase() {
        b'a' => "Accept-Contact",
        b'b' => "Referred-By",
        b'c' => "Content-Type",
        b'd' => "Request-Disposition",
        b'e' => "Content-Encoding",
        b'f' => "From",
        b'i' => "Call-ID",
        b'j' => "Reject-Contact",
        b'k' => "Supported",
        b'l' => "Content-Length",
        b'm' => "Contact",
        b'o' => "Event",
        b'r' => "Refer-To",
        b's' => "Subject",
        b't' => "To",
        b'u' => "Allow-Events",
        b'v' => "Via",
        b'x' => "Session-Expires",
        b'y' => "Identity",
        _ => name,
    }
}

macro_rules! rsip_headers {
    ($($variant:ident => $name:literal,)*) => {
        fn from_wire(name: &str, value: String) -> rsip::Header {
            $(if name.eq_ignore_ascii_case($name) {
                return rsip::Header::$variant(rsip::headers::$variant::new(value));
            })*
            rsip::Header::Other(name.to_owned(), value)
        }

        fn name_of(header: &rsip::Header) -> &str {
            match header {
                $(rsip::Header::$variant(_) => $name,)*
                rsip::Header::Other(name, _) => name,
            }
        }

        fn value_of(header: &rsip::Header) -> &str {
            match header {
                $(rsip::Header::$variant(header) => header.value(),)*
                rsip::Header::Other(_, value) => value,
            }
        }
    };
}

rsip_headers! {
    Via => "Via",
    From => "From",
    To => "To",
    CallId => "Call-ID",
    CSeq => "CSeq",
    MaxForwards => "Max-Forwards",
    Contact => "Contact",
    ContentLength => "Content-Length",
    ContentType => "Content-Type",
    Allow => "Allow",
    Supported => "Supported",
    UserAgent => "User-Agent",
    Expires => "Expires",
    Authorization => "Authorization",
    Route => "Route",
    RecordRoute => "Record-Route",
    Accept => "Accept",
    AcceptEncoding => "Accept-Encoding",
    AcceptLanguage => "Accept-Language",
    AlertInfo => "Alert-Info",
    AuthenticationInfo => "Authentication-Info",
    CallInfo => "Call-Info",
    ContentDisposition => "Content-Disposition",
    ContentEncoding => "Content-Encoding",
    ContentLanguage => "Content-Language",
    Date => "Date",
    ErrorInfo => "Error-Info",
    Event => "Event",
    InReplyTo => "In-Reply-To",
    MimeVersion => "MIME-Version",
    MinExpires => "Min-Expires",
    Organization => "Organization",
    Priority => "Priority",
    ProxyAuthenticate => "Proxy-Authenticate",
    ProxyAuthorization => "Proxy-Authorization",
    ProxyRequire => "Proxy-Require",
    ReplyTo => "Reply-To",
    Require => "Require",
    RetryAfter => "Retry-After",
    Server => "Server",
    Subject => "Subject",
    SubscriptionState => "Subscription-State",
    Timestamp => "Timestamp",
    Unsupported => "Unsupported",
    Warning => "Warning",
    WwwAuthenticate => "WWW-Authenticate",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_and_oddly_cased_names_are_found_by_their_long_name() {
        let mut headers = Headers::default();
        headers.push("v", "SIP/2.0/UDP a");
        headers.push("VIA", "SIP/2.0/UDP b");
        headers.push("X-Foo", "1");
        assert_eq!(headers.all("via").count(), 2);
        assert_eq!(headers.get("x-foo"), Some("1"));
        let names: Vec<_> = headers.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["Via", "Via", "X-Foo"]);
    }

    #[test]
    fn items_cross_fields_and_skip_empty_ones() {
        let mut headers = Headers::default();
        headers.push("Supported", "100rel, ,timer");
        headers.push("k", "path");
        assert_eq!(headers.items("supported").collect::<Vec<_>>(), ["100rel", "timer", "path"]);
    }
}
