//! The jitter buffer: packets in as they arrive, in order out as they are due.
//!
//! One per seat, driven by [`Playout`](crate::playout::Playout). Time is the RTP clock of the stream:
//! the buffer holds a cursor, the timestamp due next, and looks whether a packet for it is there. How
//! far the cursor should lie behind what arrives is measured (`lateness.rs`) and told; it is Playout
//! that goes there by stretching and compressing what is played. Here the cursor only jumps where
//! that costs nothing, and where the delay would pass its bound.
//!
//! It does not decode and does not conceal.

mod arena;
mod drift;
mod entry;
mod lateness;
mod outcome;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use crate::codec::CodecKind;
use crate::rtp::{AudioPacket, Content, MAX_DATAGRAM_BYTES, SeqNo, Ssrc};
use crate::time::{RtpTime, SampleRate};

use arena::Arena;
use entry::{Entry, sound_of};
use lateness::Lateness;

pub use outcome::{Inserted, JitterStats, Pull, Sound};

/// Packets held at most.
pub const MAX_PACKETS: usize = 64;
/// Longest payload held: none that came in one datagram is longer.
pub const MAX_PAYLOAD_BYTES: usize = MAX_DATAGRAM_BYTES;
/// Longest packet taken, the longest that Opus has (RFC 6716 §3.2.5).
pub const MAX_PACKET: Duration = Duration::from_millis(120);

/// How deep the buffer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JitterConfig {
    /// Delay that is kept when the network is calm.
    pub min: Duration,
    /// Audio that is there before a stream begins to play, or one packet has waited as long.
    pub start: Duration,
    /// Delay it never exceeds; older audio is dropped.
    pub max: Duration,
    /// Senders' comfort noise (RFC 3389) is heard; otherwise it is silence.
    pub comfort_noise: bool,
}

impl Default for JitterConfig {
    fn default() -> Self {
        Self {
            min: Duration::from_millis(20),
            start: Duration::from_millis(40),
            max: Duration::from_millis(200),
            comfort_noise: false,
        }
    }
}

/// Reorders one stream. See the module text.
#[derive(Debug)]
pub struct JitterBuffer {
    clock: SampleRate,
    config: JitterConfig,
    state: State,
    ssrc: Option<Ssrc>,
    codec: Option<CodecKind>,
    /// Sorted by timestamp; the first `len` count.
    entries: [Entry; MAX_PACKETS],
    len: usize,
    arena: Arena,
    /// The timestamp due next, while playing.
    cursor: RtpTime,
    /// The highest sequence number inserted and the last one handed out.
    newest: SeqNo,
    last_out: SeqNo,
    /// Where the stream continues if the last far-off packet was meant.
    suspect: Option<SeqNo>,
    /// Clock units handed out since the buffer ran empty.
    starved: u32,
    /// The sender announced a pause: what is missing is silence.
    paused: bool,
    lateness: Lateness,
    stats: JitterStats,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Filling { since: Instant },
    Playing,
}

impl JitterBuffer {
    /// Timestamps further off than this are a jump, not a delay.
    const MAX_JUMP: Duration = Duration::from_secs(2);
    /// An empty buffer stops playing after this long, and after `PAUSE` if the sender announced it.
    const GIVE_UP: Duration = Duration::from_secs(1);
    const PAUSE: Duration = Duration::from_secs(10);
    /// Room for this much audio on top of the greatest delay.
    const RESERVE: Duration = MAX_PACKET;
    /// The level from which on nothing is heard of a packet, in dB below full scale (RFC 6464): 20 dB
    /// below a quiet voice, and below the noise floor of a telephone.
    pub const INAUDIBLE_DBOV: u8 = 60;

    /// A buffer for one stream at a time. Takes 2 KB, and room for payloads with the first packet.
    pub fn new(config: JitterConfig) -> Self {
        let clock = SampleRate::NARROW;
        Self {
            clock,
            config,
            state: State::Idle,
            ssrc: None,
            codec: None,
            entries: [Entry::EMPTY; MAX_PACKETS],
            len: 0,
            arena: Arena::new(),
            cursor: RtpTime(0),
            newest: SeqNo(0),
            last_out: SeqNo(0),
            suspect: None,
            starved: 0,
            paused: false,
            lateness: Lateness::new(clock, config),
            stats: JitterStats::default(),
        }
    }

