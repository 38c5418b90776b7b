//! Why a description cannot be used. All of them are a 488 to the peer (RFC 3261 §21.4.26).

/// Failures of reading and negotiating SDP. Line numbers count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The description is longer than we read.
    #[error("sdp has {have} bytes, limit is {limit}")]
    TooLong {
        /// Bytes received.
        have: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// More media sections than we answer.
    #[error("sdp has more than {limit} media sections")]
    TooManyMedia {
        /// Sections allowed.
        limit: usize,
    },
    /// More attributes than we read, counted over the whole description.
    #[error("sdp has more than {limit} attributes")]
    TooManyAttributes {
        /// Attributes allowed.
        limit: usize,
    },
    /// A media line with more payload types than we read.
    #[error("media line {line} has more than {limit} formats")]
    TooManyFormats {
        /// Where.
        line: usize,
        /// Formats allowed.
        limit: usize,
    },
    /// A media or connection line that we need cannot be understood.
    #[error("malformed sdp line {line}")]
    Malformed {
        /// Where.
        line: usize,
    },
    /// No media section is RTP audio that we take: there is none, it is declined, or it is offered
    /// encrypted only, by DTLS or while we take no encryption.
    #[error("no usable audio in the description")]
    NoUsableMedia,
    /// Encrypted audio, but no key and suite that both sides can use.
    #[error("no encryption in common")]
    NoCommonCrypto,
    /// Plain audio where only encrypted audio is taken.
    #[error("encryption is required")]
    EncryptionRequired,
    /// An answer with another number of media sections than our offer (RFC 3264 §6).
    #[error("answer has {answered} media sections, offer has {offered}")]
    SectionsDiffer {
        /// In our offer.
        offered: usize,
        /// In the answer.
        answered: usize,
    },
    /// An answer to no offer of ours.
    #[error("no offer was made")]
    NoOffer,
    /// There is audio, but no codec both sides have.
    #[error("no codec in common")]
    NoCommonCodec,
    /// The audio section belongs to no `c=` line.
    #[error("no connection address for the audio")]
    NoConnection,
    /// The address is a host name; this crate asks no DNS.
    #[error("connection address in line {line} is a host name")]
    HostName {
        /// Where.
        line: usize,
    },
    /// The address is multicast or broadcast, where we never send.
    #[error("connection address in line {line} is not unicast")]
    NotUnicast {
        /// Where.
        line: usize,
    },
}
