//! The INVITE session of a dialog: which INVITE is under way in which direction, whose ACK is
//! missing, when something is due (RFC 3261 §13, §14, §15).

use std::time::Instant;

use bytes::Bytes;

use super::cseq::{LocalCSeq, RemoteCSeq};
use super::exchange::Exchange;
use super::fork::Fork;
use super::path::Path;
use super::reliable::{Reliably, Unacked};
use super::session_timer::SessionTimer;
use crate::endpoint::{Body, Credentials};
use crate::message::{Method, RAck};
use crate::transaction::{Backoff, TransactionId};
use crate::transport::Flow;

/// One call's dialog.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) path: Path,
    pub(crate) local_seq: LocalCSeq,
    pub(crate) remote_seq: RemoteCSeq,
    pub(crate) stage: Stage,
    /// Whether we sent the INVITE that made the dialog.
    pub(crate) is_caller: bool,
    /// The INVITE or re-INVITE of the peer, until its ACK.
    pub(crate) incoming: Option<Incoming>,
    /// Our INVITE or re-INVITE, until its final response.
    pub(crate) outgoing: Option<Outgoing>,
    /// The early dialogs of our INVITE, by To tag; after the answer, those that lost.
    pub(crate) forks: Vec<Fork>,
    /// Offer and answer.
    pub(crate) exchange: Exchange,
    /// The 2xx whose ACK waits for our answer to its offer.
    pub(crate) unanswered: Option<Unanswered>,
    /// The PRACK that waits for our answer, of a fork that sent its 2xx all the same.
    pub(crate) held: Option<RAck>,
    /// Our last reliable response if the final one overtook its PRACK.
    pub(crate) late_rack: Option<RAck>,
    /// Whether the peer's Allow lists UPDATE.
    pub(crate) takes_update: bool,
    /// Our re-INVITE or UPDATE that met one of the peer's.
    pub(crate) retry: Option<Retry>,
    /// The session timer, if the session has an end of its own.
    pub(crate) timer: Option<SessionTimer>,
    /// The largest Min-SE heard, in seconds.
    pub(crate) min_se: u32,
    pub(crate) credentials: Option<Credentials>,
    /// Whether the flow was reported broken: the next request of the peer brings a new one.
    pub(crate) is_cut_off: bool,
    /// Whether the caller was told of the end.
    pub(crate) is_told: bool,
}

/// How far the session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The first INVITE has no final response.
    Early,
    /// It was answered with 2xx.
    Confirmed,
    /// We want to hang up but must wait for the ACK (§15); the header fields of the BYE.
    Leaving(Vec<(String, String)>),
    /// Our BYE is under way.
    Closing,
    /// Over; only an INVITE of ours waits for its final response.
    Gone,
}

/// An INVITE of the peer.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) txn: TransactionId,
    pub(crate) seq: u32,
    pub(crate) is_initial: bool,
    pub(crate) state: IncomingState,
    /// Its reliable provisional responses, if the peer can take them.
    pub(crate) reliably: Option<Box<Reliably>>,
}

#[derive(Debug)]
pub(crate) enum IncomingState {
    /// No final response yet.
    Open {
        /// When the last provisional response is sent again (§13.3.1.1: every minute).
        refresh_at: Option<Instant>,
        give_up_at: Instant,
    },
    /// A 2xx was sent and is sent again until the ACK (§13.3.1.4), on streams too.
    Answered { bytes: Bytes, flow: Flow, again: Backoff, give_up_at: Instant },
}

/// An INVITE of ours.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) txn: TransactionId,
    pub(crate) cancel: Cancel,
    /// Fields for the CANCEL.
    pub(crate) cancel_headers: Vec<(String, String)>,
    /// Whether the endpoint sent it by itself, to refresh the session.
    pub(crate) is_refresh: bool,
    /// When the endpoint loses patience: cancels, or after that gives up.
    pub(crate) give_up_at: Instant,
}

/// How far the wish to cancel has come (§9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancel {
    No,
    /// To be sent with the first provisional response.
    Wanted,
    Sent,
}

/// A 2xx to our INVITE without offer: its own offer is the owner's to answer, in the ACK.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) txn: TransactionId,
    /// The To tag.
    pub(crate) tag: String,
    /// What the ACK repeats of the INVITE.
    pub(crate) seq: u32,
    pub(crate) authorization: Vec<(&'static str, String)>,
    /// When the peer stops waiting.
    pub(crate) give_up_at: Instant,
}

/// A re-INVITE or UPDATE to send again after a 491 (§14.1, RFC 3311 §5.3).
#[derive(Debug)]
pub(crate) struct Retry {
    pub(crate) at: Instant,
    pub(crate) method: Method,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Body>,
}

impl Incoming {
    /// The reliable response whose PRACK is missing.
    pub(crate) fn unacked(&self) -> Option<&Unacked> {
        self.reliably.as_ref()?.unacked.as_ref()
    }
}

impl Outgoing {
    /// Whether this is the transaction in question, and nobody has cancelled it.
    pub(crate) fn is_wanted(&self, txn: TransactionId) -> bool {
        self.txn == txn && self.cancel == Cancel::No
    }
}

impl Session {
    pub(crate) fn new(path: Path, is_caller: bool, last_seq: u32) -> Self {
        Self {
            path,
            local_seq: LocalCSeq::after(last_seq),
            remote_seq: RemoteCSeq::default(),
            stage: Stage::Early,
            is_caller,
            incoming: None,
            outgoing: None,
            forks: Vec::new(),
            exchange: Exchange::default(),
            unanswered: None,
            held: None,
            late_rack: None,
            takes_update: false,
            retry: None,
            timer: None,
            min_se: 0,
            credentials: None,
            is_cut_off: false,
            is_told: false,
        }
    }

    /// The peer's INVITE that still wants a final response.
    pub(crate) fn open_incoming(&self) -> Option<&Incoming> {
        self.incoming.as_ref().filter(|i| matches!(i.state, IncomingState::Open { .. }))
    }

    /// The peer's INVITE whose 2xx still wants its ACK.
    pub(crate) fn unacked(&self) -> Option<&Incoming> {
        self.incoming.as_ref().filter(|i| matches!(i.state, IncomingState::Answered { .. }))
    }

    /// The session timer while it counts.
    pub(crate) fn live_timer(&self) -> Option<&SessionTimer> {
        self.timer.as_ref().filter(|_| self.stage == Stage::Confirmed)
    }

    /// Whether there is a way to refresh the session that the peer takes.
    pub(crate) fn can_refresh(&self) -> bool {
        self.takes_update || self.exchange.local.is_some()
    }

    /// When something is due.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let incoming = self.incoming.as_ref().map(|incoming| match &incoming.state {
            IncomingState::Open { refresh_at, give_up_at } => {
                let unacked = incoming.unacked().map(|u| u.again.at.min(u.give_up_at));
                [*refresh_at, unacked].into_iter().flatten().fold(*give_up_at, Instant::min)
            }
            IncomingState::Answered { again, give_up_at, .. } => again.at.min(*give_up_at),
        });
        let unanswered = self.unanswered.as_ref().map(|unanswered| unanswered.give_up_at);
        let outgoing = self.outgoing.as_ref().map(|outgoing| outgoing.give_up_at);
        let retry = self.retry.as_ref().map(|retry| retry.at);
        let timer = self.live_timer().map(SessionTimer::next_wake);
        [incoming, outgoing, unanswered, retry, timer].into_iter().flatten().min()
    }
}
