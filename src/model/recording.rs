//! Recordings: what is known of each, and how tenants may name their files.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::word::words;
use super::{AccountSid, CallSid, ConferenceSid, RecordingSid, Timestamp};

/// One file. As JSON it stands in the store's spill file, not in the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    pub sid: RecordingSid,
    pub account_sid: AccountSid,
    /// The call it is of; none for that of a room.
    pub call_sid: Option<CallSid>,
    pub conference_sid: Option<ConferenceSid>,
    pub conference_name: Option<String>,
    /// Below the account's folder.
    pub path: String,
    pub format: SoundFormat,
    pub channels: u8,
    pub started_at: Timestamp,
    /// How long it plays, in milliseconds.
    pub duration_ms: u64,
    pub bytes: u64,
    pub state: RecordingState,
}

words! {
    /// What a recording is written as.
    SoundFormat {
        /// 16-bit PCM.
        Wav = "wav",
        /// Opus in Ogg.
        Ogg = "ogg",
    }
}

words! {
    /// How far it is, or why it ended.
    RecordingState {
        /// It is being written, or paused.
        Recording = "recording",
        /// Stopped, or what it was of ended.
        Completed = "completed",
        /// It reached the greatest length or size.
        Limited = "limited",
        /// The disk was full, or the file could not be written. What is in it can be played.
        Failed = "failed",
        /// The server went down while it was written. What is in it can be played.
        Interrupted = "interrupted",
    }
}

impl RecordingState {
    pub fn is_over(self) -> bool {
        self != Self::Recording
    }
}

impl SoundFormat {
    /// The media type of the file.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Wav => "audio/wav",
            Self::Ogg => "audio/ogg",
        }
    }
}

/// The name of a file that a tenant chose, inside the folder of its account: harmless wherever it stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordingPath(String);

impl RecordingPath {
    /// Most bytes.
    pub const MAX: usize = 200;
    const MAX_NAME: usize = 100;
    const MAX_FOLDERS: usize = 8;
    /// What a file's own name may have beyond that: a part of its sid, and an ending.
    const ADDED: usize = 16;

    /// # Errors
    /// What is wrong with it, to be read after the property's name.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Self::read(text, Self::MAX, Self::MAX_NAME)
    }

    /// As a file was named of such a path.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn stored(text: &str) -> Result<Self, &'static str> {
        Self::read(text, Self::MAX + Self::ADDED, Self::MAX_NAME + Self::ADDED)
    }

    fn read(text: &str, max: usize, max_name: usize) -> Result<Self, &'static str> {
        if text.is_empty() || text.len() > max {
            return Err("must have 1 to 200 characters");
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-+@=, ".contains(c);
        if !text.chars().all(|c| is_plain(c) || c == '/') {
            return Err("must consist of letters, digits, spaces and . _ - + @ = , /");
        }
        let mut names = text.split('/');
        // No empty name, so neither an absolute path; none that is hidden or leads up.
        let is_name = |name: &str| {
            !name.is_empty()
                && !name.starts_with('.')
                && name.trim() == name
                && name.len() <= max_name
        };
        if names.clone().count() > Self::MAX_FOLDERS + 1 || !names.all(is_name) {
            return Err("must be a relative path of names that begin with no dot");
        }
        Ok(Self(text.to_owned()))
    }

    /// The format its ending asks for.
    pub fn format(&self) -> Option<SoundFormat> {
        let (stem, ending) = self.0.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            "wav" => Some(SoundFormat::Wav),
            "ogg" | "opus" => Some(SoundFormat::Ogg),
            _ => None,
        }
        .filter(|_| !stem.is_empty())
    }

    /// Without an ending that names a format.
    pub fn stem(&self) -> &str {
        match self.format() {
            Some(_) => self.0.rsplit_once('.').map_or(self.0.as_str(), |(stem, _)| stem),
            None => &self.0,
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RecordingPath {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<RecordingPath> for String {
    fn from(path: RecordingPath) -> Self {
        path.0
    }
}

impl fmt::Display for RecordingPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside_the_folder() {
        for good in ["a", "a.wav", "2026/may/call-1.ogg", "a b/c@d=e,f+g", "a..b", &"x/".repeat(8)]
        {
            let good = good.trim_end_matches('/');
            assert_eq!(RecordingPath::parse(good).map(String::from), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a//b",
            "a/",
            ".hidden",
            "a/.b",
            "a\\b",
            "a\0b",
            "a\nb",
            "c:d",
            "ä",
            "%2e%2e",
            "~",
            "a*",
            " a",
            "a ",
            &"x".repeat(101),
            &"x/".repeat(100),
            &format!("{}y", "x/".repeat(9)),
        ] {
            assert!(RecordingPath::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_file_may_be_named_a_little_longer_than_was_asked_for() {
        let asked = format!("{}/{}", "f".repeat(99), "n".repeat(100));
        let named = format!("{asked}-12345678.wav");
        assert!(RecordingPath::parse(&asked).is_ok() && RecordingPath::parse(&named).is_err());
        assert!(RecordingPath::stored(&named).is_ok());
        for bad in [&format!("{named}-12345678.wav"), "../a", "/a", "a/../b"] {
            assert!(RecordingPath::stored(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_ending_chooses_the_format() {
        for (path, format, stem) in [
            ("a", None, "a"),
            ("a.wav", Some(SoundFormat::Wav), "a"),
            ("a/b.OGG", Some(SoundFormat::Ogg), "a/b"),
            ("a.opus", Some(SoundFormat::Ogg), "a"),
            ("a.mp3", None, "a.mp3"),
            ("a.b.wav", Some(SoundFormat::Wav), "a.b"),
            ("a.wav/b", None, "a.wav/b"),
        ] {
            let path = RecordingPath::parse(path).unwrap();
            assert_eq!((path.format(), path.stem()), (format, stem));
        }
    }
}
