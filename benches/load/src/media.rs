//! The RTP side of one caller: sends one frame per 20 ms, reads what has come.
//!
//! Nothing here allocates or encodes: at 2,000 callers this is 100,000 packets a second each way on
//! one core, and almost all of that core must be left to the kernel.

use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::SystemTime;

use anyhow::Result;
use support::rtp::{self, HEADER_BYTES};
use support::stamp::StampedUdp;

use crate::codec::{Codec, MAX_PAYLOAD};
use crate::reception::Reception;
use crate::spread::Histogram;
use crate::voice::Voice;

/// RFC 8285 §4.2: "BE DE", one word of elements.
const EXTENSION: [u8; 4] = [0xBE, 0xDE, 0, 1];
const EXTENSION_BYTES: usize = 8;
/// Every so many visits the socket is read until it is empty; otherwise one packet a visit is read,
/// since a second look at a socket that has nothing costs half of what a packet does.
const EMPTY_EVERY: usize = 8;
/// Visits between looks at the RTCP port, so that its buffer does not fill.
const RTCP_EVERY: usize = 250;

#[derive(Debug)]
pub(crate) struct Media {
    socket: StampedUdp,
    /// Holds the RTCP port, so that what the server sends there meets nobody else.
    rtcp: UdpSocket,
    /// Where to send; `None` until answered and after hanging up.
    remote: Option<SocketAddr>,
    /// RFC 6464: the extension's number when levels are sent, and whether this caller talks.
    level_id: Option<u8>,
    talks: bool,
    codec: Codec,
    ssrc: u32,
    seq: u16,
    timestamp: u32,
    /// The next packet is the first after silence.
    marker: bool,
    voice: Rc<Voice>,
    position: usize,
    pub(crate) reception: Reception,
}

/// Room for one datagram each way, shared by all callers.
pub(crate) struct Scratch {
    packet: [u8; HEADER_BYTES + EXTENSION_BYTES + MAX_PAYLOAD],
    received: [u8; 2_048],
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { packet: [0; HEADER_BYTES + EXTENSION_BYTES + MAX_PAYLOAD], received: [0; 2_048] }
    }
}

impl Media {
    /// # Errors
    /// When no pair of ports is free.
    pub(crate) fn new(number: u32, codec: Codec, voice: Rc<Voice>, talks: bool) -> Result<Self> {
        let (socket, rtcp) = StampedUdp::rtp_pair()?;
        Ok(Self {
            socket,
            rtcp,
            remote: None,
            level_id: None,
            talks,
            codec,
            ssrc: 0x1000_0000 + number,
            // Close to the wrap of both counters, so that every run passes over it.
            seq: 65_400,
            timestamp: u32::MAX - 16_000,
            marker: true,
            voice,
            // Those who share a voice are at different places of it.
            position: number as usize * 7,
            reception: Reception::new(codec.clock_hz()),
        })
    }

    /// The same voice on new sockets, for another call.
    ///
    /// # Errors
    /// When no pair of ports is free.
    pub(crate) fn anew(&self, number: u32) -> Result<Self> {
        Self::new(number, self.codec, Rc::clone(&self.voice), self.talks)
    }

    /// # Errors
    /// When the kernel cannot say.
    pub(crate) fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    /// Begins to send; with audio levels when the far end took them.
    ///
    /// # Errors
    /// When the kernel refuses the address.
    pub(crate) fn begin(&mut self, remote: SocketAddr, level_id: Option<u8>) -> Result<()> {
        self.level_id = level_id;
        self.turn_to(remote)
    }

    /// Sends the same to another address.
    ///
    /// # Errors
    /// When the kernel refuses the address.
    pub(crate) fn turn_to(&mut self, remote: SocketAddr) -> Result<()> {
        self.socket.connect(remote)?;
        self.remote = Some(remote);
        Ok(())
    }

    pub(crate) fn stop(&mut self) {
        self.remote = None;
    }

    pub(crate) fn is_sending(&self) -> bool {
        self.remote.is_some()
    }

