//! Which voice a text gets, and what becomes of one that cannot be spoken.

use super::*;
use crate::call::PlayId;
use crate::model::call::SpeechDefaults;
use crate::verb::{Clip, PlayReport, Speech};

/// A call whose application speaks English with another vendor's voice, and what its verbs play first.
fn spoken(verbs: &Value) -> (Story, PlayId, Vec<Speech>, Vec<String>) {
    let mut setup = setup(Direction::Inbound);
    let text = |text: &str| Some(text.to_owned());
    setup.application.speech = Some(SpeechDefaults {
        synthesis_vendor: text("google"),
        synthesis_language: text("en-US"),
        synthesis_voice: text("en-US-Standard-C"),
        ..SpeechDefaults::default()
    });
    let mut story = Story::new(setup);
    story.tell(Input::Start);
    story.reply(verbs.clone());
    let mut out = Vec::new();
    story.state.handle(story.now, story.wall, Input::Answered, &mut out);
    let play = out.iter().find_map(|effect| match effect {
        Effect::Play { id, clips, .. } => Some((*id, clips.clone())),
        _ => None,
    });
    let (id, clips) = play.expect("something is said");
    let speeches = clips.into_iter().map(|clip| match clip {
        Clip::Speech(speech) => *speech,
        Clip::Url(url) => panic!("{url}"),
    });
    let speeches = speeches.collect();
    let log = story.take(out);
    (story, id, speeches, log)
}

fn voice(speech: &Speech) -> (Option<&str>, Option<&str>, Option<&str>) {
    let wish = &speech.synthesizer;
    (wish.vendor.as_deref(), wish.language.as_deref(), wish.voice.as_deref())
}

fn played() -> PlayReport {
    PlayReport { played: Duration::from_secs(1), last_offset_samples: 0 }
}

#[test]
fn a_text_has_its_own_voice_else_the_session_s_else_the_application_s() {
    for (verbs, expected) in [
        (json!([{"say": {"text": "a"}}]), ("google", "en-US", Some("en-US-Standard-C"))),
        (
            json!([{"say": {"text": "a", "synthesizer": {"vendor": "espeak-ng", "voice": "f2"}}}]),
            ("espeak-ng", "en-US", Some("f2")),
        ),
        (
            json!([
                {"config": {"synthesizer": {"vendor": "espeak-ng", "language": "de-DE"}}},
                {"config": {"synthesizer": {"vendor": "default", "voice": "f3"}}},
                {"say": {"text": "a", "synthesizer": {"vendor": "default", "language": "fr-FR"}}},
            ]),
            ("espeak-ng", "fr-FR", Some("f3")),
        ),
        (
            json!([
                {"config": {"synthesizer": {"vendor": "espeak-ng", "language": "de-DE"}}},
                {"config": {"reset": ["recognizer", "synthesizer"]}},
                {"say": {"text": "a"}},
            ]),
            ("google", "en-US", Some("en-US-Standard-C")),
        ),
    ] {
        let (_, _, said, _) = spoken(&verbs);
        let (vendor, language, name) = expected;
        assert_eq!(voice(&said[0]), (Some(vendor), Some(language), name), "{verbs}");
        assert!(!said[0].is_fresh);
    }
    let fresh = json!([{"config": {"disableTtsCache": true}}, {"say": {"text": "a"}}]);
    assert!(spoken(&fresh).2[0].is_fresh);
}

#[test]
fn a_vendor_that_is_not_here_is_one_alert_a_call() {
    let verbs = json!([{"say": {"text": ["a", "b"]}}, {"say": {"text": "c"}}]);
    let (mut story, id, _, log) = spoken(&verbs);
    let alert = "alert no-tts: no credentials for text-to-speech vendor google".to_owned();
    assert!(log.ends_with(&[alert.clone(), "play a b".to_owned()]), "{log:?}");
    assert_eq!(story.tell(Input::PlayDone { id, report: played() }), ["play c"]);
}

#[test]
fn a_text_that_cannot_be_spoken_is_an_alert_and_the_next_verb_follows() {
    let own = json!({"vendor": "espeak-ng"});
    let verbs = json!([
        {"say": {"text": "a", "synthesizer": own}},
        {"say": {"text": "b", "synthesizer": own}},
    ]);
    let (mut story, id, _, _) = spoken(&verbs);
    let (url, detail) = ("a".to_owned(), "it is not installed".to_owned());
    assert_eq!(
        story.tell(Input::PlayFailed { id, url, detail }),
        ["alert tts-failure: text-to-speech failed: it is not installed", "play b"]
    );
}
