//! `config`: settings of the session; goes on at once (contract verbs.md §3.2). What has no effect
//! here yet is accepted, and said in one alert.

use serde_json::Value;

use super::props::Props;
use super::synthesizer::Synthesizer;
use super::{Cx, Effect, Step, VerbError};
use crate::model::Hook;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Told of INFO and MESSAGE from the far end.
    pub request_hook: Option<Hook>,
    /// Told of a REFER from the far end.
    pub refer_hook: Option<Hook>,
    pub speech: SpeechSettings,
    /// Played to who is held.
    pub hold_music: Option<String>,
    /// Properties of the contract that are set and do nothing.
    pub without_effect: Vec<&'static str>,
}

/// How the texts of a session are spoken from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpeechSettings {
    /// Back to the application's voice, before `synthesizer` goes over it.
    pub is_reset: bool,
    pub synthesizer: Option<Synthesizer>,
    /// Texts are spoken anew each time.
    pub is_fresh: Option<bool>,
}

impl SpeechSettings {
    fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        Ok(Self {
            is_reset: match props.value("reset") {
                None => false,
                Some(Value::String(name)) => name == "synthesizer",
                Some(Value::Array(names)) => names.iter().any(|name| name == "synthesizer"),
                Some(_) => return Err(props.bad("reset", "must be a string or an array")),
            },
            synthesizer: Synthesizer::parse(props)?,
            is_fresh: props.flag("disableTtsCache")?,
        })
    }
}

impl Config {
    pub(super) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        let request_hook = props.hook("sipRequestWithinDialogHook")?;
        let refer_hook = props.hook("referHook")?;
        let speech = SpeechSettings::parse(props)?;
        let hold_music = props.text("onHoldMusic")?.filter(|url| !url.is_empty());
        let set = UNBUILT.into_iter().filter(|name| props.value(name).is_some());
        let without_effect = set.collect();
        Ok(Self { request_hook, refer_hook, speech, hold_music, without_effect })
    }

    pub(super) fn start(&mut self, cx: &mut Cx<'_>) -> Step {
        let (request_hook, refer_hook) = (self.request_hook.take(), self.refer_hook.take());
        if request_hook.is_some() || refer_hook.is_some() {
            cx.out.push(Effect::SetDialogHooks { request_hook, refer_hook });
        }
        let speech = std::mem::take(&mut self.speech);
        if speech != SpeechSettings::default() {
            cx.out.push(Effect::SetSpeech(speech));
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

const UNBUILT: [&str; 19] = [
    "actionHookDelayAction",
    "amd",
    "autoStreamTts",
    "bargeIn",
    "boostAudioSignal",
    "earlyMedia",
    "fillerNoise",
    "listen",
    "noiseIsolation",
    "notifyEvents",
    "notifySttLatency",
    "recognizer",
    "record",
    "stream",
    "trackTtsPlayout",
    "transcribe",
    "ttsStream",
    "turnTaking",
    "vad",
];
