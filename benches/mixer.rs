//! One tick of a room: a packet into every seat, jitter buffer, decode, mix, encode.
//!
//! `3_talking`: three speak, the others send digital silence, as muted phones do. `all_talking`: every
//! packet holds a voice. `3_noisy`: three speak, the others send faint noise in which nothing tells
//! that it is none; `3_levels` has the same with the level of each packet beside it (RFC 6464).
//! The codec fixes the rate: G.711 mixes at 8 kHz, G.722 at 16, Opus at 48.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use media::codec::{Encoder, SendFormat};
use media::rtp::{AudioLevel, AudioPacket, Content, SeqNo, Ssrc};
use media::source::tone;
use media::{CodecKind, Mixer, MixerConfig, Ptime, RtpTime, SeatConfig, SeatId};

/// Packets per voice, so that no two ticks are alike.
const PACKETS: usize = 25;
/// Voices, beside silence and noise.
const VOICES: usize = 16;

/// What those who do not talk send.
#[derive(Clone, Copy, PartialEq)]
enum Quiet {
    Silence,
    Noise,
    Levels,
}

struct Room {
    mixer: Mixer,
    codec: CodecKind,
    seats: Vec<(SeatId, usize)>,
    voices: Vec<Vec<Vec<u8>>>,
    levels: bool,
    now: Instant,
    tick: u32,
}

impl Room {
    fn new(codec: CodecKind, seats: usize, talkers: usize, quiet: Quiet) -> Self {
        let mut mixer = Mixer::new(MixerConfig::default());
        let first = if quiet == Quiet::Silence { silence(codec) } else { noise(codec) };
        let voices = (0..VOICES).map(|n| voice(codec, 150.0 + 37.0 * n as f32));
        let voices: Vec<_> = std::iter::once(first).chain(voices).collect();
        // Talkers are spread over the room.
        let stride = seats / talkers.max(1);
        let talks = |n: usize| n.is_multiple_of(stride) && n / stride < talkers;
        let seats = (0..seats)
            .map(|n| {
                let seat = mixer.add_seat(SeatConfig::new(codec)).expect("every codec is there");
                (seat, if talks(n) { 1 + n % VOICES } else { 0 })
            })
            .collect();
        let (now, levels) = (Instant::now(), quiet == Quiet::Levels);
        let mut room = Self { mixer, codec, seats, voices, levels, now, tick: 0 };
        for _ in 0..75 {
            room.tick();
        }
        room
    }

    fn tick(&mut self) {
        let units = self.codec.clock_units(Ptime::TICK);
        for (n, &(seat, voice)) in self.seats.iter().enumerate() {
            let below_dbov = if voice == 0 { 65 } else { 27 };
            let packet = AudioPacket {
                ssrc: Ssrc(n as u32),
                seq: SeqNo(self.tick as u16),
                timestamp: RtpTime(self.tick.wrapping_mul(units)),
                marker: false,
                codec: self.codec,
                content: Content::Speech,
                level: self.levels.then_some(AudioLevel { below_dbov, voice: voice != 0 }),
                payload: &self.voices[voice][self.tick as usize % PACKETS],
            };
            self.mixer.push(seat, self.now, &packet);
        }
        self.mixer.tick(self.now);
        for &(seat, _) in &self.seats {
            black_box(self.mixer.outgoing(seat).map(|packet| packet.payload.len()).sum::<usize>());
        }
        while self.mixer.poll_event().is_some() {}
        self.now += Duration::from_millis(20);
        self.tick = self.tick.wrapping_add(1);
    }
}

fn encoded(codec: CodecKind, pcm: &[i16]) -> Vec<Vec<u8>> {
    let rate = codec.sample_rate();
    let mut encoder = Encoder::new(&SendFormat::new(codec), rate).expect("every codec is there");
    let frames = pcm.chunks_exact(rate.samples(Ptime::TICK));
    frames
        .map(|frame| {
            let mut payload = vec![0; 1_500];
            let len = encoder.encode(frame, &mut payload);
            payload.truncate(len);
            payload
        })
        .collect()
}

/// A hum with overtones: what an Opus encoder takes for a voice.
fn voice(codec: CodecKind, hz: f32) -> Vec<Vec<u8>> {
    let rate = codec.sample_rate();
    let samples = PACKETS * rate.samples(Ptime::TICK);
    let mut pcm = vec![0i16; samples];
    for overtone in 1..=6 {
        let level = -26.0 - 5.0 * overtone as f32;
        let sine = tone::sine(rate, hz * overtone as f32, level, samples);
        pcm.iter_mut().zip(sine).for_each(|(sum, sample)| *sum += sample);
    }
    encoded(codec, &pcm)
}

fn silence(codec: CodecKind) -> Vec<Vec<u8>> {
    encoded(codec, &vec![0; PACKETS * codec.sample_rate().samples(Ptime::TICK)])
}

/// White noise at about -65 dBFS.
fn noise(codec: CodecKind) -> Vec<Vec<u8>> {
    let mut state = 1u32;
    let samples = PACKETS * codec.sample_rate().samples(Ptime::TICK);
    let pcm: Vec<i16> = (0..samples)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 16) as i16) / 1_200
        })
        .collect();
    encoded(codec, &pcm)
}

fn mixer(c: &mut Criterion) {
    let rooms: [(&str, CodecKind, &[usize]); 3] = [
        ("pcmu_8k", CodecKind::Pcmu, &[3, 32, 200, 1_000]),
        ("g722_16k", CodecKind::G722, &[3, 32, 200, 1_000]),
        ("opus_48k", CodecKind::Opus, &[3, 32, 200]),
    ];
    for (name, codec, sizes) in rooms {
        let mut group = c.benchmark_group(format!("mixer/{name}"));
        for &seats in sizes {
            group.throughput(Throughput::Elements(seats as u64));
            for (name, talkers, quiet) in [
                ("3_talking", 3, Quiet::Silence),
                ("3_noisy", 3, Quiet::Noise),
                ("3_levels", 3, Quiet::Levels),
                ("all_talking", seats, Quiet::Silence),
            ] {
                group.bench_function(BenchmarkId::new(name, seats), |b| {
                    let mut room = Room::new(codec, seats, talkers, quiet);
                    b.iter(|| room.tick());
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, mixer);
criterion_main!(benches);
