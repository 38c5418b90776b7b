//! `dtmfCapture`: sequences of keys that a hook is told of (contract verbs.md §3.4, D-24, D-25).

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::model::Hook;

/// What is looked for on either side, and what was pressed there last.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Keys {
    pub(super) hook: Option<Hook>,
    pub(super) caller: Capture,
    pub(super) child: Capture,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Capture {
    patterns: Vec<String>,
    pressed: String,
    last: Option<Instant>,
}

impl Keys {
    /// A key was pressed: the hook to tell, and what, if that completes a sequence.
    pub(super) fn press(
        &mut self,
        by_caller: bool,
        key: char,
        now: Instant,
    ) -> Option<(Hook, Map<String, Value>)> {
        let capture = if by_caller { &mut self.caller } else { &mut self.child };
        let found = capture.press(key, now)?;
        let mut fields = Map::new();
        fields.insert("dtmf".into(), found.into());
        Some((self.hook.clone()?, fields))
    }
}

impl Capture {
    /// Sequences of `0-9`, `*`, `#`, `A-D`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn new(patterns: &Value) -> Result<Self, &'static str> {
        const PROBLEM: &str = "must be an array of key sequences";
        let items = patterns.as_array().ok_or(PROBLEM)?;
        if items.len() > MAX_PATTERNS {
            return Err("has too many sequences");
        }
        let mut patterns = Vec::with_capacity(items.len());
        for item in items {
            let text = item.as_str().ok_or(PROBLEM)?.to_ascii_uppercase();
            let is_key = |c: char| matches!(c, '0'..='9' | '*' | '#' | 'A'..='D');
            if text.is_empty() || text.len() > MAX_KEYS || !text.chars().all(is_key) {
                return Err(PROBLEM);
            }
            patterns.push(text);
        }
        // The longest of those that match is meant.
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.len()));
        Ok(Self { patterns, pressed: String::new(), last: None })
    }

    fn press(&mut self, key: char, now: Instant) -> Option<String> {
        if self.patterns.is_empty() {
            return None;
        }
        let is_late = self.last.is_some_and(|last| now.duration_since(last) > GAP);
        self.last = Some(now);
        if is_late {
            self.pressed.clear();
        }
        if self.pressed.len() == MAX_KEYS {
            self.pressed.remove(0);
        }
        self.pressed.push(key.to_ascii_uppercase());
        let found = self.patterns.iter().find(|pattern| self.pressed.ends_with(*pattern))?.clone();
        self.pressed.clear();
        Some(found)
    }
}

/// Keys further apart do not belong together.
const GAP: Duration = Duration::from_secs(3);
const MAX_PATTERNS: usize = 32;
const MAX_KEYS: usize = 32;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sequence_is_found_unless_its_keys_are_too_far_apart() {
        let mut capture = Capture::new(&json!(["*2", "##", "12*2"])).unwrap();
        let start = Instant::now();
        let mut press = |key, after: u64| capture.press(key, start + Duration::from_millis(after));
        assert_eq!(press('*', 0), None);
        assert_eq!(press('2', 3000), Some("*2".into()));
        assert_eq!(press('*', 4000), None);
        assert_eq!(press('2', 7001), None);
        assert_eq!(press('#', 7100), None);
        assert_eq!(press('#', 7200), Some("##".into()));
        assert_eq!(press('#', 7300), None, "a key counts once");
        for key in ['1', '2', '*'] {
            assert_eq!(press(key, 7400), None);
        }
        assert_eq!(press('2', 7500), Some("12*2".into()));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for bad in [json!("*2"), json!([2]), json!([""]), json!(["x"]), json!(["é"])] {
            assert!(Capture::new(&bad).is_err(), "{bad}");
        }
        assert!(Capture::new(&json!([])).is_ok());
        assert!(Capture::new(&json!(["a1"])).is_ok());
    }
}
