//! Requests of ours under way, and what becomes of their answers (RFC 3261 §8.1.3, §17.1).

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rand::Rng;
use tracing::debug;

use super::draft::Draft;
use super::event::{EndCause, Event};
use super::large::Fallback;
use super::{Endpoint, TransactionId};
use crate::dialog::DialogId;
use crate::message::{Method, Response, default_reason};
use crate::transaction::table::ClientTxn;
use crate::transaction::{ClientKey, OnResponse};
use crate::transport::{Flow, Transport, via};

/// What is kept with a client transaction.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) purpose: Purpose,
    pub(crate) draft: Draft,
    /// Our Via; CANCEL and the ACK of a failure use it again.
    pub(crate) via: String,
    pub(crate) branch: String,
    /// The ACKs of 2xx responses by To tag: forks answer apart, and each may repeat itself.
    pub(crate) acks: Vec<(String, Flow, Bytes)>,
    /// While it tries TCP for its size: the way back.
    pub(crate) fallback: Option<Fallback>,
}

/// Why a request was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The INVITE that makes the dialog.
    Invite(DialogId),
    /// A re-INVITE.
    Reinvite(DialogId),
    /// The BYE that ends it.
    Bye(DialogId),
    /// A request of the caller's, by the name the caller knows.
    Request(DialogId, TransactionId),
    /// The PRACK of a reliable response.
    Prack(DialogId),
    /// An UPDATE.
    Update(DialogId),
    /// A request outside any dialog, by the name the caller knows.
    Outside(TransactionId),
    /// A CANCEL, or the BYE of a fork that lost: nobody waits for the answer.
    Errand,
}

impl Purpose {
    /// The dialog it is in.
    fn dialog(self) -> Option<DialogId> {
        match self {
            Self::Invite(dialog)
            | Self::Reinvite(dialog)
            | Self::Bye(dialog)
            | Self::Prack(dialog)
            | Self::Update(dialog)
            | Self::Request(dialog, _) => Some(dialog),
            Self::Outside(_) | Self::Errand => None,
        }
    }
}

/// A final answer, real or made here.
pub(crate) struct Outcome {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) response: Option<Arc<Response>>,
}

impl Outcome {
    pub(crate) fn local(status: u16) -> Self {
        Self { status, reason: default_reason(status).to_owned(), response: None }
    }

    pub(crate) fn of(response: Arc<Response>) -> Self {
        let reason = response.reason().to_owned();
        Self { status: response.status(), reason, response: Some(response) }
    }
}

impl Endpoint {
    /// Writes and sends a request and opens its transaction.
    pub(super) fn send_request(
        &mut self,
        now: Instant,
        flow: Flow,
        mut draft: Draft,
        purpose: Purpose,
    ) -> TransactionId {
        let cnonce = format!("{:016x}", self.rng.next_u64());
        draft.authorize(&cnonce);
        let branch = self.new_branch();
        let mut via = via::own(flow.transport, self.own_addr(&flow), &branch);
        let mut bytes = draft.write(&via, &self.config);
        let (mut flow, mut fallback) = (flow, None);
        if let Some((stream, back)) = self.stream_for(now, &flow, bytes.len(), purpose, &draft) {
            via = via::own(stream.transport, self.own_addr(&stream), &branch);
            bytes = draft.write(&via, &self.config);
            (flow, fallback) = (stream, Some(back));
        }
        let sent = Sent { purpose, draft, via, branch, acks: Vec::new(), fallback };
        self.open_client(now, flow, bytes, sent)
    }

    /// Sends bytes and opens their client transaction.
    pub(super) fn open_client(
        &mut self,
        now: Instant,
        flow: Flow,
        bytes: Bytes,
        sent: Sent,
    ) -> TransactionId {
        let id = TransactionId(self.next_id());
        let method = sent.draft.method.clone();
        let key = ClientKey { branch: sent.branch.clone(), method: method.clone() };
        let timers = self.config.timers;
        let txn = ClientTxn::start(now, timers, &method, flow, bytes.clone(), sent);
        self.clients.insert(id, key, txn);
        self.waiting_on.set(id, Some(flow));
        self.rewake_client(id);
        self.transmit(flow, bytes);
        id
    }

