//! `config`: settings of the session; goes on at once (contract verbs.md §3.2). What has no effect
//! here yet is accepted, and said in one alert.

use super::props::Props;
use super::{Cx, Effect, Step, VerbError};
use crate::model::Hook;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Told of INFO and MESSAGE from the far end.
    pub request_hook: Option<Hook>,
    /// Told of a REFER from the far end.
    pub refer_hook: Option<Hook>,
    /// Played to who is held.
    pub hold_music: Option<String>,
    /// Properties of the contract that are set and do nothing.
    pub without_effect: Vec<&'static str>,
}

impl Config {
    pub(super) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        let request_hook = props.hook("sipRequestWithinDialogHook")?;
        let refer_hook = props.hook("referHook")?;
        let hold_music = props.text("onHoldMusic")?.filter(|url| !url.is_empty());
        let set = UNBUILT.into_iter().filter(|name| props.value(name).is_some());
        Ok(Self { request_hook, refer_hook, hold_music, without_effect: set.collect() })
    }

    pub(super) fn start(&mut self, cx: &mut Cx<'_>) -> Step {
        let (request_hook, refer_hook) = (self.request_hook.take(), self.refer_hook.take());
        if request_hook.is_some() || refer_hook.is_some() {
            cx.out.push(Effect::SetDialogHooks { request_hook, refer_hook });
        }
        if let Some(url) = self.hold_music.take() {
            cx.out.push(Effect::SetHoldMusic(url));
        }
        if !self.without_effect.is_empty() {
            let names = std::mem::take(&mut self.without_effect);
            cx.out.push(Effect::WithoutEffect { verb: "config", names });
        }
        Step::Done(None)
    }
}

const UNBUILT: [&str; 22] = [
    "actionHookDelayAction",
    "amd",
    "autoStreamTts",
    "bargeIn",
    "boostAudioSignal",
    "disableTtsCache",
    "earlyMedia",
    "fillerNoise",
    "listen",
    "noiseIsolation",
    "notifyEvents",
    "notifySttLatency",
    "recognizer",
    "record",
    "reset",
    "stream",
    "synthesizer",
    "trackTtsPlayout",
    "transcribe",
    "ttsStream",
    "turnTaking",
    "vad",
];
