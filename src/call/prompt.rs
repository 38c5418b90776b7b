//! Fetching and decoding what a `play` verb names, away from every thread that moves audio.

use std::sync::Arc;
use std::time::Duration;

use media::source::{Pcm, wav};

use crate::hook::HookClient;

/// The rate of every mixer, for now.
pub const RATE: u32 = 8000;
/// A file larger than this is refused: an hour of 16 kHz 16-bit audio is 115 MB.
const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;
/// The longest `silence_stream://`.
const MAX_SILENCE: Duration = Duration::from_secs(3600);

/// One clip ready to be played, with the rate its file had.
#[derive(Clone)]
pub struct Clip {
    pub pcm: Arc<Pcm>,
    pub file_rate: u32,
}

/// A clip that cannot be played.
#[derive(Debug)]
pub struct Unplayable {
    pub url: String,
    pub detail: String,
}

/// Fetches all clips of a list, in order; the first that fails ends it.
///
/// # Errors
/// [`Unplayable`] names the URL and what went wrong.
pub async fn fetch_all(client: &HookClient, urls: &[String]) -> Result<Vec<Clip>, Unplayable> {
    let mut clips = Vec::with_capacity(urls.len());
    for url in urls {
        let unplayable = |detail: String| Unplayable { url: url.clone(), detail };
        clips.push(fetch(client, url).await.map_err(unplayable)?);
    }
    Ok(clips)
}

async fn fetch(client: &HookClient, url: &str) -> Result<Clip, String> {
    if let Some(ms) = url.strip_prefix("silence_stream://") {
        return silence(ms);
    }
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err("only http(s) URLs of wav files and silence_stream:// can be played".into());
    }
    let bytes = client.fetch(url, MAX_FILE_BYTES).await.map_err(|error| error.to_string())?;
    let decoding = tokio::task::spawn_blocking(move || {
        wav::parse(&bytes, RATE).map_err(|error| error.to_string())
    });
    let decoded = decoding.await.map_err(|_| "the decoder failed".to_owned())??;
    Ok(Clip { file_rate: decoded.file_rate, pcm: Arc::new(decoded.pcm) })
}

fn silence(ms: &str) -> Result<Clip, String> {
    let length: u64 = ms.parse().map_err(|_| "silence_stream:// needs milliseconds".to_owned())?;
    let length = Duration::from_millis(length).min(MAX_SILENCE);
    let samples = usize::try_from(length.as_millis()).unwrap_or(0) * (RATE as usize / 1000);
    Ok(Clip { pcm: Arc::new(Pcm::silence(RATE, samples)), file_rate: RATE })
}
