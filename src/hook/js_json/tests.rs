//! Pinned against what Node 20 prints for `JSON.stringify(JSON.parse(text))`.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Source literal, and how JavaScript prints it.
const NUMBERS: &[(&str, &str)] = &[
    ("0", "0"),
    ("-0", "0"),
    ("1", "1"),
    ("-1", "-1"),
    ("1.0", "1"),
    ("1.50", "1.5"),
    ("100", "100"),
    ("1e2", "100"),
    ("0.1", "0.1"),
    ("0.30000000000000004", "0.30000000000000004"),
    ("1e-6", "0.000001"),
    ("1e-7", "1e-7"),
    ("1.5e-7", "1.5e-7"),
    ("0.000001234", "0.000001234"),
    ("0.0000001234", "1.234e-7"),
    ("1e20", "100000000000000000000"),
    ("1e21", "1e+21"),
    ("123456789012345680000", "123456789012345680000"),
    ("1.7976931348623157e308", "1.7976931348623157e+308"),
    ("5e-324", "5e-324"),
    ("2.2250738585072014e-308", "2.2250738585072014e-308"),
    ("9007199254740991", "9007199254740991"),
    ("9007199254740992", "9007199254740992"),
    ("9007199254740993", "9007199254740992"),
    ("-9007199254740993", "-9007199254740992"),
    ("12345678901234567890", "12345678901234567000"),
    ("18446744073709551615", "18446744073709552000"),
    ("9223372036854775807", "9223372036854776000"),
    ("-9223372036854775808", "-9223372036854776000"),
    ("123456789.125", "123456789.125"),
    ("4.35", "4.35"),
    ("1e22", "1e+22"),
    ("1.2e21", "1.2e+21"),
    ("-1.5e-9", "-1.5e-9"),
    ("3.141592653589793", "3.141592653589793"),
    ("99999999999999990000", "99999999999999980000"),
    ("100000000000000000000", "100000000000000000000"),
    ("999999999999999900000", "999999999999999900000"),
    ("0.1e1", "1"),
    ("1e23", "1e+23"),
    ("12.500", "12.5"),
    ("8.41e21", "8.41e+21"),
    ("4294967295", "4294967295"),
    // Exactly between two shortest candidates: the even digit.
    ("2023347301156851.25", "2023347301156851.2"),
    ("89113382763.953125", "89113382763.95312"),
    ("-904169666483526.25", "-904169666483526.2"),
];

#[test]
fn numbers_print_as_javascript_prints_them() {
    for (source, printed) in NUMBERS {
        let value: Value = match source.parse::<i64>() {
            Ok(integer) => integer.into(),
            Err(_) => match source.parse::<u64>() {
                Ok(integer) => integer.into(),
                // The reader of serde_json may be one unit off in the last place.
                Err(_) => source.parse::<f64>().unwrap().into(),
            },
        };
        assert_eq!(value_text(&value), *printed, "{source}");
    }
}

#[test]
fn integer_like_keys_come_first_and_others_keep_their_order() {
    let value: Value = serde_json::from_str(
        r#"{"b":1,"10":2,"9":3,"a":4,"0":5,"01":6,"-1":7,"4294967294":8,"4294967295":9,"1.5":10,
            "":11,"4294967296":12,"99999999999":13,"١":14,"+1":15}"#,
    )
    .unwrap();
    assert_eq!(
        value_text(&value),
        r#"{"0":5,"9":3,"10":2,"4294967294":8,"b":1,"a":4,"01":6,"-1":7,"4294967295":9,"1.5":10,"":11,"4294967296":12,"99999999999":13,"١":14,"+1":15}"#
    );
}

#[test]
fn only_quotes_backslashes_and_control_characters_are_escaped() {
    let mut text: String = (0..0x21_u8).map(char::from).collect();
    text.push_str("\"\\/\u{7f}\u{80}é\u{2028}\u{2029}\u{feff}😀\u{ffff}");
    let expected = [
        r#""\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f"#,
        r#"\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d"#,
        r#"\u001e\u001f \"\\/"#,
        "\u{7f}\u{80}é\u{2028}\u{2029}\u{feff}😀\u{ffff}\"",
    ]
    .concat();
    assert_eq!(value_text(&Value::String(text)), expected);
}

#[test]
fn structure_is_compact() {
    let value = json!({"call_sid": "a", "list": [1, [], {}, null, true, false], "x": {"y": -0.0}});
    let Value::Object(map) = &value else { unreachable!() };
    assert_eq!(
        object_text(map),
        r#"{"call_sid":"a","list":[1,[],{},null,true,false],"x":{"y":0}}"#
    );
}

#[test]
fn scalars_lose_their_quotes_and_structures_are_none() {
    assert_eq!(scalar_text(&json!("a\"b")).as_deref(), Some("a\"b"));
    assert_eq!(scalar_text(&json!(2.0)).as_deref(), Some("2"));
    assert_eq!(scalar_text(&json!(true)).as_deref(), Some("true"));
    for value in [json!(null), json!([]), json!({"a": 1})] {
        assert_eq!(scalar_text(&value), None);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let key = prop_oneof![any::<String>(), any::<u32>().prop_map(|n| n.to_string())];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_json_of_the_same_shape(value in any_json()) {
        let text = value_text(&value);
        let back: Value = serde_json::from_str(&text).unwrap();
        prop_assert!(same_shape(&value, &back), "{text}");
    }

    #[test]
    fn doubles_read_back_as_themselves(bits in any::<u64>()) {
        let double = f64::from_bits(bits);
        prop_assume!(double.is_finite());
        let back: f64 = value_text(&Value::from(double)).parse().unwrap();
        prop_assert_eq!(back, double);
    }
}

fn same_shape(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => true,
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_shape(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same_shape(a, b)))
        }
        _ => a == b,
    }
}
