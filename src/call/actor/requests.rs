//! Requests inside the dialog beyond offers and BYE: from the wire into plain words, and back.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use actix::prelude::*;
use sip::{Body, Method, Reply, Request, TransactionId};
use tokio::sync::oneshot;

use super::{CallActor, pairs};
use crate::call::refer::{Progress, Refer};
use crate::call::{AnswerId, Asked, InDialog, Input};
use crate::model::call::{SipHeaders, SipRequest};
use crate::sip_io::info;
use crate::sip_io::message::{Action, RequestId};

/// What is under way inside the dialog.
#[derive(Default)]
pub(super) struct Requests {
    /// From the far end, waiting for their answer.
    asked: HashMap<AnswerId, TransactionId>,
    last_id: u64,
    /// To the far end, not answered yet.
    under_way: HashSet<RequestId>,
    /// Ordered by the API, which waits for the outcome.
    awaited: HashMap<RequestId, oneshot::Sender<RequestAnswer>>,
}

/// The final answer to a request that the API ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestAnswer {
    pub status: u16,
    pub reason: String,
}

impl CallActor {
    pub(super) fn on_request(
        &mut self,
        txn: TransactionId,
        request: &Request,
        ctx: &mut Context<Self>,
    ) {
        if self.requests.asked.len() >= MAX_ASKED {
            let busy = Reply::new(503).with_header("Retry-After", "1");
            self.order(Action::Respond { txn, reply: busy });
            return;
        }
        self.requests.last_id += 1;
        let answer = AnswerId(self.requests.last_id);
        self.requests.asked.insert(answer, txn);
        let asked = match request.method() {
            Method::Info => Asked::Info { usual: info::usual_answer(request) },
            Method::Message => Asked::Message,
            Method::Refer => Asked::Refer(Refer::parse(request).map(Box::new)),
            Method::Notify => Asked::Notify(Progress::parse(request)),
            _ => Asked::Other,
        };
        let headers = request.all_headers().iter();
        let in_dialog = InDialog {
            answer,
            method: request.method().as_str().to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: String::from_utf8_lossy(request.body()).into_owned(),
            asked,
        };
        self.input(Input::Request(Box::new(in_dialog)), ctx);
    }

    pub(super) fn respond(&mut self, answer: AnswerId, status: u16, headers: &SipHeaders) {
        let Some(txn) = self.requests.asked.remove(&answer) else { return };
        let mut reply = Reply { headers: pairs(headers), ..Reply::new(status) };
        match status {
            415 => reply = reply.with_header("Accept", info::ACCEPT),
            // RFC 6086 §4.2.1: no package is understood here.
            469 => reply = reply.with_header("Recv-Info", ""),
            489 => reply = reply.with_header("Allow-Events", "refer"),
            _ => {}
        }
        self.order(Action::Respond { txn, reply });
    }

    pub(super) fn send_request(
        &mut self,
        id: RequestId,
        request: SipRequest,
        ctx: &mut Context<Self>,
    ) {
        self.requests.under_way.insert(id);
        // The far end has left, and the next one has not answered yet. Not at once: what follows may
        // be the next request of a long list.
        if self.guard.dialog.is_none() {
            ctx.run_later(Duration::ZERO, move |this, ctx| this.lose_request(id, ctx));
            return;
        }
        let SipRequest { method, headers, content } = request;
        let body = content
            .map(|content| Body { content_type: content.content_type, bytes: content.text.into() });
        let (method, headers) = (Method::from_token(&method), pairs(&headers));
        self.order(Action::Request { id, method, headers, body });
    }

    /// The API waits for the outcome of this request.
    pub(super) fn await_request(&mut self, id: RequestId) -> oneshot::Receiver<RequestAnswer> {
        let (tell, hear) = oneshot::channel();
        self.requests.awaited.insert(id, tell);
        hear
    }

    pub(super) fn on_request_done(
        &mut self,
        id: RequestId,
        status: u16,
        reason: String,
        is_heard: bool,
        ctx: &mut Context<Self>,
    ) {
        self.requests.under_way.remove(&id);
        if let Some(waiting) = self.requests.awaited.remove(&id) {
            // The client may have gone away.
            let _ = waiting.send(RequestAnswer { status, reason });
        } else {
            self.input(Input::RequestDone { id, status, reason, is_heard }, ctx);
        }
    }

    /// Who was asked is gone, and the call goes on without: what it has not answered it will not answer.
    pub(super) fn lose_requests(&mut self, ctx: &mut Context<Self>) {
        let lost: Vec<_> = self.requests.under_way.iter().copied().collect();
        for id in lost {
            self.lose_request(id, ctx);
        }
    }

    fn lose_request(&mut self, id: RequestId, ctx: &mut Context<Self>) {
        if self.requests.under_way.contains(&id) {
            let reason = "Call/Transaction Does Not Exist".to_owned();
            self.on_request_done(id, 481, reason, false, ctx);
        }
    }

    /// Nobody will be answered any more.
    pub(super) fn drop_requests(&mut self) {
        self.requests.under_way.clear();
        self.requests.awaited.clear();
    }
}

/// Requests of the far end that wait at the same time: an application answers them.
const MAX_ASKED: usize = 32;
