//! Fetching, decoding and speaking what verbs play, away from every thread that moves audio.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use media::source::{Pcm, file, tone_stream};
use media::time::SampleRate;
use tokio::task::spawn_blocking;

use super::prompt_cache::{Key, PromptCache};
use super::sounds;
use super::spoken::Speaker;
use crate::hook::HookClient;
use crate::verb::Clip;

/// What is played is rendered at no higher rate: nobody hears more.
const RATE: SampleRate = SampleRate::FULL;
/// Samples of speech in one list: half an hour at [`SPEECH_RATE`], 60 MB.
const MAX_SPOKEN: usize = 30_000_000;
/// Speech is rendered at no higher rate: the engine makes little above.
pub const SPEECH_RATE: SampleRate = SampleRate::WIDE;
/// The longest `silence_stream://`.
const MAX_SILENCE: Duration = Duration::from_secs(3600);

/// A clip that cannot be played.
#[derive(Debug)]
pub struct Unplayable {
    pub url: String,
    pub detail: String,
}

/// Where clips come from.
#[derive(Clone, Debug)]
pub struct Source {
    pub client: HookClient,
    /// The folder of `file://`, if there is one.
    pub sounds: Option<PathBuf>,
    pub cache: Arc<PromptCache>,
    pub speaker: Speaker,
}

impl Source {
    /// Fetches all clips of a list, in order; the first that fails ends it.
    ///
    /// # Errors
    /// [`Unplayable`] names the URL and what went wrong.
    pub async fn fetch_all(&self, clips: &[Clip]) -> Result<Vec<Arc<Pcm>>, Unplayable> {
        let (mut sounds, mut spoken) = (Vec::with_capacity(clips.len()), 0);
        for clip in clips {
            match clip {
                Clip::Url(url) => {
                    let unplayable = |detail: String| Unplayable { url: url.clone(), detail };
                    sounds.push(self.fetch(url).await.map_err(unplayable)?);
                }
                Clip::Speech(speech) => {
                    let unplayable = |detail| Unplayable { url: speech.text.clone(), detail };
                    let said = self.speaker.say(speech, &self.cache).await.map_err(unplayable)?;
                    spoken += said.iter().map(|pcm| pcm.samples().len()).sum::<usize>();
                    if spoken > MAX_SPOKEN {
                        return Err(unplayable("the texts last too long together".to_owned()));
                    }
                    sounds.extend(said);
                }
            }
        }
        if sounds.is_empty() {
            // Nothing to say is said at once, and heard to its end.
            sounds.push(Arc::new(Pcm::silence(SampleRate::NARROW, Duration::ZERO)));
        }
        Ok(sounds)
    }

    async fn fetch(&self, url: &str) -> Result<Arc<Pcm>, String> {
        if let Some(ms) = url.strip_prefix("silence_stream://") {
            return silence(ms);
        }
        let rendering = if let Some(tones) = url.strip_prefix("tone_stream://") {
            let tones = tones.to_owned();
            spawn_blocking(move || {
                let rendered = tone_stream::render(&tones, RATE);
                rendered.map(Arc::new).map_err(|error| error.to_string())
            })
        } else if url.starts_with("file://") {
            let (folder, url, cache) = (self.sounds.clone(), url.to_owned(), self.cache.clone());
            spawn_blocking(move || {
                let read = sounds::read(folder.as_deref(), &url);
                decode(&read.map_err(|error| error.to_string())?, &cache)
            })
        } else if url.starts_with("http://") || url.starts_with("https://") {
            let fetched = self.client.fetch(url, file::MAX_BYTES).await;
            let bytes = fetched.map_err(|error| error.to_string())?;
            let cache = self.cache.clone();
            spawn_blocking(move || decode(&bytes, &cache))
        } else {
            return Err("only http(s):// and file:// URLs of wav and mp3 files, \
                        silence_stream:// and tone_stream:// can be played"
                .into());
        };
        rendering.await.map_err(|_| "the decoder failed".to_owned())?
    }
}

fn decode(bytes: &[u8], cache: &PromptCache) -> Result<Arc<Pcm>, String> {
    let key = Key::of(bytes);
    if let Some(known) = cache.get(key) {
        return Ok(known);
    }
    let decoded = file::decode(bytes, RATE).map_err(|error| error.to_string())?;
    Ok(cache.insert(key, Arc::new(decoded)))
}

fn silence(ms: &str) -> Result<Arc<Pcm>, String> {
    let length: u64 = ms.parse().map_err(|_| "silence_stream:// needs milliseconds".to_owned())?;
    let length = Duration::from_millis(length).min(MAX_SILENCE);
    Ok(Arc::new(Pcm::silence(SampleRate::NARROW, length)))
}
