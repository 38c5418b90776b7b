//! SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966), and any other scheme as opaque text.
//!
//! rsip's URI type knows neither IPv6 nor tel:, so this one is ours. The user part is kept in its
//! escaped form (an escaped `@` or `;` must not become a separator) and unescaped on request.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::limits::MAX_URI_BYTES;
use super::params::Params;
use crate::Error;

/// A URI as it stands in a request line, From, To, Contact, Route.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    scheme: Scheme,
    user: Option<String>,
    password: Option<String>,
    host: String,
    port: Option<u16>,
    params: Params,
    headers: Option<String>,
}

/// The scheme of a [`Uri`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Anything else, in lower case; the rest of the URI is opaque.
    Other(String),
}

impl Uri {
    /// A `sip:` URI. The user part is escaped as needed.
    ///
    /// # Errors
    /// [`Error::Malformed`] if `host` is no host name or address.
    pub fn sip(user: Option<&str>, host: &str, port: Option<u16>) -> Result<Self, Error> {
        let host = match host.parse::<Ipv6Addr>() {
            Ok(v6) => format!("[{v6}]"),
            Err(_) => host.to_owned(),
        };
        if !is_host(&host) {
            return Err(Error::Malformed { what: "host" });
        }
        Ok(Self {
            scheme: Scheme::Sip,
            user: user.map(escape_user),
            password: None,
            host,
            port,
            params: Params::default(),
            headers: None,
        })
    }

    /// A `sip:` URI of a socket address.
    pub fn of_addr(user: Option<&str>, addr: SocketAddr) -> Self {
        Self {
            scheme: Scheme::Sip,
            user: user.map(escape_user),
            password: None,
            host: bracketed(addr.ip()),
            port: Some(addr.port()),
            params: Params::default(),
            headers: None,
        }
    }

    /// The same address as `sips`: every hop on the way to it by TLS (RFC 3261 §26.2.2).
    pub fn as_sips(mut self) -> Self {
        self.scheme = Scheme::Sips;
        self
    }

    /// The scheme.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Whether the scheme is `sip` or `sips`.
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user part with escapes resolved; of a tel URI, the number.
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.user.as_deref().map(unescape)
    }

    /// The user part as written.
    pub fn user_escaped(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The host: a name, an IPv4 address, or an IPv6 address in brackets. Empty for `tel:`; the
    /// opaque part for foreign schemes.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if one was written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Host and port as they are written in a URI.
    pub fn host_port(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// The address, when the host is numeric; port 5060 when none was written (RFC 3263 §4.2).
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let ip = host.parse::<IpAddr>().ok()?;
        Some(SocketAddr::new(ip, self.port.unwrap_or(5060)))
    }

    /// The parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The value of a parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name)
    }

    /// The same URI with a parameter set.
    ///
    /// # Errors
    /// [`Error::Malformed`] if name or value do not fit into a URI.
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Result<Self, Error> {
        let text = value.map_or_else(|| name.to_owned(), |v| format!("{name}={v}"));
        if text.contains(['?', '@', '<', '>', '"', ',']) {
            return Err(Error::Malformed { what: "URI parameter" });
        }
        if Params::parse(&text, "URI parameter")?.iter().count() != 1 {
            return Err(Error::Malformed { what: "URI parameter" });
        }
        self.params.set(name, value.map(str::to_owned));
        Ok(self)
    }

    /// The header part after `?`, as written.
    pub fn headers(&self) -> Option<&str> {
        self.headers.as_deref()
    }

    /// The URI as a request line wants it: without header part and `method` (RFC 3261 §19.1.1).
    pub fn as_request_uri(&self) -> Self {
        let mut uri = self.clone();
        uri.headers = None;
        uri.params.remove("method");
        uri
    }

    /// Whether two URIs name the same thing by the rules of RFC 3261 §19.1.4.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.user() == other.user()
            && self.password == other.password
            && self.host.eq_ignore_ascii_case(&other.host)
            && self.port == other.port
            && params_match(&self.params, &other.params)
            && params_match(&other.params, &self.params)
            && headers_match(self.headers.as_deref(), other.headers.as_deref())
    }
}

