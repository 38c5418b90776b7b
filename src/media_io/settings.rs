//! What every owner of lines needs of the configuration.

use std::time::Duration;

use media::jitter::JitterConfig;
use media::mixer::MixerConfig;

use crate::config::Config;

#[derive(Clone, Copy, Debug)]
pub struct MediaSettings {
    /// A peer silent for this long, although it should send, is reported.
    pub inactivity: Duration,
    jitter: JitterConfig,
}

impl MediaSettings {
    pub fn new(config: &Config) -> Self {
        let rtp = &config.rtp;
        let jitter = JitterConfig { start: rtp.jitter_start, max: rtp.jitter_max };
        Self { inactivity: rtp.inactivity_timeout, jitter }
    }

    /// How mixers are set up here.
    pub fn mixer(&self) -> MixerConfig {
        MixerConfig { jitter: self.jitter, ..MixerConfig::default() }
    }
}
