//! Header extensions in SDP (RFC 8285 §5, §6): of all there are, the audio level (RFC 6464).

use super::negotiated::Direction;
use super::wire::{Attribute, Description, Section};

/// The name of the audio level (RFC 6464 §4).
pub(super) const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/// The identifier we offer for it.
pub(super) const OUR_ID: u8 = 1;

impl<'a> Description<'a> {
    /// The identifier under which the section's author sends its audio level, if it does; said in the
    /// section or for all of them.
    pub(super) fn level_extension(&self, section: &Section<'a>) -> Option<u8> {
        let of_section = section.attributes.iter();
        of_section.chain(&self.attributes).find_map(sent_level)
    }
}

/// `extmap:ID[/direction] URI [attributes]`. Without a direction both are meant.
fn sent_level(attribute: &Attribute<'_>) -> Option<u8> {
    if !attribute.name.eq_ignore_ascii_case("extmap") {
        return None;
    }
    let mut tokens = attribute.value.split_ascii_whitespace();
    let (number, uri) = (tokens.next()?, tokens.next()?);
    let (id, direction) = number.split_once('/').unwrap_or((number, "sendrecv"));
    let sends = Direction::from_name(direction).is_some_and(Direction::sends);
    (uri == AUDIO_LEVEL && sends).then(|| id.parse().ok().filter(|&id| id != 0)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_level_that_is_sent_counts() {
        let level = |value: &str| sent_level(&Attribute { name: "extmap", value });
        for (value, expected) in [
            ("1 urn:ietf:params:rtp-hdrext:ssrc-audio-level", Some(1)),
            ("14/sendrecv urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on", Some(14)),
            ("200/sendonly urn:ietf:params:rtp-hdrext:ssrc-audio-level", Some(200)),
            ("1/recvonly urn:ietf:params:rtp-hdrext:ssrc-audio-level", None),
            ("1/inactive urn:ietf:params:rtp-hdrext:ssrc-audio-level", None),
            ("1/both urn:ietf:params:rtp-hdrext:ssrc-audio-level", None),
            ("0 urn:ietf:params:rtp-hdrext:ssrc-audio-level", None),
            ("4096 urn:ietf:params:rtp-hdrext:ssrc-audio-level", None),
            ("x urn:ietf:params:rtp-hdrext:ssrc-audio-level", None),
            ("1 urn:ietf:params:rtp-hdrext:csrc-audio-level", None),
            ("1", None),
            ("", None),
        ] {
            assert_eq!(level(value), expected, "{value}");
        }
    }
}
