//! Which of the engine's voices speaks: the language of a BCP-47 tag, or a voice by name.

/// How a text is to be spoken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// A BCP-47 tag: `en-US`, `fr-FR`.
    pub language: Option<String>,
    /// A voice of the engine, a variant of one (`f2`), or both (`en-us+f2`). What it does not have
    /// counts as not named.
    pub voice: Option<String>,
    pub manner: Manner,
}

/// The engine's own measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Words per minute.
    pub rate: Option<u16>,
    /// 0 to 99.
    pub pitch: Option<u16>,
    /// 0 to 200.
    pub volume: Option<u16>,
}

impl Manner {
    /// As the program's arguments.
    pub(super) fn arguments(self) -> Vec<String> {
        [("-s", self.rate, 80..=450), ("-p", self.pitch, 0..=99), ("-a", self.volume, 0..=200)]
            .into_iter()
            .filter_map(|(name, value, range)| {
                let value = value?.clamp(*range.start(), *range.end());
                Some([name.to_owned(), value.to_string()])
            })
            .flatten()
            .collect()
    }
}

/// The voices that the installed engine has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Voices(Vec<Voice>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Voice {
    /// In small letters.
    name: String,
    /// What the engine finds it by.
    file: String,
    /// Languages it speaks, in small letters, the smaller number the better.
    languages: Vec<(String, u8)>,
}

/// Spoken where there is no voice for a language.
const LAST_RESORT: &str = "en";
const MAX_VARIANT: usize = 32;

impl Voices {
    /// Reads what `espeak-ng --voices` prints: a head, then one voice a line. Its columns: priority,
    /// language, age and gender, name, file, and `(language priority)` of the others it speaks.
    pub(super) fn parse(list: &str) -> Self {
        Self(list.lines().skip(1).filter_map(Voice::parse).collect())
    }

    /// What the engine is told to speak with; `None` if it has no voice at all.
    pub(super) fn choose(&self, wanted: &Wanted) -> Option<String> {
        let (base, variant) = match wanted.voice.as_deref().unwrap_or_default().split_once('+') {
            Some((base, variant)) => (base, Some(variant)),
            None => (wanted.voice.as_deref().unwrap_or_default(), None),
        };
        let named = self.named(base);
        // `f2` alone: a variant of the language's voice. One that is not there changes nothing.
        let variant = variant.or_else(|| Some(base).filter(|_| named.is_none()));
        let voice = match named {
            Some(voice) => voice,
            None => self.of_language(wanted.language.as_deref().unwrap_or(LAST_RESORT))?,
        };
        let is_word = |text: &&str| {
            let fits = (1..=MAX_VARIANT).contains(&text.len());
            fits && text.chars().all(|c| c.is_ascii_alphanumeric())
        };
        Some(match variant.filter(is_word) {
            Some(variant) => format!("{}+{variant}", voice.file),
            None => voice.file.clone(),
        })
    }

    fn named(&self, name: &str) -> Option<&Voice> {
        let name = name.trim().to_ascii_lowercase().replace(' ', "_");
        self.0
            .iter()
            .find(|voice| voice.name == name || voice.file.to_ascii_lowercase() == name)
            .or_else(|| self.speaking(&name))
    }

    /// The tag as it is, then without its last part, to the primary subtag; then English.
    fn of_language(&self, tag: &str) -> Option<&Voice> {
        let tag = tag.trim().to_ascii_lowercase().replace('_', "-");
        let mut rest = Some(tag.as_str());
        while let Some(tag) = rest {
            if let Some(voice) = self.speaking(tag) {
                return Some(voice);
            }
            rest = tag.rsplit_once('-').map(|(before, _)| before);
        }
        self.speaking(LAST_RESORT).or_else(|| self.0.first())
    }

    /// Who speaks exactly this language best.
    fn speaking(&self, tag: &str) -> Option<&Voice> {
        let rank = |voice: &Voice| {
            voice.languages.iter().filter(|(language, _)| language == tag).map(|(_, n)| *n).min()
        };
        let ranked = self.0.iter().filter_map(|voice| Some((rank(voice)?, voice)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, voice)| voice)
    }
}

