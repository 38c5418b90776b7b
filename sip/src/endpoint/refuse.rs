//! The checks every request passes before anybody is told of it (RFC 3261 §8.2.1 to §8.2.3).
//!
//! Pure: a request in, the refusal out. In the order of the RFC: method, scheme, hops, required
//! extensions, content.

use super::order::{Replaces, Reply};
use crate::message::{Method, NameAddr, Request, Scheme, media_type};

/// Methods taken outside a dialog.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER";

/// Methods taken inside a dialog, unless the configuration says otherwise.
pub(crate) const ALLOW_IN_DIALOG: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, REFER, NOTIFY";

/// The only content an INVITE, UPDATE or PRACK may bring.
pub(crate) const ACCEPT: &str = "application/sdp";

/// Extensions a peer may require. Path and outbound are the registrar's.
pub(crate) const SUPPORTED: &str = "100rel, timer, replaces, path, outbound";

/// Those that concern calls.
pub(crate) const SUPPORTED_IN_CALLS: &str = "100rel, timer, replaces";

/// The refusal of a request that cannot be served. Not for ACK and CANCEL, which are never refused
/// for what they ask.
pub(crate) fn inspect(request: &Request, allow_in_dialog: &str) -> Option<Reply> {
    inspect_method(request, allow_in_dialog)
        .or_else(|| inspect_scheme(request))
        .or_else(|| inspect_hops(request))
        .or_else(|| inspect_require(request))
        .or_else(|| inspect_replaces(request))
        .or_else(|| inspect_content(request))
}

fn inspect_method(request: &Request, allow_in_dialog: &str) -> Option<Reply> {
    let in_dialog = request.to().tag().is_some();
    let allow = if in_dialog { allow_in_dialog } else { ALLOW };
    let method = request.method();
    if allow.split(", ").any(|name| name == method.as_str()) {
        return None;
    }
    let status = if matches!(method, Method::Other(_)) { 501 } else { 405 };
    Some(Reply::new(status).with_header("Allow", allow))
}

fn inspect_scheme(request: &Request) -> Option<Reply> {
    matches!(request.uri().scheme(), Scheme::Other(_)).then(|| Reply::new(416))
}

/// Hops are a proxy's affair, but calls pass through us: a loop over us must end. OPTIONS and
/// requests inside a dialog end here anyway.
fn inspect_hops(request: &Request) -> Option<Reply> {
    let passes_on = request.to().tag().is_none() && *request.method() != Method::Options;
    (passes_on && request.max_forwards() == Some(0)).then(|| Reply::new(483))
}

fn inspect_require(request: &Request) -> Option<Reply> {
    let required = request.all_headers().items("Require");
    let unknown: Vec<&str> = required.filter(|tag| !is_supported(tag)).collect();
    let refusal = || Reply::new(420).with_header("Unsupported", unknown.join(", "));
    (!unknown.is_empty()).then(refusal)
}

fn is_supported(tag: &str) -> bool {
    SUPPORTED.split(", ").any(|known| known.eq_ignore_ascii_case(tag))
}

/// RFC 3891 §3: in an INVITE outside a dialog, once, and readable.
fn inspect_replaces(request: &Request) -> Option<Reply> {
    let mut values = request.headers("Replaces");
    let value = values.next()?;
    let is_good = *request.method() == Method::Invite
        && request.to().tag().is_none()
        && values.next().is_none()
        && Replaces::parse(value).is_ok();
    (!is_good).then(|| Reply::new(400).with_reason("Bad Request: malformed Replaces"))
}

