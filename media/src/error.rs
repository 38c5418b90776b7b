//! What can fail in this crate. Malformed packets are counted by their receiver, not logged; SDP and
//! sound files have errors of their own ([`sdp::Error`](crate::sdp::Error),
//! [`file::Error`](crate::source::file::Error)).

/// Failures of packet and mixer calls.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not an RTP packet of version 2 (RFC 3550 §5.1).
    #[error("not an rtp packet: {have} bytes, first byte {first:#04x}")]
    NotRtp {
        /// Bytes in the datagram.
        have: usize,
        /// Its first byte, 0 when there is none.
        first: u8,
    },
    /// The output buffer is shorter than what is to be written.
    #[error("output needs {need} bytes, buffer has {have}")]
    BufferTooSmall {
        /// Bytes needed.
        need: usize,
        /// Bytes given.
        have: usize,
    },
    /// The bytes are not a compound RTCP packet (RFC 3550 §6.1, A.2).
    #[error("malformed rtcp at byte {at} of {have}")]
    MalformedRtcp {
        /// Where the packet stopped making sense.
        at: usize,
        /// Bytes in the datagram.
        have: usize,
    },
    /// The peer did not agree on telephone-event, so digits cannot be sent as RTP.
    #[error("telephone-event was not negotiated")]
    NoTelephoneEvent,
    /// More digits than the send queue takes.
    #[error("{have} digits, room for {room}")]
    TooManyDigits {
        /// Digits asked for.
        have: usize,
        /// Free places in the queue.
        room: usize,
    },
    /// Not one of `0-9 * # A-D` or `w`.
    #[error("not a dtmf digit: {0:?}")]
    NotADigit(char),
    /// The codec does not work at this rate of PCM, or could not be set up.
    #[error("{codec:?} at {hz} Hz is not available")]
    CodecRate {
        /// Which.
        codec: crate::codec::CodecKind,
        /// Samples per second asked for.
        hz: u32,
    },
    /// The seat was removed, or belongs to another mixer.
    #[error("no such seat")]
    NoSuchSeat,
    /// Audio at one rate cannot be played into a mixer at another.
    #[error("source has {source_hz} Hz, mixer {mixer_hz} Hz")]
    RateMismatch {
        /// Rate of what is to be played.
        source_hz: u32,
        /// Rate of the mixer.
        mixer_hz: u32,
    },
}
