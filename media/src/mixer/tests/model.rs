//! A mixer under random operations beside a model of it: who hears whom, and how much time passed.
//!
//! Shared by the property test (`ops.rs`) and the fuzz target `mixer_ops`, which is why it uses what is
//! public alone, through the `media` of its parent module. Every member says a tone of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::media::codec::{Decoder, Encoder, SendFormat};
use super::media::dsp::goertzel_dbfs;
use super::media::mixer::{Play, PlayId, Tag};
use super::media::rtp::{AudioPacket, Content, SeqNo, Ssrc};
use super::media::source::{Pcm, tone};
use super::media::{CodecKind, Mixer, MixerConfig, Ptime, RtpTime, SampleRate, SeatConfig, SeatId};

/// Two seconds of each are whole periods, and so is half a second.
const TONES: [f32; 7] = [350.0, 620.0, 940.0, 1_310.0, 1_660.0, 2_070.0, 2_430.0];
const LEVEL: f32 = -24.0;
/// What is played: to one seat, to the room.
const PROMPT: f32 = 2_760.0;
const MUSIC: f32 = 3_020.0;
const TICK: Duration = Duration::from_millis(20);

/// What an operation does, and to whom: three bytes of anything.
pub(crate) type Op = [u8; 3];

struct Member {
    seat: SeatId,
    hz: f32,
    /// What it sends.
    codec: CodecKind,
    ptime: Ptime,
    encoder: Encoder,
    says: Vec<i16>,
    talks: bool,
    /// Packets since the first, of which some were not sent.
    packets: u32,
    joined: u32,
    /// What it is sent.
    format: SendFormat,
    decoder: Decoder,
    heard: Vec<i16>,
    /// Milliseconds of packets since it joined.
    ms: u32,
    sent: Vec<Vec<u8>>,
    muted: bool,
    deaf: bool,
    tag: Option<Tag>,
    only_to: Option<Tag>,
    prompt: Option<PlayId>,
}

pub(crate) struct Model {
    mixer: Mixer,
    members: Vec<Member>,
    music: Option<PlayId>,
    now: Instant,
    ticks: u32,
}

impl Model {
    pub(crate) fn new(now: Instant) -> Self {
        let mixer = Mixer::new(MixerConfig::default());
        Self { mixer, members: Vec::new(), music: None, now, ticks: 0 }
    }

    /// Does it, and lets some ticks pass.
    pub(crate) fn apply(&mut self, [what, who, how]: Op) {
        let many = self.members.len();
        let at = usize::from(who) % many.max(1);
        let on = how % 2 == 0;
        let tag = [None, Some(Tag(1)), Some(Tag(2))][usize::from(how % 3)];
        let Some(member) = self.members.get_mut(at).filter(|_| what % 16 > 2 || many > 6) else {
            return self.join(who, how);
        };
        let (mixer, seat) = (&mut self.mixer, member.seat);
        match what % 16 {
            0..=3 => {
                assert!(mixer.remove_seat(seat) && !mixer.has_seat(seat));
                self.members.remove(at);
            }
            4 | 5 => {
                let format = format(how);
                mixer.set_format(seat, format).unwrap();
                if format != member.format {
                    member.decoder = decoder(&format);
                    member.heard.clear();
                }
                member.format = format;
            }
            6 => {
                mixer.mute(seat, on);
                member.muted = on;
            }
            7 => {
                mixer.deafen(seat, on);
                member.deaf = on;
            }
            8 | 9 => {
                mixer.set_tag(seat, tag);
                member.tag = tag;
            }
            10 | 11 => {
                mixer.speak_only_to(seat, tag);
                member.only_to = tag;
            }
            12 => match member.prompt.take() {
                Some(play) => assert!(mixer.stop_play(play)),
                None => member.prompt = mixer.play_to_seat(seat, play(PROMPT, how)).ok(),
            },
            13 => match self.music.take() {
                Some(play) => assert!(mixer.stop_play(play)),
                None => self.music = mixer.play_to_room(play(MUSIC, how)).ok(),
            },
            _ => member.talks = on,
        }
    }

    fn join(&mut self, who: u8, how: u8) {
        let is_free = |hz: &&f32| self.members.iter().all(|member| member.hz != **hz);
        let Some(&hz) = TONES.iter().find(is_free) else { return };
        let (format, codec) = (format(how), CodecKind::ALL[usize::from(who % 6)]);
        let muted = who >= 240;
        let seat = self.mixer.add_seat(SeatConfig { format, muted }).unwrap();
        let rate = codec.sample_rate();
        // No datagram holds 60 ms of L16 at 16 kHz.
        let longest = if codec == CodecKind::L16Wide { 4 } else { 5 };
        let ptime = Ptime::ALL[usize::from(who / 6 % longest)];
        let mut sends = SendFormat { ptime, ..SendFormat::new(codec) };
        sends.opus.bitrate = 96_000;
        self.members.push(Member {
            seat,
            hz,
            codec,
            ptime,
            encoder: Encoder::new(&sends, rate).unwrap(),
            says: tone::sine(rate, hz, LEVEL, 3 * rate.hz() as usize),
            talks: !who.is_multiple_of(4),
            packets: 0,
            joined: self.ticks,
            format,
            decoder: decoder(&format),
            heard: Vec::new(),
            ms: 0,
            sent: Vec::new(),
            muted,
            deaf: false,
            tag: None,
            only_to: None,
            prompt: None,
        });
    }

