//! Bodies of several parts (RFC 2046 §5.1, RFC 5621 §3): the one part somebody is looking for.

use bytes::Bytes;

use super::params::Params;
use super::typed::media_type;

/// The first part of a media type: the body itself, or what a multipart body holds, also one level
/// further down. Content types are compared without parameters and case; a body of several parts has
/// [`MAX_PARTS`] at most, the rest is not looked at.
///
/// ```
/// # use sip::message::multipart::find;
/// let body = b"--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n--x--\r\n";
/// let part = find("multipart/mixed;boundary=x", &body.as_slice().into(), "text/plain");
/// assert_eq!(part.as_deref(), Some(&b"hi"[..]));
/// ```
pub fn find(content_type: &str, body: &Bytes, wanted: &str) -> Option<Bytes> {
    find_within(content_type, body, wanted, MAX_DEPTH)
}

/// All parts of a multipart body, each with its content type; another body is its own only part.
pub fn parts(content_type: &str, body: &Bytes) -> Vec<(String, Bytes)> {
    match boundary(content_type) {
        Some(boundary) => split(body, &boundary),
        None => vec![(content_type.to_owned(), body.clone())],
    }
}

fn find_within(content_type: &str, body: &Bytes, wanted: &str, depth: u8) -> Option<Bytes> {
    if body.is_empty() {
        return None;
    }
    if media_type(content_type).eq_ignore_ascii_case(wanted) {
        return Some(body.clone());
    }
    let boundary = boundary(content_type)?;
    let depth = depth.checked_sub(1)?;
    split(body, &boundary).iter().find_map(|(kind, part)| find_within(kind, part, wanted, depth))
}

/// The boundary of a multipart body; `None` for any other (RFC 2046 §5.1.1: 1 to 70 characters).
fn boundary(content_type: &str) -> Option<String> {
    let (kind, params) = content_type.split_once(';')?;
    if !kind.trim_start().get(..10)?.eq_ignore_ascii_case("multipart/") {
        return None;
    }
    let params = Params::parse(params, "Content-Type").ok()?;
    let boundary = params.unquoted("boundary")?.into_owned();
    (1..=70).contains(&boundary.len()).then_some(boundary)
}

fn split(body: &Bytes, boundary: &str) -> Vec<(String, Bytes)> {
    let delimiter = format!("--{boundary}");
    let mut found = Vec::new();
    // Where the part under way begins, once one does.
    let mut begun = None;
    let mut at = 0;
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        let length = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |end| end + 1);
        let line = rest.get(..length).unwrap_or_default();
        if let Some(tail) = line.strip_prefix(delimiter.as_bytes())
            && (tail.is_empty()
                || matches!(tail.first(), Some(b'\r' | b'\n' | b'-' | b' ' | b'\t')))
        {
            if let Some(begin) = begun.take() {
                found.extend(part(body, begin, at));
            }
            if tail.starts_with(b"--") || found.len() >= MAX_PARTS {
                return found;
            }
            begun = Some(at + length);
        }
        at += length;
    }
    // A closing delimiter that was forgotten is forgiven.
    if let Some(begin) = begun {
        found.extend(part(body, begin, body.len()));
    }
    found
}

/// One part between its delimiters: header fields, an empty line, content.
fn part(body: &Bytes, begin: usize, end: usize) -> Option<(String, Bytes)> {
    let mut content_type = "text/plain".to_owned();
    let mut at = begin;
    loop {
        let rest = body.get(at..end)?;
        let length = rest.iter().position(|&b| b == b'\n')? + 1;
        let line = str::from_utf8(rest.get(..length)?).ok()?.trim();
        at += length;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.trim().eq_ignore_ascii_case("Content-Type")
        {
            content_type = value.trim().to_owned();
        }
    }
    // The line end before a delimiter belongs to the delimiter.
    let content = body.get(at..end)?;
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    let content = content.strip_suffix(b"\r").unwrap_or(content);
    Some((content_type, body.slice(at..at + content.len())))
}

/// Parts that are looked at.
pub const MAX_PARTS: usize = 16;
/// A multipart body in a multipart body, and no further.
const MAX_DEPTH: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n";

    fn sdp(content_type: &str, body: &str) -> Option<String> {
        let found = find(content_type, &Bytes::copy_from_slice(body.as_bytes()), "application/sdp");
        found.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn a_plain_body_is_its_own_part() {
        assert_eq!(sdp("application/sdp", SDP).unwrap(), SDP);
        assert_eq!(sdp("Application/SDP ; charset=utf-8", SDP).unwrap(), SDP);
        assert_eq!(sdp("text/plain", SDP), None);
        assert_eq!(sdp("application/sdp", ""), None);
    }

    #[test]
    fn the_description_is_found_among_other_parts() {
        let body = format!(
            "preamble\r\n--b1\r\nContent-Type: application/isup;version=x\r\n\
             Content-Disposition: signal;handling=optional\r\n\r\n\x01\x02--b1 no delimiter\r\n\
             --b1\r\ncontent-type: application/sdp\r\n\r\n{SDP}\r\n--b1--\r\nepilogue"
        );
        assert_eq!(sdp("multipart/mixed;boundary=b1", &body).unwrap(), SDP);
        assert_eq!(sdp("multipart/mixed; boundary=\"b1\"", &body).unwrap(), SDP);
        assert_eq!(sdp("multipart/mixed; boundary=b2", &body), None);
        assert_eq!(sdp("multipart/mixed", &body), None);
        let parts = parts("multipart/mixed;boundary=b1", &Bytes::from(body));
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].0, "application/isup;version=x");
    }

    #[test]
    fn parts_within_parts_are_found_to_a_depth() {
        let inner = format!("--i\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--i--\r\n");
        let wrap = |kind: &str, name: &str, body: &str| {
            format!("--{name}\r\nContent-Type: {kind}\r\n\r\n{body}\r\n--{name}--\r\n")
        };
        let outer = wrap("multipart/alternative;boundary=i", "o", &inner);
        assert_eq!(sdp("multipart/mixed;boundary=o", &outer).unwrap(), SDP);
        let further = wrap("multipart/mixed;boundary=o", "p", &outer);
        assert_eq!(sdp("multipart/mixed;boundary=p", &further), None);
    }

    #[test]
    fn what_is_broken_yields_nothing_and_never_more_than_the_limit() {
        for body in ["--b", "--b\r\n", "--b\r\nContent-Type: application/sdp", "--b--\r\n", "\n\n"]
        {
            assert_eq!(sdp("multipart/mixed;boundary=b", body), None, "{body:?}");
        }
        let open = format!("--b\nContent-Type: application/sdp\n\n{SDP}");
        assert!(sdp("multipart/mixed;boundary=b", &open).is_some(), "no closing delimiter");
        let many = Bytes::from("--b\r\n\r\nx\r\n".repeat(100));
        assert_eq!(parts("multipart/mixed;boundary=b", &many).len(), MAX_PARTS);
    }
}
