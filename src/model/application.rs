//! An application: where a call asks what to do, and with which defaults (contract rest.md §2.1).

use std::fmt;

use serde_json::{Map, Value};

use super::{AccountSid, ApplicationSid, Fields, HookInput, Invalid, Patch, StoredHook, Timestamp};

#[derive(Clone, PartialEq)]
pub struct Application {
    pub sid: ApplicationSid,
    pub account_sid: AccountSid,
    pub name: String,
    pub call_hook: StoredHook,
    pub call_status_hook: Option<StoredHook>,
    pub messaging_hook: Option<StoredHook>,
    /// A verb array as JSON text; takes the place of asking `call_hook`.
    pub app_json: Option<String>,
    pub speech: Speech,
    pub use_for_fallback_speech: bool,
    pub fallback_speech: FallbackSpeech,
    /// Handed to the application when a session starts. May hold secrets.
    pub env_vars: Option<Map<String, Value>>,
    pub record_all_calls: bool,
    pub created_at: Timestamp,
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("sid", &self.sid)
            .field("account_sid", &self.account_sid)
            .field("call_hook", &self.call_hook)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speech {
    pub synthesis_vendor: String,
    pub synthesis_language: String,
    pub synthesis_voice: Option<String>,
    pub synthesis_label: Option<String>,
    pub recognizer_vendor: String,
    pub recognizer_language: String,
    pub recognizer_label: Option<String>,
}

impl Default for Speech {
    fn default() -> Self {
        Self {
            synthesis_vendor: VENDOR.to_owned(),
            synthesis_language: LANGUAGE.to_owned(),
            synthesis_voice: Some(VOICE.to_owned()),
            synthesis_label: None,
            recognizer_vendor: VENDOR.to_owned(),
            recognizer_language: LANGUAGE.to_owned(),
            recognizer_label: None,
        }
    }
}

const VENDOR: &str = "google";
const LANGUAGE: &str = "en-US";
const VOICE: &str = "en-US-Standard-C";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FallbackSpeech {
    pub synthesis_vendor: Option<String>,
    pub synthesis_language: Option<String>,
    pub synthesis_voice: Option<String>,
    pub synthesis_label: Option<String>,
    pub recognizer_vendor: Option<String>,
    pub recognizer_language: Option<String>,
    pub recognizer_label: Option<String>,
}

/// Checks the verbs of an `app_json`; the text says what is wrong. `verb::` provides the real one.
pub type VerbCheck = fn(&str) -> Result<(), String>;

/// The body of a create or an update. Not `Debug`: `env_vars` may hold secrets.
#[derive(Default)]
pub struct ApplicationInput {
    pub name: Option<String>,
    /// For whom; on create the API decides who may say so.
    pub account_sid: Option<AccountSid>,
    call_hook: Option<HookInput>,
    call_status_hook: Patch<HookInput>,
    messaging_hook: Patch<HookInput>,
    app_json: Patch<String>,
    synthesis_vendor: Patch<String>,
    synthesis_language: Patch<String>,
    synthesis_voice: Patch<String>,
    synthesis_label: Patch<String>,
    recognizer_vendor: Patch<String>,
    recognizer_language: Patch<String>,
    recognizer_label: Patch<String>,
    use_for_fallback_speech: Patch<bool>,
    fallback: [Patch<String>; 7],
    env_vars: Patch<Map<String, Value>>,
    record_all_calls: Patch<bool>,
}

impl ApplicationInput {
    pub fn create(mut fields: Fields, check: VerbCheck) -> Result<Self, Invalid> {
        for name in ["name", "call_hook"] {
            if !fields.has(name) {
                return Err(Invalid::Missing(name));
            }
        }
        fields.ignore(&["application_sid"]);
        Self::read(fields, check)
    }

    pub fn update(fields: Fields, check: VerbCheck) -> Result<Self, Invalid> {
        fields.refuse("application_sid", Invalid::PrimaryKey("application_sid"))?;
        Self::read(fields, check)
    }

    fn read(mut fields: Fields, check: VerbCheck) -> Result<Self, Invalid> {
        let call_hook = match fields.hook("call_hook")?.with_usable_url()? {
            Patch::Absent => None,
            Patch::Value(hook) => Some(hook),
            Patch::Null => {
                return Err(Invalid::Hook { name: "call_hook", reason: "must be an object" });
            }
        };
        let input = Self {
            name: fields.name("name", 64)?,
            account_sid: fields.sid("account_sid", AccountSid::parse)?.value(),
            call_hook,
            call_status_hook: fields.hook("call_status_hook")?.with_usable_url()?,
            messaging_hook: fields.hook("messaging_hook")?.empty_as_null(),
            app_json: fields.text_or_empty("app_json", 16_384)?.try_map(|text| {
                match check(&text) {
                    Ok(()) => Ok(text),
                    Err(reason) => Err(Invalid::Grammar { name: "app_json", reason }),
                }
            })?,
            synthesis_vendor: fields.text("speech_synthesis_vendor", 64)?,
            synthesis_language: fields.text("speech_synthesis_language", 12)?,
            synthesis_voice: fields.text("speech_synthesis_voice", 256)?,
            synthesis_label: fields.text("speech_synthesis_label", 64)?,
            recognizer_vendor: fields.text("speech_recognizer_vendor", 64)?,
            recognizer_language: fields.text("speech_recognizer_language", 64)?,
            recognizer_label: fields.text("speech_recognizer_label", 64)?,
            use_for_fallback_speech: fields.flag("use_for_fallback_speech")?,
            fallback: [
                fields.text("fallback_speech_synthesis_vendor", 64)?,
                fields.text("fallback_speech_synthesis_language", 12)?,
                fields.text("fallback_speech_synthesis_voice", 256)?,
                fields.text("fallback_speech_synthesis_label", 64)?,
                fields.text("fallback_speech_recognizer_vendor", 64)?,
                fields.text("fallback_speech_recognizer_language", 64)?,
                fields.text("fallback_speech_recognizer_label", 64)?,
            ],
            env_vars: fields.object("env_vars")?,
            record_all_calls: fields.flag("record_all_calls")?,
        };
        fields.ignore(&["created_at", "service_provider_sid"]);
        fields.finish()?;
        Ok(input)
    }

