//! One packet in, one frame out of the jitter buffer: in order, overtaking each other, with loss.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use media::jitter::{JitterBuffer, JitterConfig, Pull};
use media::rtp::{AudioPacket, Content, SeqNo, Ssrc};
use media::{CodecKind, RtpTime, SampleRate};

/// A stream of 20 ms packets and the buffer it runs through.
struct Stream {
    buffer: JitterBuffer,
    now: Instant,
    next: u32,
    payload: [u8; 160],
}

impl Stream {
    fn new() -> Self {
        let buffer = JitterBuffer::new(SampleRate::NARROW, JitterConfig::default());
        let mut stream = Self { buffer, now: Instant::now(), next: 2, payload: [0x55; 160] };
        stream.insert(0);
        stream.insert(1);
        stream
    }

    fn insert(&mut self, number: u32) {
        let packet = AudioPacket {
            ssrc: Ssrc(1),
            seq: SeqNo(number as u16),
            timestamp: RtpTime(number.wrapping_mul(160)),
            marker: false,
            codec: CodecKind::Pcmu,
            content: Content::Speech,
            level: None,
            payload: &self.payload,
        };
        black_box(self.buffer.insert(self.now, &packet));
    }

    /// One tick; gives the bytes handed out.
    fn pull(&mut self) -> usize {
        self.now += Duration::from_millis(20);
        match self.buffer.pull(self.now, 160) {
            Pull::Packet { payload, .. } => black_box(payload).len(),
            Pull::Lost { .. } | Pull::Silence { .. } | Pull::Wait => 0,
        }
    }
}

fn jitter_buffer(c: &mut Criterion) {
    let mut group = c.benchmark_group("jitter_buffer");
    group.throughput(Throughput::Elements(2));
    group.bench_function("in_order", |b| {
        let mut stream = Stream::new();
        b.iter(|| {
            for _ in 0..2 {
                stream.insert(stream.next);
                stream.next += 1;
                black_box(stream.pull());
            }
        });
    });
    group.bench_function("each_pair_swapped", |b| {
        let mut stream = Stream::new();
        b.iter(|| {
            stream.insert(stream.next + 1);
            black_box(stream.pull());
            stream.insert(stream.next);
            stream.next += 2;
            black_box(stream.pull());
        });
    });
    group.bench_function("every_tenth_lost", |b| {
        let mut stream = Stream::new();
        b.iter(|| {
            for _ in 0..2 {
                if stream.next % 10 != 3 {
                    stream.insert(stream.next);
                }
                stream.next += 1;
                black_box(stream.pull());
            }
        });
    });
    group.finish();
}

criterion_group!(benches, jitter_buffer);
criterion_main!(benches);
