//! The offer of a call we place (RFC 3264 §5).

use super::LocalMedia;
use super::negotiated::{Direction, Format};
use super::text::{Audio, Text};
use crate::codec::CodecKind;
use crate::rtp::PayloadType;

/// Payload type we offer for telephone-event: the one most phones use themselves.
const TELEPHONE_EVENT_TYPE: PayloadType = PayloadType(101);
/// Dynamic payload types, without the one above (RFC 3551 §6).
const DYNAMIC_TYPES: [u8; 5] = [96, 97, 98, 99, 100];

/// Offers audio both ways with `codecs`, best first, and telephone-event.
///
/// RTCP on the RTP port is offered too (RFC 5761); whoever does not know it uses the next port.
pub fn offer(local: &LocalMedia, codecs: &[CodecKind]) -> String {
    let mut text = Text::new(local, "0 0");
    text.audio(&Audio {
        port: local.rtp_port,
        protocol: "RTP/AVP",
        codecs: &numbered(codecs),
        telephone_event: Some(TELEPHONE_EVENT_TYPE),
        rtcp_mux: true,
        direction: Direction::SendRecv,
    });
    text.into_string()
}

/// What may arrive once `codecs` are offered.
pub(super) fn receivable(codecs: &[CodecKind]) -> Vec<(PayloadType, Format)> {
    numbered(codecs)
        .into_iter()
        .map(|(codec, number)| (number, Format::Audio(codec)))
        .chain([(TELEPHONE_EVENT_TYPE, Format::TelephoneEvent)])
        .collect()
}

/// Our payload types: static where there is one.
fn numbered(codecs: &[CodecKind]) -> Vec<(CodecKind, PayloadType)> {
    let mut dynamic = DYNAMIC_TYPES.into_iter().map(PayloadType);
    codecs
        .iter()
        .filter_map(|&codec| Some((codec, codec.static_payload_type().or_else(|| dynamic.next())?)))
        .collect()
}
