//! Calls through bad networks: loss, jitter, reordering, bursts, drifting clocks. What is heard is
//! judged by meaning: how much of the tone is left, how long gaps are, how far the delay grows.

use std::time::Duration;

use media::CodecKind;
use media::SampleRate;
use media::playout::StreamStats;
use media::sim::LinkConfig;
use media::source::tone;

use crate::stream::{Stream, Talker};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What was heard of a tone.
#[derive(Debug)]
struct Heard {
    /// Share of 5 ms pieces that are silent.
    silent: f64,
    /// Longest run of silence.
    longest_gap_ms: usize,
    /// Audio the link lost.
    lost: Duration,
    listened: Duration,
    /// At the beginning, at the end, and the most: means of ten seconds each.
    first_delay: Duration,
    last_delay: Duration,
    highest_mean: Duration,
    max_delay: Duration,
    stats: StreamStats,
}

impl Heard {
    /// Audio made up beyond what was lost, as a part of all.
    fn excess(&self) -> f64 {
        let made_up = self.stats.concealed.as_secs_f64() - self.lost.as_secs_f64();
        made_up / self.listened.as_secs_f64()
    }
}

fn tone_of(codec: CodecKind) -> Vec<i16> {
    let rate = codec.sample_rate();
    tone::sine(rate, 400.0, -12.0, rate.hz() as usize)
}

fn listen(codec: CodecKind, link: LinkConfig, drift_ppm: f64, seconds: u64) -> Heard {
    let talker = Talker { drift_ppm, ..Talker::new(codec, tone_of(codec)) };
    let mut stream = Stream::new(talker, link, codec.sample_rate());
    let pieces = 4;
    let (mut run, mut longest, mut silent) = (0, 0, 0);
    let mut means = Vec::new();
    let mut max_delay = Duration::ZERO;
    for tick in 0..seconds * 50 {
        let frame = stream.tick();
        let piece = (frame.len() / pieces).max(1);
        let mut levels = [true; 4];
        for (silent, piece) in levels.iter_mut().zip(frame.chunks(piece)) {
            *silent = piece.iter().all(|sample| sample.unsigned_abs() < 300);
        }
        for is_silent in levels {
            run = if is_silent && tick > 5 { run + 1 } else { 0 };
            silent += u64::from(is_silent && tick > 5);
            longest = longest.max(run);
        }
        let delay = stream.playout.delay();
        max_delay = max_delay.max(delay);
        if tick % 500 == 0 {
            means.push(Duration::ZERO);
        }
        *means.last_mut().unwrap() += delay / 500;
    }
    let whole = (seconds / 10) as usize;
    Heard {
        silent: silent as f64 / (seconds * 200) as f64,
        longest_gap_ms: longest * 5,
        lost: ms(20) * stream.link_stats().lost as u32,
        listened: Duration::from_secs(seconds),
        first_delay: means[1.min(whole - 1)],
        last_delay: means[whole - 1],
        highest_mean: means[..whole].iter().max().copied().unwrap(),
        max_delay,
        stats: stream.stats(),
    }
}

/// The promises of one case, whatever it is.
fn check(case: &str, heard: &Heard) {
    println!(
        "{case}: silent {:.4}, gap {} ms, excess {:.4}, delay {:?} to {:?}, most {:?}, {:?}",
        heard.silent,
        heard.longest_gap_ms,
        heard.excess(),
        heard.first_delay,
        heard.last_delay,
        heard.max_delay,
        heard.stats
    );
    assert!(heard.max_delay <= ms(200), "{case}: {:?}", heard.max_delay);
    assert!(heard.excess() <= 0.01, "{case}: {}", heard.excess());
}

const HOUR: u64 = 3_600;

#[test]
fn a_perfect_path_is_gapless_with_two_frames_of_delay() {
    for codec in [CodecKind::Pcmu, CodecKind::G722, CodecKind::L16Wide] {
        let heard = listen(codec, LinkConfig::perfect(1), 0.0, 60);
        check("perfect", &heard);
        assert_eq!((heard.silent, heard.stats.concealed), (0.0, Duration::ZERO));
        assert!(heard.max_delay <= ms(40), "{:?}", heard.max_delay);
    }
}

#[test]
fn an_hour_of_loss_jitter_and_reordering() {
    for (loss, jitter, reorder, drift_ppm) in [
        (0.01, 5, 0.0, 300.0),
        (0.05, 20, 0.05, -300.0),
        (0.10, 50, 0.05, 300.0),
        (0.01, 100, 0.05, -300.0),
        (0.0, 100, 0.0, 0.0),
        (0.10, 5, 0.05, 0.0),
    ] {
        let link = LinkConfig {
            loss,
            jitter: ms(jitter),
            reorder,
            reorder_by: ms(30),
            ..LinkConfig::perfect(jitter)
        };
        let heard = listen(CodecKind::Pcmu, link, drift_ppm, HOUR);
        let case = format!("loss {loss} jitter {jitter} reorder {reorder} drift {drift_ppm}");
        check(&case, &heard);
        // One lost packet is bridged; silence is left only by several in a row.
        assert!(heard.silent <= 0.002 + loss * loss, "{case}");
        assert!(heard.longest_gap_ms <= 80, "{case}");
        assert!(heard.highest_mean <= heard.first_delay + ms(40), "{case}");
        assert!(heard.last_delay <= heard.first_delay + ms(40), "{case}");
    }
}

