//! `say`: text, spoken to the caller (contract verbs.md §3.3). Which voice a text gets is decided where
//! the session's defaults are known, its sound made where processes may run; this is the list of what
//! is said and how often.

use serde_json::Value;

use super::play::{Clip, Loops, Speech};
use super::props::Props;
use super::synthesizer::Synthesizer;
use super::{Cx, Effect, Event, Question, RunId, Step, VerbError};

#[derive(Clone, Debug, PartialEq)]
pub struct Say {
    /// In order: texts, and between them sounds by URL.
    pub clips: Vec<Clip>,
    /// The whole list repeats.
    pub loops: Loops,
    pub early_media: bool,
}

/// The characters of all texts of one `say`: twenty minutes of speech.
const MAX_CHARS: usize = 20_000;
const MAX_TEXTS: usize = 100;

impl Say {
    pub(super) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        if props.flag("stream")?.unwrap_or_default() {
            return Err(props.bad("stream", "is not supported yet"));
        }
        let synthesizer = Synthesizer::parse(props)?.unwrap_or_default();
        let is_fresh = props.flag("disableTtsCache")?.unwrap_or_default();
        let clip = |text: String| {
            if is_sound(&text) {
                return Clip::Url(text.trim().to_owned());
            }
            let synthesizer = synthesizer.clone();
            Clip::Speech(Box::new(Speech { text, synthesizer, is_fresh }))
        };
        let clips = texts(props)?.into_iter().map(clip).collect();
        // They are about streams, and style: nothing here has either.
        for name in ["closeStreamOnEmpty", "closeOnStreamEmpty", "instructions"] {
            props.value(name);
        }
        Ok(Self {
            clips,
            loops: Loops::parse(props)?,
            early_media: props.flag("earlyMedia")?.unwrap_or_default(),
        })
    }

    pub(super) fn start(&mut self, run: RunId, cx: &mut Cx<'_>) -> Step {
        cx.out.push(Effect::Play {
            run,
            clips: std::mem::take(&mut self.clips),
            loops: self.loops,
            seek_samples: 0,
            ear: cx.ear,
        });
        Step::Wait
    }

    pub(super) fn on_event(&mut self, event: Event, cx: &mut Cx<'_>) -> Step {
        match event {
            Event::PlayDone(_) => Step::Done(None),
            Event::PlayFailed { url, detail } => {
                cx.out.push(if is_sound(&url) {
                    Effect::MediaMissing { url, detail }
                } else {
                    Effect::SpeechFailed { detail }
                });
                Step::Done(None)
            }
            _ => Step::Wait,
        }
    }

    pub(super) fn stop(run: RunId, cx: &mut Cx<'_>) -> Option<Question> {
        cx.out.push(Effect::StopPlay { run });
        None
    }
}

/// Whether a text names a sound to be played in its place.
fn is_sound(text: &str) -> bool {
    let text = text.trim();
    ["http://", "https://", "silence_stream://", "tone_stream://"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
        && !text.contains(char::is_whitespace)
}

/// A text or an array of them; it may be empty, then nothing is heard.
fn texts(props: &mut Props<'_>) -> Result<Vec<String>, VerbError> {
    let texts = match props.required("text")? {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) if items.len() <= MAX_TEXTS => items
            .iter()
            .map(|item| match item {
                Value::String(text) => Ok(text.clone()),
                _ => Err(props.bad("text", "must hold strings only")),
            })
            .collect::<Result<_, _>>()?,
        _ => return Err(props.bad("text", "must be a string or an array of at most 100 strings")),
    };
    let chars = texts.iter().map(|text| text.chars().count()).sum::<usize>();
    if chars > MAX_CHARS {
        return Err(props.bad("text", format!("has more than {MAX_CHARS} characters")));
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::verb::{Need, Verb, VerbKind, parse};

    #[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
    fn say(body: Value) -> Result<Say, VerbError> {
        match parse(&json!([{ "say": body }]))?.remove(0) {
            Verb { kind: VerbKind::Say(say), .. } => Ok(*say),
            other => panic!("{other:?}"),
        }
    }

    fn names(say: &Say) -> Vec<&str> {
        let name = |clip| match clip as &Clip {
            Clip::Url(url) => url.as_str(),
            Clip::Speech(speech) => speech.text.as_str(),
        };
        say.clips.iter().map(name).collect()
    }

    #[test]
    fn texts_are_said_in_order_and_sounds_among_them_are_played() {
        let texts = json!([
            "Hello",
            "silence_stream://500",
            " https://x.test/a.wav",
            "see http://x.test",
            ""
        ]);
        let said = say(json!({"text": texts, "loop": 2})).unwrap();
        let expected =
            ["Hello", "silence_stream://500", "https://x.test/a.wav", "see http://x.test", ""];
        assert_eq!(names(&said), expected);
        let is_url = |clip: &Clip| matches!(clip, Clip::Url(_));
        let urls: Vec<_> = said.clips.iter().map(is_url).collect();
        assert_eq!(urls, [false, true, true, false, false]);
        assert_eq!(said.loops, Loops::Times(std::num::NonZeroU32::new(2).unwrap()));
    }

    #[test]
    fn every_text_has_the_voice_of_the_verb() {
        let said = say(json!({
            "text": ["one", "two"], "synthesizer": {"vendor": "espeak-ng", "language": "fr-FR"},
            "disableTtsCache": true, "closeStreamOnEmpty": false, "closeOnStreamEmpty": false,
            "instructions": "cheerful", "stream": false, "earlyMedia": true,
        }))
        .unwrap();
        for clip in &said.clips {
            let Clip::Speech(speech) = clip else { panic!("{clip:?}") };
            assert_eq!(speech.synthesizer.language.as_deref(), Some("fr-FR"));
            assert!(speech.is_fresh);
        }
        let verb = Verb { id: None, kind: VerbKind::Say(Box::new(said)) };
        assert_eq!(verb.need(), Need::EarlyMedia);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = "word ".repeat(MAX_CHARS / 5 + 1);
        for (body, problem) in [
            (json!({}), "missing required property \"text\""),
            (json!({"text": 1}), "must be a string or an array"),
            (json!({"text": ["a", 1]}), "must hold strings only"),
            (json!({"text": long}), "has more than 20000 characters"),
            (json!({"stream": true}), "property \"stream\" is not supported yet"),
            (json!({"text": "a", "synthesizer": "x"}), "must be an object"),
            (json!({"text": "a", "loop": -1}), "must be a whole number"),
        ] {
            let error = say(body.clone()).unwrap_err().to_string();
            assert!(error.contains(problem), "{body}: {error}");
        }
    }
}
