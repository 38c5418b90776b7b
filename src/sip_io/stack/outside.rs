//! Requests of ours outside any dialog: who asked hears the final answer.

use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use sip::{Outside, Response, TransactionId};
use tokio::sync::oneshot;

use super::StackActor;
use crate::model::Network;

/// Send a request outside any dialog. Resolves with its final answer; `None` if it could not be sent
/// at all.
#[derive(Message)]
#[rtype(result = "Option<Answered>")]
pub struct Ask(pub Outside);

/// A final answer; 408 and 503 may be made here.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    pub reason: String,
    /// CSeq number of the last try.
    pub seq: u32,
    /// `None` when nothing came.
    pub response: Option<Arc<Response>>,
}

/// The networks of all gateways, which are neither limited nor banned.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Trust(pub Vec<Network>);

impl StackActor {
    pub(super) fn on_response(&mut self, txn: TransactionId, answered: Answered) {
        if let Some(tell) = self.asked.remove(&txn) {
            // Who asked may have lost interest.
            let _ = tell.send(answered);
        }
    }
}

impl Handler<Ask> for StackActor {
    type Result = ResponseFuture<Option<Answered>>;

    fn handle(&mut self, Ask(outside): Ask, ctx: &mut Context<Self>) -> Self::Result {
        let (tell, hear) = oneshot::channel();
        match self.parts.endpoint.send(Instant::now(), outside) {
            Ok(txn) => {
                self.asked.insert(txn, tell);
            }
            Err(error) => tracing::warn!(%error, "request not sent"),
        }
        // The answer may be made at once, when the request cannot leave.
        self.pump(ctx);
        Box::pin(async move { hear.await.ok() })
    }
}

impl Handler<Trust> for StackActor {
    type Result = ();

    fn handle(&mut self, Trust(networks): Trust, _: &mut Context<Self>) {
        self.parts.defence.trust(networks);
    }
}
