//! A seat's receive side without a network: rates that change, packets nobody hears.

use super::*;
use crate::codec::{Encoder, SendFormat};
use crate::dsp;
use crate::rtp::{AudioLevel, Content, SeqNo, Ssrc};
use crate::source::tone;
use crate::time::RtpTime;

const RATES: [SampleRate; 3] = [SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL];
const TICK: Duration = Duration::from_millis(20);

/// A sender of 20 ms packets over a path without faults.
struct Bench {
    playout: Playout,
    encoder: Encoder,
    codec: CodecKind,
    says: Vec<i16>,
    said: usize,
    start: Instant,
    tick: u32,
    seq: u16,
    mix: SampleRate,
}

impl Bench {
    fn new(codec: CodecKind, says: Vec<i16>, mix: SampleRate) -> Self {
        let format = SendFormat::new(codec);
        Self {
            playout: Playout::new(mix, JitterConfig::default()),
            encoder: Encoder::new(&format, codec.sample_rate()).unwrap(),
            codec,
            says,
            said: 0,
            start: crate::sim::epoch(),
            tick: 0,
            seq: 0,
            mix,
        }
    }

    fn of_tone(codec: CodecKind, hz: f32, mix: SampleRate) -> Self {
        let rate = codec.sample_rate();
        Self::new(codec, tone::sine(rate, hz, -12.0, rate.hz() as usize), mix)
    }

    fn now(&self) -> Instant {
        self.start + TICK * self.tick
    }

    fn encode(&mut self) -> Vec<u8> {
        let samples = self.codec.sample_rate().hz() as usize / 50;
        let pcm: Vec<i16> =
            self.says.iter().cycle().skip(self.said).take(samples).copied().collect();
        self.said = (self.said + samples) % self.says.len();
        let mut payload = vec![0; 1_500];
        let len = self.encoder.encode(&pcm, &mut payload);
        payload.truncate(len);
        payload
    }

    fn send(&mut self, payload: &[u8], level: Option<u8>) {
        self.send_content(payload, level, Content::Speech);
    }

    fn send_content(&mut self, payload: &[u8], level: Option<u8>, content: Content) {
        let packet = AudioPacket {
            ssrc: Ssrc(1),
            seq: SeqNo(self.seq),
            timestamp: RtpTime(self.tick * self.codec.clock_hz() / 50),
            marker: false,
            codec: self.codec,
            content,
            level: level.map(|below_dbov| AudioLevel { below_dbov, voice: false }),
            payload,
        };
        self.playout.push(self.now(), &packet);
        self.seq += 1;
    }

    /// One frame; empty if it is silence.
    fn hear(&mut self) -> Vec<i16> {
        self.tick += 1;
        let mut frame = vec![0; self.mix.hz() as usize / 50];
        if self.playout.fill(self.now(), &mut frame) { frame } else { Vec::new() }
    }

    /// Sends and hears `ticks` frames.
    fn run(&mut self, ticks: usize) -> Vec<i16> {
        let mut heard = Vec::new();
        for _ in 0..ticks {
            let payload = self.encode();
            if !payload.is_empty() {
                self.send(&payload, None);
            }
            let frame = self.hear();
            let samples = self.mix.hz() as usize / 50;
            heard.extend(frame.iter().copied().chain(std::iter::repeat(0)).take(samples));
        }
        heard
    }

    fn set_rate(&mut self, mix: SampleRate) {
        self.mix = mix;
        self.playout.set_rate(mix);
    }
}

/// The best-fitting sine of a frequency: amplitude, phase at the first sample, and what is left
/// relative to it in dB.
fn fit(samples: &[i16], hz: f64, rate: SampleRate) -> (f64, f64, f64) {
    let step = std::f64::consts::TAU * hz / f64::from(rate.hz());
    let (mut ss, mut cc, mut sc, mut ys, mut yc, mut yy) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        let ((sin, cos), y) = ((step * n as f64).sin_cos(), f64::from(sample));
        (ss, cc, sc) = (ss + sin * sin, cc + cos * cos, sc + sin * cos);
        (ys, yc, yy) = (ys + y * sin, yc + y * cos, yy + y * y);
    }
    let determinant = ss * cc - sc * sc;
    let (a, b) = ((ys * cc - yc * sc) / determinant, (yc * ss - ys * sc) / determinant);
    let left = 10.0 * ((yy - a * ys - b * yc).max(1e-9) / yy.max(1e-9)).log10();
    (a.hypot(b), b.atan2(a), left)
}