impl Voice {
    fn parse(line: &str) -> Option<Self> {
        let mut columns = line.split_whitespace();
        let priority = columns.next()?.parse().ok()?;
        let language = columns.next()?.to_ascii_lowercase();
        let _age_and_gender = columns.next()?;
        let name = columns.next()?.to_ascii_lowercase();
        let file = columns.next()?.to_owned();
        let rest = columns.collect::<Vec<_>>().join(" ");
        let others = rest.split(['(', ')']).filter_map(|other| {
            let (language, priority) = other.trim().split_once(' ')?;
            Some((language.to_ascii_lowercase(), priority.parse().ok()?))
        });
        let languages = std::iter::once((language, priority)).chain(others).collect();
        Some(Self { name, file, languages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
Pty Language       Age/Gender VoiceName          File                 Other Languages
 5  cmn             --/M      Chinese_(Mandarin,_latin_as_English) sit/cmn              (zh-cmn 5)(zh 5)
 5  cmn-latn-pinyin --/M      Chinese_(Mandarin,_latin_as_Pinyin) sit/cmn-Latn-pinyin  (zh-cmn 5)(zh 5)
 5  de              --/M      German             gmw/de               
 2  en-gb           --/M      English_(Great_Britain) gmw/en               (en 2)
 5  en-gb-scotland  --/M      English_(Scotland) gmw/en-GB-scotland   (en 4)
 2  en-us           --/M      English_(America)  gmw/en-US            (en 3)
 5  es              --/M      Spanish_(Spain)    roa/es               
 5  es-419          --/M      Spanish_(Latin_America) roa/es-419           (es-mx 6)(es 6)
 5  fr-be           --/M      French_(Belgium)   roa/fr-BE            (fr 8)
 5  fr-fr           --/M      French_(France)    roa/fr               (fr 5)
 5  ko              --/M      Korean             ko                   
 5  nb              --/M      Norwegian_Bokmål  gmq/nb               (no 5)
";

    fn chosen(language: Option<&str>, voice: Option<&str>) -> Option<String> {
        let (language, voice) = (language.map(Into::into), voice.map(Into::into));
        Voices::parse(LIST).choose(&Wanted { language, voice, manner: Manner::default() })
    }

    #[test]
    fn a_language_is_its_tag_else_its_primary_subtag_else_english() {
        for (tag, file) in [
            ("en-US", "gmw/en-US"),
            ("en-GB", "gmw/en"),
            ("en_us", "gmw/en-US"),
            ("en-AU", "gmw/en"),
            ("en", "gmw/en"),
            ("fr-FR", "roa/fr"),
            ("fr-BE", "roa/fr-BE"),
            ("fr-CA", "roa/fr"),
            ("de-DE", "gmw/de"),
            ("es-MX", "roa/es-419"),
            ("es-ES", "roa/es"),
            ("zh-CN", "sit/cmn"),
            ("zh-Hant-TW", "sit/cmn"),
            ("cmn-CN", "sit/cmn"),
            ("no-NO", "gmq/nb"),
            ("ko-KR", "ko"),
            ("tlh", "gmw/en"),
            ("", "gmw/en"),
            ("-", "gmw/en"),
        ] {
            assert_eq!(chosen(Some(tag), None).as_deref(), Some(file), "{tag}");
        }
        assert_eq!(chosen(None, None).as_deref(), Some("gmw/en"));
        assert_eq!(Voices::parse("").choose(&Wanted::default()), None);
    }

    #[test]
    fn a_voice_is_named_by_its_name_its_language_or_its_file_and_may_have_a_variant() {
        for (voice, file) in [
            ("English_(America)", "gmw/en-US"),
            ("English (America)", "gmw/en-US"),
            ("en-us", "gmw/en-US"),
            ("gmw/en-GB-scotland", "gmw/en-GB-scotland"),
            ("en-us+f2", "gmw/en-US+f2"),
            ("f2", "gmw/de+f2"),
            ("+f2", "gmw/de+f2"),
            ("Joanna", "gmw/de+Joanna"),
            ("en-US-Standard-C", "gmw/de"),
            ("../../etc/passwd", "gmw/de"),
            ("de+../../x", "gmw/de"),
            ("-w/tmp/x", "gmw/de"),
            ("", "gmw/de"),
        ] {
            assert_eq!(chosen(Some("de-DE"), Some(voice)).as_deref(), Some(file), "{voice}");
        }
    }

    #[test]
    fn the_manner_is_kept_inside_what_the_engine_takes() {
        let manner = Manner { rate: Some(10_000), pitch: Some(40), volume: None };
        assert_eq!(manner.arguments(), ["-s", "450", "-p", "40"]);
        assert_eq!(Manner::default().arguments(), [""; 0]);
    }
}
