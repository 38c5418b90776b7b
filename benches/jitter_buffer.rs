//! One packet in, one frame out of a seat's receive side: the buffer alone, and with decoder and delay
//! control, on a steady path, with jitter, with packets overtaking each other, with loss.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use media::codec::{CodecKind, Encoder, SendFormat};
use media::jitter::{JitterBuffer, JitterConfig, Pull};
use media::playout::Playout;
use media::rtp::{AudioLevel, AudioPacket, Content, SeqNo, Ssrc};
use media::source::tone;
use media::{RtpTime, SampleRate};

const TICK: Duration = Duration::from_millis(20);
/// Payloads of a stream, so that no two frames are alike.
const PAYLOADS: usize = 25;

/// A stream of 20 ms packets.
struct Stream {
    codec: CodecKind,
    start: Instant,
    next: u32,
    payloads: Vec<Vec<u8>>,
    level: Option<AudioLevel>,
}

impl Stream {
    fn new(codec: CodecKind, level_dbfs: f32) -> Self {
        let rate = codec.sample_rate();
        let mut encoder = Encoder::new(&SendFormat::new(codec), rate).expect("a rate of the codec");
        let samples = rate.hz() as usize / 50;
        let pcm = tone::sine(rate, 187.0, level_dbfs, samples * PAYLOADS);
        let encode = |pcm: &[i16]| {
            let mut payload = vec![0; 1_500];
            let len = encoder.encode(pcm, &mut payload);
            payload.truncate(len);
            payload
        };
        let payloads = pcm.chunks(samples).map(encode).collect();
        Self { codec, start: Instant::now(), next: 0, payloads, level: None }
    }

    /// Number `n`, and when it is sent.
    fn packet(&self, n: u32) -> (Instant, AudioPacket<'_>) {
        let packet = AudioPacket {
            ssrc: Ssrc(1),
            seq: SeqNo(n as u16),
            timestamp: RtpTime(n.wrapping_mul(self.codec.clock_hz() / 50)),
            marker: false,
            codec: self.codec,
            content: Content::Speech,
            level: self.level,
            payload: &self.payloads[n as usize % PAYLOADS],
        };
        (self.start + TICK * n, packet)
    }
}

/// The buffer alone, as it was benched from the beginning.
struct Buffer {
    stream: Stream,
    buffer: JitterBuffer,
    now: Instant,
}

impl Buffer {
    fn new() -> Self {
        let stream = Stream::new(CodecKind::Pcmu, -20.0);
        let now = stream.start;
        let mut all = Self { stream, buffer: JitterBuffer::new(JitterConfig::default()), now };
        all.insert(0);
        all.insert(1);
        all.stream.next = 2;
        all
    }

    fn insert(&mut self, n: u32) {
        let (_, packet) = self.stream.packet(n);
        black_box(self.buffer.insert(self.now, &packet));
    }

    /// One tick; gives the bytes handed out.
    fn pull(&mut self) -> usize {
        self.now += TICK;
        match self.buffer.pull(self.now, 160) {
            Pull::Packet { payload, .. } => black_box(payload).len(),
            _ => 0,
        }
    }
}

/// The whole receive side.
struct Seat {
    stream: Stream,
    playout: Playout,
    frame: Vec<i16>,
    /// Milliseconds by which packet `n` is late.
    late: fn(u32) -> u64,
}

impl Seat {
    fn new(stream: Stream, mix: SampleRate, late: fn(u32) -> u64) -> Self {
        let frame = vec![0; mix.hz() as usize / 50];
        let playout = Playout::new(mix, JitterConfig::default());
        let mut seat = Self { stream, playout, frame, late };
        for _ in 0..2_000 {
            seat.tick();
        }
        seat
    }

    fn tick(&mut self) {
        let n = self.stream.next;
        self.stream.next += 1;
        let (sent, packet) = self.stream.packet(n);
        let arrival = sent + Duration::from_millis((self.late)(n));
        black_box(self.playout.push(arrival, &packet));
        black_box(self.playout.fill(sent + TICK, &mut self.frame));
    }
}

fn jitter_buffer(c: &mut Criterion) {
    let mut group = c.benchmark_group("jitter_buffer");
    group.throughput(Throughput::Elements(2));
    group.bench_function("in_order", |b| {
        let mut all = Buffer::new();
        b.iter(|| {
            for _ in 0..2 {
                all.insert(all.stream.next);
                all.stream.next += 1;
                black_box(all.pull());
            }
        });
    });
    group.bench_function("each_pair_swapped", |b| {
        let mut all = Buffer::new();
        b.iter(|| {
            all.insert(all.stream.next + 1);
            black_box(all.pull());
            all.insert(all.stream.next);
            all.stream.next += 2;
            black_box(all.pull());
        });
    });
    group.bench_function("every_tenth_lost", |b| {
        let mut all = Buffer::new();
        b.iter(|| {
            for _ in 0..2 {
                if all.stream.next % 10 != 3 {
                    all.insert(all.stream.next);
                }
                all.stream.next += 1;
                black_box(all.pull());
            }
        });
    });
    group.finish();
}

fn playout(c: &mut Criterion) {
    const NARROW: SampleRate = SampleRate::NARROW;
    const FULL: SampleRate = SampleRate::FULL;
    let on_time: fn(u32) -> u64 = |_| 0;
    let jittery: fn(u32) -> u64 = |n| u64::from(n * 7_919 % 19);
    let mut group = c.benchmark_group("playout");
    for (name, codec, mix, level_dbfs, below_dbov, late) in [
        ("pcmu_silent", CodecKind::Pcmu, NARROW, -200.0, None, on_time),
        ("pcmu_voice", CodecKind::Pcmu, NARROW, -20.0, None, on_time),
        ("pcmu_voice_jittery", CodecKind::Pcmu, NARROW, -20.0, None, jittery),
        ("pcmu_voice_at_48k", CodecKind::Pcmu, FULL, -20.0, None, on_time),
        ("g722_voice", CodecKind::G722, SampleRate::WIDE, -20.0, None, on_time),
        ("opus_voice", CodecKind::Opus, FULL, -20.0, None, on_time),
        ("opus_inaudible", CodecKind::Opus, FULL, -20.0, Some(127), on_time),
    ] {
        group.bench_function(name, |b| {
            let level = below_dbov.map(|below_dbov| AudioLevel { below_dbov, voice: false });
            let stream = Stream { level, ..Stream::new(codec, level_dbfs) };
            let mut seat = Seat::new(stream, mix, late);
            b.iter(|| seat.tick());
        });
    }
    group.finish();
}

criterion_group!(benches, jitter_buffer, playout);
criterion_main!(benches);