    pub(crate) fn sends_levels(&self) -> bool {
        self.level_id.is_some()
    }

    /// Sends the next frame, if the call stands. A refused datagram is the server's affair.
    pub(crate) fn send(&mut self, scratch: &mut Scratch) {
        if self.remote.is_none() {
            return;
        }
        let said = self.voice.at(self.position);
        self.position += 1;
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(self.codec.frame() as u32);
        if said.payload.is_empty() {
            self.marker = true;
            return;
        }
        let packet = &mut scratch.packet;
        packet[0] = 0x80;
        packet[1] = self.codec.payload_type() | if self.marker { 0x80 } else { 0 };
        packet[2..4].copy_from_slice(&self.seq.to_be_bytes());
        packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        packet[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        let mut len = HEADER_BYTES;
        if let Some(id) = self.level_id {
            packet[0] |= 0x10;
            let voice_bit = if self.talks { 0x80 } else { 0 };
            packet[len..len + 4].copy_from_slice(&EXTENSION);
            packet[len + 4..len + 8].copy_from_slice(&[id << 4, voice_bit | said.level, 0, 0]);
            len += EXTENSION_BYTES;
        }
        packet[len..len + said.payload.len()].copy_from_slice(said.payload);
        len += said.payload.len();
        self.seq = self.seq.wrapping_add(1);
        self.marker = false;
        // Loss here shows at the other end; there is nobody to tell.
        let _ = self.socket.send(&packet[..len]);
    }

    /// Reads what has come; not always all of it, see [`EMPTY_EVERY`].
    ///
    /// # Errors
    /// When the socket is broken.
    pub(crate) fn receive(
        &mut self,
        scratch: &mut Scratch,
        deviations: &mut Histogram,
    ) -> Result<()> {
        if self.position.is_multiple_of(RTCP_EVERY) {
            // An error is RTCP nobody reads; the port is held, not used.
            while self.rtcp.recv(&mut scratch.received).is_ok() {}
        }
        if self.position.is_multiple_of(EMPTY_EVERY) || self.remote.is_none() {
            return self.drain(scratch, deviations);
        }
        self.receive_one(scratch, deviations).map(|_| ())
    }

    /// Reads everything that has come.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(crate) fn drain(
        &mut self,
        scratch: &mut Scratch,
        deviations: &mut Histogram,
    ) -> Result<()> {
        while self.receive_one(scratch, deviations)? {}
        Ok(())
    }

    fn receive_one(&mut self, scratch: &mut Scratch, deviations: &mut Histogram) -> Result<bool> {
        let Some(received) = self.socket.receive(&mut scratch.received)? else { return Ok(false) };
        let bytes = scratch.received.get(..received.len).unwrap_or_default();
        let expected = self.codec.payload_type();
        if let Some(packet) = rtp::parse(bytes).filter(|packet| packet.payload_type == expected) {
            self.reception.packet(received.at, &packet, deviations);
        }
        Ok(true)
    }

    pub(crate) fn open_window(&mut self, start: SystemTime, end: SystemTime, captured: bool) {
        self.reception.open_window(start, end, captured);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::voice::Quiet;

    #[test]
    fn a_packet_carries_the_level_the_far_end_asked_for() {
        let voice = Rc::new(Voice::tone(Codec::Pcmu, Quiet::Levels, 500.0, -20.0, 0).unwrap());
        let mut media = Media::new(1, Codec::Pcmu, voice, true).unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        media.begin(peer.local_addr().unwrap(), Some(3)).unwrap();
        let (mut scratch, mut bytes) = (Scratch::new(), [0; 400]);
        media.send(&mut scratch);
        let len = peer.recv(&mut bytes).unwrap();
        assert_eq!(bytes[12..17], [0xBE, 0xDE, 0, 1, 0x30]);
        assert!(bytes[17] & 0x80 != 0 && (15..30).contains(&(bytes[17] & 0x7F)));
        let packet = rtp::parse(&bytes[..len]).unwrap();
        assert!(packet.marker);
        assert_eq!((packet.payload_type, packet.payload.len()), (0, 160));
    }
}
