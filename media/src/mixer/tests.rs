//! The room, with real codecs and tones: who hears whom, and how loud.

mod listeners;
mod model;
mod ops;
mod rates;
mod streams;
mod talk;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate as media;
use crate::codec::{Activity, Decoder, Encoder, activity};
use crate::dsp::goertzel_dbfs;
use crate::rtp::{Content, SeqNo, Ssrc};
use crate::source::{Pcm, tone};
use crate::time::RtpTime;

/// A mixer whose seats each send a tone, in virtual time on a perfect network.
struct Room {
    mixer: Mixer,
    members: Vec<Member>,
    now: Instant,
    ticks: u32,
}

struct Member {
    seat: SeatId,
    codec: CodecKind,
    rate: SampleRate,
    encoder: Encoder,
    decoder: Decoder,
    /// One second; repeated.
    says: Vec<i16>,
    heard: Vec<i16>,
    /// RTP clock units received.
    units: u32,
}

impl Room {
    fn new() -> Self {
        Self::with(MixerConfig::default())
    }

    fn with(config: MixerConfig) -> Self {
        let mixer = Mixer::new(config);
        Self { mixer, members: Vec::new(), now: crate::sim::epoch(), ticks: 0 }
    }

    /// Adds a member that sends a tone at -12 dBFS; 0 Hz is silence.
    fn join(&mut self, format: impl Into<SendFormat>, hz: f32) -> SeatId {
        self.join_at(format, hz, LEVEL)
    }

    /// Opus gets bits enough to keep a tone's level: how it spends few is its own affair.
    fn join_at(&mut self, format: impl Into<SendFormat>, hz: f32, level_dbfs: f32) -> SeatId {
        let mut format = format.into();
        if format.codec == CodecKind::Opus {
            format.opus.bitrate = 96_000;
        }
        let seat = self.mixer.add_seat(SeatConfig::new(format)).unwrap();
        let rate = format.codec.sample_rate();
        self.members.push(Member {
            seat,
            codec: format.codec,
            rate,
            encoder: Encoder::new(&SendFormat { ptime: Ptime::TICK, ..format }, rate).unwrap(),
            decoder: Decoder::new(format.codec, rate).unwrap(),
            says: tone::sine(rate, hz, level_dbfs, rate.hz() as usize),
            heard: Vec::new(),
            units: 0,
        });
        seat
    }

    fn leave(&mut self, who: usize) {
        let member = self.members.remove(who);
        assert!(self.mixer.remove_seat(member.seat));
    }

    fn run(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.tick();
        }
    }

    fn tick(&mut self) {
        for member in &mut self.members {
            let samples = tick_samples(member.rate);
            let from = (self.ticks as usize % 50) * samples;
            let mut payload = [0; 1_500];
            let frame = &member.says[from..from + samples];
            let len = member.encoder.encode(frame, &mut payload);
            let units = member.codec.clock_units(Ptime::TICK);
            let packet = AudioPacket {
                ssrc: Ssrc(7),
                seq: SeqNo(self.ticks as u16),
                timestamp: RtpTime(self.ticks * units),
                marker: self.ticks == 0,
                codec: member.codec,
                content: Content::Speech,
                level: None,
                payload: &payload[..len],
            };
            self.mixer.push(member.seat, self.now, &packet);
        }
        self.mixer.tick(self.now);
        for member in &mut self.members {
            for packet in self.mixer.outgoing(member.seat) {
                let mut frame = [0; 5_760];
                let samples = member.decoder.decode(packet.payload, &mut frame);
                member.heard.extend(&frame[..samples]);
                member.units += packet.units;
            }
        }
        self.now += Duration::from_millis(20);
        self.ticks += 1;
    }

    /// Forgets what was heard so far.
    fn forget(&mut self) {
        self.members.iter_mut().for_each(|member| member.heard.clear());
    }

    /// Level of a tone in the last second heard by member `who`.
    fn level(&self, who: usize, hz: f32) -> f32 {
        let Member { heard, rate, .. } = &self.members[who];
        let second = rate.hz() as usize;
        goertzel_dbfs(&heard[heard.len().saturating_sub(second)..], rate.hz(), hz)
    }

    /// The last frame heard by member `who`.
    fn last_frame(&self, who: usize) -> &[i16] {
        self.members[who].heard.rchunks(160).next().unwrap()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.mixer.poll_event()).collect()
    }

    fn plays_done(&mut self) -> Vec<(PlayId, PlayEnd, u64)> {
        let done = self.events().into_iter().filter_map(|event| match event {
            Event::PlayDone(done) => Some((done.play, done.end, done.samples)),
            _ => None,
        });
        done.collect()
    }

    /// The bytes a seat was sent in the last tick.
    fn sent(&self, who: usize) -> Vec<u8> {
        let packets = self.mixer.outgoing(self.members[who].seat);
        packets.flat_map(|packet| packet.payload.to_vec()).collect()
    }
}

