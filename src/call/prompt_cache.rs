//! Decoded files and spoken texts, shared by all calls that play the same.
//!
//! The key is what is in the file, or all that decides how a text sounds, so nothing here can be out of
//! date: a file is fetched every time, but decoded once, and a thousand callers hear the same hold music
//! from the same memory. Bounded in entries and bytes; what was not asked for longest goes first. No
//! media thread comes here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use media::source::Pcm;
use sha2::{Digest, Sha256};

const MAX_ENTRIES: usize = 256;
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Names a sound by what it is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// No file is taken for a text, whatever stands in it.
    is_speech: bool,
    digest: [u8; 32],
}

impl Key {
    pub(super) fn of(file: &[u8]) -> Self {
        Self { is_speech: false, digest: Sha256::digest(file).into() }
    }

    /// Of a text, its account, its voice, and whatever else is heard.
    pub(super) fn of_speech<const N: usize>(parts: [&str; N]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        Self { is_speech: true, digest: hash.finalize().into() }
    }
}

#[derive(Debug, Default)]
pub struct PromptCache(Mutex<Entries>);

/// The one asked for last stands first.
#[derive(Debug, Default)]
struct Entries {
    list: VecDeque<(Key, Arc<Pcm>)>,
    bytes: usize,
}

impl PromptCache {
    pub(super) fn get(&self, key: Key) -> Option<Arc<Pcm>> {
        self.with(|entries| entries.get(key))
    }

    /// Keeps what was decoded, unless somebody else was faster. Gives what is kept.
    pub(super) fn insert(&self, key: Key, pcm: Arc<Pcm>) -> Arc<Pcm> {
        self.with(|entries| match entries.get(key) {
            Some(kept) => kept,
            None => {
                entries.insert(key, pcm.clone());
                pcm
            }
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut Entries) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Entries {
    fn get(&mut self, key: Key) -> Option<Arc<Pcm>> {
        let at = self.list.iter().position(|(known, _)| *known == key)?;
        let entry = self.list.remove(at)?;
        let pcm = entry.1.clone();
        self.list.push_front(entry);
        Some(pcm)
    }

    fn insert(&mut self, key: Key, pcm: Arc<Pcm>) {
        self.bytes += size(&pcm);
        self.list.push_front((key, pcm));
        // One that is too large by itself goes at once, and takes the others along.
        while self.list.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let Some((_, oldest)) = self.list.pop_back() else { break };
            self.bytes -= size(&oldest);
        }
    }
}

fn size(pcm: &Pcm) -> usize {
    size_of_val(pcm.samples())
}

#[cfg(test)]
mod tests {
    use media::time::SampleRate;

    use super::*;

    fn pcm(bytes: usize) -> Arc<Pcm> {
        Arc::new(Pcm::new(vec![0; bytes / 2], SampleRate::NARROW))
    }

    fn key(n: usize) -> Key {
        Key::of(&n.to_le_bytes())
    }

    #[test]
    fn the_same_content_is_the_same_memory() {
        let cache = PromptCache::default();
        assert!(cache.get(key(1)).is_none());
        let first = cache.insert(key(1), pcm(10));
        let second = cache.insert(key(1), pcm(10));
        assert!(Arc::ptr_eq(&first, &second));
        assert!(cache.get(key(1)).is_some_and(|found| Arc::ptr_eq(&found, &first)));
        assert!(cache.get(key(2)).is_none());
    }

    #[test]
    fn speech_is_named_by_all_its_parts_and_by_nothing_a_file_has() {
        let key = Key::of_speech(["account", "hello"]);
        assert_eq!(key, Key::of_speech(["account", "hello"]));
        for other in [["accoun", "thello"], ["account", "hallo"], ["other", "hello"]] {
            assert_ne!(key, Key::of_speech(other));
        }
        let mut preimage = 7usize.to_le_bytes().to_vec();
        preimage.extend(b"account");
        preimage.extend(5usize.to_le_bytes());
        preimage.extend(b"hello");
        assert_ne!(key, Key::of(&preimage));
    }

    #[test]
    fn what_was_not_asked_for_longest_goes_first() {
        let cache = PromptCache::default();
        for n in 0..MAX_ENTRIES {
            cache.insert(key(n), pcm(2));
        }
        assert!(cache.get(key(0)).is_some());
        cache.insert(key(MAX_ENTRIES), pcm(2));
        assert!(cache.get(key(0)).is_some(), "asked for a moment ago");
        assert!(cache.get(key(1)).is_none());
        assert!(cache.get(key(2)).is_some());
    }

    #[test]
    fn memory_is_bounded_whatever_the_files_are() {
        let cache = PromptCache::default();
        for n in 0..5 {
            cache.insert(key(n), pcm(MAX_BYTES / 4));
        }
        let kept = (0..5).filter(|n| cache.get(key(*n)).is_some()).count();
        assert_eq!(kept, 4);
        let giant = cache.insert(key(9), pcm(MAX_BYTES + 2));
        assert_eq!(size(&giant), MAX_BYTES + 2, "it plays all the same");
        assert!(cache.get(key(9)).is_none());
        assert_eq!(cache.with(|entries| entries.bytes), 0);
    }
}