#[test]
fn a_tone_goes_on_in_phase_and_level_when_the_rate_changes() {
    const HZ: f64 = 430.0;
    for codec in [CodecKind::Pcmu, CodecKind::L16Narrow, CodecKind::G722, CodecKind::Opus] {
        let mut bench = Bench::of_tone(codec, HZ as f32, RATES[0]);
        bench.run(50);
        for (from, to) in [(0, 2), (2, 1), (1, 0), (0, 1), (1, 2), (2, 0)] {
            let (from, to) = (RATES[from], RATES[to]);
            let before = bench.run(25);
            bench.set_rate(to);
            let after = bench.run(25);
            let case = format!("{codec:?} from {from:?} to {to:?}");
            let ms = |rate: SampleRate| rate.hz() as usize / 1_000;
            let end = &before[before.len() - 60 * ms(from)..];
            let (amplitude, phase, _) = fit(end, HZ, from);
            // Every 20 ms of what follows: level, noise, and the phase where the rate changed.
            for (n, frame) in after.chunks(20 * ms(to)).enumerate() {
                let (now, phase_now, left) = fit(frame, HZ, to);
                let level = 20.0 * (now / amplitude).log10();
                assert!(level.abs() < 0.5, "{case}, frame {n}: {level:.2} dB");
                // The frame in which one Opus decoder takes over from the other hears both.
                let most = if codec == CodecKind::Opus { -20.0 } else { -26.0 };
                assert!(left < most, "{case}, frame {n}: {left:.1} dB");
                let passed = 0.06 + 0.02 * n as f64;
                let expected = phase + std::f64::consts::TAU * HZ * passed;
                let off = (phase_now - expected).rem_euclid(std::f64::consts::TAU);
                let off = off.min(std::f64::consts::TAU - off).to_degrees();
                assert!(off < 12.0, "{case}, frame {n}: {off:.1} degrees");
            }
        }
    }
}

#[test]
fn silence_costs_no_tone_and_a_rate_change_in_silence_is_silent() {
    for codec in [CodecKind::Pcmu, CodecKind::Opus] {
        let mut bench = Bench::of_tone(codec, 430.0, RATES[0]);
        bench.run(20);
        for rate in [RATES[2], RATES[1], RATES[0], RATES[2]] {
            for _ in 0..20 {
                bench.tick += 1;
                bench.playout.fill(bench.now(), &mut vec![0; bench.mix.hz() as usize / 50]);
            }
            bench.set_rate(rate);
            assert!(bench.hear().is_empty());
        }
        let heard = bench.run(50);
        assert!(fit(&heard[heard.len() - 9_600..], 430.0, RATES[2]).2 < -26.0);
    }
}

#[test]
fn a_codec_may_change_within_a_stream() {
    let mut bench = Bench::of_tone(CodecKind::Pcmu, 430.0, RATES[1]);
    bench.run(30);
    // G.722 has the same RTP clock, but 16,000 samples for it.
    bench.codec = CodecKind::G722;
    bench.encoder = Encoder::new(&SendFormat::new(CodecKind::G722), RATES[1]).unwrap();
    bench.says = tone::sine(RATES[1], 430.0, -12.0, 16_000);
    let heard = bench.run(50);
    assert!(heard.chunks(80).all(|piece| piece.iter().any(|sample| sample.unsigned_abs() > 2_000)));
    assert!(fit(&heard[8_000..], 430.0, RATES[1]).2 < -26.0);
    assert_eq!(bench.playout.stats().packets_lost, 0);
}