/// What is left of `heard` without its tone of `hz`, in dB below the tone: the worst of all pieces of
/// 20 ms, so that one click in an hour shows.
fn worst_residue_db(heard: &[i16], rate: SampleRate, hz: f64) -> f64 {
    let piece = tick_samples(rate);
    let step = 2.0 * std::f64::consts::PI * hz / f64::from(rate.hz());
    let residue = |samples: &[i16]| {
        // Least squares over a piece that need not hold whole periods.
        let (mut ss, mut sc, mut cc, mut xs, mut xc, mut xx) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for (n, &sample) in samples.iter().enumerate() {
            let (sin, cos) = (step * n as f64).sin_cos();
            let x = f64::from(sample);
            ss += sin * sin;
            sc += sin * cos;
            cc += cos * cos;
            xs += x * sin;
            xc += x * cos;
            xx += x * x;
        }
        let det = ss * cc - sc * sc;
        let (a, b) = ((xs * cc - xc * sc) / det, (xc * ss - xs * sc) / det);
        let fitted = a * xs + b * xc;
        10.0 * ((xx - fitted).max(1e-9) / fitted.max(1e-9)).log10()
    };
    heard.chunks_exact(piece).map(residue).fold(f64::MIN, f64::max)
}

const LEVEL: f32 = -12.0;
const TONES: [f32; 3] = [500.0, 800.0, 1_300.0];

fn three(codecs: [CodecKind; 3]) -> (Room, [SeatId; 3]) {
    let mut room = Room::new();
    let seats = [0, 1, 2].map(|n| room.join(codecs[n], TONES[n]));
    (room, seats)
}

#[test]
fn each_of_three_hears_the_other_two_and_not_itself() {
    let (pcmu, pcma) = (CodecKind::Pcmu, CodecKind::Pcma);
    for codecs in [[pcmu; 3], [pcma; 3], [pcmu, pcma, pcmu]] {
        let (mut room, _) = three(codecs);
        room.run(60);
        for (who, own) in TONES.iter().enumerate() {
            for hz in TONES {
                let level = room.level(who, hz);
                if hz == *own {
                    assert!(level <= -50.0, "{who} hears itself at {level}");
                } else {
                    assert!((level - LEVEL).abs() <= 0.5, "{who} hears {hz} at {level}");
                }
            }
        }
    }
}

#[test]
fn a_muted_seat_is_silent_to_the_others_and_hears_them() {
    let (mut room, seats) = three([CodecKind::Pcmu; 3]);
    room.run(10);
    room.mixer.mute(seats[0], true);
    assert!(room.mixer.is_muted(seats[0]));
    room.run(60);
    assert!(room.level(1, TONES[0]) <= -50.0);
    assert!(room.level(2, TONES[0]) <= -50.0);
    assert!((room.level(0, TONES[1]) - LEVEL).abs() < 0.5);
    assert!((room.level(2, TONES[1]) - LEVEL).abs() < 0.5);
    assert!((room.mixer.seat_level(seats[0]).unwrap() - LEVEL).abs() < 0.5, "still measured");
    room.mixer.mute(seats[0], false);
    room.run(60);
    assert!((room.level(1, TONES[0]) - LEVEL).abs() < 0.5);
}

#[test]
fn mute_takes_effect_within_one_frame_and_does_not_click() {
    let mut room = Room::new();
    let talker = room.join(CodecKind::Pcmu, 400.0);
    room.join(CodecKind::Pcmu, 0.0);
    room.run(20);
    let before = room.members[1].heard.len();
    room.mixer.mute(talker, true);
    room.run(2);
    room.mixer.mute(talker, false);
    room.run(2);
    let heard = &room.members[1].heard;
    assert_eq!(heard[before + 160..before + 320], [0; 160]);
    // The steepest step of the tone itself, at -12 dB, is about 2,600 per sample.
    let steps = heard[before - 160..].windows(2);
    let steepest = steps.map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max();
    assert!(steepest < Some(3_000), "{steepest:?}");
}

