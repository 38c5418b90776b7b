//! `play`: sound files to the caller (contract verbs.md §3.3). The list, its repetitions and the
//! decoding are the player's; the time limit and the action hook are ours.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::props::{Props, whole};
use super::synthesizer::Synthesizer;
use super::{Cx, Effect, Event, Question, RunId, Step, VerbError};
use crate::model::Hook;

#[derive(Clone, Debug, PartialEq)]
pub struct Play {
    /// Played in order. Absolute, or relative to the application; `silence_stream://` and
    /// `tone_stream://` as they are.
    pub clips: Vec<Clip>,
    /// The whole list repeats.
    pub loops: Loops,
    pub early_media: bool,
    /// Samples at the file's rate.
    pub seek_samples: u64,
    pub timeout: Option<Duration>,
    pub action_hook: Option<Hook>,
}

/// One thing to be heard.
#[derive(Clone, Debug, PartialEq)]
pub enum Clip {
    Url(String),
    /// Text to be spoken.
    Speech(Box<Speech>),
}

/// A text and the voice it is wanted in; what that leaves open is the session's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Speech {
    pub text: String,
    pub synthesizer: Synthesizer,
    /// Not to be taken from the cache, nor to be put there.
    pub is_fresh: bool,
}

/// Who hears what is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ear {
    /// The call while it is alone: what is played waits until it is.
    #[default]
    Call,
    /// The call where it is now, also in a room or bridged; nobody else there.
    Seat,
    /// The call where it is now; whom it talks with in a bridge is apart meanwhile.
    Whisper,
}

/// How often something is played (contract verbs.md §3.0, D-18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loops {
    Times(NonZeroU32),
    Forever,
}

/// What the player says when it is done, at the end of the list or stopped by us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlayReport {
    /// Sound given to the caller.
    pub played: Duration,
    /// Where in the last file it stopped, in samples at the file's rate.
    pub last_offset_samples: u64,
}

impl Play {
    pub(super) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        let seconds = props.number_or_text("timeoutSecs")?.filter(|seconds| *seconds > 0.0);
        let offset = props.number_or_text("seekOffset")?.unwrap_or_default();
        Ok(Self {
            clips: props.texts("url")?.into_iter().map(Clip::Url).collect(),
            loops: Loops::parse(props)?,
            early_media: props.flag("earlyMedia")?.unwrap_or_default(),
            // A float to integer cast saturates: below zero is the beginning.
            seek_samples: offset as u64,
            timeout: seconds.map(|s| Duration::from_secs_f64(s.min(MAX_SECONDS))),
            action_hook: props.hook("actionHook")?,
        })
    }

    pub(super) fn start(&mut self, run: RunId, cx: &mut Cx<'_>) -> Step {
        cx.out.push(Effect::Play {
            run,
            clips: std::mem::take(&mut self.clips),
            loops: self.loops,
            seek_samples: self.seek_samples,
            ear: cx.ear,
        });
        if let Some(after) = self.timeout {
            cx.out.push(Effect::StartTimer { run, after });
        }
        Step::Wait
    }

    pub(super) fn on_event(&mut self, event: Event, run: RunId, cx: &mut Cx<'_>) -> Step {
        let fields = match event {
            Event::Timer => {
                // The player answers with how far it came.
                self.timeout = None;
                cx.out.push(Effect::StopPlay { run });
                return Step::Wait;
            }
            Event::PlayDone(report) => completed(report),
            Event::PlayFailed { url, detail } => {
                cx.out.push(Effect::MediaMissing { url, detail });
                failed()
            }
            _ => return Step::Wait,
        };
        self.stop_timer(run, cx);
        Step::Done(Question::action(&self.action_hook, fields))
    }

    /// Killed by barge-in, replacement or the end of the call: no hook.
    pub(super) fn stop(&mut self, run: RunId, cx: &mut Cx<'_>) -> Option<Question> {
        self.stop_timer(run, cx);
        cx.out.push(Effect::StopPlay { run });
        None
    }

    fn stop_timer(&mut self, run: RunId, cx: &mut Cx<'_>) {
        if self.timeout.take().is_some() {
            cx.out.push(Effect::StopTimer { run });
        }
    }
}

impl Loops {
    /// Reads the `loop` property: absent is once, 0 and `"forever"` are for ever.
    pub(super) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        const PROBLEM: &str = "must be a whole number or \"forever\"";
        let times = match props.value("loop") {
            None => Some(1),
            Some(Value::String(text)) if text == "forever" => Some(0),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(value) => whole(value),
        };
        match times {
            None => Err(props.bad("loop", PROBLEM)),
            Some(times) => Ok(NonZeroU32::new(times).map_or(Self::Forever, Self::Times)),
        }
    }
}

fn completed(report: PlayReport) -> Map<String, Value> {
    let milliseconds = u64::try_from(report.played.as_millis()).unwrap_or(u64::MAX);
    object(json!({
        "reason": "playCompleted",
        "playback_seconds": milliseconds / 1000,
        "playback_milliseconds": milliseconds,
        "playback_last_offset_pos": report.last_offset_samples,
    }))
}

fn failed() -> Map<String, Value> {
    object(json!({"reason": "playFailed", "status": "fail"}))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A week; longer than any call lives.
const MAX_SECONDS: f64 = 7.0 * 24.0 * 3600.0;
