//! The configuration as the policy of every offer and answer.

use media::codec::{CodecKind, OpusParams};
use media::sdp::Policy;
use media::time::Ptime;

use crate::config::{Codec, Config};

/// What is offered and answered.
pub(super) fn sdp_policy(config: &Config) -> Policy {
    let media = &config.media;
    let opus = &media.opus;
    Policy {
        codecs: media.codecs.iter().flat_map(|&codec| kinds(codec)).copied().collect(),
        ptime: u32::try_from(media.ptime.as_millis()).ok().and_then(Ptime::from_ms),
        opus: OpusParams {
            bitrate: opus.bitrate,
            fec: opus.fec,
            dtx: opus.dtx,
            complexity: opus.complexity,
            ..OpusParams::DEFAULT
        },
        comfort_noise: media.comfort_noise,
        level_extension: media.audio_levels,
        dtx: opus.dtx,
    }
}

fn kinds(codec: Codec) -> &'static [CodecKind] {
    match codec {
        Codec::Opus => &[CodecKind::Opus],
        Codec::G722 => &[CodecKind::G722],
        Codec::Pcmu => &[CodecKind::Pcmu],
        Codec::Pcma => &[CodecKind::Pcma],
        Codec::L16 => &[CodecKind::L16Wide, CodecKind::L16Narrow],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_of_the_media_crate_is_in_the_default_configuration() {
        let policy = sdp_policy(&Config::default());
        assert_eq!(policy.codecs, CodecKind::ALL);
        assert_eq!(policy.ptime, Some(Ptime::Ms20));
        assert!(policy.level_extension && policy.comfort_noise && policy.dtx && policy.opus.fec);
    }

    #[test]
    fn order_and_choice_are_the_configurations() {
        let mut config = Config::default();
        config.media.codecs = vec![Codec::Pcma, Codec::Opus];
        config.media.opus.bitrate = 16_000;
        let policy = sdp_policy(&config);
        assert_eq!(policy.codecs, [CodecKind::Pcma, CodecKind::Opus]);
        assert_eq!(policy.opus.bitrate, 16_000);
    }
}
