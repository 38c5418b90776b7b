//! Verbs that are heard once, beside whatever a call or a room does: a whisper to one side, an
//! announcement to a conference (contract verbs.md §1.10, rest.md §3.2).

use serde_json::Value;

use super::parse::parse_one;
use super::{Clip, VerbError, VerbKind};

/// What is heard, in order. Never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Announcement(pub Vec<Clip>);

impl Announcement {
    /// Reads a `say` or `play` verb, or an array of them. How often they are to be heard, and what is to
    /// be asked afterwards, is not looked at: they are heard once.
    ///
    /// # Errors
    /// What is wrong with the first bad one, or that it may not stand here.
    pub fn parse(value: &Value) -> Result<Self, VerbError> {
        let items = match value {
            Value::Array(items) => &items[..],
            one => std::slice::from_ref(one),
        };
        if items.len() > MAX_VERBS {
            return Err(VerbError::TooMany { limit: MAX_VERBS });
        }
        let mut clips = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match parse_one(index, item)?.kind {
                VerbKind::Play(play) => clips.extend(play.clips),
                VerbKind::Say(say) => clips.extend(say.clips),
                _ => return Err(VerbError::NotAPrompt { index }),
            }
        }
        match clips.is_empty() {
            true => Err(VerbError::NotAPrompt { index: 0 }),
            false => Ok(Self(clips)),
        }
    }

    /// The first URL that only an application could complete.
    pub fn relative_url(&self) -> Option<&str> {
        self.0.iter().find_map(|clip| match clip {
            Clip::Url(url) if !url.contains("://") => Some(url.as_str()),
            Clip::Url(_) | Clip::Speech(_) => None,
        })
    }
}

const MAX_VERBS: usize = 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_verb_or_several_are_heard_once_and_in_order() {
        let play = |url: &str| json!({"verb": "play", "url": url, "loop": 5, "actionHook": "/x"});
        let clips = |value: Value| Announcement::parse(&value).map(|announced| announced.0);
        let url = |url: &str| Clip::Url(url.to_owned());
        assert_eq!(clips(play("/a")), Ok(vec![url("/a")]));
        assert_eq!(clips(json!({"play": {"url": ["/a", "/b"]}})), Ok(vec![url("/a"), url("/b")]));
        assert_eq!(clips(json!([play("/a"), play("/b")])), Ok(vec![url("/a"), url("/b")]));
    }

    #[test]
    fn texts_are_heard_too() {
        let say = json!({"verb": "say", "text": ["hello", "there"], "loop": 3});
        let texts = Announcement::parse(&say).unwrap().0;
        let is_text =
            |clip: &Clip, text: &str| matches!(clip, Clip::Speech(speech) if speech.text == text);
        assert!(is_text(&texts[0], "hello") && is_text(&texts[1], "there"), "{texts:?}");
    }

    #[test]
    fn anything_else_is_refused() {
        let play = json!({"verb": "play", "url": "/a"});
        for (value, text) in [
            (json!([]), "verb 0 is no say or play"),
            (json!([play, {"verb": "hangup"}]), "verb 1 is no say or play"),
            (json!({"verb": "sing"}), "unknown verb \"sing\""),
            (json!({"verb": "play"}), "verb \"play\": missing required property \"url\""),
            (json!("hello"), "item 0"),
            (json!(vec![play.clone(); 21]), "more than 20 verbs"),
        ] {
            let refused = Announcement::parse(&value).unwrap_err().to_string();
            assert!(refused.contains(text), "{value}: {refused}");
        }
    }

    #[test]
    fn a_url_that_needs_an_application_is_found() {
        let relative = |url: &str| {
            let value = json!({"verb": "play", "url": ["http://a/b", url]});
            Announcement::parse(&value).unwrap().relative_url().map(str::to_owned)
        };
        assert_eq!(relative("/a.wav").as_deref(), Some("/a.wav"));
        assert_eq!(relative("tone_stream://%(1,0,400)"), None);
    }
}