fn inspect_content(request: &Request) -> Option<Reply> {
    if !matches!(request.method(), Method::Invite | Method::Update | Method::Prack) {
        return None;
    }
    let contact_is_bad = request.headers("Contact").any(|value| value.parse::<NameAddr>().is_err());
    if contact_is_bad {
        return Some(Reply::new(400).with_reason("Bad Request: malformed Contact"));
    }
    let routes = request.headers("Record-Route");
    if routes.into_iter().any(|value| value.parse::<NameAddr>().is_err()) {
        return Some(Reply::new(400).with_reason("Bad Request: malformed Record-Route"));
    }
    let encodings = request.all_headers().items("Content-Encoding");
    if encodings.into_iter().any(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Some(Reply::new(415).with_header("Accept-Encoding", "identity"));
    }
    let kind = request.content_type().filter(|_| !request.body().is_empty()).map(media_type);
    // a multipart body may hold the description; whoever reads it decides
    if kind.is_some_and(|kind| kind != ACCEPT && !kind.starts_with("multipart/")) {
        return Some(Reply::new(415).with_header("Accept", ACCEPT));
    }
    let mut accepted = request.all_headers().items("Accept").map(media_type).peekable();
    let takes_sdp = accepted.peek().is_none()
        || accepted.any(|kind| [ACCEPT, "application/*", "*/*"].contains(&&*kind));
    (!takes_sdp).then(|| Reply::new(406))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &str, uri: &str, extra: &str) -> Option<u16> {
        let to_tag = if extra.contains("in-dialog") { ";tag=t" } else { "" };
        let body = if extra.contains("Content-") { "x" } else { "" };
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\n\
             From: <sip:a@h>;tag=f\r\nTo: <sip:b@h>{to_tag}\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n\
             {extra}\r\n\r\n{body}"
        );
        inspect(&Request::parse(text.as_bytes()).unwrap(), ALLOW_IN_DIALOG)
            .map(|reply| reply.status)
    }

    #[test]
    fn methods_are_taken_refused_or_unknown() {
        for (method, outside, inside) in [
            ("INVITE", None, None),
            ("BYE", None, None),
            ("REGISTER", None, Some(405)),
            ("MESSAGE", Some(405), None),
            ("INFO", Some(405), None),
            ("SUBSCRIBE", Some(405), Some(405)),
            ("NOTIFY", Some(405), None),
            ("PUBLISH", Some(405), Some(405)),
            ("REFER", Some(405), None),
            ("UPDATE", Some(405), None),
            ("PRACK", Some(405), None),
            ("FOO", Some(501), Some(501)),
            ("invite", Some(501), Some(501)),
        ] {
            assert_eq!(status(method, "sip:b@h", "X: y"), outside, "{method} outside");
            assert_eq!(status(method, "sip:b@h", "X: in-dialog"), inside, "{method} inside");
        }
    }

    #[test]
    fn schemes_hops_extensions_and_content_are_checked() {
        for (method, uri, extra, expected) in [
            ("INVITE", "nobody:here", "X: y", Some(416)),
            ("INVITE", "tel:+15551234", "X: y", None),
            ("INVITE", "sip:b@h", "Max-Forwards: 0", Some(483)),
            ("INVITE", "sip:b@h", "Max-Forwards: 0\r\nX: in-dialog", None),
            ("INVITE", "sip:b@h", "Max-Forwards: 1", None),
            ("OPTIONS", "sip:b@h", "Max-Forwards: 0", None),
            ("INVITE", "sip:b@h", "Require: 100rel", None),
            ("INVITE", "sip:b@h", "Require: precondition", Some(420)),
            ("REGISTER", "sip:h", "Require: Path", None),
            ("INVITE", "sip:b@h", "Require: replaces\r\nReplaces: c;to-tag=a;from-tag=b", None),
            ("INVITE", "sip:b@h", "Replaces: c;to-tag=a", Some(400)),
            ("INVITE", "sip:b@h", "Replaces: c;to-tag=a;from-tag=b\r\nX: in-dialog", Some(400)),
            ("OPTIONS", "sip:b@h", "Replaces: c;to-tag=a;from-tag=b", Some(400)),
            ("INVITE", "sip:b@h", "Proxy-Require: foo", None),
            ("INVITE", "sip:b@h", "Content-Type: text/plain", Some(415)),
            ("INVITE", "sip:b@h", "Content-Type: Application/SDP ;a=b", None),
            ("INVITE", "sip:b@h", "Content-Type: multipart/mixed;boundary=x", None),
            ("INVITE", "sip:b@h", "Content-Encoding: gzip", Some(415)),
            ("INFO", "sip:b@h", "Content-Type: text/plain\r\nX: in-dialog", None),
            ("INVITE", "sip:b@h", "Accept: text/html", Some(406)),
            ("INVITE", "sip:b@h", "Accept: text/html, application/*;q=0.1", None),
            ("INVITE", "sip:b@h", "Contact: sip:a@h?x=y", Some(400)),
            ("INVITE", "sip:b@h", "Record-Route: <sip:p", Some(400)),
        ] {
            assert_eq!(status(method, uri, extra), expected, "{method} {uri} {extra}");
        }
    }

    #[test]
    fn the_refusal_of_an_extension_names_it() {
        let text = "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\n\
             From: <sip:a@h>;tag=f\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
             Require: nothingSupportsThis, path, nothingSupportsThisEither\r\n\r\n";
        let reply = inspect(&Request::parse(text.as_bytes()).unwrap(), ALLOW_IN_DIALOG).unwrap();
        let named =
            ("Unsupported".to_owned(), "nothingSupportsThis, nothingSupportsThisEither".to_owned());
        assert_eq!((reply.status, reply.headers), (420, vec![named]));
    }
}
