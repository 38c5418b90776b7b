//! Any datagram: parsed or refused, and what was parsed can be looked at from every side.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::{Message, NameAddr, Uri};

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::parse(bytes) else { return };
    let headers = match &message {
        Message::Request(request) => {
            let (_, _, _) = (request.contact(), request.max_forwards(), request.content_type());
            let printed = request.uri().to_string();
            let again = printed.parse::<Uri>().expect("a printed URI can be read");
            assert_eq!(again.to_string(), printed);
            request.all_headers()
        }
        Message::Response(response) => {
            assert!((100..700).contains(&response.status()));
            let (_, _) = (response.contact(), response.raw_text());
            response.all_headers()
        }
    };
    for (name, value) in headers.iter() {
        assert!(!name.contains(['\r', '\n']) && !value.contains(['\r', '\n']));
    }
    if let Message::Request(request) = &message {
        let from = request.from().to_string();
        let again = from.parse::<NameAddr>().expect("a printed From can be read");
        assert_eq!(again.to_string(), from);
    }
});