    pub(super) fn on_response(&mut self, now: Instant, flow: Flow, response: Response) {
        let (status, call_id) = (response.status(), response.call_id());
        debug!(status, call_id, cseq = %response.cseq(), peer = %flow.peer, "response received");
        // §8.1.3.3: more than our own Via means it is not for us
        if response.headers("Via").nth(1).is_some() {
            return;
        }
        let Some(id) = ClientKey::of(&response).and_then(|key| self.clients.find(&key)) else {
            return;
        };
        let Some(txn) = self.clients.get_mut(id) else { return };
        txn.user.fallback = None;
        let step = txn.on_response(now, response.status());
        if !txn.is_pending() {
            self.waiting_on.set(id, None);
        }
        self.rewake_client(id);
        if matches!(step, OnResponse::Ack | OnResponse::AckAndPass) {
            self.ack_failure(id, &response);
        }
        if matches!(step, OnResponse::Pass | OnResponse::AckAndPass) {
            self.on_passed(now, id, flow, Arc::new(response));
        }
    }

    fn on_passed(&mut self, now: Instant, id: TransactionId, flow: Flow, response: Arc<Response>) {
        let Some(txn) = self.clients.get(id) else { return };
        let (purpose, seq) = (txn.user.purpose, txn.user.draft.seq);
        match (purpose, response.status()) {
            (Purpose::Invite(dialog), 100) => self.on_trying(now, id, dialog),
            (Purpose::Invite(dialog), ..200) => {
                self.on_provisional(now, id, dialog, flow, response);
            }
            (Purpose::Reinvite(dialog), ..200) => self.on_reinvite_progress(now, id, dialog),
            (_, ..200) => {}
            (Purpose::Invite(dialog) | Purpose::Reinvite(dialog), 200..300) => {
                self.on_accepted(now, id, dialog, flow, response);
            }
            (Purpose::Update(dialog), 200..300) => {
                self.on_update_answered(now, id, dialog, response);
            }
            (_, 401 | 407 | 422) if self.try_again(now, id, &response) => {}
            _ => self.on_outcome(now, id, purpose, seq, Outcome::of(response)),
        }
    }

    /// The end of a request that did not make or change a session; `seq` is its number.
    pub(super) fn on_outcome(
        &mut self,
        now: Instant,
        id: TransactionId,
        purpose: Purpose,
        seq: u32,
        outcome: Outcome,
    ) {
        match purpose {
            Purpose::Invite(dialog) => self.on_invite_failed(now, dialog, id, outcome),
            Purpose::Reinvite(dialog) => self.on_reinvite_failed(now, dialog, id, outcome),
            Purpose::Bye(dialog) => self.end(now, dialog, Some(EndCause::Hangup)),
            Purpose::Request(dialog, txn) => {
                let Outcome { status, reason, response } = outcome;
                let is_local = response.is_none();
                // RFC 5057 §5.1: a subscription that the peer has forgotten, not the call beside it.
                let is_notify =
                    response.as_ref().is_some_and(|heard| heard.cseq().method == Method::Notify);
                self.tell(Event::RequestDone { txn, dialog, status, reason, response });
                if !is_notify {
                    self.on_peer_gone(now, dialog, status, is_local);
                }
            }
            Purpose::Outside(txn) => {
                let Outcome { status, reason, response } = outcome;
                self.tell(Event::Response { txn, status, reason, seq, response });
            }
            Purpose::Update(dialog) => self.on_update_failed(now, id, dialog, outcome),
            // RFC 3262 asks nothing more of a PRACK: what it acknowledged goes on or ends by itself
            Purpose::Prack(_) | Purpose::Errand => {}
        }
    }

