//! What a payload says about voice, without decoding it: who must not be decoded to be heard.

use super::opus::packet::{Packet, Voice};
use super::{CodecKind, pcma, pcmu};

/// What is in a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activity {
    /// Nothing: digital silence, or a frame of discontinuous transmission.
    Silence,
    /// Background, says the sender.
    Inactive,
    /// Speech, says the sender.
    Active,
    /// The payload does not say.
    Unknown,
}

/// Looks at the payload's own signs: digital silence in G.711 and L16; in Opus DTX and the voice flags
/// of the SILK layer (RFC 6716 §4.2.3). Malformed packets are [`Activity::Unknown`].
pub fn activity(codec: CodecKind, payload: &[u8]) -> Activity {
    let silent = match codec {
        CodecKind::Opus => return opus(payload),
        CodecKind::G722 => false,
        CodecKind::Pcmu => pcmu::is_silence(payload),
        CodecKind::Pcma => pcma::is_silence(payload),
        // No early exit: the loop vectorises.
        CodecKind::L16Wide | CodecKind::L16Narrow => {
            payload.iter().fold(0, |seen, byte| seen | byte) == 0
        }
    };
    if silent { Activity::Silence } else { Activity::Unknown }
}

fn opus(payload: &[u8]) -> Activity {
    match Packet::parse(payload).map(|packet| packet.voice()) {
        Some(Voice::Absent) => Activity::Silence,
        Some(Voice::Inactive) => Activity::Inactive,
        Some(Voice::Active) => Activity::Active,
        Some(Voice::Unknown) | None => Activity::Unknown,
    }
}
