//! The one session description our peers speak: G.711 mu-law and telephone-event, one stream.

use std::net::{IpAddr, SocketAddr};

/// An offer or answer with PCMU and telephone-event at `local`.
#[must_use]
pub fn pcmu(local: SocketAddr) -> String {
    let (ip, port) = (local.ip(), local.port());
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    format!(
        "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
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
