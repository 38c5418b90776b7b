//! The parameters of Opus in `a=fmtp` (RFC 7587 §6.1, §7), read and written.
//!
//! A peer's parameters say what it wants to receive. What cannot be understood is left out, as if
//! the peer had not said it; of two values the first counts.

use std::fmt;

use super::policy::{Policy, opus_rate};
use crate::time::SampleRate;

/// What a peer wants to be sent. `stereo` is not kept: we send mono.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct OpusWishes {
    /// `maxplaybackrate` in hertz, as written.
    pub(super) max_playback_rate: Option<u32>,
    /// `maxaveragebitrate` in bits per second, as written.
    pub(super) max_average_bitrate: Option<u32>,
    /// `useinbandfec=1`.
    pub(super) fec: bool,
    /// `usedtx=1`.
    pub(super) dtx: bool,
    /// `cbr=1`.
    pub(super) cbr: bool,
    /// `minptime`, in milliseconds.
    pub(super) min_ptime_ms: Option<u32>,
}

impl OpusWishes {
    /// Reads the values of all `a=fmtp` lines of one payload type, the number taken off.
    pub(super) fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let (mut wishes, mut fec, mut dtx, mut cbr) = (Self::default(), None, None, None);
        for parameter in lines.flat_map(|line| line.split([';', ','])) {
            let Some((name, value)) = parameter.split_once('=') else { continue };
            let Some(number) = value.trim().parse::<u32>().ok() else { continue };
            let field = match name.trim().to_ascii_lowercase().as_str() {
                "maxplaybackrate" => &mut wishes.max_playback_rate,
                "maxaveragebitrate" => &mut wishes.max_average_bitrate,
                "minptime" => &mut wishes.min_ptime_ms,
                "useinbandfec" => &mut fec,
                "usedtx" => &mut dtx,
                "cbr" => &mut cbr,
                _ => continue,
            };
            field.get_or_insert(number);
        }
        // Zero is no rate at which anything could be sent.
        wishes.max_playback_rate = wishes.max_playback_rate.filter(|&hz| hz > 0);
        wishes.max_average_bitrate = wishes.max_average_bitrate.filter(|&rate| rate > 0);
        Self { fec: fec == Some(1), dtx: dtx == Some(1), cbr: cbr == Some(1), ..wishes }
    }

    /// `maxplaybackrate` as a rate of Opus.
    pub(super) fn playback_rate(&self) -> SampleRate {
        self.max_playback_rate.map_or(SampleRate::FULL, opus_rate)
    }
}

/// What we want to be sent, as the value of `a=fmtp`: no more than we send ourselves.
pub(super) struct OpusFmtp<'a>(pub(super) &'a Policy);

impl fmt::Display for OpusFmtp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(policy) = self;
        let opus = &policy.opus;
        write!(f, "minptime=10;maxaveragebitrate={}", opus.bitrate)?;
        if opus.max_playback_rate < SampleRate::FULL {
            write!(f, ";maxplaybackrate={}", opus.max_playback_rate.hz())?;
        }
        for (name, is_set) in
            [("useinbandfec", opus.fec), ("usedtx", policy.dtx), ("cbr", opus.cbr)]
        {
            if is_set {
                write!(f, ";{name}=1")?;
            }
        }
        f.write_str(";sprop-stereo=0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{CodecKind, OpusParams};

    fn parse(text: &str) -> OpusWishes {
        OpusWishes::parse(text.lines())
    }

    #[test]
    fn parameters_of_the_field_are_read() {
        let chromium = parse("minptime=10;useinbandfec=1");
        assert_eq!((chromium.min_ptime_ms, chromium.fec, chromium.dtx), (Some(10), true, false));
        let all = parse(
            "maxplaybackrate=16000; sprop-maxcapturerate=16000; maxaveragebitrate=20000; stereo=1; \
             UseInbandFEC=1; usedtx=1; cbr=1; minptime=20",
        );
        let expected = OpusWishes {
            max_playback_rate: Some(16_000),
            max_average_bitrate: Some(20_000),
            fec: true,
            dtx: true,
            cbr: true,
            min_ptime_ms: Some(20),
        };
        assert_eq!(all, expected);
    }

    #[test]
    fn what_makes_no_sense_counts_as_not_said() {
        for text in [
            "",
            ";;;",
            "useinbandfec",
            "useinbandfec=",
            "useinbandfec=yes",
            "useinbandfec=2;cbr=0",
            "maxplaybackrate=-1",
            "maxplaybackrate=0",
            "maxaveragebitrate=99999999999999999999",
            "maxaveragebitrate=24k",
            "=1;=;1=",
            "x=\u{fffd};usedtx 1",
        ] {
            assert_eq!(parse(text), OpusWishes::default(), "{text}");
        }
        let first = parse("usedtx=0;usedtx=1\nusedtx=1;cbr=1");
        assert_eq!((first.dtx, first.cbr), (false, true));
    }

    #[test]
    fn what_we_write_reads_back_as_our_policy() {
        for bits in 0..8u8 {
            let opus = OpusParams {
                bitrate: 40_000,
                fec: bits & 1 != 0,
                cbr: bits & 2 != 0,
                max_playback_rate: SampleRate::WIDE,
                ..OpusParams::DEFAULT
            };
            let policy = Policy { opus, dtx: bits & 4 != 0, ..Policy::new([CodecKind::Opus]) };
            let wishes = parse(&OpusFmtp(&policy).to_string());
            assert_eq!(wishes.max_average_bitrate, Some(40_000));
            assert_eq!(wishes.playback_rate(), SampleRate::WIDE);
            assert_eq!((wishes.fec, wishes.cbr, wishes.dtx), (opus.fec, opus.cbr, policy.dtx));
        }
    }
}
