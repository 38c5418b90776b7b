//! The key casing of payloads (contract verbs.md §1.2): every key snake_case, recursively, except
//! under the names whose content is the application's or the far end's own.

use serde_json::{Map, Value};

/// Rewrites the keys of a payload for the wire.
pub(super) fn wire_keys(map: Map<String, Value>) -> Map<String, Value> {
    map.into_iter()
        .map(|(key, value)| match VERBATIM.contains(&key.as_str()) {
            true => (key, value),
            false => (snake_case(&key), wire_value(value)),
        })
        .collect()
}

fn wire_value(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(wire_keys(map)),
        Value::Array(items) => Value::Array(items.into_iter().map(wire_value).collect()),
        other => other,
    }
}

/// `callSid`, `X-Foo-Bar`, `HTTPServer` -> `call_sid`, `x_foo_bar`, `http_server`. What is
/// neither letter nor digit separates words; letters beyond ASCII stay.
pub(super) fn snake_case(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 4);
    let mut previous: Option<char> = None;
    let mut chars = key.chars().peekable();
    while let Some(c) = chars.next() {
        if !c.is_alphanumeric() {
            previous = None;
            continue;
        }
        let starts_word = match previous {
            None => true,
            Some(p) if c.is_uppercase() => {
                let lower_follows = chars.peek().is_some_and(|n| n.is_lowercase());
                !p.is_uppercase() || lower_follows
            }
            Some(_) => false,
        };
        if starts_word && !out.is_empty() {
            out.push('_');
        }
        out.extend(c.to_lowercase());
        previous = Some(c);
    }
    // A key of separators alone would vanish.
    if out.is_empty() { key.to_owned() } else { out }
}

const VERBATIM: [&str; 4] = ["customerData", "sip", "env_vars", "args"];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_become_snake_case() {
        for (key, wire) in [
            ("call_sid", "call_sid"),
            ("callSid", "call_sid"),
            ("X-Foo-Bar", "x_foo_bar"),
            ("sbcCallid", "sbc_callid"),
            ("HTTPServer", "http_server"),
            ("P-Asserted-Identity", "p_asserted_identity"),
            ("digits2Go", "digits2_go"),
            ("b3", "b3"),
            ("_private", "private"),
            ("--", "--"),
            ("Größe", "größe"),
        ] {
            assert_eq!(snake_case(key), wire, "{key}");
        }
    }

    #[test]
    fn foreign_content_is_passed_untouched() {
        let payload = json!({
            "dialResult": [{"sipStatus": 200}],
            "customerData": {"userId": {"theId": 1}},
            "sip": {"headers": {"X-Foo": "1"}},
            "env_vars": {"MY_Var": 1},
            "toolCall": {"args": {"aB": 1}},
        });
        let Value::Object(payload) = payload else { unreachable!() };
        assert_eq!(
            Value::Object(wire_keys(payload)),
            json!({
                "dial_result": [{"sip_status": 200}],
                "customerData": {"userId": {"theId": 1}},
                "sip": {"headers": {"X-Foo": "1"}},
                "env_vars": {"MY_Var": 1},
                "tool_call": {"args": {"aB": 1}},
            })
        );
    }
}