    /// Property and URL of every hook it brings.
    pub fn urls(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let optional = [&self.call_status_hook, &self.messaging_hook];
        let hooks = optional.into_iter().filter_map(|hook| hook.as_ref().value());
        self.call_hook.iter().chain(hooks).filter_map(HookInput::named_url)
    }

    /// The record of a create; the account has been decided by then.
    pub fn into_record(mut self, account_sid: AccountSid) -> Result<Application, Invalid> {
        let call_hook =
            self.call_hook.take().ok_or(Invalid::Missing("call_hook"))?.resolve(None)?;
        let mut record = Application {
            sid: ApplicationSid::random(),
            account_sid,
            name: String::new(),
            call_hook,
            call_status_hook: None,
            messaging_hook: None,
            app_json: None,
            speech: Speech::default(),
            use_for_fallback_speech: false,
            fallback_speech: FallbackSpeech::default(),
            env_vars: None,
            record_all_calls: false,
            created_at: Timestamp::now(),
        };
        self.account_sid = None;
        self.apply(&mut record)?;
        Ok(record)
    }

    pub fn apply(self, record: &mut Application) -> Result<(), Invalid> {
        if let Some(name) = self.name {
            record.name = name;
        }
        if let Some(account_sid) = self.account_sid {
            record.account_sid = account_sid;
        }
        if let Some(input) = self.call_hook {
            record.call_hook = input.resolve(Some(record.call_hook.clone()))?;
        }
        self.call_status_hook.resolve_into(&mut record.call_status_hook)?;
        self.messaging_hook.resolve_into(&mut record.messaging_hook)?;
        self.app_json.apply(&mut record.app_json);

        let speech = &mut record.speech;
        self.synthesis_vendor.apply_or(|| VENDOR.to_owned(), &mut speech.synthesis_vendor);
        self.synthesis_language.apply_or(|| LANGUAGE.to_owned(), &mut speech.synthesis_language);
        self.synthesis_voice.apply(&mut speech.synthesis_voice);
        self.synthesis_label.apply(&mut speech.synthesis_label);
        self.recognizer_vendor.apply_or(|| VENDOR.to_owned(), &mut speech.recognizer_vendor);
        self.recognizer_language.apply_or(|| LANGUAGE.to_owned(), &mut speech.recognizer_language);
        self.recognizer_label.apply(&mut speech.recognizer_label);

        let fallback = &mut record.fallback_speech;
        let places = [
            &mut fallback.synthesis_vendor,
            &mut fallback.synthesis_language,
            &mut fallback.synthesis_voice,
            &mut fallback.synthesis_label,
            &mut fallback.recognizer_vendor,
            &mut fallback.recognizer_language,
            &mut fallback.recognizer_label,
        ];
        for (patch, place) in self.fallback.into_iter().zip(places) {
            patch.apply(place);
        }

        self.use_for_fallback_speech.apply_or(|| false, &mut record.use_for_fallback_speech);
        self.env_vars.apply(&mut record.env_vars);
        self.record_all_calls.apply_or(|| false, &mut record.record_all_calls);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(text: &str) -> Result<(), String> {
        serde_json::from_str::<Vec<Value>>(text).map(|_| ()).map_err(|e| e.to_string())
    }

    fn create(value: Value) -> Result<Application, Invalid> {
        let Value::Object(map) = value else { panic!("an object") };
        ApplicationInput::create(Fields::new(map), check)?.into_record(AccountSid::random())
    }

    #[test]
    fn defaults_fill_what_a_create_leaves_out() {
        let app = create(json!({"name": "a", "call_hook": {"url": "http://a"}})).unwrap();
        assert_eq!(app.speech, Speech::default());
        assert_eq!(app.call_status_hook, None);
        assert!(!app.record_all_calls);
    }

    #[test]
    fn refusals_name_their_property() {
        let hook = json!({"url": "http://a"});
        for (body, text) in [
            (json!({}), "missing field name"),
            (json!({"name": "a"}), "missing field call_hook"),
            (json!({"name": "a", "call_hook": "http://a"}), "call_hook must be an object"),
            (json!({"name": "a", "call_hook": null}), "call_hook must be an object"),
            (json!({"name": "", "call_hook": hook}), "name must be a string that is not empty"),
            (json!({"name": "a", "call_hook": hook, "colour": 1}), "unknown property colour"),
            (json!({"name": "a", "call_hook": hook, "env_vars": []}), "env_vars must be an object"),
        ] {
            assert_eq!(create(body).unwrap_err().to_string(), text);
        }
        let bad = create(json!({"name": "a", "call_hook": hook, "app_json": "{"})).unwrap_err();
        assert!(bad.to_string().starts_with("app_json: "));
    }
}
