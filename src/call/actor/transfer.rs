//! The far end is replaced by another: it asks for it by REFER, or the other comes with an INVITE that
//! replaces it (RFC 3515, 3891; adr/0015).

use std::time::Duration;

use actix::prelude::*;
use media::sdp::{Negotiated, Session};
use sip::{Body, DialogId, Method, Reply};

use super::CallActor;
use super::media::{description, not_acceptable, offer_of};
use super::outgoing::Purpose;
use crate::call::originate::NoRoute;
use crate::call::refer::{SIPFRAG, Subscription};
use crate::call::referred::{Ways, ways};
use crate::call::{FarEnd, Input, TransferOrder};
use crate::sip_io::message::{Action, Fields, Replacing, RequestId};

/// A REFER of the far end that is being followed.
pub(super) struct Transfer {
    /// Tells transfers of one call apart.
    number: u32,
    /// `None`: the far end wants to hear nothing.
    subscription: Option<Subscription>,
    /// The headers of its BYE, when it did not wait for the end.
    left: Option<Fields>,
    /// The last status it was told.
    told: u16,
    /// The target is a registered user of the account.
    is_client: bool,
}

impl CallActor {
    pub(super) fn follow_refer(&mut self, order: TransferOrder, ctx: &mut Context<Self>) {
        let TransferOrder { refer, subscription } = order;
        tracing::info!(call_sid = %self.sid, "far end transfers the call");
        let number = self.transfers;
        self.transfers += 1;
        let subscription = refer.wants_notify.then_some(subscription);
        self.transfer =
            Some(Transfer { number, subscription, left: None, told: 0, is_client: false });
        self.tell_referrer(100, "Trying");
        let facts = self.state.base_fields().facts.clone();
        let desk = self.desk.clone();
        let looking = async move { ways(&desk, &facts, &refer).await };
        ctx.spawn(looking.into_actor(self).map(move |found, this, ctx| {
            if this.is_following(number) {
                this.on_way(found, ctx);
            }
        }));
        ctx.run_later(PATIENCE, move |this, ctx| {
            if this.is_following(number) {
                this.cancel_invites(ctx);
            }
        });
    }

    fn is_following(&self, number: u32) -> bool {
        self.transfer.as_ref().is_some_and(|transfer| transfer.number == number)
    }

    fn on_way(&mut self, found: Result<Ways, NoRoute>, ctx: &mut Context<Self>) {
        match found {
            Ok(Ways { route, is_client }) => {
                if let Some(transfer) = &mut self.transfer {
                    transfer.is_client = is_client;
                }
                let stack = self.guard.stack.clone();
                self.send_invites(stack, route, Purpose::Transfer, ctx);
            }
            Err(NoRoute { status, reason }) => self.on_transfer_failed(status, reason, ctx),
        }
    }

    /// Tells the far end how the call that it asked for stands; the same twice is told once.
    pub(super) fn tell_referrer(&mut self, status: u16, reason: &str) {
        let Some(transfer) = &mut self.transfer else { return };
        let is_news = std::mem::replace(&mut transfer.told, status) != status;
        let subscription = transfer.subscription.filter(|_| is_news && transfer.left.is_none());
        if let Some(subscription) = subscription {
            let (headers, text) = subscription.notify(status, reason, status >= 200);
            let body = Body { content_type: SIPFRAG.to_owned(), bytes: text.into() };
            let (id, method) = (RequestId(0), Method::Notify);
            self.order(Action::Request { id, method, headers, body: Some(body) });
        }
    }

    pub(super) fn on_transfer_failed(
        &mut self,
        status: u16,
        reason: &str,
        ctx: &mut Context<Self>,
    ) {
        tracing::info!(call_sid = %self.sid, status, "transfer failed");
        self.tell_referrer(status, reason);
        let left = self.transfer.take().and_then(|transfer| transfer.left);
        self.input(Input::Transferred(None), ctx);
        if let Some(headers) = left {
            self.input(Input::ByeReceived { headers }, ctx);
        }
    }

