//! The session descriptions our peers speak: one stream of one codec, with what goes beside it.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use crate::rtp_format::{COMFORT_NOISE, EVENTS, RtpFormat};

/// An offer or answer with PCMU and telephone-event at `local`.
#[must_use]
pub fn pcmu(local: SocketAddr) -> String {
    audio(local, &RtpFormat::PCMU)
}

/// An offer or answer of that format at `local`.
#[must_use]
pub fn audio(local: SocketAddr, format: &RtpFormat) -> String {
    let number = format.payload_type;
    let mut numbers = number.to_string();
    let mut lines = format!("a=rtpmap:{number} {}\r\n", format.coding.rtpmap());
    let rate = format.coding.rate();
    if format.comfort_noise {
        let _ = write!(numbers, " {COMFORT_NOISE}");
        let _ = write!(lines, "a=rtpmap:{COMFORT_NOISE} CN/8000\r\n");
    }
    if format.events {
        let _ = write!(numbers, " {EVENTS}");
        let _ =
            write!(lines, "a=rtpmap:{EVENTS} telephone-event/{rate}\r\na=fmtp:{EVENTS} 0-15\r\n");
    }
    if let Some(id) = format.level_extension {
        let _ =
            write!(lines, "a=extmap:{id} urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on\r\n");
    }
    let _ = write!(lines, "a=ptime:{}\r\n", format.ptime_ms);
    stream(local, &numbers, &lines)
}

/// A description of one stream: payload types with spaces between, and its attribute lines.
#[must_use]
pub fn stream(local: SocketAddr, payload_types: &str, attributes: &str) -> String {
    let (ip, port) = (local.ip(), local.port());
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    format!(
        "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {payload_types}\r\n{attributes}a=sendrecv\r\n"
    )
}

/// What the other side's description says about its audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteAudio {
    pub rtp: SocketAddr,
    pub payload_types: Vec<u8>,
    /// `sendrecv`, `sendonly`, `recvonly` or `inactive`.
    pub direction: String,
}

/// Reads the first audio stream. `None` when there is none or it is refused (port 0).
#[must_use]
pub fn remote_audio(body: &[u8]) -> Option<RemoteAudio> {
    let text = std::str::from_utf8(body).ok()?;
    let (mut ip, mut audio, mut direction) = (None, None, "sendrecv");
    for line in text.lines() {
        if let Some(address) = line.strip_prefix("c=IN IP") {
            let address = address.get(2..)?.split('/').next()?.trim();
            ip = Some(address.parse::<IpAddr>().ok()?);
        } else if let Some(media) = line.strip_prefix("m=") {
            if audio.is_some() {
                break;
            }
            audio = media.strip_prefix("audio ");
        } else if let Some(word) = line.strip_prefix("a=")
            && matches!(word, "sendrecv" | "sendonly" | "recvonly" | "inactive")
        {
            direction = word;
        }
    }
    let mut words = audio?.split_whitespace();
    let port: u16 = words.next()?.split('/').next()?.parse().ok()?;
    let payload_types = words.skip(1).filter_map(|word| word.parse().ok()).collect();
    (port != 0).then_some(RemoteAudio {
        rtp: SocketAddr::new(ip?, port),
        payload_types,
        direction: direction.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_description_is_read_back() {
        let local: SocketAddr = "127.0.0.1:4000".parse().unwrap();
        let audio = remote_audio(pcmu(local).as_bytes()).expect("audio");
        assert_eq!(audio.rtp, local);
        assert_eq!(audio.payload_types, [0, 101]);
        assert_eq!(audio.direction, "sendrecv");
    }

    #[test]
    fn a_refused_stream_and_nonsense_give_nothing() {
        assert_eq!(remote_audio(b"c=IN IP4 1.2.3.4\r\nm=audio 0 RTP/AVP 0\r\n"), None);
        assert_eq!(remote_audio(b"m=video 9 RTP/AVP 0\r\n"), None);
        assert_eq!(remote_audio(&[0xFF, 0xFE]), None);
    }

    #[test]
    fn an_address_inside_the_stream_wins_over_the_session_s() {
        let body = b"c=IN IP4 10.0.0.1\r\nm=audio 6 RTP/AVP 0\r\nc=IN IP4 127.0.0.2\r\n";
        assert_eq!(remote_audio(body).unwrap().rtp, "127.0.0.2:6".parse().unwrap());
    }
}
