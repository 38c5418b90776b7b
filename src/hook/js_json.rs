//! JSON text as a JavaScript engine prints it (contract verbs.md §1.3).
//!
//! Verifiers written for Node parse the body, serialise it again and compare signatures, so the
//! bytes sent must be the ones `JSON.stringify(JSON.parse(body))` gives. Called by `http` for
//! every POST body and for the scalars of a GET query.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

/// The whole object, compact.
pub(super) fn object_text(map: &Map<String, Value>) -> String {
    let mut out = String::with_capacity(1024);
    write_object(map, &mut out);
    out
}

/// Any value, compact.
pub(super) fn value_text(value: &Value) -> String {
    let mut out = String::new();
    write_value(value, &mut out);
    out
}

/// A value without inner structure as plain text, strings unquoted; `None` for arrays, objects
/// and null.
pub(super) fn scalar_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Bool(_) | Value::Number(_) => Some(Cow::Owned(value_text(value))),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => write_object(map, out),
    }
}

/// Integer-like keys come first in ascending order, the others as they were inserted
/// (ECMA-262 §10.1.11.1).
fn write_object(map: &Map<String, Value>, out: &mut String) {
    let mut indexed: Vec<(u32, &String, &Value)> = map
        .iter()
        .filter_map(|(key, value)| array_index(key).map(|index| (index, key, value)))
        .collect();
    indexed.sort_unstable_by_key(|(index, ..)| *index);
    let named = map.iter().filter(|(key, _)| array_index(key).is_none());

    out.push('{');
    let members = indexed.into_iter().map(|(_, key, value)| (key, value)).chain(named);
    for (position, (key, value)) in members.enumerate() {
        if position > 0 {
            out.push(',');
        }
        write_string(key, out);
        out.push(':');
        write_value(value, out);
    }
    out.push('}');
}

/// The key as an array index, 0 to 2^32-2 in canonical form.
fn array_index(key: &str) -> Option<u32> {
    let canonical = key == "0" || key.starts_with(|c: char| ('1'..='9').contains(&c));
    if !canonical || key.len() > 10 || !key.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    key.parse().ok().filter(|index| *index < u32::MAX)
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Every JavaScript number is a double, so integers beyond 2^53 are rounded like one.
fn write_number(number: &Number, out: &mut String) {
    let small = number.as_i64().filter(|n| n.unsigned_abs() <= MAX_SAFE_INTEGER);
    match (small, number.as_f64()) {
        // Writing to a String cannot fail.
        (Some(integer), _) => {
            let _ = write!(out, "{integer}");
        }
        (None, Some(double)) => write_double(double, out),
        (None, None) => out.push_str("null"),
    }
}

/// ECMA-262 §6.1.6.1.20 (Number::toString), radix 10.
fn write_double(double: f64, out: &mut String) {
    if double.is_sign_negative() && double != 0.0 {
        out.push('-');
    }
    match shortest_digits(double.abs()) {
        Some((digits, point)) => write_digits(&digits, point, out),
        None => out.push('0'),
    }
}

/// The shortest digits that read back as the same double, and where the point is: the value is
/// 0.DIGITS × 10^point. `None` for zero.
///
/// The digits are those of `serde_json` and not of the standard library: where two candidates are
/// equally near, such as …851.2 and …851.3 for 2023347301156851.25, JavaScript engines and
/// `serde_json` take the even digit, but the standard library the larger one.
fn shortest_digits(double: f64) -> Option<(String, i32)> {
    let text = Number::from_f64(double)?.to_string();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text.as_str(), "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, fraction].concat();
    let digits = all.trim_start_matches('0');
    let leading_zeros = all.len() - digits.len();
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return None;
    }
    let exponent: i32 = exponent.parse().ok()?;
    Some((digits.to_owned(), whole.len() as i32 - leading_zeros as i32 + exponent))
}

fn write_digits(digits: &str, point: i32, out: &mut String) {
    let zeros = |count: usize| std::iter::repeat_n('0', count);
    match usize::try_from(point) {
        Ok(point @ 1..=21) if digits.len() <= point => {
            out.push_str(digits);
            out.extend(zeros(point - digits.len()));
        }
        Ok(point @ 1..=21) => {
            let (whole, fraction) = digits.split_at(point);
            out.push_str(whole);
            out.push('.');
            out.push_str(fraction);
        }
        _ if (-5..=0).contains(&point) => {
            out.push_str("0.");
            out.extend(zeros(point.unsigned_abs() as usize));
            out.push_str(digits);
        }
        _ => {
            let (first, rest) = digits.split_at(1.min(digits.len()));
            out.push_str(first);
            if !rest.is_empty() {
                out.push('.');
                out.push_str(rest);
            }
            let exponent = point - 1;
            let sign = if exponent < 0 { '-' } else { '+' };
            // Writing to a String cannot fail.
            let _ = write!(out, "e{sign}{}", exponent.unsigned_abs());
        }
    }
}

/// 2^53: integers up to here print the same as integer and as double.
const MAX_SAFE_INTEGER: u64 = 1 << 53;

#[cfg(test)]
mod tests;