#[test]
fn a_seat_may_join_muted() {
    let mut room = Room::new();
    let config = SeatConfig { muted: true, ..SeatConfig::new(CodecKind::Pcmu) };
    room.join(CodecKind::Pcmu, 500.0);
    room.mixer.remove_seat(room.members[0].seat);
    room.members[0].seat = room.mixer.add_seat(config).unwrap();
    room.join(CodecKind::Pcmu, 0.0);
    room.run(60);
    assert!(room.level(1, 500.0) <= -50.0);
    room.mixer.mute(room.members[0].seat, false);
    room.run(60);
    assert!((room.level(1, 500.0) - LEVEL).abs() < 0.5);
}

#[test]
fn a_deaf_seat_hears_nobody_but_what_is_played_to_it() {
    let (mut room, seats) = three([CodecKind::Pcma; 3]);
    room.mixer.deafen(seats[0], true);
    room.run(60);
    assert!(room.level(0, TONES[1]) <= -50.0);
    assert!((room.level(1, TONES[0]) - LEVEL).abs() < 0.5, "it is still heard");
    let prompt =
        Pcm::new(tone::sine(SampleRate::NARROW, 2_000.0, -20.0, 8_000), SampleRate::NARROW);
    room.mixer.play_to_seat(seats[0], Play::forever(Arc::new(prompt))).unwrap();
    room.run(60);
    assert!((room.level(0, 2_000.0) + 20.0).abs() < 0.5);
    assert!(room.level(0, TONES[1]) <= -50.0);
    assert!(room.level(1, 2_000.0) <= -50.0, "nobody else hears the prompt");
}

#[test]
fn gain_changes_what_others_hear() {
    let (mut room, seats) = three([CodecKind::Pcmu; 3]);
    room.mixer.set_gain_db(seats[0], -6.0);
    room.run(60);
    assert!((room.level(1, TONES[0]) - (LEVEL - 6.0)).abs() < 0.5);
    assert!(room.level(0, TONES[0]) <= -50.0, "what is subtracted is what was added");
}

#[test]
fn a_full_room_saturates_and_never_wraps() {
    let mut room = Room::new();
    for _ in 0..20 {
        room.join(CodecKind::Pcmu, 500.0);
    }
    room.run(60);
    let loudest = room.members[0].heard.iter().map(|s| s.unsigned_abs()).max();
    assert!(loudest > Some(31_000));
    // A wrapped sum would swing from one rail to the other between two samples.
    let steps = room.members[0].heard.windows(2).map(|p| (i32::from(p[1]) - i32::from(p[0])).abs());
    assert!(steps.max() < Some(45_000));
    assert!((room.level(0, 500.0) - 1.9).abs() < 1.0, "a clipped sine, near full scale");
}

#[test]
fn alone_a_seat_hears_silence_and_always_gets_a_payload() {
    let mut room = Room::new();
    room.join(CodecKind::Pcma, 500.0);
    assert_eq!(room.sent(0).len(), 160, "even before the first tick");
    room.run(60);
    assert_eq!(activity(CodecKind::Pcma, &room.sent(0)), Activity::Silence);
}

#[test]
fn the_room_hears_the_beep_and_its_end_is_told_once() {
    let (mut room, _) = three([CodecKind::Pcmu; 3]);
    let beep = Arc::new(tone::entry_beep(SampleRate::NARROW));
    room.run(20);
    let play = room.mixer.play_to_room(Play::once(beep.clone())).unwrap();
    room.run(6);
    for who in 0..3 {
        let heard = &room.members[who].heard;
        assert!(goertzel_dbfs(&heard[heard.len() - 960..], 8_000, 600.0) > -20.0, "{who}");
    }
    room.run(20);
    let samples = beep.samples().len() as u64;
    assert_eq!(room.plays_done(), [(play, PlayEnd::Finished, samples)]);
}

