//! What applications answer, and what the API stores as `app_json`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use trunkline::verb;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    let parsed = verb::parse(&value);
    let stored = verb::parse_text(&value.to_string());
    assert_eq!(parsed.is_ok(), stored.is_ok());
    match parsed {
        Ok(verbs) => assert!(value.as_array().is_some_and(|items| items.len() == verbs.len())),
        // The text reaches SIP headers and alerts.
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
