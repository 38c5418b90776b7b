//! What every owner of lines is told about how to treat them.

use std::time::Duration;

use media::mixer::MixerConfig;

#[derive(Clone, Copy, Debug)]
pub struct MediaSettings {
    /// A peer silent for this long, although it should send, is reported.
    pub inactivity: Duration,
    pub mixer: MixerConfig,
    /// Keys are looked for in the audio of peers that agreed on no telephone-event.
    pub inband_dtmf: bool,
    /// Whether rooms move between media threads while they live.
    pub balance: bool,
}
