//! What the jitter buffer says: of a packet that came, of what is due, of all so far.

use crate::codec::CodecKind;

/// What became of an inserted packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It will be played.
    Queued,
    /// It came late into an empty buffer: it will be played, and the delay has grown.
    Stretched,
    /// It starts the stream anew: first packet, new SSRC, another RTP clock or a confirmed jump of the
    /// timestamp.
    Restarted,
    /// Its timestamp is here already.
    Duplicate,
    /// Its time has passed.
    Late,
    /// Its timestamp is far off; dropped unless the next one confirms it.
    Suspect,
    /// Empty, too long, or not to be understood.
    Unfit,
}

/// What is known of a packet's audio before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    /// To be decoded.
    Audible,
    /// Background, says the codec.
    Background,
    /// The sender measured it as too quiet to be heard (RFC 6464).
    Hushed,
    /// Digital silence.
    Silent,
    /// The sender announces that it pauses: discontinuous transmission.
    Pause,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub enum Pull<'a> {
    /// A packet.
    Packet {
        /// With this codec.
        codec: CodecKind,
        /// Borrowed until the next call. Empty if it is [`Sound::Silent`].
        payload: &'a [u8],
        /// Clock units it plays.
        units: u32,
        /// What to expect.
        sound: Sound,
    },
    /// Comfort noise of this kind from now on, until the next packet (RFC 3389). Takes no time.
    Noise {
        /// The silence descriptor.
        payload: &'a [u8],
    },
    /// This many clock units are missing: conceal.
    Lost {
        /// At most what was wanted, unless `next` is there.
        units: u32,
        /// The packet after the loss, which may hold its audio once more: then `units` is as long as
        /// that packet.
        next: Option<&'a [u8]>,
    },
    /// This many clock units are left out, because the buffer is too deep: the next packet follows at
    /// once.
    Skipped {
        /// Clock units left out.
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
    /// Packets that came, whatever became of them.
    pub received: u64,
    /// Packets handed out.
    pub played: u64,
    /// Packets whose turn came before they did.
    pub missing: u64,
    /// Runs of such packets.
    pub missing_runs: u64,
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
}
