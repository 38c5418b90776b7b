//! What can be wrong with RTCP. Malformed packets are counted by their receiver, not logged.

/// Failures of reading and writing RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The datagram is not a chain of RTCP packets of version 2 that fills it (RFC 3550 A.2).
    #[error("malformed rtcp at byte {at} of {have}")]
    Malformed {
        /// Where the chain breaks.
        at: usize,
        /// Bytes in the datagram.
        have: usize,
    },
    /// The output buffer is shorter than what is to be written.
    #[error("rtcp needs {need} bytes, buffer has {have}")]
    BufferTooSmall {
        /// Bytes needed.
        need: usize,
        /// Bytes given.
        have: usize,
    },
}
