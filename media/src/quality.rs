//! How good a call sounds, estimated from what the network did to it: the E-model.
//!
//! ITU-T G.107 for narrow-band codecs, G.107.1 for wide-band ones, each with its default values for
//! all that is not known here (no echo, quiet rooms, ordinary telephones). The result is a mean
//! opinion score on the scale of the codec's band: a wide-band 4.3 is better than a narrow-band 4.3.
//!
//! | codec | scale | Ie | Bpl | from |
//! |---|---|---|---|---|
//! | PCMU, PCMA | narrow | 0 | 25.1 | G.113 appendix I: G.711 with concealment, random loss |
//! | L16/8000 | narrow | 0 | 25.1 | as G.711, whose concealment it shares |
//! | G.722 | wide | 13 | 25.1 | Ie: G.113 appendix IV, 64 kb/s; Bpl: ours, as G.711 |
//! | L16/16000 | wide | 0 | 25.1 | no coding; Bpl: ours, as G.711 |
//! | Opus | wide | 8 | 20 | ours: ITU-T has none. Ie as of AMR-WB at 23.85 kb/s |
//!
//! Values said to be from G.113 were written down without its text at hand: compare them before
//! more than a status page depends on them.

use std::time::Duration;

use crate::codec::CodecKind;
use crate::playout::StreamStats;
use crate::time::Ptime;

/// What a call went through in one direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// What it was encoded with.
    pub codec: CodecKind,
    /// Part of the packets that were not there in their time and not recovered, 0 to 1.
    pub loss: f32,
    /// Mean length of a run of lost packets over that of random loss; 1 or more (G.107 BurstR).
    pub burst_ratio: f32,
    /// From mouth to ear.
    pub delay: Duration,
}

impl Conditions {
    /// Those of a stream we receive. Its delay is what packetisation, half the round trip and our own
    /// buffer take.
    pub fn of(
        codec: CodecKind,
        stats: &StreamStats,
        ptime: Ptime,
        round_trip: Option<Duration>,
    ) -> Self {
        let delay = ptime.duration() + round_trip.unwrap_or_default() / 2 + stats.delay;
        Self { codec, loss: stats.loss, burst_ratio: stats.burst_ratio, delay }
    }
}

/// The mean opinion score, 1 to 4.5.
pub fn mos(conditions: &Conditions) -> f32 {
    mos_of(rating(conditions) / impairment(conditions.codec).scale)
}

/// The transmission rating R on the scale of the codec's band: at most 93.2 for narrow band, 129 for
/// wide band.
pub fn rating(conditions: &Conditions) -> f32 {
    let Impairment { ie, bpl, best, .. } = impairment(conditions.codec);
    let loss_percent = 100.0 * conditions.loss.clamp(0.0, 1.0);
    let burst_ratio = conditions.burst_ratio.max(1.0);
    // G.107 equation 7-29.
    let equipment = ie + (95.0 - ie) * loss_percent / (loss_percent / burst_ratio + bpl);
    best - delay_impairment(conditions.delay) - equipment
}

/// The mean opinion score that belongs to a rating of 0 to 100 (G.107 annex B).
pub fn mos_of(rating: f32) -> f32 {
    let r = rating.clamp(0.0, 100.0);
    // Below 6.5 the polynomial dips under its value at 0.
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
}

/// What a codec does to speech, with and without loss.
struct Impairment {
    ie: f32,
    bpl: f32,
    /// The rating without any impairment.
    best: f32,
    /// What a rating is divided by to be one of 0 to 100 (G.107.1 annex A).
    scale: f32,
}

fn impairment(codec: CodecKind) -> Impairment {
    let narrow = |ie, bpl| Impairment { ie, bpl, best: 93.2, scale: 1.0 };
    let wide = |ie, bpl| Impairment { ie, bpl, best: 129.0, scale: 1.29 };
    match codec {
        CodecKind::Pcmu | CodecKind::Pcma | CodecKind::L16Narrow => narrow(0.0, 25.1),
        CodecKind::G722 => wide(13.0, 25.1),
        CodecKind::L16Wide => wide(0.0, 25.1),
        CodecKind::Opus => wide(8.0, 20.0),
    }
}