    /// The target has answered: the call goes on with it, and the far end of so far is let go.
    pub(super) fn on_transfer_answered(
        &mut self,
        dialog: DialogId,
        session: Session,
        agreed: Result<Negotiated, String>,
        remote_host: String,
        ctx: &mut Context<Self>,
    ) {
        let agreed = match agreed {
            Ok(agreed) => agreed,
            Err(reason) => {
                self.guard.order_to(dialog, Action::Bye(vec![("X-Reason".to_owned(), reason)]));
                return self.on_transfer_failed(488, "Not Acceptable Here", ctx);
            }
        };
        tracing::info!(call_sid = %self.sid, "call is transferred");
        self.tell_referrer(200, "OK");
        let transfer = self.transfer.take();
        self.change_far_end(dialog, session);
        self.agree(agreed);
        let is_client = transfer.is_some_and(|transfer| transfer.is_client);
        self.input(Input::Transferred(Some(FarEnd { remote_host, is_client })), ctx);
        self.on_other_far_end(ctx);
        self.lose_requests(ctx);
    }

    fn change_far_end(&mut self, dialog: DialogId, session: Session) {
        let reason = ("Reason".to_owned(), TRANSFERRED.to_owned());
        self.order(Action::Bye(vec![reason]));
        self.guard.dialog = Some(dialog);
        self.media.change_far_end(session);
    }

    /// The far end is gone while a transfer of its is under way: the call waits for the outcome.
    /// Gives back the headers of its BYE when there is none.
    pub(super) fn on_referrer_left(&mut self, headers: Fields) -> Option<Fields> {
        match &mut self.transfer {
            Some(transfer) if transfer.left.is_none() => {
                transfer.left = Some(headers);
                self.guard.dialog = None;
                None
            }
            _ => Some(headers),
        }
    }

    /// Whether the far end has left, and a transfer of its is to bring the next one.
    pub(super) fn is_between_far_ends(&self) -> bool {
        self.transfer.as_ref().is_some_and(|transfer| transfer.left.is_some())
    }

    /// Somebody of the same account takes the place of the dialog `old` (RFC 3891 §3).
    pub(super) fn on_replaced(
        &mut self,
        old: DialogId,
        replacing: &Replacing,
        ctx: &mut Context<Self>,
    ) {
        let is_established = self.guard.dialog == Some(old) && self.state.is_answered();
        let is_ringing = self.attempt_of(old).is_some() && self.state.is_ringing();
        let refusal = match (is_established, is_ringing) {
            _ if self.state.has_ended() => Some(603),
            _ if self.transfer.is_some() => Some(491),
            (true, _) if replacing.early_only => Some(486),
            (false, false) => Some(481),
            _ => None,
        };
        let dialog = replacing.dialog;
        if let Some(status) = refusal {
            return self.guard.order_to(dialog, Action::Reject(Reply::new(status)));
        }
        let request = &replacing.request;
        let refuse = |reply| self.guard.order_to(dialog, Action::Reject(reply));
        let encryption = replacing.encryption.unwrap_or(self.desk.config.sip.srtp);
        let Some(mut session) = self.new_session(encryption) else {
            return refuse(Reply::new(488));
        };
        let answer = match offer_of(request) {
            Err(refusal) => return refuse(refusal),
            Ok(None) => None,
            Ok(Some(offer)) => match session.answer(&offer.bytes, &self.desk.sdp_policy) {
                Ok(answer) => Some(answer),
                Err(error) => return refuse(not_acceptable(&error.to_string())),
            },
        };
        tracing::info!(call_sid = %self.sid, "far end is replaced");
        if is_ringing {
            self.drop_invites(true);
            self.guard.dialog = Some(dialog);
            self.media.change_far_end(session);
            self.state.set_far_end(request.call_id().to_owned(), replacing.flow.peer.to_string());
        } else {
            self.change_far_end(dialog, session);
        }
        let text = match answer {
            Some((text, agreed)) => {
                self.agree(agreed);
                Some(text)
            }
            None => self.media.offer_late(&self.desk.sdp_policy),
        };
        let Some(text) = text else { return };
        self.order(Action::Answer(Reply::new(200).with_body(description(text))));
        if is_ringing {
            self.input(Input::Answered, ctx);
        } else {
            let remote_host = replacing.flow.peer.to_string();
            let far = FarEnd { remote_host, is_client: replacing.is_client };
            self.input(Input::Transferred(Some(far)), ctx);
            self.on_other_far_end(ctx);
            self.lose_requests(ctx);
        }
    }
}

/// How long the target of a transfer may ring.
const PATIENCE: Duration = Duration::from_secs(60);
const TRANSFERRED: &str = "SIP;cause=200;text=\"Call transferred\"";