    /// Takes a packet that arrived at `arrival`.
    pub fn insert(&mut self, arrival: Instant, packet: &AudioPacket<'_>) -> Inserted {
        self.stats.received += 1;
        let units = match packet.content {
            Content::Speech => packet.units(),
            Content::ComfortNoise => 0,
        };
        let inserted = self.judge(units, packet);
        match inserted {
            Inserted::Restarted => self.restart(arrival, packet),
            Inserted::Stretched => self.cursor = packet.timestamp,
            Inserted::Late => self.stats.late += 1,
            Inserted::Duplicate => self.stats.duplicate += 1,
            Inserted::Suspect | Inserted::Unfit => self.stats.refused += 1,
            Inserted::Queued => {}
        }
        if matches!(inserted, Inserted::Queued | Inserted::Restarted | Inserted::Stretched) {
            self.keep(units as u16, packet);
        } else if inserted != Inserted::Late {
            return inserted;
        }
        self.lateness.on_packet(arrival, packet.timestamp, units);
        inserted
    }

    /// Gives what is due at `now`: at most `want` clock units of loss or silence, or one packet
    /// whatever its length. Called until a frame is full, every 20 ms.
    pub fn pull(&mut self, now: Instant, want: u32) -> Pull<'_> {
        match self.state {
            State::Idle => return Pull::Wait,
            State::Filling { since } if !self.is_full(now, since) => return Pull::Wait,
            State::Filling { .. } => {
                self.state = State::Playing;
                self.cursor = self.entries[0].timestamp;
            }
            State::Playing => {}
        }
        let (span, most) = (self.span(), self.clock_units(self.config.max));
        if span > most && span > self.enough() {
            let units = self.trim();
            if units > 0 {
                return Pull::Skipped { units };
            }
        }
        let Some(first) = self.waiting().first().copied() else {
            return self.starve(want);
        };
        let gap = first.timestamp.since(self.cursor);
        if gap <= 0 || gap > self.clock_units(Self::GIVE_UP) as i32 {
            return self.hand_out();
        }
        self.pass_gap(now, first, gap as u32, want)
    }

    /// How much longer than it should a packet waits now to be played; negative if not long enough.
    /// `decoded` is how much was pulled and has not been played. `None` while nothing plays.
    pub fn excess_us(&self, now: Instant, decoded: Duration) -> Option<i32> {
        let delay = self.wait_us(now)? + decoded.as_micros() as i32;
        Some(delay - self.lateness.target_us())
    }

    /// What is to be handed out next; empty if nothing waits.
    pub(crate) fn first_payload(&self) -> &[u8] {
        self.waiting().first().map_or(&[], |first| self.arena.get(first))
    }

    /// The RTP clock of the stream.
    pub fn clock(&self) -> SampleRate {
        self.clock
    }

    /// The time from the cursor to the end of the newest packet: what is buffered, gaps included.
    pub fn delay(&self) -> Duration {
        let span = match self.state {
            State::Playing => self.span(),
            State::Idle => 0,
            State::Filling { .. } => self.span_from(self.entries[0].timestamp),
        };
        self.clock.duration_of(u64::from(span))
    }

    /// How long a packet that came at once should wait to be played.
    pub fn target(&self) -> Duration {
        Duration::from_micros(self.lateness.target_us().max(0) as u64)
    }

    /// Interarrival jitter (RFC 3550 A.8).
    pub fn jitter(&self) -> Duration {
        self.lateness.jitter()
    }

    /// By how many millionths the sender's clock runs faster than ours; 0 until that is known.
    pub fn drift_ppm(&self) -> f32 {
        self.lateness.drift_ppm()
    }

    /// Whether a stream plays, or waits to.
    pub fn is_active(&self) -> bool {
        self.state != State::Idle
    }

    /// Counts since construction.
    pub fn stats(&self) -> JitterStats {
        self.stats
    }

    /// The configuration it was built with.
    pub fn config(&self) -> JitterConfig {
        self.config
    }

    /// Decides about a packet; changes nothing but the suspect.
    fn judge(&mut self, units: u32, packet: &AudioPacket<'_>) -> Inserted {
        let is_noise = packet.content == Content::ComfortNoise;
        let is_too_long = units > self.max_units(packet.codec);
        if (units == 0 && !is_noise) || is_too_long || packet.payload.len() > MAX_PAYLOAD_BYTES {
            return Inserted::Unfit;
        }
        let is_new = self.ssrc != Some(packet.ssrc) || self.clock.hz() != packet.codec.clock_hz();
        if is_new || self.state == State::Idle {
            return Inserted::Restarted;
        }
        let due =
            if self.state == State::Playing { self.cursor } else { self.entries[0].timestamp };
        let ahead = packet.timestamp.since(due);
        let is_newer = packet.seq.since(self.newest) > 0;
        if packet.marker && self.len == 0 && self.starved >= 3 * self.clock.hz() / 50 {
            // A talk spurt after a pause: the delay can be set anew without anyone hearing it.
            return Inserted::Restarted;
        }
        let is_far = ahead.unsigned_abs() > self.clock_units(Self::MAX_JUMP);
        // A newer packet with an older timestamp, audio still waiting: the clock was set back.
        let is_set_back = is_newer && ahead < 0 && self.len > 0;
        if is_far || is_set_back {
            if self.len == 0 || self.suspect == Some(packet.seq) {
                return Inserted::Restarted;
            }
            self.suspect = Some(packet.seq.next());
            return Inserted::Suspect;
        }
        self.suspect = None;
        if self.holds(packet, is_newer) || (packet.seq == self.last_out && ahead < 0) {
            return Inserted::Duplicate;
        }
        if self.state == State::Playing && ahead < 0 {
            if self.len == 0 && is_newer {
                return Inserted::Stretched;
            }
            if packet.timestamp.plus(units).since(self.cursor) <= 0 {
                return Inserted::Late;
            }
        }
        Inserted::Queued
    }

    fn restart(&mut self, arrival: Instant, packet: &AudioPacket<'_>) {
        if let Some(clock) = SampleRate::new(packet.codec.clock_hz()) {
            self.clock = clock;
        }
        self.lateness.restart(self.clock, arrival, packet.timestamp);
        self.len = 0;
        self.arena.clear();
        self.ssrc = Some(packet.ssrc);
        self.state = State::Filling { since: arrival };
        self.newest = packet.seq;
        self.last_out = SeqNo(packet.seq.0.wrapping_sub(1));
        self.suspect = None;
        self.starved = 0;
        self.paused = false;
        self.stats.restarts += 1;
    }

    /// Whether enough is there to begin.
    fn is_full(&self, now: Instant, since: Instant) -> bool {
        let wanted = if self.lateness.is_known() {
            self.target().max(self.config.start)
        } else {
            self.config.start
        };
        self.span_from(self.entries[0].timestamp) >= self.clock_units(wanted)
            || now.saturating_duration_since(since) >= wanted
    }

    /// Two packets of one timestamp are one packet twice, comfort noise apart.
    fn holds(&self, packet: &AudioPacket<'_>, is_newer: bool) -> bool {
        let same = |entry: &Entry| {
            entry.seq == packet.seq
                || (entry.timestamp == packet.timestamp && entry.content == packet.content)
        };
        match self.waiting() {
            [.., last] if is_newer && packet.timestamp.since(last.timestamp) > 0 => false,
            waiting => waiting.iter().any(same),
        }
    }

    fn waiting(&self) -> &[Entry] {
        &self.entries[..self.len]
    }

    /// Stores a packet; the oldest give way when there is no room.
    fn keep(&mut self, units: u16, packet: &AudioPacket<'_>) {
        if self.codec != Some(packet.codec) {
            self.codec = Some(packet.codec);
            self.arena.reserve(self.arena_bytes(packet.codec));
        }
        let sound = sound_of(packet);
        // Digital silence need not be remembered in full.
        let payload = if sound == Sound::Silent { &[] } else { packet.payload };
        while self.len == MAX_PACKETS {
            self.drop_first();
        }
        let offset = loop {
            if let Some(offset) = self.store(payload) {
                break offset;
            }
            if self.len == 0 {
                return; // cannot be: an empty arena holds any payload
            }
            self.drop_first();
        };
        let entry = Entry {
            timestamp: packet.timestamp,
            units,
            seq: packet.seq,
            offset,
            len: payload.len() as u16,
            codec: packet.codec,
            content: packet.content,
            sound,
        };
        // Nearly always the newest: search from the end.
        let mut at = self.len;
        while at > 0 && self.entries[at - 1].timestamp.since(entry.timestamp) > 0 {
            self.entries[at] = self.entries[at - 1];
            at -= 1;
        }
        self.entries[at] = entry;
        self.len += 1;
        if packet.seq.since(self.newest) > 0 {
            self.newest = packet.seq;
        }
    }

    fn store(&mut self, payload: &[u8]) -> Option<u16> {
        if payload.is_empty() {
            return Some(0);
        }
        self.arena.put(payload, &self.entries[..self.len]).or_else(|| {
            self.arena.close_up(&mut self.entries[..self.len]);
            self.arena.put(payload, &self.entries[..self.len])
        })
    }

    /// Bytes that the greatest delay takes, and some more.
    fn arena_bytes(&self, codec: CodecKind) -> usize {
        let per_ms = match codec {
            CodecKind::Opus => 20, // 160 kb/s, three times what speech needs; single frames may be more
            CodecKind::L16Wide => 32,
            CodecKind::L16Narrow => 16,
            CodecKind::G722 | CodecKind::Pcmu | CodecKind::Pcma => 8,
        };
        let ms = (self.config.max + Self::RESERVE).as_millis() as usize;
        (per_ms * ms).max(MAX_PAYLOAD_BYTES)
    }

    fn drop_first(&mut self) {
        let first = self.take_first();
        self.last_out = first.seq;
        self.stats.discarded += 1;
    }

    /// Removes the oldest entry; its bytes stay until the next insert.
    fn take_first(&mut self) -> Entry {
        let first = self.entries[0];
        self.len -= 1;
        for at in 0..self.len {
            self.entries[at] = self.entries[at + 1]; // few: no call
        }
        first
    }

    /// Nothing is there for the cursor, but there is for a later time.
    fn pass_gap(&mut self, now: Instant, first: Entry, gap: u32, want: u32) -> Pull<'_> {
        let units = want.min(gap);
        if self.paused || first.seq == self.last_out.next() {
            self.cursor = self.cursor.plus(units);
            return Pull::Silence { units };
        }
        let gap_us = self.clock.duration_of(u64::from(gap)).as_micros() as i32;
        let is_too_deep = self.excess_us(now, Duration::ZERO).is_some_and(|us| us > gap_us);
        if is_too_deep {
            // A hole is the cheapest place to lower the delay.
            self.cursor = first.timestamp;
            return Pull::Skipped { units: gap };
        }
        let (units, next) = match first.units() {
            // Only Opus repeats itself. What comes before that piece is concealed first.
            _ if first.codec != CodecKind::Opus || first.content != Content::Speech => {
                (units, None)
            }
            repeated if gap > repeated => (want.min(gap - repeated), None),
            repeated if gap == repeated => (gap, Some(self.arena.get(&first))),
            _ => (units, None),
        };
        self.stats.lost_units += u64::from(units);
        self.cursor = self.cursor.plus(units);
        Pull::Lost { units, next }
    }

    fn hand_out(&mut self) -> Pull<'_> {
        let entry = self.take_first();
        let missing = entry.seq.since(self.last_out.next());
        if missing > 0 {
            self.stats.missing += missing as u64;
            self.stats.missing_runs += 1;
        }
        self.cursor = entry.end();
        self.last_out = entry.seq;
        self.starved = 0;
        self.stats.played += 1;
        let is_noise = entry.content == Content::ComfortNoise;
        self.paused = is_noise || entry.sound == Sound::Pause;
        let payload = self.arena.get(&entry);
        if is_noise {
            return Pull::Noise { payload };
        }
        Pull::Packet { codec: entry.codec, payload, units: entry.units(), sound: entry.sound }
    }

    /// The buffer is empty: time passes all the same, until it is clear that nothing comes.
    fn starve(&mut self, want: u32) -> Pull<'_> {
        self.starved = self.starved.saturating_add(want);
        let patience = if self.paused { Self::PAUSE } else { Self::GIVE_UP };
        if self.starved > self.clock_units(patience) {
            self.state = State::Idle;
            return Pull::Wait;
        }
        self.cursor = self.cursor.plus(want);
        if self.paused {
            return Pull::Silence { units: want };
        }
        self.stats.lost_units += u64::from(want);
        Pull::Lost { units: want, next: None }
    }

    /// Drops gaps, then packets, from the old end until what is left is what should be. Gives the
    /// clock units left out.
    fn trim(&mut self) -> u32 {
        let from = self.cursor;
        let enough = self.enough();
        while self.span() > enough {
            let first = self.entries[0];
            if first.timestamp.since(self.cursor) > 0 {
                self.cursor = first.timestamp;
            } else if self.len == 1 {
                break; // a long packet
            } else {
                self.drop_first();
                self.cursor = first.end();
            }
        }
        self.cursor.since(from).max(0) as u32
    }

    /// What is left after a trim: the target, but a frame at least.
    fn enough(&self) -> u32 {
        self.clock_units(self.target()).max(self.clock.hz() / 50)
    }

    /// How long a packet that came at once waits to be played.
    fn wait_us(&self, now: Instant) -> Option<i32> {
        if self.state != State::Playing {
            return None;
        }
        Some(self.lateness.transit(now, self.cursor).saturating_sub(self.lateness.base()))
    }

    fn span(&self) -> u32 {
        self.span_from(self.cursor)
    }

    fn span_from(&self, from: RtpTime) -> u32 {
        self.waiting().last().map_or(0, |newest| newest.end().since(from).max(0) as u32)
    }

    fn clock_units(&self, time: Duration) -> u32 {
        self.clock.samples_in(time) as u32
    }

    fn max_units(&self, codec: CodecKind) -> u32 {
        codec.clock_hz() / 1_000 * MAX_PACKET.as_millis() as u32
    }
}
