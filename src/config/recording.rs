//! `[recording]`: where recordings lie, what they are written as, and when they end.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units;
use crate::model::SoundFormat;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recording {
    /// See [`Config::recording_dir`](super::Config::recording_dir) for what unset means.
    #[serde(with = "units::optional_path")]
    pub dir: Option<PathBuf>,
    /// Where neither the file's name nor its account asks for one.
    pub format: SoundFormat,
    /// In hertz.
    pub sample_rate: u32,
    /// Of one recording; zero: no limit.
    #[serde(with = "units::duration")]
    pub max_duration: Duration,
    /// Of one recording; 0: no limit.
    pub max_bytes: u64,
    /// Recordings end when the disk has less room than this.
    pub min_free_bytes: u64,
    /// How long they are kept from their start; zero: for ever.
    #[serde(with = "units::duration")]
    pub retention: Duration,
}

impl Recording {
    /// What cannot work: key, whether it is well, and what is asked for.
    pub(super) fn rules(&self) -> [(&'static str, bool, &'static str); 1] {
        [(
            "recording.sample_rate",
            [8_000, 16_000, 24_000, 48_000].contains(&self.sample_rate),
            "must be 8000, 16000, 24000 or 48000",
        )]
    }
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            dir: None,
            format: SoundFormat::Wav,
            sample_rate: 16_000,
            max_duration: Duration::from_secs(4 * 3_600),
            max_bytes: 1024 * 1024 * 1024,
            min_free_bytes: 256 * 1024 * 1024,
            retention: Duration::ZERO,
        }
    }
}
