//! From bytes to a transaction, a dialog, or a refusal (RFC 3261 §8.2, §9.2, §17.2.3, §18.2.1).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use tracing::debug;

use super::event::Event;
use super::order::Reply;
use super::refuse::{ACCEPT, ALLOW, SUPPORTED, inspect};
use super::reply::{Answering, write_refusal};
use super::{Endpoint, TransactionId};
use crate::dialog::{DialogId, DialogKey, Stage};
use crate::message::{BRANCH_COOKIE, Headers, Message, Method, Refused, Request};
use crate::transaction::table::ServerTxn;
use crate::transaction::{ClientKey, MergeKey, OnRepeat, ServerKey};
use crate::transport::{Flow, via};

/// A request on its way in, its Via stamped.
pub(super) struct Inbound {
    pub(super) request: Arc<Request>,
    pub(super) flow: Flow,
    key: ServerKey,
    reply_flow: Flow,
}

impl Endpoint {
    /// Takes one datagram, or one message cut from a stream.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, bytes: &[u8]) {
        match Message::parse(bytes) {
            Ok(Message::Request(request)) => self.on_request(now, flow, request),
            Ok(Message::Response(response)) => self.on_response(now, flow, response),
            Err(refused) => self.on_refused(flow, refused),
        }
    }

    fn on_request(&mut self, now: Instant, flow: Flow, mut request: Request) {
        let (method, call_id) = (request.method(), request.call_id());
        debug!(%method, call_id, peer = %flow.peer, "request received");
        let key = ServerKey::of(&request);
        let cancelled = ServerKey::of_cancelled(&request);
        let stamped = via::stamp(request.via(), &flow);
        let reply_flow = via::reply_flow(&stamped, &flow);
        request.set_via(stamped);
        let inbound = Inbound { request: Arc::new(request), flow, key, reply_flow };
        match inbound.request.method() {
            Method::Ack => return self.on_ack(now, &inbound),
            Method::Cancel => return self.on_cancel(now, &inbound, &cancelled),
            _ => {}
        }
        if let Some(id) = self.servers.find(&inbound.key) {
            return self.on_repeat(id);
        }
        if let Some(refusal) = inspect(&inbound.request, self.config.allow_in_dialog) {
            return self.refuse(&inbound, &refusal);
        }
        if let Some(refusal) = self.refuse_brief(&inbound.request) {
            return self.refuse(&inbound, &refusal);
        }
        match DialogKey::of(&inbound.request) {
            Some(key) => match self.find_dialog(&key, &inbound.request) {
                Some(dialog) => self.on_dialog_request(now, inbound, dialog),
                None => self.refuse(&inbound, &Reply::new(481)),
            },
            None => self.on_new_request(now, inbound),
        }
    }

    /// A request outside any dialog.
    fn on_new_request(&mut self, now: Instant, inbound: Inbound) {
        let merged =
            MergeKey::of(&inbound.request).is_some_and(|key| self.merges.contains_key(&key));
        // one that replaces a dialog goes nowhere from here, and may be meant for ourselves
        let is_loop =
            || self.is_own(&inbound.request) && inbound.request.header("Replaces").is_none();
        if merged || is_loop() {
            return self.refuse(&inbound, &Reply::new(482));
        }
        match inbound.request.method() {
            Method::Options => {
                let reply = options_reply(ALLOW);
                return self.refuse(&inbound, &reply);
            }
            Method::Bye => return self.refuse(&inbound, &Reply::new(481)),
            _ => {}
        }
        let is_invite = *inbound.request.method() == Method::Invite;
        let is_full = self.servers.len() >= self.config.max_transactions
            || (is_invite && self.sessions.len() >= self.config.max_dialogs);
        if is_full {
            return self.refuse_busy(&inbound);
        }
        if is_invite {
            return self.on_invite(now, inbound);
        }
        let (request, flow) = (Arc::clone(&inbound.request), inbound.flow);
        let tag = self.new_tag();
        let txn = self.open_transaction(now, inbound, tag);
        self.tell(Event::Request { txn, request, flow, dialog: None });
    }

    /// §16.3: a request of ours that comes back unchanged is a loop. One that was sent on to another
    /// Request-URI is a spiral, and welcome.
    fn is_own(&self, request: &Request) -> bool {
        request.headers("Via").filter_map(own_branch).any(|branch| {
            let key = ClientKey { branch: branch.to_owned(), method: request.method().clone() };
            let draft = self.clients.find(&key).and_then(|id| self.clients.get(id));
            draft.map(|txn| &txn.user.draft).is_some_and(|draft| {
                draft.call_id == request.call_id() && draft.uri == *request.uri()
            })
        })
    }

    /// The dialog a request is in: the peer's tag must be right as well.
    fn find_dialog(&self, key: &DialogKey, request: &Request) -> Option<DialogId> {
        let id = *self.dialogs.get(key)?;
        let session = self.sessions.get(&id)?;
        // a callee may ask something before its 2xx has reached us: no remote tag is known yet
        let is_early_caller = session.is_caller && session.stage == Stage::Early;
        let is_peer = session.path.remote.tag() == request.from().tag();
        (is_peer || is_early_caller).then_some(id)
    }

    fn on_repeat(&mut self, id: TransactionId) {
        let Some(txn) = self.servers.get(id) else { return };
        if txn.on_repeat() == OnRepeat::Resend
            && let Some(bytes) = txn.last.clone()
        {
            let flow = txn.reply_flow;
            self.transmit(flow, bytes);
        }
    }

    /// RFC 3261 §9.2. Answered without state of its own: asked again, the answer is the same.
    fn on_cancel(&mut self, now: Instant, inbound: &Inbound, cancelled: &ServerKey) {
        let Some(id) = self.servers.find(cancelled) else {
            return self.refuse(inbound, &Reply::new(481));
        };
        let tag = self.servers.get(id).map(|txn| txn.to_tag.clone()).unwrap_or_default();
        self.send_stateless(inbound, &tag, &Reply::new(200));
        self.on_cancelled(now, id, inbound.request.header("Reason").map(str::to_owned));
    }

    /// An ACK is never answered (§17.1.1.3, §13.3.1.4).
    fn on_ack(&mut self, now: Instant, inbound: &Inbound) {
        if let Some(id) = self.servers.find(&inbound.key)
            && let Some(txn) = self.servers.get_mut(id)
            && !txn.is_accepted()
        {
            txn.on_ack(now);
            return self.rewake_server(id);
        }
        let dialog = DialogKey::of(&inbound.request)
            .and_then(|key| self.find_dialog(&key, &inbound.request));
        if let Some(dialog) = dialog {
            self.on_success_acked(now, dialog, &inbound.request);
        }
    }

    /// A request that does not parse: told so if it is more than noise.
    fn on_refused(&mut self, flow: Flow, refused: Refused) {
        debug!(error = %refused.error, peer = %flow.peer, "message refused");
        let Some((method, headers)) = refused.request.map(|request| *request) else { return };
        // nothing to match a response by, or nothing that wants one
        if method == Method::Ack || headers.get("Via").is_none() {
            return;
        }
        let error = refused.error;
        let reply = Reply::new(error.status()).with_reason(error.reason());
        let tag = self.stateless_tag(&headers);
        let (headers, reply_flow) = stamp_raw(headers, flow);
        let bytes = write_refusal(&headers, &tag, &reply, &self.config);
        self.transmit(reply_flow, bytes);
    }

    pub(super) fn refuse_busy(&mut self, inbound: &Inbound) {
        let seconds = self.config.retry_after.as_secs().to_string();
        self.refuse(inbound, &Reply::new(503).with_header("Retry-After", seconds));
    }

    /// Answers without keeping state (§8.2.7): the same question gets the same answer.
    pub(super) fn refuse(&mut self, inbound: &Inbound, reply: &Reply) {
        let tag = self.stateless_tag(inbound.request.all_headers());
        self.send_stateless(inbound, &tag, reply);
    }

    fn send_stateless(&mut self, inbound: &Inbound, to_tag: &str, reply: &Reply) {
        let answering = Answering { request: &inbound.request, to_tag, contact: None };
        let bytes = answering.write(reply, &self.config);
        self.transmit(inbound.reply_flow, bytes);
    }

    /// A tag that is equal for repetitions of one request and for nothing else.
    fn stateless_tag(&self, headers: &Headers) -> String {
        let mut hash = DefaultHasher::new();
        self.tag_secret.hash(&mut hash);
        for name in ["From", "To", "Call-ID", "CSeq"] {
            headers.get(name).hash(&mut hash);
        }
        format!("{:016x}", hash.finish())
    }

    /// Makes the server transaction of a request.
    pub(super) fn open_transaction(
        &mut self,
        now: Instant,
        inbound: Inbound,
        to_tag: String,
    ) -> TransactionId {
        let id = TransactionId(self.next_id());
        let Inbound { request, key, reply_flow, .. } = inbound;
        let txn = ServerTxn::start(now, self.config.timers, request, reply_flow, to_tag);
        if let Some(merge_key) = txn.merge_key.clone() {
            self.merges.insert(merge_key, id);
        }
        self.servers.insert(id, key, txn);
        self.rewake_server(id);
        id
    }

    /// Sends a response in a transaction.
    pub(super) fn send_reply(
        &mut self,
        now: Instant,
        id: TransactionId,
        reply: &Reply,
        contact: Option<&str>,
    ) {
        let Some(txn) = self.servers.get_mut(id) else { return };
        let Some(request) = txn.request() else { return };
        let answering = Answering { request, to_tag: &txn.to_tag, contact };
        let bytes = answering.write(reply, &self.config);
        let flow = txn.reply_flow;
        txn.on_reply(now, reply.status, bytes.clone());
        self.transmit(flow, bytes);
        self.rewake_server(id);
    }
}

/// The branch of a Via value if it can be one of ours.
fn own_branch(via: &str) -> Option<&str> {
    let (_, rest) = via.split_once("branch=")?;
    let branch = rest.split([';', ',', ' ', '\t']).next()?;
    (branch.len() == BRANCH_COOKIE.len() + 16 && branch.starts_with(BRANCH_COOKIE))
        .then_some(branch)
}

/// What OPTIONS is answered (§11.2).
pub(super) fn options_reply(allow: &str) -> Reply {
    Reply::new(200)
        .with_header("Allow", allow)
        .with_header("Accept", ACCEPT)
        .with_header("Supported", SUPPORTED)
}

/// Stamps the top Via of a message that did not parse, if that much of it does.
fn stamp_raw(mut headers: Headers, flow: Flow) -> (Headers, Flow) {
    let top = headers.get("Via").and_then(|value| value.parse().ok());
    match top {
        Some(top) => {
            let stamped = via::stamp(&top, &flow);
            let reply_flow = via::reply_flow(&stamped, &flow);
            headers.replace_first("Via", stamped.to_string());
            (headers, reply_flow)
        }
        None => (headers, flow),
    }
}
