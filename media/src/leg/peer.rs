//! Who the peer is: the negotiated address, or the one it turned out to send from.
//!
//! A phone behind a NAT writes an address into its SDP that it does not send from. So, until something
//! good has come from the negotiated address, another source that sends two good packets in sequence
//! is taken for the peer; we then send there, and no third source is ever accepted. Should packets
//! from the negotiated address itself come after all, that address is the better claim and rules.
//! A new description with another address starts this over, and so does another peer, whatever its
//! address: the one before it may go on sending until it has heard that it is out.

use std::net::SocketAddr;

use crate::rtp::{Packet, SeqNo, Ssrc};

/// Addresses of one peer.
#[derive(Debug)]
pub(super) struct Peer {
    rtp: SocketAddr,
    rtcp: SocketAddr,
    heard: Heard,
    /// Where the peer before this one sent from: what still comes from there proves nothing.
    former: Option<SocketAddr>,
    /// Where RTCP really comes from, once it has.
    rtcp_heard: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Nothing good yet, but perhaps a first packet from elsewhere.
    Nothing(Option<Candidate>),
    /// From where it said.
    AsNegotiated,
    /// From somewhere else.
    Elsewhere(SocketAddr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Candidate {
    from: SocketAddr,
    ssrc: Ssrc,
    next: SeqNo,
}

impl Peer {
    pub(super) fn new(rtp: SocketAddr, rtcp: SocketAddr) -> Self {
        let (rtp, rtcp) = (super::canonical(rtp), super::canonical(rtcp));
        Self { rtp, rtcp, heard: Heard::Nothing(None), former: None, rtcp_heard: None }
    }

    /// Another peer in the place of this one.
    pub(super) fn succeeded(self, rtp: SocketAddr, rtcp: SocketAddr) -> Self {
        let former = self.settled().or(self.former);
        Self { former, ..Self::new(rtp, rtcp) }
    }

    /// The peer after a new description.
    pub(super) fn renegotiated(self, rtp: SocketAddr, rtcp: SocketAddr) -> Self {
        let new = Self::new(rtp, rtcp);
        // Hold by 0.0.0.0 says nothing about where the peer is.
        if new.rtp.ip().is_unspecified() {
            return Self { rtcp: self.rtcp, ..self };
        }
        if new.rtp == self.rtp { Self { rtcp: new.rtcp, ..self } } else { new }
    }

    /// Whether a packet from there could be accepted at all.
    pub(super) fn may_be(&self, from: SocketAddr) -> bool {
        match self.heard {
            Heard::Nothing(_) => from == self.rtp || Some(from) != self.former,
            Heard::AsNegotiated => from == self.rtp,
            Heard::Elsewhere(source) => from == source || from == self.rtp,
        }
    }

    /// Judges a well-formed packet with a negotiated payload type, and learns from it.
    pub(super) fn admit(&mut self, from: SocketAddr, packet: &Packet<'_>) -> bool {
        if from == self.rtp {
            if self.heard != Heard::AsNegotiated {
                self.rtcp_heard = None;
            }
            self.heard = Heard::AsNegotiated;
            return true;
        }
        match self.heard {
            Heard::AsNegotiated => false,
            Heard::Elsewhere(source) => from == source,
            Heard::Nothing(_) if Some(from) == self.former => false,
            Heard::Nothing(candidate) => {
                let (ssrc, seq) = (packet.ssrc, packet.seq);
                if candidate == Some(Candidate { from, ssrc, next: seq }) {
                    self.heard = Heard::Elsewhere(from);
                    return true;
                }
                self.heard = Heard::Nothing(Some(Candidate { from, ssrc, next: seq.next() }));
                false
            }
        }
    }

    /// Judges a well-formed RTCP packet; it must come from the host RTP comes from.
    pub(super) fn admit_rtcp(&mut self, from: SocketAddr) -> bool {
        let known = match self.rtcp_heard {
            Some(heard) => heard == from,
            None => from.ip() == self.rtp_host(),
        };
        let is_peer = known || from == self.rtcp;
        if is_peer {
            self.rtcp_heard = Some(from);
        }
        is_peer
    }

    /// Where good packets have come from.
    pub(super) fn settled(&self) -> Option<SocketAddr> {
        match self.heard {
            Heard::Nothing(_) => None,
            Heard::AsNegotiated => Some(self.rtp),
            Heard::Elsewhere(source) => Some(source),
        }
    }

    /// Where to send RTP.
    pub(super) fn rtp_destination(&self) -> Option<SocketAddr> {
        let to = match self.heard {
            Heard::Elsewhere(source) => source,
            Heard::Nothing(_) | Heard::AsNegotiated => self.rtp,
        };
        is_reachable(to).then_some(to)
    }

    /// Where to send RTCP that is not multiplexed.
    pub(super) fn rtcp_destination(&self) -> Option<SocketAddr> {
        let to = match (self.rtcp_heard, self.heard) {
            (Some(heard), _) => heard,
            (None, Heard::Elsewhere(source)) => {
                SocketAddr::new(source.ip(), source.port().checked_add(1)?)
            }
            (None, Heard::Nothing(_) | Heard::AsNegotiated) => self.rtcp,
        };
        is_reachable(to).then_some(to)
    }

    fn rtp_host(&self) -> std::net::IpAddr {
        match self.heard {
            Heard::Elsewhere(source) => source.ip(),
            Heard::Nothing(_) | Heard::AsNegotiated => self.rtp.ip(),
        }
    }
}

fn is_reachable(address: SocketAddr) -> bool {
    !address.ip().is_unspecified() && address.port() != 0
}
