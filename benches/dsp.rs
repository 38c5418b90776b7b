//! What the mixer does to one frame of 20 ms, kernel by kernel.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use media::dsp::{self, Agc, Resampler, TalkDetector};
use media::dtmf::inband::InbandDetector;
use media::source::tone;
use media::{Ptime, SampleRate};

const NARROW: SampleRate = SampleRate::NARROW;
const WIDE: SampleRate = SampleRate::WIDE;
const FULL: SampleRate = SampleRate::FULL;

fn resample(c: &mut Criterion) {
    let mut group = c.benchmark_group("dsp/resample");
    for (from, to) in
        [(NARROW, WIDE), (WIDE, NARROW), (NARROW, FULL), (FULL, NARROW), (WIDE, FULL), (FULL, WIDE)]
    {
        let input = tone::sine(from, 440.0, -12.0, from.samples(Ptime::TICK));
        let mut out = vec![0; to.samples(Ptime::TICK)];
        let mut resampler = Resampler::new(from, to).expect("a ratio of small numbers");
        group.throughput(Throughput::Elements(out.len().max(input.len()) as u64));
        let name = format!("{} to {} kHz", from.hz() / 1_000, to.hz() / 1_000);
        group.bench_function(name, |b| {
            b.iter(|| resampler.process(black_box(&input), black_box(&mut out)));
        });
    }
    group.finish();
}

/// Frames of 8, 16 and 48 kHz.
const FRAMES: [usize; 3] = [160, 320, 960];

fn sum(c: &mut Criterion) {
    let mut group = c.benchmark_group("dsp/sum");
    for samples in FRAMES {
        group.throughput(Throughput::Elements(samples as u64));
        let voice = tone::sine(FULL, 440.0, -12.0, samples);
        let quiet: Vec<i32> = voice.iter().map(|&sample| 2 * i32::from(sample)).collect();
        // Its peaks lie above the knee of the limit.
        let loud: Vec<i32> = voice.iter().map(|&sample| 5 * i32::from(sample)).collect();
        let mut total = vec![0; samples];
        let mut out = vec![0; samples];
        group.bench_function(BenchmarkId::new("add", samples), |b| {
            b.iter(|| dsp::add(black_box(&mut total), black_box(&voice)));
            total.fill(0);
        });
        for (level, sum) in [("quiet", &quiet), ("loud", &loud)] {
            group.bench_function(BenchmarkId::new(format!("limit_{level}"), samples), |b| {
                b.iter(|| dsp::limit(black_box(sum), black_box(&mut out)));
            });
            group.bench_function(BenchmarkId::new(format!("subtract_{level}"), samples), |b| {
                b.iter(|| dsp::subtract(black_box(sum), black_box(&voice), black_box(&mut out)));
            });
        }
    }
    group.finish();
}

fn level_and_gain(c: &mut Criterion) {
    let mut group = c.benchmark_group("dsp/frame");
    for samples in FRAMES {
        group.throughput(Throughput::Elements(samples as u64));
        let mut voice = tone::sine(FULL, 440.0, -12.0, samples);
        group.bench_function(BenchmarkId::new("energy", samples), |b| {
            b.iter(|| dsp::energy(black_box(&voice)));
        });
        group.bench_function(BenchmarkId::new("ramp", samples), |b| {
            b.iter(|| dsp::ramp(black_box(&mut voice), 0.9, 1.1));
        });
        let old = voice.clone();
        group.bench_function(BenchmarkId::new("cross_fade", samples), |b| {
            b.iter(|| dsp::cross_fade(black_box(&old), black_box(&mut voice)));
        });
    }
    group.finish();
}

fn seat(c: &mut Criterion) {
    let mut group = c.benchmark_group("dsp/seat");
    group.bench_function("talk_detector", |b| {
        let mut detector = TalkDetector::new();
        let mut mean_square = 1.0e6;
        b.iter(|| {
            mean_square = if mean_square > 1.0e8 { 1.0e3 } else { mean_square * 1.3 };
            detector.update(black_box(mean_square))
        });
    });
    let voice = tone::sine(NARROW, 440.0, -30.0, 160);
    let mut frame = voice.clone();
    group.bench_function("agc/160", |b| {
        let mut agc = Agc::new();
        b.iter(|| {
            frame.copy_from_slice(&voice);
            agc.apply(black_box(&mut frame), true);
        });
    });
    for rate in [NARROW, WIDE, FULL] {
        let voice = tone::sine(rate, 440.0, -12.0, rate.samples(Ptime::TICK));
        let mut detector = InbandDetector::new(rate).expect("a ratio of small numbers");
        group.bench_function(BenchmarkId::new("inband_dtmf", voice.len()), |b| {
            b.iter(|| detector.feed(black_box(&voice), |event| _ = black_box(event)));
        });
    }
    group.finish();
}

criterion_group!(benches, resample, sum, level_and_gain, seat);
criterion_main!(benches);
