//! Properties: nothing panics on any bytes, and printing gives back what was read.

use std::sync::OnceLock;

use proptest::prelude::*;
use sip::auth::{Challenge, DigestCredentials};
use sip::message::Via;
use sip::{Frame, Message, NameAddr, Request, StreamFramer, Uri};

use crate::{feed, list, read};

/// All messages at hand.
fn corpus() -> &'static [Vec<u8>] {
    static CORPUS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let torture = list("torture", ".dat").into_iter().map(|name| format!("torture/{name}"));
        let browsers = list("data", ".sip").into_iter().map(|name| format!("data/{name}"));
        torture.chain(browsers).map(read).collect()
    })
}

/// One change of a message: overwrite, cut out, or double a stretch.
fn mutate(bytes: &mut Vec<u8>, at: usize, len: usize, with: u8, kind: u8) {
    if bytes.is_empty() {
        return;
    }
    let at = at % bytes.len();
    let end = (at + len).min(bytes.len());
    match kind {
        0 => bytes[at] = with,
        1 => drop(bytes.drain(at..end)),
        2 => {
            let stretch = bytes[at..end].to_vec();
            bytes.splice(at..at, stretch);
        }
        _ => bytes.insert(at, with),
    }
}

/// Octets that mean something in SIP are worth more tries than others.
fn octet() -> impl Strategy<Value = u8> {
    let special = b"\r\n\0\t \"\\<>;:,=?@/[]()%&*+-09azAZ\x7f\x80\xff";
    prop_oneof![proptest::sample::select(&special[..]), any::<u8>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_messages_never_panic_and_answers_are_always_messages(
        pick in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<usize>(), 1usize..40, octet(), 0u8..4), 1..8),
    ) {
        let mut bytes = pick.get(corpus()).clone();
        for (at, len, with, kind) in changes {
            mutate(&mut bytes, at, len, with, kind);
        }
        let (sent, _) = feed(&bytes);
        for message in sent {
            // a refusal may lack what the request lacked, but it is one message and no more
            let text = String::from_utf8_lossy(&message);
            prop_assert!(text.starts_with("SIP/2.0 "));
            let head = text.split("\r\n\r\n").next().unwrap_or_default();
            let good = head.split("\r\n").skip(1).all(|line| {
                line.contains(": ") && !line.starts_with([' ', '\t'])
            });
            prop_assert!(good, "{head}");
            prop_assert!(!head.replace("\r\n", "").contains(['\r', '\n']), "{head:?}");
        }
    }

    #[test]
    fn printing_a_message_and_parsing_it_again_changes_nothing(
        pick in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<usize>(), 1usize..20, octet(), 0u8..4), 0..3),
    ) {
        let mut bytes = pick.get(corpus()).clone();
        for (at, len, with, kind) in changes {
            mutate(&mut bytes, at, len, with, kind);
        }
        if let Ok(Message::Request(request)) = Message::parse(&bytes)
            && std::str::from_utf8(request.body()).is_ok()
        {
            let again = Request::parse(request.to_string().as_bytes());
            let again = again.map_err(|refused| TestCaseError::fail(format!("{refused:?}\n{request}")))?;
            prop_assert_eq!(again.method(), request.method());
            prop_assert_eq!(again.uri(), request.uri());
            prop_assert_eq!(again.all_headers(), request.all_headers());
            prop_assert_eq!(again.via(), request.via());
            prop_assert_eq!(again.from(), request.from());
            prop_assert_eq!(again.to(), request.to());
            prop_assert_eq!(again.cseq(), request.cseq());
            prop_assert_eq!(again.body(), request.body());
        }
    }

    #[test]
    fn a_stream_yields_the_same_messages_however_it_is_cut(
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..5),
        cuts in prop::collection::vec(1usize..400, 1..30),
    ) {
        // the torture messages come first, and some of them lie about their length
        let honest = &corpus()[corpus().len() - 6..];
        let picked: Vec<_> = picks.iter().map(|pick| pick.get(honest).clone()).collect();
        let stream: Vec<u8> = picked.iter().flat_map(|m| [b"\r\n", &m[..]].concat()).collect();
        let mut framer = StreamFramer::new();
        let mut seen = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            framer.push(now);
            while let Some(frame) = framer.next().unwrap() {
                if let Frame::Message(bytes) = frame {
                    seen.push(bytes.to_vec());
                }
            }
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(seen, picked);
        prop_assert!(!framer.is_partial());
    }

    #[test]
    fn any_bytes_at_all_never_panic(bytes in prop::collection::vec(octet(), 0..300)) {
        let _ = Message::parse(&bytes);
        let mut framer = StreamFramer::new();
        framer.push(&bytes);
        while let Ok(Some(_)) = framer.next() {}
        let text = String::from_utf8_lossy(&bytes);
        let _ = DigestCredentials::parse(&format!("Digest {text}"));
        let _ = Challenge::parse(&format!("Digest {text}"));
        if let Ok(uri) = format!("sip:{text}").parse::<Uri>() {
            prop_assert_eq!(uri.to_string().parse::<Uri>().unwrap(), uri);
        }
        if let Ok(address) = text.parse::<NameAddr>() {
            prop_assert_eq!(address.to_string().parse::<NameAddr>().unwrap(), address);
        }
        if let Ok(via) = format!("SIP/2.0/UDP {text}").parse::<Via>() {
            prop_assert_eq!(via.to_string().parse::<Via>().unwrap(), via);
        }
    }

    #[test]
    fn any_user_name_survives_a_uri(user in "\\PC{1,30}|[\\x00-\\x7f]{1,30}") {
        let uri = Uri::sip(Some(&user), "example.com", None).unwrap();
        let again: Uri = uri.to_string().parse().unwrap();
        prop_assert_eq!(again.user().unwrap(), user);
    }

    #[test]
    fn any_display_name_survives_an_address(name in "\\PC{1,30}") {
        let address = NameAddr::new("sip:a@h".parse().unwrap()).with_display(&name);
        let again: NameAddr = address.to_string().parse().unwrap();
        prop_assert_eq!(again.display.unwrap(), name);
    }
}
