//! Where offer and answer stand in a dialog (RFC 3264 §4, 3261 §13.2.1, 3262 §5, 3311 §5).

use bytes::Bytes;

use crate::endpoint::Body;
use crate::transaction::TransactionId;

/// The exchange that an INVITE began, or the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Offer {
    /// The INVITE under way had none; nobody has made one yet.
    #[default]
    Missing,
    /// Ours waits for the peer's answer.
    Ours,
    /// The peer's waits for our answer.
    Theirs,
    /// Offer and answer are there.
    Complete,
}

/// All that may be open between two sides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exchange {
    /// By INVITE, its responses, PRACK and ACK.
    pub(crate) offer: Offer,
    /// Our UPDATE that has no final response.
    pub(crate) update_out: Option<UpdateOut>,
    /// The peer's UPDATE, or PRACK with an offer of its own, that its owner has not answered.
    pub(crate) update_in: Option<TransactionId>,
    /// Our description as it was last agreed on, for refreshes.
    pub(crate) local: Option<Bytes>,
}

/// An UPDATE of ours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UpdateOut {
    pub(crate) txn: TransactionId,
    pub(crate) has_offer: bool,
    /// Whether the endpoint sent it by itself, to refresh the session.
    pub(crate) is_refresh: bool,
}

impl Exchange {
    /// The exchange of an INVITE of ours, or of the peer's (`is_ours` false).
    pub(crate) fn begin(&mut self, is_ours: bool, has_offer: bool) {
        self.offer = match (has_offer, is_ours) {
            (false, _) => Offer::Missing,
            (true, true) => Offer::Ours,
            (true, false) => Offer::Theirs,
        };
    }

    /// Whether an offer of ours waits for its answer, in an INVITE or an UPDATE.
    pub(crate) fn awaits_answer(&self) -> bool {
        self.offer == Offer::Ours || self.update_out.is_some_and(|update| update.has_offer)
    }

    /// Keeps a description of ours that was agreed on.
    pub(crate) fn keep_local(&mut self, body: Option<&Body>) {
        if let Some(body) = body.filter(|body| body.is_description()) {
            self.local = Some(body.bytes.clone());
        }
    }

    /// Whether a new offer may be made.
    pub(crate) fn is_quiet(&self) -> bool {
        self.offer == Offer::Complete && self.update_out.is_none() && self.update_in.is_none()
    }
}
