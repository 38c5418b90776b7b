//! The RTP side of one caller: sends one frame per 20 ms, reads what has come.

use std::net::{SocketAddr, UdpSocket};
use std::time::SystemTime;

use anyhow::Result;
use support::g711::{ULAW_SILENCE, ulaw_encode};
use support::rtp::{self, Writer};
use support::stamp::StampedUdp;
use support::tone::{Tone, peak_of};

use crate::reception::Reception;

/// Samples of one 20 ms frame.
pub(crate) const FRAME: usize = 160;
/// Level of the noise that stands for a quiet microphone.
const COMFORT_DB: f64 = -60.0;

#[derive(Debug)]
pub(crate) struct Media {
    socket: StampedUdp,
    /// Holds the RTCP port, so that what the server sends there meets nobody else.
    _rtcp: UdpSocket,
    /// Where to send; `None` until answered and after hanging up.
    pub(crate) remote: Option<SocketAddr>,
    writer: Writer,
    voice: Voice,
    pub(crate) reception: Reception,
}

/// What a caller says.
#[derive(Debug)]
pub(crate) enum Voice {
    Tone(Tone),
    Silence,
    /// Faint noise from a small generator (its state).
    Comfort(u32),
}

impl Media {
    /// # Errors
    /// When no pair of ports is free.
    pub(crate) fn new(number: u32, voice: Voice) -> Result<Self> {
        let (socket, rtcp) = StampedUdp::rtp_pair()?;
        Ok(Self {
            socket,
            _rtcp: rtcp,
            remote: None,
            writer: Writer::new(0x1000_0000 + number),
            voice,
            reception: Reception::new(),
        })
    }

    /// # Errors
    /// When the kernel cannot say.
    pub(crate) fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    /// Sends the next frame, if the call stands. A refused datagram is the server's affair.
    pub(crate) fn send(&mut self, scratch: &mut Vec<u8>) {
        let Some(remote) = self.remote else { return };
        let mut payload = [ULAW_SILENCE; FRAME];
        self.voice.fill(&mut payload);
        self.writer.write(0, &payload, scratch);
        // Loss here shows at the other end; there is nobody to tell.
        let _ = self.socket.send_to(scratch, remote);
    }

    /// Reads everything that has come.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(crate) fn drain(&mut self) -> Result<()> {
        let mut buffer = [0; 2_048];
        while let Some(received) = self.socket.receive(&mut buffer)? {
            let bytes = buffer.get(..received.len).unwrap_or_default();
            if let Some(packet) = rtp::parse(bytes).filter(|packet| packet.payload_type == 0) {
                self.reception.packet(received.at, &packet);
            }
        }
        Ok(())
    }

    pub(crate) fn open_window(&mut self, start: SystemTime, end: SystemTime, captured: bool) {
        self.reception.open_window(start, end, captured);
    }
}

impl Voice {
    fn fill(&mut self, payload: &mut [u8]) {
        match self {
            Self::Silence => payload.fill(ULAW_SILENCE),
            Self::Tone(tone) => payload.fill_with(|| ulaw_encode(tone.sample())),
            Self::Comfort(state) => {
                let peak = peak_of(COMFORT_DB) as i32;
                payload.fill_with(|| {
                    // xorshift: cheap, and good enough to look like noise.
                    *state ^= *state << 13;
                    *state ^= *state >> 17;
                    *state ^= *state << 5;
                    ulaw_encode(((*state >> 16) as i32 % (2 * peak + 1) - peak) as i16)
                });
            }
        }
    }
}
