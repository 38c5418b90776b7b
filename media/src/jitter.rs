//! The jitter buffer: packets in as they arrive, in order out as they are due.
//!
//! One per seat, driven by [`Mixer`](crate::mixer::Mixer). Time is the RTP clock of the stream: the
//! buffer holds a cursor, the timestamp due next, and looks whether a packet for it is there. The
//! delay is the distance from the cursor to the newest packet. It starts at a target, grows when
//! packets come too late, and is asked down ([`JitterBuffer::is_too_deep`]) when it stayed deeper
//! than needed. All storage is taken at construction: 32 slots of 60 ms of G.711.
//!
//! It does not decode and does not conceal: the mixer's seat does.

mod depth;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use crate::codec::CodecKind;
use crate::rtp::{AudioPacket, SeqNo, Ssrc};
use crate::time::{RtpTime, SampleRate};

use depth::Depth;

/// Packets held at most.
pub const MAX_PACKETS: usize = 32;
/// Longest payload held: 60 ms of G.711.
pub const MAX_PAYLOAD_BYTES: usize = 480;

/// How deep the buffer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JitterConfig {
    /// Delay at the start of a stream, and the one it returns to when the network is calm.
    pub start: Duration,
    /// Delay it never exceeds; older audio is dropped.
    pub max: Duration,
}

impl Default for JitterConfig {
    fn default() -> Self {
        Self { start: Duration::from_millis(40), max: Duration::from_millis(200) }
    }
}

/// What became of an inserted packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It will be played.
    Queued,
    /// It came late into an empty buffer: it will be played, and the delay has grown.
    Stretched,
    /// It starts the stream anew: first packet, new SSRC or a confirmed jump of the timestamp.
    Restarted,
    /// Its timestamp is here already.
    Duplicate,
    /// Its time has passed.
    Late,
    /// Its timestamp is far off; dropped unless the next one confirms it.
    Suspect,
    /// Empty, or longer than a slot.
    Unfit,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub enum Pull<'a> {
    /// Decode this.
    Packet {
        /// With this codec.
        codec: CodecKind,
        /// Borrowed until the next call.
        payload: &'a [u8],
    },
    /// This many clock units are missing: conceal.
    Lost {
        /// At most what was wanted.
        units: u32,
    },
    /// The sender was silent on purpose for this many clock units (discontinuous transmission).
    Silence {
        /// At most what was wanted.
        units: u32,
    },
    /// Nothing is playing.
    Wait,
}

/// Counts since construction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JitterStats {
    /// Packets handed out.
    pub played: u64,
    /// Packets dropped because their time had passed.
    pub late: u64,
    /// Packets dropped because they were here already.
    pub duplicate: u64,
    /// Packets dropped to keep the delay below its maximum.
    pub discarded: u64,
    /// Packets dropped for their length or timestamp.
    pub refused: u64,
    /// Clock units reported lost.
    pub lost_units: u64,
    /// Times the stream began anew.
    pub restarts: u64,
    /// Frames dropped to lower the delay.
    pub shrunk: u64,
}

/// Reorders one stream. See the module text.
#[derive(Debug)]
pub struct JitterBuffer {
    clock: SampleRate,
    config: JitterConfig,
    state: State,
    ssrc: Option<Ssrc>,
    /// Sorted by timestamp; the first `len` count.
    entries: [Entry; MAX_PACKETS],
    len: usize,
    /// A set bit is a free slot of `storage`.
    free: u32,
    storage: Box<[u8]>,
    /// The timestamp due next, while playing.
    cursor: RtpTime,
    /// The highest sequence number inserted and the last one handed out.
    newest: SeqNo,
    last_out: SeqNo,
    /// Where the stream continues if the last far-off packet was meant.
    suspect: Option<SeqNo>,
    /// Clock units handed out as lost since the buffer ran empty.
    starved: u32,
    /// Clock units the cursor has been held back at the current gap.
    held_back: u32,
    depth: Depth,
    stats: JitterStats,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Filling { since: Instant },
    Playing,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    timestamp: RtpTime,
    units: u32,
    seq: SeqNo,
    len: u16,
    slot: u8,
    codec: CodecKind,
}

impl Entry {
    const EMPTY: Self = Self {
        timestamp: RtpTime(0),
        units: 0,
        seq: SeqNo(0),
        len: 0,
        slot: 0,
        codec: CodecKind::Pcmu,
    };

    fn end(&self) -> RtpTime {
        self.timestamp.plus(self.units)
    }
}

