//! One talker, a bad network, and the playout at the other end, in virtual time.

use std::time::{Duration, Instant};

use media::codec::{CodecKind, Encoder, SendFormat};
use media::jitter::JitterConfig;
use media::playout::{Playout, StreamStats};
use media::rtp::{AudioLevel, AudioPacket, Content, Packet, PayloadType, SeqNo, Ssrc};
use media::sim::{Link, LinkConfig, LinkStats};
use media::{RtpTime, SampleRate};

/// One tick.
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// How the talker sends.
pub(crate) struct Talker {
    pub(crate) format: SendFormat,
    /// At the codec's rate, played in a loop.
    pub(crate) says: Vec<i16>,
    /// How much faster its clock runs, in millionths.
    pub(crate) drift_ppm: f64,
    /// What it tells of its loudness.
    pub(crate) level: Option<AudioLevel>,
}

impl Talker {
    /// 20 ms packets by a true clock.
    pub(crate) fn new(codec: CodecKind, says: Vec<i16>) -> Self {
        Self { format: SendFormat::new(codec), says, drift_ppm: 0.0, level: None }
    }
}

/// See the module text.
pub(crate) struct Stream {
    pub(crate) talker: Talker,
    pub(crate) playout: Playout,
    pub(crate) now: Instant,
    encoder: Encoder,
    link: Link,
    next_packet: Instant,
    seq: u16,
    timestamp: u32,
    said: usize,
    pcm: Vec<i16>,
    payload: Vec<u8>,
    frame: Vec<i16>,
    arrived: Vec<(Instant, Vec<u8>)>,
}

impl Stream {
    pub(crate) fn new(talker: Talker, link: LinkConfig, mix: SampleRate) -> Self {
        let now = media::sim::epoch();
        let rate = talker.format.codec.sample_rate();
        let samples = rate.samples(talker.format.ptime);
        Self {
            encoder: Encoder::new(&talker.format, rate).unwrap(),
            playout: Playout::new(mix, JitterConfig::default()),
            now,
            link: Link::new(link),
            // Phones do not send in step with our ticks.
            next_packet: now + Duration::from_micros(3_700),
            seq: 65_500,
            timestamp: u32::MAX - 100_000,
            said: 0,
            pcm: vec![0; samples],
            payload: vec![0; 4_000],
            frame: vec![0; rate_frame(mix)],
            arrived: Vec::new(),
            talker,
        }
    }

    /// One tick: what has arrived goes in, one frame comes out; silence is empty.
    pub(crate) fn tick(&mut self) -> &[i16] {
        self.send();
        if self.receive() { &self.frame } else { &[] }
    }

    /// The far half of a tick: everything the talker has sent by now is on its way, or here.
    pub(crate) fn send(&mut self) {
        self.now += TICK;
        self.speak();
        self.arrived.clear();
        self.arrived.extend(std::iter::from_fn(|| self.link.poll_arrival(self.now)));
    }

    /// The near half of it: `true` if there is anything to be heard.
    pub(crate) fn receive(&mut self) -> bool {
        for (arrival, bytes) in &self.arrived {
            let packet = Packet::parse(bytes).unwrap();
            let packet = AudioPacket {
                ssrc: packet.ssrc,
                seq: packet.seq,
                timestamp: packet.timestamp,
                marker: packet.marker,
                codec: self.talker.format.codec,
                content: Content::Speech,
                level: self.talker.level,
                payload: packet.payload,
            };
            self.playout.push(*arrival, &packet);
        }
        self.playout.fill(self.now, &mut self.frame)
    }

    /// What is heard in so many ticks.
    pub(crate) fn listen(&mut self, ticks: usize) -> Vec<i16> {
        let mut heard = Vec::with_capacity(ticks * self.frame.len());
        for _ in 0..ticks {
            let frame = self.frame.len();
            let from = heard.len();
            heard.extend(self.tick());
            heard.resize(from + frame, 0);
        }
        heard
    }

    /// From now on packets go another way.
    pub(crate) fn set_link(&mut self, link: LinkConfig) {
        self.link.set_config(link);
    }

    pub(crate) fn stats(&self) -> StreamStats {
        self.playout.stats()
    }

    pub(crate) fn link_stats(&self) -> LinkStats {
        self.link.stats()
    }

    /// Sends what was recorded by now.
    fn speak(&mut self) {
        let format = self.talker.format;
        while self.next_packet <= self.now {
            for sample in &mut self.pcm {
                *sample = self.talker.says[self.said];
                self.said = (self.said + 1) % self.talker.says.len();
            }
            let len = self.encoder.encode(&self.pcm, &mut self.payload);
            if len > 0 {
                let packet = Packet {
                    payload_type: PayloadType(96),
                    marker: false,
                    seq: SeqNo(self.seq),
                    timestamp: RtpTime(self.timestamp),
                    ssrc: Ssrc(7),
                    payload: &self.payload[..len],
                };
                let mut out = [0; media::rtp::MAX_DATAGRAM_BYTES];
                let len = packet.write(&mut out).unwrap();
                self.link.send(self.next_packet, &out[..len]);
                self.seq = self.seq.wrapping_add(1);
            }
            self.timestamp = self.timestamp.wrapping_add(format.codec.clock_units(format.ptime));
            let period = format.ptime.duration().as_nanos() as f64;
            let period = period * (1.0 - self.talker.drift_ppm / 1e6);
            self.next_packet += Duration::from_nanos(period as u64);
        }
    }
}

fn rate_frame(rate: SampleRate) -> usize {
    rate.hz() as usize / 50
}