#[test]
fn a_solo_call_hears_its_prompt_sample_by_sample() {
    let mut room = Room::new();
    let seat = room.join(CodecKind::Pcmu, 0.0);
    room.run(5);
    let samples = tone::sine(SampleRate::NARROW, 440.0, -10.0, 400);
    let play = Play::once(Arc::new(Pcm::new(samples.clone(), SampleRate::NARROW)));
    let from = room.members[0].heard.len();
    room.mixer.play_to_seat(seat, play).unwrap();
    room.run(4);
    let mut expected = vec![0u8; 400];
    CodecKind::Pcmu.encode(&samples, &mut expected);
    let mut decoded = vec![0i16; 400];
    CodecKind::Pcmu.decode(&expected, &mut decoded);
    assert_eq!(room.members[0].heard[from..from + 400], decoded);
    assert_eq!(room.members[0].heard[from + 400..], [0; 240]);
}

#[test]
fn a_prompt_may_be_replaced_and_stopped() {
    let mut room = Room::new();
    let seat = room.join(CodecKind::Pcmu, 0.0);
    let pcm = Arc::new(Pcm::new(vec![5_000; 8_000], SampleRate::NARROW));
    let first = room.mixer.play_to_seat(seat, Play::forever(pcm.clone())).unwrap();
    room.run(2);
    let second = room.mixer.play_to_seat(seat, Play::forever(pcm)).unwrap();
    room.run(2);
    assert!(room.mixer.stop_play(second));
    room.run(2);
    assert!(!room.mixer.stop_play(second));
    let ends = room.plays_done();
    assert_eq!(ends, [(first, PlayEnd::Replaced, 320), (second, PlayEnd::Stopped, 480)]);
    assert_eq!(room.last_frame(0), [0; 160]);
}

#[test]
fn a_player_that_is_cut_says_how_far_it_came_and_nothing_else_does() {
    let mut room = Room::new();
    let seat = room.join(CodecKind::Pcmu, 0.0);
    let pcm = Arc::new(Pcm::new(vec![5_000; 8_000], SampleRate::NARROW));
    let to_seat = room.mixer.play_to_seat(seat, Play::once(pcm.clone())).unwrap();
    let to_room = room.mixer.play_to_room(Play::once(pcm)).unwrap();
    room.run(3);
    let cut = [to_seat, to_room].map(|play| room.mixer.cut_play(play).unwrap());
    assert_eq!(cut.map(|done| (done.samples, done.offset)), [(480, 480); 2]);
    assert_eq!(room.mixer.cut_play(to_seat), None);
    room.run(1);
    assert_eq!(room.last_frame(0), [0; 160]);
    assert_eq!(room.plays_done(), []);
}

#[test]
fn the_fifth_player_of_a_room_replaces_the_oldest() {
    let mut room = Room::new();
    let pcm = Arc::new(Pcm::new(vec![1; 8_000], SampleRate::NARROW));
    let plays: Vec<_> = (0..=MAX_ROOM_PLAYS)
        .map(|_| room.mixer.play_to_room(Play::forever(pcm.clone())).unwrap())
        .collect();
    assert_eq!(room.plays_done(), [(plays[0], PlayEnd::Replaced, 0)]);
}

#[test]
fn audio_at_an_odd_rate_and_a_seat_that_is_gone_are_refused() {
    let mut room = Room::new();
    let seat = room.join(CodecKind::Pcmu, 0.0);
    let odd = SampleRate::new(12_345).unwrap();
    let odd = Play::once(Arc::new(Pcm::new(vec![0; 10], odd)));
    let refused = Error::RateMismatch { source_hz: 12_345, mixer_hz: 8_000 };
    assert_eq!(room.mixer.play_to_seat(seat, odd.clone()), Err(refused.clone()));
    assert_eq!(room.mixer.play_to_room(odd), Err(refused));
    assert!(room.mixer.remove_seat(seat));
    let narrow = Play::once(Arc::new(Pcm::new(vec![0; 10], SampleRate::NARROW)));
    assert_eq!(room.mixer.play_to_seat(seat, narrow), Err(Error::NoSuchSeat));
}

#[test]
fn a_seat_id_never_names_the_next_occupant() {
    let mut mixer = Mixer::new(MixerConfig::default());
    let first = mixer.add_seat(SeatConfig::new(CodecKind::Pcmu)).unwrap();
    assert!(mixer.remove_seat(first));
    assert!(!mixer.remove_seat(first));
    let second = mixer.add_seat(SeatConfig::new(CodecKind::Pcma)).unwrap();
    assert_ne!(first, second);
    assert!(!mixer.has_seat(first) && mixer.has_seat(second));
    mixer.mute(first, true);
    assert!(!mixer.is_muted(second));
    assert_eq!(mixer.outgoing(first).count(), 0);
    assert_eq!((mixer.seat_count(), mixer.seat_level(first)), (1, None));
    let silence = mixer.outgoing(second).next().unwrap().payload;
    assert!(silence.iter().all(|&byte| byte == 0xd5), "A-law silence");
}

