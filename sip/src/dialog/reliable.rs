//! Provisional responses of ours that must arrive (RFC 3262 §3).

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use crate::endpoint::Reply;
use crate::message::RAck;
use crate::transaction::Backoff;
use crate::transport::Flow;

/// The reliable responses to one INVITE: one at a time is under way.
#[derive(Debug)]
pub(crate) struct Reliably {
    /// Whether the peer takes no others (`Require: 100rel`).
    pub(crate) is_required: bool,
    /// RSeq of the next one.
    pub(crate) next_rseq: u32,
    pub(crate) unacked: Option<Unacked>,
    /// What waits for the PRACK of the one under way.
    pub(crate) queue: VecDeque<Reply>,
    /// The 2xx that waits for it too (§3: when the one under way has a description).
    pub(crate) answer: Option<Reply>,
}

/// A reliable response whose PRACK is missing.
#[derive(Debug)]
pub(crate) struct Unacked {
    pub(crate) rack: RAck,
    pub(crate) bytes: Bytes,
    pub(crate) flow: Flow,
    pub(crate) again: Backoff,
    pub(crate) give_up_at: Instant,
    pub(crate) has_description: bool,
}

impl Reliably {
    pub(crate) fn new(is_required: bool, first_rseq: u32) -> Self {
        Self {
            is_required,
            next_rseq: first_rseq,
            unacked: None,
            queue: VecDeque::new(),
            answer: None,
        }
    }
}
