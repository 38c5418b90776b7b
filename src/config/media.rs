//! `[media]`: where media goes, what is spoken, and how Opus is encoded.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::de::{Error as _, IntoDeserializer as _};
use serde::{Deserialize, Deserializer, Serialize};

use super::units;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Media {
    /// The address put into SDP; see [`Config::media_ip`](super::Config::media_ip) for what unset
    /// means.
    #[serde(with = "units::optional")]
    pub ip: Option<IpAddr>,
    /// 0: see [`Config::media_arbiters`](super::Config::media_arbiters).
    pub arbiters: usize,
    pub realtime_priority: bool,
    /// Whether rooms move from a busy media thread to an idle one.
    pub balance: bool,
    /// Offered in this order; of an offer, the first of them that it has is taken.
    #[serde(deserialize_with = "codecs")]
    pub codecs: Vec<Codec>,
    /// Audio in one packet, unless the peer asks for another duration.
    #[serde(with = "units::duration")]
    pub ptime: Duration,
    /// Silence descriptors (RFC 3389).
    pub comfort_noise: bool,
    /// Levels in header extensions (RFC 6464).
    pub audio_levels: bool,
    /// Looks for keys in the audio of peers that do not agree on telephone-event.
    pub inband_dtmf: bool,
    /// Rooms never mix at more, in hertz.
    pub max_rate: u32,
    /// So many of the loudest are mixed; 0: all who speak.
    pub loudest: usize,
    /// Seats that send noise but no speech are left out of rooms of more than a few.
    pub noise_gate: bool,
    /// What `play` may name as `file://`; unset: nothing.
    #[serde(with = "units::optional_path")]
    pub sounds_dir: Option<PathBuf>,
    pub opus: Opus,
}

/// What a codec is called here; `L16` stands for both of its rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    Opus,
    G722,
    Pcmu,
    Pcma,
    L16,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Opus {
    /// Bits per second.
    pub bitrate: u32,
    pub complexity: u8,
    pub fec: bool,
    pub dtx: bool,
}

impl Media {
    /// Durations of a packet that can be sent, in milliseconds.
    const PTIMES_MS: [u128; 5] = [10, 20, 30, 40, 60];

    /// What cannot work: key, whether it is well, and what is asked for.
    pub(super) fn rules(&self) -> [(&'static str, bool, &'static str); 6] {
        let once = |codec| self.codecs.iter().filter(|other| *other == codec).count() == 1;
        [
            ("media.ip", self.ip.is_none_or(|ip| !ip.is_unspecified()), "must be specific"),
            (
                "media.codecs",
                !self.codecs.is_empty() && self.codecs.iter().all(once),
                "must name at least one codec, each once",
            ),
            (
                "media.ptime",
                Self::PTIMES_MS.contains(&self.ptime.as_millis()),
                "must be 10ms, 20ms, 30ms, 40ms or 60ms",
            ),
            (
                "media.opus.bitrate",
                (6_000..=128_000).contains(&self.opus.bitrate),
                "must be 6000 to 128000",
            ),
            (
                "media.max_rate",
                [8_000, 16_000, 48_000].contains(&self.max_rate),
                "must be 8000, 16000 or 48000",
            ),
            ("media.opus.complexity", self.opus.complexity <= 10, "must be 0 to 10"),
        ]
    }
}

/// A list, or its names with commas between them: what an environment variable can hold.
fn codecs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Codec>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        List(Vec<String>),
        Text(String),
    }
    let names = match Written::deserialize(deserializer)? {
        Written::List(names) => names,
        Written::Text(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
    };
    let codec = |name: &String| {
        let name: StrDeserializer<'_, ValueError> = name.as_str().into_deserializer();
        Codec::deserialize(name).map_err(D::Error::custom)
    };
    names.iter().map(codec).collect()
}

impl Default for Media {
    fn default() -> Self {
        Self {
            ip: None,
            arbiters: 0,
            realtime_priority: true,
            balance: true,
            codecs: vec![Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma, Codec::L16],
            ptime: Duration::from_millis(20),
            comfort_noise: true,
            audio_levels: true,
            inband_dtmf: false,
            max_rate: 48_000,
            loudest: 0,
            noise_gate: true,
            sounds_dir: None,
            opus: Opus::default(),
        }
    }
}

impl Default for Opus {
    fn default() -> Self {
        Self { bitrate: 32_000, complexity: 7, fec: true, dtx: true }
    }
}