#[test]
fn an_hour_of_bursts_of_200_ms() {
    let link = LinkConfig { burst: 0.005, burst_len: 10, ..LinkConfig::perfect(4) };
    let heard = listen(CodecKind::Pcmu, link, 0.0, HOUR);
    check("bursts", &heard);
    assert!(heard.longest_gap_ms <= 4 * 200, "{}", heard.longest_gap_ms); // bursts may touch
    assert!(heard.silent <= heard.lost.as_secs_f64() / heard.listened.as_secs_f64());
    assert!(heard.highest_mean <= heard.first_delay + ms(40));
    assert!(heard.stats.burst_ratio > 5.0, "{}", heard.stats.burst_ratio);
}

#[test]
fn an_hour_of_drift_neither_grows_the_delay_nor_starves() {
    for drift_ppm in [-300.0, 300.0] {
        for codec in [CodecKind::Pcmu, CodecKind::G722] {
            let heard = listen(codec, LinkConfig::perfect(6), drift_ppm, HOUR);
            check(&format!("{codec:?} {drift_ppm} ppm"), &heard);
            assert_eq!(heard.silent, 0.0);
            assert!(heard.stats.concealed <= ms(200), "{:?}", heard.stats.concealed);
            assert!(heard.max_delay <= ms(80), "{:?}", heard.max_delay);
            // 300 ppm of an hour is 1.08 s.
            let moved =
                if drift_ppm > 0.0 { heard.stats.compressed } else { heard.stats.stretched };
            assert!((ms(1_000)..ms(1_200)).contains(&moved), "{moved:?}");
            assert!((f64::from(heard.stats.drift_ppm) - drift_ppm).abs() < 20.0);
        }
    }
}

#[test]
fn duplicates_and_overtaking_are_not_heard() {
    let link =
        LinkConfig { duplicate: 0.2, reorder: 0.1, reorder_by: ms(19), ..LinkConfig::perfect(5) };
    let heard = listen(CodecKind::Pcmu, link, 0.0, 120);
    check("overtaking", &heard);
    assert!(heard.stats.packets_duplicate > 1_000, "{:?}", heard.stats);
    assert!(heard.silent < 0.001, "{}", heard.silent);
    assert!(heard.max_delay <= ms(100), "{:?}", heard.max_delay);
}

#[test]
fn packets_that_overtake_each_other_by_much_are_put_in_order() {
    let link = LinkConfig { jitter: ms(60), keep_order: false, ..LinkConfig::perfect(11) };
    let heard = listen(CodecKind::Pcmu, link, 0.0, 120);
    check("disorder", &heard);
    assert!(heard.stats.packets_late < 60, "{:?}", heard.stats); // of 6,000
    assert!(heard.silent < 0.001, "{}", heard.silent);
    assert!(heard.max_delay <= ms(160), "{:?}", heard.max_delay);
}

#[test]
fn after_a_stall_the_delay_comes_back() {
    let talker = Talker::new(CodecKind::Pcmu, tone_of(CodecKind::Pcmu));
    let mut stream = Stream::new(talker, LinkConfig::perfect(7), SampleRate::NARROW);
    stream.listen(250);
    // 150 ms more of delay for half a minute, as when a path is rerouted; then as before.
    let calm = stream.playout.delay();
    stream.set_link(LinkConfig { delay: ms(160), ..LinkConfig::perfect(8) });
    stream.listen(1_500);
    let slow = stream.playout.delay();
    stream.set_link(LinkConfig::perfect(9));
    stream.listen(50);
    let after = stream.playout.delay();
    stream.listen(50 * 60);
    let settled = stream.playout.delay();
    let all = format!("{calm:?}, then {slow:?}, then {after:?}, then {settled:?}");
    println!("{all}");
    assert!(slow <= calm + ms(40) && after <= ms(200) && settled <= calm + ms(20), "{all}");
}

#[test]
fn opus_and_g722_through_loss_and_jitter() {
    for codec in [CodecKind::Opus, CodecKind::G722] {
        for (loss, jitter, reorder) in [(0.01, 5, 0.0), (0.05, 20, 0.05), (0.10, 100, 0.05)] {
            let link =
                LinkConfig { loss, jitter: ms(jitter), reorder, ..LinkConfig::perfect(jitter) };
            let heard = listen(codec, link, 300.0, 60);
            let case = format!("{codec:?} {loss} {jitter} {reorder}");
            check(&case, &heard);
            assert!(heard.silent <= 0.004 + loss * loss, "{case}: {}", heard.silent);
        }
    }
}
