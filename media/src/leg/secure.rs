//! The keys of a leg in use: SRTP contexts across negotiations (RFC 3711, RFC 4568 §7.1.4).

use super::Ignored;
use crate::rtp::MAX_DATAGRAM_BYTES;
use crate::srtp::{Inbound, Keys, Outbound, Refused};

/// Contexts of our own keys that are kept; each re-keying of ours makes one.
const MAX_OUTBOUND: usize = 8;

/// What one leg encrypts with and decrypts with.
#[derive(Debug)]
pub(super) struct Secure {
    /// The last one is in use. The others wait: a key that comes back goes on where it was, because none
    /// of its indices may be used twice.
    outbound: Vec<Outbound>,
    inbound: Option<Inbound>,
    /// The peer's former key, until its present one has been heard: packets sent before the peer had our
    /// answer are under way.
    former: Option<Inbound>,
    is_on: bool,
}

/// What packets go through now; `None` if they are plain.
pub(super) fn in_use(secure: &mut Option<Box<Secure>>) -> Option<&mut Secure> {
    secure.as_deref_mut().filter(|secure| secure.is_on)
}

impl Secure {
    pub(super) fn new() -> Self {
        Self { outbound: Vec::new(), inbound: None, former: None, is_on: false }
    }

    /// Takes up the keys of a description. The same key as before goes on; `None` turns encryption off.
    pub(super) fn negotiate(&mut self, keys: Option<&Keys>) {
        self.is_on = keys.is_some();
        let Some(Keys { local, remote, remote_mki }) = keys else {
            (self.inbound, self.former) = (None, None);
            return;
        };
        match self.outbound.iter().position(|outbound| outbound.key() == local) {
            Some(known) => {
                let outbound = self.outbound.remove(known);
                self.outbound.push(outbound);
            }
            None => {
                if self.outbound.len() == MAX_OUTBOUND {
                    self.outbound.remove(0);
                }
                self.outbound.extend(Outbound::new(*local));
            }
        }
        if !self.inbound.as_ref().is_some_and(|inbound| inbound.is_of(remote, *remote_mki)) {
            self.former = self.inbound.take();
            self.inbound = Inbound::new(*remote, *remote_mki);
        }
    }

    /// What the peer of so far goes on sending is nothing to the next one.
    pub(super) fn change_peer(&mut self) {
        (self.inbound, self.former) = (None, None);
    }

    /// Encrypts an RTP packet of `len` bytes; `None` if it may not be sent.
    pub(super) fn protect_rtp(&mut self, out: &mut [u8], len: usize) -> Option<usize> {
        self.outbound.last_mut()?.protect_rtp(out, len)
    }

    /// Encrypts an RTCP packet of `len` bytes; `None` if it may not be sent.
    pub(super) fn protect_rtcp(&mut self, out: &mut [u8], len: usize) -> Option<usize> {
        self.outbound.last_mut()?.protect_rtcp(out, len)
    }

    /// Decrypts an RTP packet in place; gives its length.
    pub(super) fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Ignored> {
        self.unprotect(packet, Inbound::unprotect_rtp, Ignored::Malformed)
    }

    /// Decrypts an RTCP packet in place; gives its length.
    pub(super) fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Ignored> {
        self.unprotect(packet, Inbound::unprotect_rtcp, Ignored::BadRtcp)
    }

    fn unprotect(
        &mut self,
        packet: &mut [u8],
        open: impl Fn(&mut Inbound, &mut [u8]) -> Result<usize, Refused>,
        malformed: Ignored,
    ) -> Result<usize, Ignored> {
        let reason = |refused| match refused {
            Refused::Malformed => malformed,
            Refused::Replayed => Ignored::Replayed,
            Refused::Forged => Ignored::Unauthentic,
        };
        let inbound = self.inbound.as_mut().ok_or(Ignored::Unauthentic)?;
        let Some(former) = self.former.as_mut() else {
            return open(inbound, packet).map_err(reason);
        };
        // What GCM cannot open it spoils, so there is a copy for as long as two keys are about.
        let mut copy = [0; MAX_DATAGRAM_BYTES];
        if let Some(copy) = copy.get_mut(..packet.len()) {
            copy.copy_from_slice(packet);
        }
        let refused = match open(inbound, packet) {
            Ok(len) => {
                self.former = None;
                return Ok(len);
            }
            Err(refused) => refused,
        };
        let copy = copy.get_mut(..packet.len()).ok_or(Ignored::Malformed)?;
        let len = open(former, copy).map_err(|_| reason(refused))?;
        packet.copy_from_slice(copy);
        Ok(len)
    }
}
