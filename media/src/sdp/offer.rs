//! The offer of a call we place (RFC 3264 §5).

use super::LocalMedia;
use super::extmap;
use super::negotiated::{Direction, Format};
use super::policy::{Policy, max_ptime};
use super::text::{Audio, Level, Text};
use crate::codec::CodecKind;
use crate::rtp::PayloadType;

/// What we offer for telephone-event at 8 kHz: the number most phones use themselves.
const TELEPHONE_EVENT_TYPE: PayloadType = PayloadType(101);
/// Dynamic payload types, without the one above (RFC 3551 §6).
const DYNAMIC_TYPES: [u8; 10] = [96, 97, 98, 99, 100, 102, 103, 104, 105, 106];
/// What RFC 3551 §6 assigns to silence descriptors.
pub(super) const COMFORT_NOISE_TYPE: PayloadType = PayloadType(13);
/// The clock of most codecs, and of silence descriptors.
pub(super) const TELEPHONE_CLOCK_HZ: u32 = 8_000;

/// Offers audio both ways with the codecs of `policy`, best first, and telephone-event at the clock
/// of each of them.
///
/// RTCP on the RTP port is offered too (RFC 5761); whoever does not know it uses the next port.
pub fn offer(local: &LocalMedia, policy: &Policy) -> String {
    let mut text = Text::new(local, "0 0");
    text.audio(&Audio {
        port: local.rtp_port,
        protocol: "RTP/AVP",
        formats: &receivable(policy),
        policy,
        ptime: policy.usual_ptime(),
        max_ptime: max_ptime(policy.codecs.iter().copied()),
        // We measure nothing for the peer.
        level: policy
            .level_extension
            .then_some(Level { id: extmap::OUR_ID, direction: Direction::RecvOnly }),
        rtcp_mux: true,
        direction: Direction::SendRecv,
    });
    text.into_string()
}

/// All that we offer, in the order of the media line: what may arrive then.
pub(super) fn receivable(policy: &Policy) -> Vec<(PayloadType, Format)> {
    let mut dynamic = DYNAMIC_TYPES.into_iter().map(PayloadType);
    let mut formats = Vec::new();
    let mut clocks: Vec<u32> = Vec::new();
    for &codec in &policy.codecs {
        if !clocks.contains(&codec.clock_hz()) {
            clocks.push(codec.clock_hz());
        }
        if let Some(number) = codec.static_payload_type().or_else(|| dynamic.next()) {
            formats.push((number, Format::Audio(codec)));
        }
    }
    if policy.comfort_noise && clocks.contains(&TELEPHONE_CLOCK_HZ) {
        formats.push((COMFORT_NOISE_TYPE, Format::ComfortNoise));
    }
    for clock_hz in clocks {
        let number = match clock_hz {
            TELEPHONE_CLOCK_HZ => Some(TELEPHONE_EVENT_TYPE),
            _ => dynamic.next(),
        };
        formats.extend(number.map(|number| (number, Format::TelephoneEvent { clock_hz })));
    }
    formats
}

/// Silence descriptors exist at 8 kHz only, so they go with codecs of that clock (RFC 3389 §5.2).
pub(super) fn allows_comfort_noise(codec: CodecKind) -> bool {
    codec.clock_hz() == TELEPHONE_CLOCK_HZ
}
