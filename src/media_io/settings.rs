//! What every owner of lines is told about how to treat them.

use std::time::Duration;

use media::jitter::JitterConfig;
use media::mixer::MixerConfig;

#[derive(Clone, Copy, Debug)]
pub struct MediaSettings {
    /// A peer silent for this long, although it should send, is reported.
    pub inactivity: Duration,
    pub jitter: JitterConfig,
    /// Whether rooms move between media threads while they live.
    pub balance: bool,
}

impl MediaSettings {
    /// How mixers are set up here.
    pub fn mixer(&self) -> MixerConfig {
        MixerConfig { jitter: self.jitter, ..MixerConfig::default() }
    }
}
