//! `pause`: waits, fractions of a second allowed. Does not answer by itself; the caller hears
//! silence (contract verbs.md §3.1).

use std::time::Duration;

use super::props::Props;
use super::{Cx, Effect, Event, Question, RunId, Step, VerbError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    pub length: Duration,
}

impl Pause {
    pub(super) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        props.required("length")?;
        // Computed lengths may fall below zero; that is no pause, not an error.
        let seconds = props.number("length")?.unwrap_or_default().clamp(0.0, MAX_SECONDS);
        Ok(Self { length: Duration::from_secs_f64(seconds) })
    }

    pub(super) fn start(&mut self, run: RunId, cx: &mut Cx<'_>) -> Step {
        if self.length.is_zero() {
            return Step::Done(None);
        }
        cx.out.push(Effect::StartTimer { run, after: self.length });
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

/// A week; longer than any call lives.
const MAX_SECONDS: f64 = 7.0 * 24.0 * 3600.0;
