//! Fetching and decoding what a `play` verb names, away from every thread that moves audio.

use std::sync::Arc;
use std::time::Duration;

use media::source::{Pcm, file};
use media::time::SampleRate;

use crate::hook::HookClient;

/// The rate of every mixer, for now.
pub const RATE: SampleRate = SampleRate::NARROW;
/// The longest `silence_stream://`.
const MAX_SILENCE: Duration = Duration::from_secs(3600);

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
pub async fn fetch_all(client: &HookClient, urls: &[String]) -> Result<Vec<Arc<Pcm>>, Unplayable> {
    let mut clips = Vec::with_capacity(urls.len());
    for url in urls {
        let unplayable = |detail: String| Unplayable { url: url.clone(), detail };
        clips.push(fetch(client, url).await.map_err(unplayable)?);
    }
    Ok(clips)
}

async fn fetch(client: &HookClient, url: &str) -> Result<Arc<Pcm>, String> {
    if let Some(ms) = url.strip_prefix("silence_stream://") {
        return silence(ms);
    }
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err("only http(s) URLs of wav files and silence_stream:// can be played".into());
    }
    let bytes = client.fetch(url, file::MAX_BYTES).await.map_err(|error| error.to_string())?;
    let decoding = tokio::task::spawn_blocking(move || {
        file::decode(&bytes, RATE).map_err(|error| error.to_string())
    });
    let decoded = decoding.await.map_err(|_| "the decoder failed".to_owned())??;
    Ok(Arc::new(decoded))
}

fn silence(ms: &str) -> Result<Arc<Pcm>, String> {
    let length: u64 = ms.parse().map_err(|_| "silence_stream:// needs milliseconds".to_owned())?;
    let length = Duration::from_millis(length).min(MAX_SILENCE);
    Ok(Arc::new(Pcm::silence(RATE, length)))
}