#[test]
fn a_leaver_is_gone_from_the_mix_with_the_next_tick() {
    let (mut room, seats) = three([CodecKind::Pcmu; 3]);
    room.run(20);
    room.mixer.remove_seat(seats[0]);
    room.members.remove(0);
    room.run(60);
    assert!(room.level(0, TONES[0]) <= -50.0);
    assert!((room.level(0, TONES[2]) - LEVEL).abs() < 0.5);
}

#[test]
fn a_codec_may_change_during_the_call() {
    let (mut room, seats) = three([CodecKind::Pcmu; 3]);
    room.run(20);
    room.mixer.set_format(seats[0], CodecKind::Pcma.into()).unwrap();
    let member = &mut room.members[0];
    member.codec = CodecKind::Pcma;
    member.encoder = Encoder::new(&CodecKind::Pcma.into(), SampleRate::NARROW).unwrap();
    member.decoder = Decoder::new(CodecKind::Pcma, SampleRate::NARROW).unwrap();
    room.run(60);
    assert!((room.level(0, TONES[1]) - LEVEL).abs() < 0.5);
    assert!((room.level(1, TONES[0]) - LEVEL).abs() < 0.5);
}

#[test]
fn listeners_of_one_codec_share_one_payload() {
    let mut room = Room::new();
    room.join(CodecKind::Pcmu, 500.0);
    for _ in 0..3 {
        room.join(CodecKind::Pcmu, 0.0);
    }
    room.run(10);
    let place = |who: usize| {
        let sent = room.mixer.outgoing(room.members[who].seat).next();
        sent.unwrap().payload.as_ptr()
    };
    assert_eq!(place(1), place(2));
    assert_eq!(place(1), place(3));
    assert_ne!(place(0), place(1));
}

#[test]
fn packets_of_every_length_give_whole_frames() {
    for ms in [10u32, 20, 30, 40, 60] {
        let mut mixer = Mixer::new(MixerConfig::default());
        let talker = mixer.add_seat(SeatConfig::new(CodecKind::Pcmu)).unwrap();
        let listener = mixer.add_seat(SeatConfig::new(CodecKind::Pcmu)).unwrap();
        let says = tone::sine(SampleRate::NARROW, 500.0, LEVEL, 8_000);
        let (mut now, mut heard, mut sent) = (crate::sim::epoch(), Vec::new(), 0u32);
        let units = ms * 8;
        for tick in 0..100u32 {
            // Everything the sender has recorded by now, in packets of `ms`.
            while (sent + 1) * units <= (tick + 1) * 160 {
                let from = (sent * units) as usize % 8_000;
                let pcm: Vec<i16> =
                    says.iter().cycle().skip(from).take(units as usize).copied().collect();
                let mut payload = vec![0; units as usize];
                CodecKind::Pcmu.encode(&pcm, &mut payload);
                let packet = AudioPacket {
                    ssrc: Ssrc(1),
                    seq: SeqNo(sent as u16),
                    timestamp: RtpTime(sent * units),
                    marker: sent == 0,
                    codec: CodecKind::Pcmu,
                    content: Content::Speech,
                    level: None,
                    payload: &payload,
                };
                mixer.push(talker, now, &packet);
                sent += 1;
            }
            mixer.tick(now);
            let mut frame = [0; 160];
            let sent = mixer.outgoing(listener).next().unwrap();
            CodecKind::Pcmu.decode(sent.payload, &mut frame);
            heard.extend(frame);
            now += Duration::from_millis(20);
        }
        let steady = &heard[heard.len() - 8_000..];
        let level = goertzel_dbfs(steady, 8_000, 500.0);
        assert!((level - LEVEL).abs() < 0.3, "{ms} ms: {level}");
        let stats = mixer.seat_stats(talker).unwrap();
        assert_eq!((stats.packets_late, stats.packets_discarded), (0, 0), "{ms} ms");
    }
}