impl JitterBuffer {
    /// Timestamps further off than this are a jump, not a delay.
    const MAX_JUMP: Duration = Duration::from_secs(2);
    /// An empty buffer stops playing after this long.
    const GIVE_UP: Duration = Duration::from_millis(200);

    /// A buffer for a stream with this RTP clock. Takes 16 KB.
    pub fn new(clock: SampleRate, config: JitterConfig) -> Self {
        Self {
            clock,
            config,
            state: State::Idle,
            ssrc: None,
            entries: [Entry::EMPTY; MAX_PACKETS],
            len: 0,
            free: u32::MAX,
            storage: vec![0; MAX_PACKETS * MAX_PAYLOAD_BYTES].into_boxed_slice(),
            cursor: RtpTime(0),
            newest: SeqNo(0),
            last_out: SeqNo(0),
            suspect: None,
            starved: 0,
            held_back: 0,
            depth: Depth::new(clock, config),
            stats: JitterStats::default(),
        }
    }

    /// Takes a packet that arrived at `now`.
    pub fn insert(&mut self, now: Instant, packet: &AudioPacket<'_>) -> Inserted {
        let inserted = self.judge(now, packet);
        match inserted {
            Inserted::Queued | Inserted::Restarted => self.keep(packet),
            Inserted::Stretched => {
                self.cursor = packet.timestamp;
                self.depth.on_late();
                self.keep(packet);
            }
            Inserted::Late => {
                self.stats.late += 1;
                self.depth.on_late();
            }
            Inserted::Duplicate => self.stats.duplicate += 1,
            Inserted::Suspect | Inserted::Unfit => self.stats.refused += 1,
        }
        inserted
    }