    /// The path is gone: connection lost or refused, or ICMP said so. Client transactions on it
    /// fail with 503 (one that tried a stream for its size goes as a datagram instead), and dialogs on it wait for the peer to come back by another path.
    pub fn handle_transport_error(&mut self, now: Instant, flow: Flow) {
        for dialog in self.dialogs_on.on(&flow) {
            self.cut_off(dialog);
        }
        for id in self.waiting_on.on(&flow) {
            let purpose = self.clients.get(id).map(|txn| txn.user.purpose);
            if let Some(dialog) = purpose.and_then(Purpose::dialog) {
                self.cut_off(dialog);
            }
            if !self.fall_back(now, id) {
                self.fail_client(now, id, 503);
            }
        }
    }

    /// The dialog's path is gone. Over TCP its next hop may be reached anew (§18.1.1), if it is the host
    /// that was seen: behind a NAT it is not, and only the peer can come back.
    fn cut_off(&mut self, dialog: DialogId) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        session.is_cut_off = true;
        if session.path.flow.transport == Transport::Tcp
            && let Some(addr) = session.path.next_hop().socket_addr()
            && addr.ip() == session.path.flow.peer.ip()
            && addr.port() != 0
        {
            session.path.flow = Flow::tcp(session.path.flow.local, addr, None);
            self.repath_dialog(dialog);
        }
    }

    /// Takes a client transaction out that got no answer.
    pub(super) fn fail_client(&mut self, now: Instant, id: TransactionId, status: u16) {
        let Some(txn) = self.forget_client(id) else { return };
        self.on_outcome(now, id, txn.user.purpose, txn.user.draft.seq, Outcome::local(status));
    }

    /// Sends a request again that was challenged (§22.2) or asked for too short a session (RFC 4028
    /// §7.3), if there is anything left to try.
    fn try_again(&mut self, now: Instant, id: TransactionId, response: &Response) -> bool {
        let Some(txn) = self.clients.get(id) else { return false };
        let (purpose, flow) = (txn.user.purpose, txn.flow);
        let is_brief = response.status() == 422;
        if !is_brief && !txn.user.draft.has_credentials() {
            return false;
        }
        let mut draft = txn.user.draft.clone();
        let dialog = match purpose {
            Purpose::Invite(dialog)
            | Purpose::Reinvite(dialog)
            | Purpose::Bye(dialog)
            | Purpose::Prack(dialog)
            | Purpose::Update(dialog)
            | Purpose::Request(dialog, _) => dialog,
            Purpose::Outside(_) => {
                if !draft.answer_challenge(response) {
                    return false;
                }
                draft.seq = (draft.seq + 1) & 0x7FFF_FFFF;
                self.send_request(now, flow, draft, purpose);
                return true;
            }
            Purpose::Errand => return false,
        };
        let Some(session) = self.sessions.get(&dialog) else { return false };
        let is_invite = matches!(purpose, Purpose::Invite(_) | Purpose::Reinvite(_));
        let is_wanted = session.outgoing.as_ref().is_some_and(|outgoing| outgoing.is_wanted(id));
        let mut can_change = |ep: &mut Self| match is_brief {
            true => ep.raise_interval(dialog, &mut draft, response),
            false => draft.answer_challenge(response),
        };
        if (is_invite && !is_wanted) || !can_change(self) {
            return false;
        }
        let Some(session) = self.sessions.get_mut(&dialog) else { return false };
        draft.seq = session.next_seq(response.to().tag().filter(|_| !is_invite));
        if matches!(purpose, Purpose::Invite(_)) {
            // what answered the challenged one is over
            session.forks.clear();
        }
        let again = self.send_request(now, flow, draft, purpose);
        let Some(session) = self.sessions.get_mut(&dialog) else { return true };
        if let Some(outgoing) = session.outgoing.as_mut().filter(|_| is_invite) {
            outgoing.txn = again;
        }
        for update in session.exchanges_mut().filter_map(|exchange| exchange.update_out.as_mut()) {
            if update.txn == id {
                update.txn = again;
            }
        }
        true
    }

    fn ack_failure(&mut self, id: TransactionId, response: &Response) {
        let Some(txn) = self.clients.get(id) else { return };
        let bytes = txn.user.draft.ack_failure(&txn.user.via, response);
        let flow = txn.flow;
        self.transmit(flow, bytes);
    }
}
