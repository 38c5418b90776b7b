//! `synthesizer`: the voice that texts are spoken in (contract verbs.md §3.8).

use serde_json::{Map, Value};

use super::VerbError;
use super::props::Props;

/// The wish of a verb, a session or an application; what is `None` is left to the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Synthesizer {
    pub vendor: Option<String>,
    /// BCP 47.
    pub language: Option<String>,
    pub voice: Option<String>,
    pub gender: Option<Gender>,
    /// Words per minute.
    pub rate: Option<u16>,
    /// 0 to 99.
    pub pitch: Option<u16>,
    /// 0 to 200.
    pub volume: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gender {
    Male,
    Female,
    Neutral,
}

/// The embedded engine as a vendor.
pub const EMBEDDED: &str = "espeak-ng";
const MAX_TEXT: usize = 256;

impl Synthesizer {
    /// Reads the property of that name.
    pub(super) fn parse(props: &mut Props<'_>) -> Result<Option<Self>, VerbError> {
        match props.value("synthesizer") {
            None => Ok(None),
            Some(Value::Object(map)) => match Self::read(map) {
                Ok(read) => Ok(Some(read)),
                Err(problem) => Err(props.bad("synthesizer", problem)),
            },
            Some(_) => Err(props.bad("synthesizer", "must be an object")),
        }
    }

    /// The rest of the contract's properties (label, fallbacks, engine) choose among engines that are
    /// not here.
    fn read(map: &Map<String, Value>) -> Result<Self, &'static str> {
        let text = |name: &str| match map.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.len() <= MAX_TEXT => {
                Ok(Some(text.clone()).filter(|text| !matches!(text.as_str(), "" | "default")))
            }
            Some(_) => Err("has a vendor or language that is no string, or too long"),
        };
        // Vendors of the field take an object here, of which the embedded engine knows the name.
        let voice = match map.get("voice") {
            Some(Value::Object(voice)) => voice.get("name").and_then(Value::as_str).map(Into::into),
            _ => text("voice")?,
        };
        let option = |name: &str| map.get("options").and_then(|options| number(options.get(name)?));
        Ok(Self {
            vendor: text("vendor")?,
            language: text("language")?,
            voice: voice.filter(|voice: &String| voice.len() <= MAX_TEXT),
            gender: text("gender")?.and_then(|gender| Gender::parse(&gender)),
            rate: option("rate"),
            pitch: option("pitch"),
            volume: option("volume"),
        })
    }

    /// This wish, and what it leaves open as `before` has it. A voice belongs to its vendor: with
    /// another vendor the one before is no answer.
    pub fn over(self, before: &Self) -> Self {
        let is_other = self.vendor.is_some() && self.vendor != before.vendor;
        let before_voice = if is_other { None } else { before.voice.clone() };
        Self {
            vendor: self.vendor.or_else(|| before.vendor.clone()),
            language: self.language.or_else(|| before.language.clone()),
            voice: self.voice.or(before_voice),
            gender: self.gender.or(before.gender),
            rate: self.rate.or(before.rate),
            pitch: self.pitch.or(before.pitch),
            volume: self.volume.or(before.volume),
        }
    }

    /// The vendor, if it is another than the embedded engine.
    pub fn foreign_vendor(&self) -> Option<&str> {
        self.vendor.as_deref().filter(|vendor| *vendor != EMBEDDED)
    }
}

impl Gender {
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "MALE" => Some(Self::Male),
            "FEMALE" => Some(Self::Female),
            "NEUTRAL" => Some(Self::Neutral),
            _ => None,
        }
    }
}

/// A number, also as text; a float to integer cast saturates.
fn number(value: &Value) -> Option<u16> {
    let number = match value {
        Value::String(text) => text.trim().parse::<f64>().ok(),
        value => value.as_f64(),
    };
    number.filter(|number| number.is_finite()).map(|number| number.round() as u16)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Synthesizer {
        Synthesizer::read(value.as_object().unwrap()).unwrap()
    }

    #[test]
    fn a_wish_goes_over_the_one_before_it() {
        let application =
            read(&json!({"vendor": "google", "language": "en-US", "voice": "en-US-Standard-C"}));
        let french = read(&json!({"vendor": "default", "language": "fr-FR"}));
        let merged = french.over(&application);
        assert_eq!(merged.vendor.as_deref(), Some("google"));
        assert_eq!(merged.language.as_deref(), Some("fr-FR"));
        assert_eq!(merged.voice.as_deref(), Some("en-US-Standard-C"));
        let own = read(&json!({"vendor": "espeak-ng", "options": {"rate": "120", "pitch": 7.4}}));
        let merged = own.over(&merged);
        assert_eq!((merged.foreign_vendor(), merged.voice.as_deref()), (None, None));
        assert_eq!(merged.language.as_deref(), Some("fr-FR"));
        assert_eq!((merged.rate, merged.pitch, merged.volume), (Some(120), Some(7), None));
    }

    #[test]
    fn what_vendors_of_the_field_take_does_no_harm() {
        let wish = read(&json!({
            "vendor": "elevenlabs", "label": "x", "voice": {"name": "f2"}, "engine": "neural", "gender": "female",
            "options": {"model_id": "y", "rate": {}}, "fallbackVendor": "default",
        }));
        assert_eq!(wish.foreign_vendor(), Some("elevenlabs"));
        assert_eq!((wish.voice.as_deref(), wish.gender), (Some("f2"), Some(Gender::Female)));
        assert_eq!(wish.rate, None);
        for bad in [json!({"vendor": 1}), json!({"language": []}), json!({"voice": 3})] {
            assert!(Synthesizer::read(bad.as_object().unwrap()).is_err(), "{bad}");
        }
    }
}
