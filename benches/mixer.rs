//! One tick of a room: a packet into every seat, jitter buffer, decode, mix, encode.
//!
//! `3_talking`: three speak, the others send digital silence, as muted phones do. `all_talking`: every
//! packet holds a voice, which is also what a room of open microphones costs.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use media::rtp::{AudioPacket, Content, SeqNo, Ssrc};
use media::source::tone;
use media::{CodecKind, Mixer, MixerConfig, RtpTime, SampleRate, SeatConfig, SeatId};

const SEATS: [usize; 4] = [3, 32, 200, 1_000];
/// Payloads per voice, so that no two ticks are alike.
const PAYLOADS: usize = 25;

struct Room {
    mixer: Mixer,
    seats: Vec<SeatId>,
    /// For each seat, where its payloads lie.
    voices: Vec<usize>,
    payloads: Vec<[[u8; 160]; PAYLOADS]>,
    now: Instant,
    tick: u32,
}

impl Room {
    fn new(seats: usize, talkers: usize) -> Self {
        let mut mixer = Mixer::new(MixerConfig::default());
        // Row 0 is silence, the others are voices of different pitch.
        let payloads = (0..=16)
            .map(|row| {
                let level = if row == 0 { -200.0 } else { -24.0 };
                let hz = 150.0 + 37.0 * row as f32;
                let pcm = tone::sine(SampleRate::NARROW, hz, level, 160 * PAYLOADS);
                std::array::from_fn(|n| {
                    let mut payload = [0; 160];
                    CodecKind::Pcmu.encode(&pcm[160 * n..160 * (n + 1)], &mut payload);
                    payload
                })
            })
            .collect();
        let seat_ids =
            (0..seats).map(|_| mixer.add_seat(SeatConfig::new(CodecKind::Pcmu))).collect();
        // Talkers are spread over the room.
        let stride = seats / talkers.max(1);
        let talks = |n: usize| n.is_multiple_of(stride) && n / stride < talkers;
        let voice = |n: usize| if talks(n) { 1 + n % 16 } else { 0 };
        let voices = (0..seats).map(voice).collect();
        let mut room =
            Self { mixer, seats: seat_ids, voices, payloads, now: Instant::now(), tick: 0 };
        for _ in 0..10 {
            room.tick();
        }
        room
    }

    fn tick(&mut self) {
        for (n, (&seat, &voice)) in self.seats.iter().zip(&self.voices).enumerate() {
            let packet = AudioPacket {
                ssrc: Ssrc(n as u32),
                seq: SeqNo(self.tick as u16),
                timestamp: RtpTime(self.tick.wrapping_mul(160)),
                marker: false,
                codec: CodecKind::Pcmu,
                content: Content::Speech,
                level: None,
                payload: &self.payloads[voice][self.tick as usize % PAYLOADS],
            };
            self.mixer.push(seat, self.now, &packet);
        }
        self.mixer.tick(self.now);
        for &seat in &self.seats {
            black_box(self.mixer.payload(seat));
        }
        self.now += Duration::from_millis(20);
        self.tick = self.tick.wrapping_add(1);
    }
}

fn mixer(c: &mut Criterion) {
    let mut group = c.benchmark_group("mixer");
    for seats in SEATS {
        group.throughput(Throughput::Elements(seats as u64));
        for (name, talkers) in [("3_talking", 3), ("all_talking", seats)] {
            group.bench_function(BenchmarkId::new(name, seats), |b| {
                let mut room = Room::new(seats, talkers);
                b.iter(|| room.tick());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, mixer);
criterion_main!(benches);