#[test]
fn packets_said_to_be_inaudible_are_not_decoded_and_the_first_audible_one_is_heard_whole() {
    for codec in [CodecKind::Pcmu, CodecKind::G722, CodecKind::Opus] {
        let mut bench = Bench::of_tone(codec, 430.0, RATES[1]);
        for _ in 0..100 {
            let payload = bench.encode();
            bench.send(&payload, Some(JitterBuffer::INAUDIBLE_DBOV));
            assert!(bench.hear().is_empty(), "{codec:?}");
        }
        let stats = bench.playout.stats();
        assert_eq!((stats.packets_decoded, stats.packets_skipped), (0, 99), "{codec:?}");
        let mut heard = Vec::new();
        for _ in 0..10 {
            let payload = bench.encode();
            bench.send(&payload, Some(20));
            heard.push(bench.hear());
        }
        // One frame of delay, then all of it.
        let first = heard.iter().position(|frame| !frame.is_empty()).unwrap();
        assert!(first <= 1, "{codec:?}: {first}");
        for frame in &heard[first..] {
            let level = dsp::rms_dbfs(dsp::energy(&frame[48..]), frame.len() - 48);
            assert!((level + 12.0).abs() < 1.5, "{codec:?}: {level}");
        }
    }
}

#[test]
fn a_level_one_step_above_the_limit_is_decoded() {
    let mut bench = Bench::of_tone(CodecKind::Opus, 430.0, RATES[2]);
    for _ in 0..20 {
        let payload = bench.encode();
        bench.send(&payload, Some(JitterBuffer::INAUDIBLE_DBOV - 1));
        bench.hear();
    }
    assert_eq!(bench.playout.stats().packets_skipped, 0);
}

#[test]
fn comfort_noise_and_what_follows_it_are_silence_and_no_loss() {
    let mut bench = Bench::of_tone(CodecKind::Pcmu, 430.0, RATES[0]);
    bench.run(50);
    bench.send_content(&[60], None, Content::ComfortNoise);
    for n in 0..100 {
        let frame = bench.hear();
        assert!(n < 2 || frame.is_empty(), "{n}");
    }
    let heard = bench.run(50);
    assert!(fit(&heard[4_000..], 430.0, RATES[0]).2 < -26.0);
    let stats = bench.playout.stats();
    assert_eq!((stats.concealed, stats.packets_lost), (Duration::ZERO, 0));
    assert!(stats.delay <= Duration::from_millis(40), "{:?}", stats.delay);
}

#[test]
fn comfort_noise_is_heard_if_asked_for_until_speech_comes() {
    let mut bench = Bench::of_tone(CodecKind::Pcmu, 430.0, RATES[1]);
    bench.playout =
        Playout::new(RATES[1], JitterConfig { comfort_noise: true, ..JitterConfig::default() });
    bench.run(50);
    bench.send_content(&[40], None, Content::ComfortNoise);
    let heard: Vec<_> = (0..100).flat_map(|_| bench.hear()).collect();
    let steady = &heard[16_000..];
    assert_eq!(heard.len(), 100 * 320);
    // 40 dB below overload, whose sine is at +3.17 dBm0; half the band is empty after resampling.
    let level = dsp::rms_dbfs(dsp::energy(steady), steady.len());
    assert!((-42.0..-34.0).contains(&level), "{level}");
    let heard = bench.run(50);
    assert!(fit(&heard[8_000..], 430.0, RATES[1]).2 < -26.0);
}

#[test]
fn a_gap_without_a_number_missing_fades_and_the_timing_stays() {
    let mut bench = Bench::of_tone(CodecKind::Pcmu, 430.0, RATES[0]);
    bench.run(50);
    let delay = bench.playout.delay();
    for _ in 0..20 {
        bench.hear();
    }
    bench.run(50);
    let stats = bench.playout.stats();
    // It may have been loss as long as nothing more had come.
    assert!(stats.concealed <= Duration::from_millis(80), "{:?}", stats.concealed);
    assert_eq!((stats.packets_lost, stats.loss), (0, 0.0));
    assert!(stats.delay.abs_diff(delay) <= Duration::from_millis(1), "{:?}", stats.delay);
}