    pub(crate) fn run(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.tick();
        }
    }

    fn tick(&mut self) {
        for member in &mut self.members {
            while let Some(packet) = member.next_packet(self.ticks + 1) {
                let (units, payload) = packet;
                let packet = AudioPacket {
                    ssrc: Ssrc(7),
                    seq: SeqNo(member.packets as u16),
                    timestamp: RtpTime(member.packets.wrapping_mul(units)),
                    marker: member.packets == 1,
                    codec: member.codec,
                    content: Content::Speech,
                    level: None,
                    payload: &payload,
                };
                self.mixer.push(member.seat, self.now, &packet).unwrap();
            }
        }
        self.mixer.tick(self.now);
        self.now += TICK;
        self.ticks += 1;
        while self.mixer.poll_event().is_some() {}
        for member in &mut self.members {
            member.receive(&self.mixer, self.ticks);
        }
    }

    /// What everybody heard of late is what they should have heard, if nothing changed for a second.
    pub(crate) fn check_hearing(&self) {
        for listener in &self.members {
            for talker in &self.members {
                let is_heard = talker.talks
                    && !talker.muted
                    && !listener.deaf
                    && listener.seat != talker.seat
                    && (talker.only_to.is_none() || talker.only_to == listener.tag);
                listener.check_tone(talker.hz, is_heard);
            }
            listener.check_tone(PROMPT, listener.prompt.is_some());
            listener.check_tone(MUSIC, self.music.is_some() && !listener.deaf);
        }
    }

    /// Who hears the same in the same format is sent the same bytes.
    pub(crate) fn check_sharing(&self) {
        let listens = |member: &&Member| {
            let is_heard = member.talks && !member.muted;
            !is_heard && !member.deaf && member.prompt.is_none()
        };
        let spoken_to = |tag| self.members.iter().any(|member| member.only_to == tag);
        let audience = |member: &Member| member.tag.filter(|_| spoken_to(member.tag));
        for one in self.members.iter().filter(listens) {
            for two in self.members.iter().filter(listens) {
                if one.format == two.format && audience(one) == audience(two) {
                    assert_eq!(one.sent, two.sent, "{:?} differs among listeners", one.format);
                }
            }
        }
    }
}

impl Member {
    /// Clock units and payload of the next packet that is complete by the end of this tick.
    fn next_packet(&mut self, tick: u32) -> Option<(u32, Vec<u8>)> {
        loop {
            let rate = self.codec.sample_rate();
            let samples = rate.samples(self.ptime);
            if (self.packets + 1) * self.ptime.ms() > (tick - self.joined) * 20 {
                return None;
            }
            let from = self.packets as usize * samples % self.says.len();
            self.packets += 1;
            let mut payload = vec![0; 2_000];
            let len = self.encoder.encode(&self.says[from..from + samples], &mut payload);
            payload.truncate(len);
            if self.talks {
                return Some((self.codec.clock_units(self.ptime), payload));
            }
        }
    }

    fn receive(&mut self, mixer: &Mixer, ticks: u32) {
        self.sent.clear();
        let clock = self.format.codec.clock_hz() / 1_000;
        let rate = rate(&self.format);
        for packet in mixer.outgoing(self.seat) {
            assert_eq!(packet.units % clock, 0);
            self.ms += packet.units / clock;
            if packet.payload.is_empty() {
                continue;
            }
            assert_eq!(packet.units, self.format.codec.clock_units(self.format.ptime));
            let mut pcm = [0; 5_760];
            let samples = self.decoder.decode(packet.payload, &mut pcm);
            assert_eq!(samples, rate.samples(self.format.ptime), "{:?}", self.format);
            self.heard.extend(&pcm[..samples]);
            self.sent.push(packet.payload.to_vec());
        }
        let second = rate.hz() as usize;
        if self.heard.len() > 2 * second {
            self.heard.drain(..second);
        }
        // Only what has not filled a packet yet may be missing.
        let waiting = (ticks - self.joined) * 20 - self.ms;
        let of_packet = ticks * 20 % self.format.ptime.ms();
        assert!([0, of_packet].contains(&waiting), "{waiting} ms behind: {:?}", self.format);
    }

    fn check_tone(&self, hz: f32, is_heard: bool) {
        let rate = rate(&self.format);
        let half = rate.hz() as usize / 2;
        let level = goertzel_dbfs(&self.heard[self.heard.len() - half..], rate.hz(), hz);
        // How Opus shares its bits among seven tones is its own affair.
        let near = if self.format.codec == CodecKind::Opus { 4.0 } else { 2.0 };
        let is_right = if is_heard { (level - LEVEL).abs() <= near } else { level <= -45.0 };
        let format = (self.format.codec, self.format.ptime, self.hz);
        assert!(is_right, "{format:?}: {hz} Hz at {level}, should be heard: {is_heard}");
    }
}

fn rate(format: &SendFormat) -> SampleRate {
    format.codec.sample_rate()
}

fn decoder(format: &SendFormat) -> Decoder {
    Decoder::new(format.codec, rate(format)).unwrap()
}

fn format(how: u8) -> SendFormat {
    let codec = CodecKind::ALL[usize::from(how % 6)];
    let ptime = Ptime::ALL[usize::from(how / 6 % 5)];
    let mut format = SendFormat { ptime, ..SendFormat::new(codec) };
    if codec == CodecKind::Opus {
        format.opus.bitrate = 96_000;
        format.opus.max_playback_rate =
            [SampleRate::FULL, SampleRate::WIDE][usize::from(how / 128)];
    }
    format
}

fn play(hz: f32, how: u8) -> Play {
    let rate = [SampleRate::NARROW, SampleRate::FULL][usize::from(how % 2)];
    Play::forever(Arc::new(Pcm::new(tone::sine(rate, hz, LEVEL, rate.hz() as usize), rate)))
}