/// Idd: too long a delay, even without echo (G.107 equation 7-28 with sT = 1, mT = 100 ms).
fn delay_impairment(delay: Duration) -> f32 {
    let ms = delay.as_secs_f32() * 1e3;
    if ms <= 100.0 {
        return 0.0;
    }
    let x = (ms / 100.0).log2();
    let root = |base: f32| (1.0 + base.powi(6)).powf(1.0 / 6.0);
    25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(codec: CodecKind, loss: f32, burst_ratio: f32, ms: u64) -> Conditions {
        Conditions { codec, loss, burst_ratio, delay: Duration::from_millis(ms) }
    }

    #[test]
    fn the_default_rating_is_a_score_of_4_41_and_others_follow_the_polynomial() {
        for (r, score) in
            [(93.2, 4.409), (90.0, 4.339), (80.0, 4.024), (70.0, 3.597), (60.0, 3.1), (50.0, 2.575)]
        {
            assert!((mos_of(r) - score).abs() < 0.001, "{r}: {}", mos_of(r));
        }
        assert_eq!((mos_of(-20.0), mos_of(3.0), mos_of(130.0)), (1.0, 1.0, 4.5));
    }

    #[test]
    fn nothing_wrong_is_the_best_of_the_codec() {
        for (codec, best, score) in [
            (CodecKind::Pcmu, 93.2, 4.41),
            (CodecKind::Pcma, 93.2, 4.41),
            (CodecKind::G722, 116.0, 4.34),
            (CodecKind::L16Wide, 129.0, 4.5),
        ] {
            let perfect = conditions(codec, 0.0, 1.0, 60);
            assert!((rating(&perfect) - best).abs() < 0.01);
            assert!((mos(&perfect) - score).abs() < 0.01, "{codec:?}: {}", mos(&perfect));
        }
    }

    #[test]
    fn loss_and_delay_cost_what_the_formulas_say() {
        // 95 * 5 / (5 + 25.1) = 15.8; in bursts of double length 95 * 5 / (2.5 + 25.1) = 17.2.
        assert!((rating(&conditions(CodecKind::Pcmu, 0.05, 1.0, 0)) - 77.4).abs() < 0.1);
        assert!((rating(&conditions(CodecKind::Pcmu, 0.05, 2.0, 0)) - 76.0).abs() < 0.1);
        // Idd, the formula evaluated elsewhere in double precision.
        for (ms, idd) in [(100, 0.0), (150, 0.164), (200, 3.044), (300, 14.761), (400, 24.070)] {
            let r = rating(&conditions(CodecKind::Pcmu, 0.0, 1.0, ms));
            assert!((93.2 - r - idd).abs() < 0.01, "{ms} ms: {}", 93.2 - r);
        }
    }

    #[test]
    fn more_loss_longer_bursts_and_more_delay_are_never_better() {
        for codec in CodecKind::ALL {
            let score = |loss, burst, ms| mos(&conditions(codec, loss, burst, ms));
            for n in 0..50u16 {
                let (loss, more) = (f32::from(n) / 50.0, f32::from(n + 1) / 50.0);
                assert!(score(loss, 1.0, 50) >= score(more, 1.0, 50));
                assert!(score(loss, 1.0, 50) >= score(loss, 3.0, 50));
                assert!(score(loss, 1.0, 50) >= score(loss, 1.0, 300));
            }
        }
    }

    #[test]
    fn a_stream_is_judged_by_all_that_delays_it() {
        let stats = StreamStats {
            delay: Duration::from_millis(40),
            loss: 0.02,
            burst_ratio: 1.5,
            ..StreamStats::default()
        };
        let round_trip = Some(Duration::from_millis(60));
        let conditions = Conditions::of(CodecKind::Pcmu, &stats, Ptime::Ms20, round_trip);
        assert_eq!(conditions.delay, Duration::from_millis(90));
        assert_eq!((conditions.loss, conditions.burst_ratio), (0.02, 1.5));
    }
}
