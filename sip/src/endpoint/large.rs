//! Requests too large for a datagram (RFC 3261 §18.1.1): by TCP if we have it, and back to UDP if the
//! peer has not.
//!
//! Only what opens a conversation changes its way: the INVITE of a new call, and requests outside
//! dialogs. Contact keeps naming UDP, and so the dialog stays on UDP unless the peer's own Contact or
//! the first proxy asks for TCP: a peer that took one INVITE by TCP may not be reachable by it later.

use std::time::Instant;

use super::draft::Draft;
use super::sent::{Purpose, Sent};
use super::{Endpoint, TransactionId};
use crate::message::Method;
use crate::transport::{Flow, Transport, via};

/// The way back to UDP of a request that tries TCP.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fallback {
    pub(crate) flow: Flow,
    /// When an INVITE without any answer goes that way: a peer behind a firewall may not even refuse.
    pub(crate) at: Option<Instant>,
}

impl Endpoint {
    /// The stream for a request of that many octets, if it must not go as a datagram.
    pub(super) fn stream_for(
        &self,
        now: Instant,
        flow: &Flow,
        octets: usize,
        purpose: Purpose,
        draft: &Draft,
    ) -> Option<(Flow, Fallback)> {
        let is_opening = matches!(purpose, Purpose::Invite(_) | Purpose::Outside(_));
        let limit = self.config.udp_max_request?;
        if octets <= limit || !is_opening || draft.keeps_flow || flow.transport != Transport::Udp {
            return None;
        }
        let listener = self.config.listeners.iter().find(|listener| {
            listener.transport == Transport::Tcp && listener.local.is_ipv4() == flow.peer.is_ipv4()
        })?;
        // §17.2.1: an INVITE that arrived is answered within 200 ms, were it with 100
        let at = (draft.method == Method::Invite).then(|| now + self.config.timers.t1 * 4);
        let fallback = Fallback { flow: *flow, at };
        Some((Flow::tcp(listener.local, flow.peer, None), fallback))
    }

    /// TCP leads nowhere: the request goes as a datagram after all, whatever its size. False if it
    /// did not come from there, or was answered.
    pub(super) fn fall_back(&mut self, now: Instant, id: TransactionId) -> bool {
        if self.clients.get(id).is_none_or(|txn| txn.user.fallback.is_none()) {
            return false;
        }
        let Some(txn) = self.forget_client(id) else { return false };
        let Sent { purpose, draft, fallback, .. } = txn.user;
        let flow = fallback.map_or(txn.flow, |fallback| fallback.flow);
        let branch = self.new_branch();
        let via = via::own(flow.transport, self.own_addr(&flow), &branch);
        let bytes = draft.write(&via, &self.config);
        let sent = Sent { purpose, draft, via, branch, acks: Vec::new(), fallback: None };
        let again = self.open_client(now, flow, bytes, sent);
        if let Purpose::Invite(dialog) = purpose
            && let Some(outgoing) =
                self.sessions.get_mut(&dialog).and_then(|session| session.outgoing.as_mut())
            && outgoing.txn == id
        {
            outgoing.txn = again;
        }
        true
    }
}