impl FromStr for Uri {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        const BAD: Error = Error::Malformed { what: "URI" };
        if text.len() > MAX_URI_BYTES {
            return Err(Error::TooLarge { what: "URI", limit: MAX_URI_BYTES });
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || "<>\"".contains(c)) {
            return Err(BAD);
        }
        let (scheme, rest) = text.split_once(':').ok_or(BAD)?;
        if !is_scheme(scheme) || rest.is_empty() {
            return Err(BAD);
        }
        match scheme.to_ascii_lowercase().as_str() {
            "sip" => parse_sip(Scheme::Sip, rest),
            "sips" => parse_sip(Scheme::Sips, rest),
            "tel" => parse_tel(rest),
            other => Ok(Self {
                scheme: Scheme::Other(other.to_owned()),
                user: None,
                password: None,
                host: rest.to_owned(),
                port: None,
                params: Params::default(),
                headers: None,
            }),
        }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match &self.scheme {
            Scheme::Sip => "sip",
            Scheme::Sips => "sips",
            Scheme::Tel => "tel",
            Scheme::Other(name) => name,
        };
        write!(f, "{scheme}:")?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = &self.password {
                write!(f, ":{password}")?;
            }
            if self.scheme != Scheme::Tel {
                f.write_str("@")?;
            }
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)?;
        match &self.headers {
            Some(headers) => write!(f, "?{headers}"),
            None => Ok(()),
        }
    }
}

fn parse_sip(scheme: Scheme, rest: &str) -> Result<Uri, Error> {
    const BAD: Error = Error::Malformed { what: "URI" };
    let (userinfo, rest) = match rest.split_once('@') {
        Some((userinfo, rest)) => (Some(userinfo), rest),
        None => (None, rest),
    };
    let (user, password) =
        match userinfo.map(|u| u.split_once(':').map_or((u, None), |(u, p)| (u, Some(p)))) {
            Some(("", _)) => return Err(BAD),
            Some((user, password)) => (Some(user.to_owned()), password.map(str::to_owned)),
            None => (None, None),
        };
    let (rest, headers) = match rest.split_once('?') {
        Some((rest, headers)) => (rest, Some(headers.to_owned())),
        None => (rest, None),
    };
    let (host_port, params) = match rest.split_once(';') {
        Some((host_port, params)) => (host_port, Params::parse(params, "URI parameter")?),
        None => (rest, Params::default()),
    };
    let (host, port) = split_host_port(host_port).ok_or(BAD)?;
    let host = host.replace(":::", "::");
    Ok(Uri { scheme, user, password, host, port, params, headers })
}

fn parse_tel(rest: &str) -> Result<Uri, Error> {
    let (number, params) = match rest.split_once(';') {
        Some((number, params)) => (number, Params::parse(params, "URI parameter")?),
        None => (rest, Params::default()),
    };
    let good = !number.is_empty()
        && number.chars().all(|c| c.is_ascii_alphanumeric() || "+-.()*#%".contains(c));
    if !good {
        return Err(Error::Malformed { what: "URI" });
    }
    Ok(Uri {
        scheme: Scheme::Tel,
        user: Some(number.to_owned()),
        password: None,
        host: String::new(),
        port: None,
        params,
        headers: None,
    })
}

/// Splits `host[:port]`; the host of an IPv6 address keeps its brackets.
pub(crate) fn split_host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.rfind(']') {
        Some(end) => (text.get(..=end)?, text.get(end + 1..)?.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let rest_is_port = host.len() + port.map_or(0, |p| p.len() + 1) == text.len();
    if !rest_is_port || !is_host(host) {
        return None;
    }
    match port {
        None => Some((host, None)),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some((host, Some(digits.parse().ok()?)))
        }
        Some(_) => None,
    }
}