    /// Gives what is due at `now`, at most `want` clock units of loss or silence, or one packet
    /// whatever its length. Called until a frame is full, every 20 ms.
    pub fn pull(&mut self, now: Instant, want: u32) -> Pull<'_> {
        match self.state {
            State::Idle => Pull::Wait,
            State::Filling { since } => {
                let waited = self.clock.samples_in(now.saturating_duration_since(since));
                if self.span_from(self.entries[0].timestamp) < self.depth.target
                    && waited < u64::from(self.depth.target)
                {
                    return Pull::Wait;
                }
                self.state = State::Playing;
                self.cursor = self.entries[0].timestamp;
                self.pull_playing(want)
            }
            State::Playing => self.pull_playing(want),
        }
    }

    /// Whether more has been waiting, over the last two seconds, than the network needs.
    pub fn is_too_deep(&self) -> bool {
        self.depth.too_deep
    }

    /// Notes that the caller dropped a frame because the buffer is too deep.
    pub fn note_shrunk(&mut self) {
        self.depth.shrunk();
        self.stats.shrunk += 1;
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

    /// What the delay aims at.
    pub fn target(&self) -> Duration {
        self.clock.duration_of(u64::from(self.depth.target))
    }

    /// Counts since construction.
    pub fn stats(&self) -> JitterStats {
        self.stats
    }

    /// Decides about a packet; changes state only to restart.
    fn judge(&mut self, now: Instant, packet: &AudioPacket<'_>) -> Inserted {
        let units = packet.units();
        if units == 0 || packet.payload.len() > MAX_PAYLOAD_BYTES {
            return Inserted::Unfit;
        }
        if self.ssrc != Some(packet.ssrc) || self.state == State::Idle {
            return self.restart(now, packet);
        }
        let due =
            if self.state == State::Playing { self.cursor } else { self.entries[0].timestamp };
        let ahead = packet.timestamp.since(due);
        let is_newer = packet.seq.since(self.newest) > 0;
        if packet.marker && self.len == 0 && self.starved >= 3 * self.depth.step {
            // A talk spurt after a pause: the delay can be set anew without anyone hearing it.
            return self.restart(now, packet);
        }
        let is_far = ahead.unsigned_abs() as u64 > self.clock.samples_in(Self::MAX_JUMP);
        // A newer packet with an older timestamp, audio still waiting: the clock was set back.
        let is_set_back = is_newer && ahead < 0 && self.len > 0;
        if is_far || is_set_back {
            if self.len == 0 || self.suspect == Some(packet.seq) {
                return self.restart(now, packet);
            }
            self.suspect = Some(packet.seq.next());
            return Inserted::Suspect;
        }
        self.suspect = None;
        if self.holds(packet.timestamp) || (packet.seq == self.last_out && ahead < 0) {
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

    fn restart(&mut self, now: Instant, packet: &AudioPacket<'_>) -> Inserted {
        self.clear();
        self.ssrc = Some(packet.ssrc);
        self.state = State::Filling { since: now };
        self.newest = packet.seq;
        self.last_out = SeqNo(packet.seq.0.wrapping_sub(1));
        self.suspect = None;
        self.starved = 0;
        self.held_back = 0;
        self.stats.restarts += 1;
        Inserted::Restarted
    }

    fn clear(&mut self) {
        self.len = 0;
        self.free = u32::MAX;
    }

    fn holds(&self, timestamp: RtpTime) -> bool {
        self.waiting().iter().any(|entry| entry.timestamp == timestamp)
    }

    fn waiting(&self) -> &[Entry] {
        &self.entries[..self.len]
    }

    /// Copies the payload into a free slot; the oldest packet gives way when there is none.
    fn keep(&mut self, packet: &AudioPacket<'_>) {
        if self.len == MAX_PACKETS {
            self.take_first();
            self.stats.discarded += 1;
        }
        let slot = self.free.trailing_zeros() as usize; // lowest first: it is warm
        self.free &= !(1 << slot);
        let start = slot * MAX_PAYLOAD_BYTES;
        self.storage[start..start + packet.payload.len()].copy_from_slice(packet.payload);
        let entry = Entry {
            timestamp: packet.timestamp,
            units: packet.units(),
            seq: packet.seq,
            len: packet.payload.len() as u16,
            slot: slot as u8,
            codec: packet.codec,
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

    /// Removes the oldest entry and frees its slot; its bytes stay until the next insert.
    fn take_first(&mut self) -> Entry {
        let first = self.entries[0];
        self.entries.copy_within(1..self.len, 0);
        self.len -= 1;
        self.free |= 1 << first.slot;
        first
    }

    fn pull_playing(&mut self, want: u32) -> Pull<'_> {
        if self.span() > self.depth.max {
            self.trim();
        }
        let Some(first) = self.waiting().first().copied() else {
            return self.starve(want);
        };
        let gap = first.timestamp.since(self.cursor);
        let far = self.clock.samples_in(Self::GIVE_UP) as i32;
        if gap <= 0 || gap > far {
            return self.hand_out();
        }
        let units = want.min(gap as u32);
        if first.seq == self.last_out.next() {
            self.cursor = self.cursor.plus(units);
            return Pull::Silence { units };
        }
        if self.depth.too_deep {
            // A hole is the cheapest place to lower the delay.
            self.cursor = first.timestamp;
            self.note_shrunk();
            return self.hand_out();
        }
        self.stats.lost_units += u64::from(units);
        if self.span() < self.depth.target && self.held_back < self.depth.target {
            // Shallower than aimed at: hold the cursor, the missing packet may still come.
            self.held_back += units;
        } else {
            self.cursor = self.cursor.plus(units);
        }
        Pull::Lost { units }
    }

    fn hand_out(&mut self) -> Pull<'_> {
        let entry = self.take_first();
        self.cursor = entry.end();
        self.last_out = entry.seq;
        self.starved = 0;
        self.held_back = 0;
        self.stats.played += 1;
        let spare = self.span();
        self.depth.on_played(entry.units, spare, self.clock);
        let start = entry.slot as usize * MAX_PAYLOAD_BYTES;
        Pull::Packet {
            codec: entry.codec,
            payload: &self.storage[start..start + entry.len as usize],
        }
    }

    /// The buffer is empty: time passes all the same, until it is clear that nothing comes.
    fn starve(&mut self, want: u32) -> Pull<'_> {
        self.starved = self.starved.saturating_add(want);
        if u64::from(self.starved) > self.clock.samples_in(Self::GIVE_UP) {
            self.state = State::Idle;
            return Pull::Wait;
        }
        self.cursor = self.cursor.plus(want);
        self.stats.lost_units += u64::from(want);
        Pull::Lost { units: want }
    }

    /// Drops gaps, then packets, from the old end until the delay is at its target.
    fn trim(&mut self) {
        while self.span() > self.depth.target && self.len > 0 {
            let first = self.entries[0];
            if first.timestamp.since(self.cursor) > 0 {
                self.cursor = first.timestamp;
            } else {
                self.take_first();
                self.cursor = first.end();
                self.last_out = first.seq;
                self.stats.discarded += 1;
            }
        }
    }

    fn span(&self) -> u32 {
        self.span_from(self.cursor)
    }

    fn span_from(&self, from: RtpTime) -> u32 {
        self.waiting().last().map_or(0, |newest| newest.end().since(from).max(0) as u32)
    }

    /// The configuration it was built with.
    pub fn config(&self) -> JitterConfig {
        self.config
    }
}
