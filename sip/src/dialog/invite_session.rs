//! The INVITE session of a dialog: which INVITE is under way in which direction, whose ACK is
//! missing, when something is due (RFC 3261 §13, §14, §15).

use std::time::Instant;

use bytes::Bytes;

use super::cseq::{LocalCSeq, RemoteCSeq};
use super::path::Path;
use crate::endpoint::Body;
use crate::endpoint::Credentials;
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
    /// Our re-INVITE that met one of the peer's.
    pub(crate) retry: Option<Retry>,
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
    /// The Reason header of the CANCEL (RFC 3326).
    pub(crate) cancel_reason: Option<String>,
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

/// A re-INVITE to send again after a 491 (§14.1).
#[derive(Debug)]
pub(crate) struct Retry {
    pub(crate) at: Instant,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Body>,
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
            retry: None,
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

    /// When something is due.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let incoming = self.incoming.as_ref().map(|incoming| match &incoming.state {
            IncomingState::Open { refresh_at, give_up_at } => {
                refresh_at.map_or(*give_up_at, |at| at.min(*give_up_at))
            }
            IncomingState::Answered { again, give_up_at, .. } => again.at.min(*give_up_at),
        });
        let outgoing = self.outgoing.as_ref().map(|outgoing| outgoing.give_up_at);
        let retry = self.retry.as_ref().map(|retry| retry.at);
        [incoming, outgoing, retry].into_iter().flatten().min()
    }
}