fn is_host(host: &str) -> bool {
    if let Some(v6) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return is_v6(v6);
    }
    !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// An IPv6 address, also as the grammar of RFC 3261 has it by mistake: with three colons before the
/// IPv4 address at its end (RFC 5118 §4.10).
fn is_v6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
        || text.split_once(":::").is_some_and(|(left, right)| {
            right.contains('.') && format!("{left}::{right}").parse::<Ipv6Addr>().is_ok()
        })
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// An address as the host part of a URI or Via.
pub(crate) fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// A user part with everything escaped that could end it.
pub(crate) fn escape_user(user: &str) -> String {
    let mut out = String::with_capacity(user.len());
    for b in user.bytes() {
        // RFC 3261 §25.1: unreserved and user-unreserved
        if b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                out.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

/// Parameters that must agree even when only one side has them (RFC 3261 §19.1.4).
const STRICT_PARAMS: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

fn params_match(a: &Params, b: &Params) -> bool {
    // Of a name given twice, which no sender should do, the first counts on both sides.
    a.iter().all(|(name, _)| {
        if b.has(name) {
            match (a.get(name), b.get(name)) {
                (Some(x), Some(y)) => x.eq_ignore_ascii_case(y),
                (x, y) => x.is_none() && y.is_none(),
            }
        } else {
            !STRICT_PARAMS.iter().any(|strict| strict.eq_ignore_ascii_case(name))
        }
    })
}

fn headers_match(a: Option<&str>, b: Option<&str>) -> bool {
    let sorted = |text: Option<&str>| {
        let mut fields: Vec<String> = text
            .unwrap_or_default()
            .split('&')
            .map(|field| {
                let (name, value) = field.split_once('=').unwrap_or((field, ""));
                format!("{}={}", name.to_ascii_lowercase(), unescape(value))
            })
            .collect();
        fields.sort();
        fields
    };
    sorted(a) == sorted(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn the_parts_of_a_uri_are_read_and_printed() {
        let full = uri("SIPS:al%69ce;x=1:pw@Example.COM:5061;transport=tcp;lr?subject=a&to=b");
        assert_eq!(full.scheme(), &Scheme::Sips);
        assert_eq!(full.user().unwrap(), "alice;x=1");
        assert_eq!(full.user_escaped(), Some("al%69ce;x=1"));
        assert_eq!((full.host(), full.port()), ("Example.COM", Some(5061)));
        assert_eq!(full.host_port(), "Example.COM:5061");
        assert_eq!(full.param("Transport"), Some("tcp"));
        assert!(full.params().has("lr"));
        assert_eq!(full.headers(), Some("subject=a&to=b"));
        let printed = "sips:al%69ce;x=1:pw@Example.COM:5061;transport=tcp;lr?subject=a&to=b";
        assert_eq!(full.to_string(), printed);
    }

    #[test]
    fn ipv6_hosts_keep_their_brackets() {
        let v6 = uri("sip:a@[2001:db8::1]:5070;x");
        assert_eq!((v6.host(), v6.port()), ("[2001:db8::1]", Some(5070)));
        assert_eq!(v6.socket_addr(), Some("[2001:db8::1]:5070".parse().unwrap()));
        assert_eq!(v6.to_string(), "sip:a@[2001:db8::1]:5070;x");
        assert_eq!(uri("sip:[::1]").socket_addr(), Some("[::1]:5060".parse().unwrap()));
        let built = Uri::of_addr(Some("b"), "[::1]:1".parse().unwrap());
        assert_eq!(built.to_string(), "sip:b@[::1]:1");
        assert_eq!(Uri::sip(None, "::1", None).unwrap().to_string(), "sip:[::1]");
    }

    #[test]
    fn tel_and_foreign_schemes_are_read() {
        let tel = uri("tel:+1-201-555-0123;phone-context=x");
        assert_eq!(tel.user().unwrap(), "+1-201-555-0123");
        assert_eq!((tel.host(), tel.param("phone-context")), ("", Some("x")));
        assert_eq!(tel.to_string(), "tel:+1-201-555-0123;phone-context=x");
        let isbn = uri("ISBN:2983792873");
        assert_eq!(isbn.scheme(), &Scheme::Other("isbn".into()));
        assert!(!isbn.is_sip() && isbn.user().is_none());
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for bad in [
            "",
            "sip",
            "sip:",
            ":x",
            "sip:@h",
            "sip:a@",
            "sip:a@h:",
            "sip:a@h:99999",
            "sip:a@h:1x",
            "sip:a@[::1",
            "sip:a@[::g]",
            "sip:a b@h",
            "sip:a@h;",
            "sip:a@h;;x",
            "sip:a@h;x=",
            "<sip:a@h>",
            "sip:a@h\r\n",
            "sip:a@h\0",
            "1sip:a@h",
            "sip:a@h\"",
            "sip:[::1]x",
            "tel:",
            "tel:a b",
            "sip:h,h",
        ] {
            assert!(bad.parse::<Uri>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn length_is_bounded() {
        let of = |len: usize| format!("sip:{}@h", "x".repeat(len - 6));
        assert!(of(MAX_URI_BYTES).parse::<Uri>().is_ok());
        let long = of(MAX_URI_BYTES + 1).parse::<Uri>();
        assert_eq!(long, Err(Error::TooLarge { what: "URI", limit: MAX_URI_BYTES }));
    }

    #[test]
    fn a_user_is_escaped_so_that_it_stays_one() {
        let odd = Uri::sip(Some("a@b:c d%\r\n<>"), "h", Some(5060)).unwrap();
        assert_eq!(odd.to_string(), "sip:a%40b%3Ac%20d%25%0D%0A%3C%3E@h:5060");
        assert_eq!(uri(&odd.to_string()).user().unwrap(), "a@b:c d%\r\n<>");
        assert!(Uri::sip(None, "h;x=y", None).is_err());
        assert!(Uri::sip(None, "a@h", None).is_err());
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        for (text, user) in
            [("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%+1", "%+1"), ("%C3%A9", "é")]
        {
            assert_eq!(uri(&format!("sip:{text}@h")).user().unwrap(), user);
        }
    }

    #[test]
    fn parameters_can_be_added_but_not_smuggled() {
        let base = uri("sip:a@h;transport=udp");
        let tcp = base.clone().with_param("transport", Some("tcp")).unwrap();
        assert_eq!(tcp.to_string(), "sip:a@h;transport=tcp");
        assert_eq!(tcp.with_param("lr", None).unwrap().to_string(), "sip:a@h;transport=tcp;lr");
        for (name, value) in [("a", "b;c"), ("a", "b?c"), ("a", "\r\n"), ("a;b", "c"), ("a", "b@c")]
        {
            assert!(base.clone().with_param(name, Some(value)).is_err(), "{name}={value}");
        }
    }

    #[test]
    fn a_request_uri_has_no_header_part_and_no_method() {
        let contact = uri("sip:a@h;method=INVITE;x=y?Route=%3Csip:evil%3E");
        assert_eq!(contact.as_request_uri().to_string(), "sip:a@h;x=y");
    }

    #[test]
    fn equivalence_follows_the_examples_of_rfc_3261() {
        for (a, b) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
        ] {
            assert!(uri(a).is_equivalent(&uri(b)), "{a} {b}");
            assert!(uri(b).is_equivalent(&uri(a)), "{b} {a}");
        }
        for (a, b) in [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:a@h", "sips:a@h"),
            ("sip:%00@h", "sip:%00%00@h"),
        ] {
            assert!(!uri(a).is_equivalent(&uri(b)), "{a} {b}");
        }
    }

    #[test]
    fn a_uri_with_a_parameter_twice_is_equivalent_to_itself() {
        let uri: Uri = "sip:a@h;b=1;b=2".parse().unwrap();
        assert!(uri.is_equivalent(&uri.clone()));
    }
}
