//! `dtmf`: keys to the far end (RFC 4733), one after the other. Skipped before the answer (contract
//! verbs.md §3.3).

use std::time::Duration;

use super::props::Props;
use super::{Cx, Effect, Event, Question, RunId, Step, VerbError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dtmf {
    /// `0-9`, `*`, `#`, `A-D`, and `w` for a pause.
    pub digits: String,
    /// Of each key.
    pub duration: Duration,
}

impl Dtmf {
    pub(super) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        props.required("dtmf")?;
        let digits = props.text("dtmf")?.unwrap_or_default();
        let is_key =
            |c: char| matches!(c, '0'..='9' | '*' | '#' | 'A'..='D' | 'a'..='d' | 'w' | 'W');
        if digits.is_empty() || digits.len() > MAX_KEYS || !digits.chars().all(is_key) {
            return Err(props.bad("dtmf", "must be keys: 0-9 * # A-D, w for a pause"));
        }
        let digits = digits.to_ascii_uppercase().replace('W', "w");
        let ms = props.number_or_text("duration")?.filter(|ms| *ms > 0.0).unwrap_or(500.0);
        // A float to integer cast saturates.
        Ok(Self { digits, duration: Duration::from_millis(ms.min(MAX_MS) as u64) })
    }

    pub(super) fn start(&mut self, run: RunId, cx: &mut Cx<'_>) -> Step {
        let count = u32::try_from(self.digits.len()).unwrap_or(u32::MAX);
        let after = (self.duration + BETWEEN).saturating_mul(count) + AFTERWARDS;
        let (digits, duration) = (std::mem::take(&mut self.digits), self.duration);
        cx.out.push(Effect::SendDigits { digits, duration });
        cx.out.push(Effect::StartTimer { run, after });
        Step::Wait
    }

    pub(super) fn on_event(&mut self, event: &Event) -> Step {
        match event {
            Event::Timer => Step::Done(None),
            _ => Step::Wait,
        }
    }

    pub(super) fn stop(&mut self, run: RunId, cx: &mut Cx<'_>) -> Option<Question> {
        cx.out.push(Effect::StopTimer { run });
        None
    }
}

const MAX_KEYS: usize = 64;
const MAX_MS: f64 = 8000.0;
const BETWEEN: Duration = Duration::from_millis(250);
const AFTERWARDS: Duration = Duration::from_millis(750);

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::verb::{Verb, VerbKind, parse};

    #[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
    fn read(body: Value) -> Result<(String, u64), VerbError> {
        let mut verbs = parse(&json!([{"dtmf": body}]))?;
        let Some(Verb { kind: VerbKind::Dtmf(dtmf), .. }) = verbs.pop() else { panic!("one") };
        Ok((dtmf.digits, u64::try_from(dtmf.duration.as_millis()).unwrap()))
    }

    #[test]
    fn keys_are_read_in_either_case_and_last_half_a_second_unless_said() {
        for (body, expected) in [
            (json!({"dtmf": "0123456789*#"}), ("0123456789*#", 500)),
            (json!({"dtmf": "aBcDwW1"}), ("ABCDww1", 500)),
            (json!({"dtmf": "1", "duration": 200}), ("1", 200)),
            (json!({"dtmf": "1", "duration": "200"}), ("1", 200)),
            (json!({"dtmf": "1", "duration": 0}), ("1", 500)),
            (json!({"dtmf": "1", "duration": 1e12}), ("1", 8000)),
        ] {
            assert_eq!(read(body.clone()), Ok((expected.0.to_owned(), expected.1)), "{body}");
        }
        for bad in [json!({}), json!({"dtmf": ""}), json!({"dtmf": "1-2"}), json!({"dtmf": "E"})] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
        assert!(read(json!({"dtmf": "1".repeat(MAX_KEYS)})).is_ok());
        assert!(read(json!({"dtmf": "1".repeat(MAX_KEYS + 1)})).is_err());
    }
}
