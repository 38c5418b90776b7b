//! Where an account keeps its recordings: credentials of an object store (contract rest.md §2.5).
//!
//! Sealed at rest, obscured on the way out; an obscured secret sent back keeps the stored one.

use std::fmt;

use serde_json::{Map, Value};

use super::Invalid;

/// Vendor, its required parts, and which of them are secret.
const VENDORS: [(&str, &[&str], &[&str]); 4] = [
    ("aws_s3", &["region", "name", "access_key_id", "secret_access_key"], &["secret_access_key"]),
    (
        "s3_compatible",
        &["endpoint", "name", "access_key_id", "secret_access_key"],
        &["secret_access_key"],
    ),
    ("google", &["name", "service_key"], &["service_key"]),
    ("azure", &["name", "connection_string"], &["connection_string"]),
];

const NAME: &str = "bucket_credential";

/// A checked credential; the map holds the vendor's required parts in clear.
#[derive(Clone, PartialEq)]
pub struct BucketCredential(Map<String, Value>);

impl fmt::Debug for BucketCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl BucketCredential {
    /// `None` is vendor `none`: cleared.
    pub fn read(map: Map<String, Value>) -> Result<Option<Self>, Invalid> {
        let refuse = |expected| Err(Invalid::Wrong { name: NAME, expected });
        let vendor = map.get("vendor").and_then(Value::as_str).unwrap_or_default();
        if vendor == "none" {
            return Ok(None);
        }
        let Some((_, parts, _)) = VENDORS.iter().find(|(name, ..)| *name == vendor) else {
            return refuse("of vendor aws_s3, s3_compatible, google, azure or none");
        };
        let is_text = |part: &&str| {
            map.get(*part).and_then(Value::as_str).is_some_and(|t| !t.is_empty() && t.len() <= 8192)
        };
        if !parts.iter().all(is_text) {
            return refuse("complete: a part that its vendor needs is missing");
        }
        if map.get("tags").is_some_and(|tags| !tags.is_array() && !tags.is_null()) {
            return refuse("given with tags as an array");
        }
        let known = |name: &&String| {
            parts.contains(&name.as_str())
                || matches!(name.as_str(), "vendor" | "tags" | "region" | "endpoint")
        };
        if !map.keys().all(|name| known(&name)) {
            return refuse("free of unknown properties");
        }
        Ok(Some(Self(map)))
    }

    /// Puts the stored secrets where the client sent the obscured form of them back.
    pub fn keep_obscured(mut self, stored: Option<&Self>) -> Self {
        let Some(stored) = stored else { return self };
        for part in self.secret_parts() {
            let Some(old) = stored.0.get(*part).and_then(Value::as_str) else { continue };
            if self.0.get(*part).and_then(Value::as_str) == Some(obscured(old).as_str()) {
                self.0.insert((*part).to_owned(), old.into());
            }
        }
        self
    }

    /// As clients may see it: secrets show six characters.
    pub fn to_obscured(&self) -> Map<String, Value> {
        let mut map = self.0.clone();
        for part in self.secret_parts() {
            if let Some(Value::String(text)) = map.get_mut(*part) {
                *text = obscured(text);
            }
        }
        map
    }

    /// A part in clear, to be used and never shown.
    pub fn part(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// In clear, for sealing.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// From the store, where only checked ones are.
    pub fn from_stored(map: Map<String, Value>) -> Self {
        Self(map)
    }

    fn secret_parts(&self) -> &'static [&'static str] {
        let vendor = self.0.get("vendor").and_then(Value::as_str).unwrap_or_default();
        VENDORS.iter().find(|(name, ..)| *name == vendor).map_or(&[], |(_, _, secret)| secret)
    }
}

/// First six characters, then `X` to the same length.
fn obscured(text: &str) -> String {
    text.chars().enumerate().map(|(at, c)| if at < 6 { c } else { 'X' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Option<BucketCredential>, Invalid> {
        let Value::Object(map) = value else { panic!("an object") };
        BucketCredential::read(map)
    }

    #[test]
    fn every_vendor_needs_its_parts() {
        assert!(read(json!({"vendor": "google", "name": "b", "service_key": "{}"})).is_ok());
        assert_eq!(read(json!({"vendor": "none"})), Ok(None));
        for value in [
            json!({}),
            json!({"vendor": "ftp"}),
            json!({"vendor": "google", "name": "b"}),
            json!({"vendor": "azure", "name": "b", "connection_string": 5}),
            json!({"vendor": "azure", "name": "b", "connection_string": "c", "x": 1}),
            json!({"vendor": "azure", "name": "b", "connection_string": "c", "tags": {}}),
        ] {
            assert!(read(value.clone()).unwrap_err().to_string().contains(NAME), "{value}");
        }
    }

    #[test]
    fn an_obscured_secret_sent_back_keeps_the_stored_one() {
        let stored = json!({"vendor": "google", "name": "b", "service_key": "topsecret"});
        let stored = read(stored).unwrap().unwrap();
        let shown = stored.to_obscured();
        assert_eq!(shown.get("service_key"), Some(&json!("topsecXXX")));
        assert!(!format!("{stored:?}").contains("topsecret"));
        let back = BucketCredential::read(shown).unwrap().unwrap().keep_obscured(Some(&stored));
        assert_eq!(back, stored);
    }
}
