//! Bodies of several parts: the first line is the Content-Type, the rest the body. What is found lies in
//! it, within the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::Body;
use sip::message::multipart::{MAX_PARTS, find, parts};

fuzz_target!(|bytes: &[u8]| {
    let (kind, body) = match bytes.iter().position(|&byte| byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &b""[..]),
    };
    let Ok(kind) = str::from_utf8(kind) else { return };
    let body = Body::new("", body.to_vec()).bytes;
    let within = |part: &[u8]| {
        let (outer, inner) = (body.as_ptr_range(), part.as_ptr_range());
        part.is_empty() || (outer.start <= inner.start && inner.end <= outer.end)
    };
    let found = parts(kind, &body);
    assert!(found.len() <= MAX_PARTS);
    for (of, part) in &found {
        assert!(within(part) && !of.contains('\n'));
        // What is looked for by its own name is there, or an earlier one of that name.
        assert!(part.is_empty() || find(of, part, &media_type(of)).is_some_and(|one| within(&one)));
    }
    for wanted in ["application/sdp", "message/sipfrag"] {
        if let Some(part) = find(kind, &body, wanted) {
            assert!(within(&part) && !part.is_empty());
        }
    }
});

fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().split_whitespace().collect()
}
