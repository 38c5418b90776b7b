//! The texts of a call, spoken: looked up among what was said before, else made by the engine, piece
//! by piece (contract verbs.md §3.3, §5.5).

use std::sync::Arc;

use media::source::Pcm;

use super::prompt_cache::{Key, PromptCache};
use crate::model::AccountSid;
use crate::speech::{Engine, Manner, Piece, Wanted, pieces};
use crate::verb::{Gender, Speech};

/// Who speaks for a call.
#[derive(Clone, Debug)]
pub struct Speaker {
    pub engine: Engine,
    /// Nobody is given the speech of another account.
    pub account: AccountSid,
    /// Whether the engine also speaks for vendors that are not here (contract verbs.md D-39).
    pub stands_in: bool,
}

impl Speaker {
    /// The sounds of one text, to be played without a gap; none if there is nothing to say.
    ///
    /// # Errors
    /// Why it is not spoken, in words.
    pub(super) async fn say(
        &self,
        speech: &Speech,
        cache: &PromptCache,
    ) -> Result<Vec<Arc<Pcm>>, String> {
        let foreign = speech.synthesizer.foreign_vendor();
        if let Some(vendor) = foreign.filter(|_| !self.stands_in) {
            return Err(format!("there are no credentials for text-to-speech vendor {vendor}"));
        }
        let wanted = wanted(speech);
        let mut sounds = Vec::new();
        for piece in pieces(&speech.text) {
            let key = (!speech.is_fresh).then(|| self.key(&piece, speech));
            let said = self.piece(&piece, &wanted, key, cache).await;
            sounds.push(said.map_err(|error| error.to_string())?);
        }
        Ok(sounds)
    }

    async fn piece(
        &self,
        piece: &Piece,
        wanted: &Wanted,
        key: Option<Key>,
        cache: &PromptCache,
    ) -> Result<Arc<Pcm>, crate::speech::SpeechError> {
        let known = || key.and_then(|key| cache.get(key));
        if let Some(known) = known() {
            return Ok(known);
        }
        let turn = self.engine.turn().await?;
        // A thousand callers who are told the same have waited for the first one's.
        if let Some(known) = known() {
            return Ok(known);
        }
        let spoken = Arc::new(self.engine.speak(turn, piece, wanted).await?);
        Ok(match key {
            Some(key) => cache.insert(key, spoken),
            None => spoken,
        })
    }

    fn key(&self, piece: &Piece, speech: &Speech) -> Key {
        let synthesizer = &speech.synthesizer;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let manner = format!(
            "{:?} {:?} {:?} {:?} {}",
            synthesizer.gender,
            synthesizer.rate,
            synthesizer.pitch,
            synthesizer.volume,
            piece.is_markup
        );
        Key::of_speech([
            &self.account.to_string(),
            &text(&synthesizer.vendor),
            &text(&synthesizer.language),
            &text(&synthesizer.voice),
            &manner,
            &piece.text,
        ])
    }
}

/// What the engine is asked for. Voices of other vendors mean nothing to it.
fn wanted(speech: &Speech) -> Wanted {
    let synthesizer = &speech.synthesizer;
    let voice = match synthesizer.foreign_vendor() {
        Some(_) => None,
        None => synthesizer.voice.clone(),
    };
    let by_gender = || (synthesizer.gender == Some(Gender::Female)).then(|| FEMALE.to_owned());
    Wanted {
        language: synthesizer.language.clone(),
        voice: voice.or_else(by_gender),
        manner: Manner {
            rate: synthesizer.rate,
            pitch: synthesizer.pitch,
            volume: synthesizer.volume,
        },
    }
}

/// A variant of any voice of the engine; the voices themselves are men's.
const FEMALE: &str = "f2";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use media::time::SampleRate;

    use super::*;
    use crate::speech::Settings;
    use crate::verb::Synthesizer;

    fn speaker(program: &str, stands_in: bool) -> Speaker {
        let (limit, rate) = (Duration::from_secs(60), SampleRate::WIDE);
        let settings = Settings { program: program.into(), processes: 1, limit, rate };
        Speaker { engine: Engine::new(settings), account: AccountSid::random(), stands_in }
    }

    fn speech(vendor: &str, is_fresh: bool) -> Speech {
        let vendor = Some(vendor.to_owned());
        let synthesizer = Synthesizer { vendor, ..Synthesizer::default() };
        Speech { text: "Good morning.".into(), synthesizer, is_fresh }
    }

    #[tokio::test]
    async fn what_was_said_is_said_again_from_memory_to_its_account_alone() {
        let (one, other) = (speaker("espeak-ng", true), speaker("espeak-ng", true));
        let cache = PromptCache::default();
        let first = one.say(&speech("espeak-ng", false), &cache).await.unwrap();
        let again = one.say(&speech("espeak-ng", false), &cache).await.unwrap();
        assert!(Arc::ptr_eq(&first[0], &again[0]));
        let fresh = one.say(&speech("espeak-ng", true), &cache).await.unwrap();
        let others = other.say(&speech("espeak-ng", false), &cache).await.unwrap();
        for made_anew in [&fresh[0], &others[0]] {
            assert!(!Arc::ptr_eq(&first[0], made_anew));
            assert_eq!(&first[0], made_anew, "equal text gives equal sound");
        }
    }

    #[tokio::test]
    async fn another_vendor_is_stood_in_for_or_refused() {
        let cache = PromptCache::default();
        let stood_in = speaker("espeak-ng", true).say(&speech("google", false), &cache).await;
        assert_eq!(stood_in.map(|sounds| sounds.len()), Ok(1));
        let refused = speaker("espeak-ng", false).say(&speech("google", false), &cache).await;
        assert!(refused.unwrap_err().contains("google"));
    }

    #[tokio::test]
    async fn memory_answers_when_the_program_is_gone() {
        let cache = PromptCache::default();
        let mut speaker = speaker("espeak-ng", true);
        let first = speaker.say(&speech("espeak-ng", false), &cache).await;
        let limit = Duration::from_secs(1);
        let gone =
            Settings { program: "/gone".into(), processes: 1, limit, rate: SampleRate::WIDE };
        speaker.engine = Engine::new(gone);
        assert_eq!(speaker.say(&speech("espeak-ng", false), &cache).await, first);
        let missing = speaker.say(&speech("espeak-ng", true), &cache).await.unwrap_err();
        assert!(missing.contains("apt-get install espeak-ng"), "{missing}");
    }
}
