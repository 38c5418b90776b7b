//! URIs and name-addrs: what was read prints as something that reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::{NameAddr, Uri};

fuzz_target!(|text: &str| {
    if let Ok(uri) = text.parse::<Uri>() {
        let printed = uri.to_string();
        let again = printed.parse::<Uri>().expect("a printed URI can be read");
        assert_eq!(again.to_string(), printed);
        assert!(again.is_equivalent(&uri) && uri.is_equivalent(&again));
        let (_, _, _) = (uri.user(), uri.socket_addr(), uri.as_request_uri().to_string());
    }
    if let Ok(name_addr) = text.parse::<NameAddr>() {
        let printed = name_addr.to_string();
        let again = printed.parse::<NameAddr>().expect("a printed name-addr can be read");
        assert_eq!(again.to_string(), printed);
    }
});
