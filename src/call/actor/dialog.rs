//! The call's dialog: how it begins, where a 3xx leads, and what the stack reports of it.

use actix::prelude::*;
use media::dtmf::{Digit, DtmfEvent};
use media::sdp;
use sip::{Body, EndCause, Invite, NameAddr, Response};
use tokio::sync::oneshot;

use super::CallActor;
use super::media::{description, sdp_body};
use crate::call::Input;
use crate::call::originate::{NoRoute, Placed, resolve};
use crate::model::CallSid;
use crate::sip_io::message::{DialogEvent, Key, Originate};
use crate::sip_io::stack::StackActor;

/// The INVITE as it was sent, and how often it may still be sent elsewhere.
pub(super) struct Redirects {
    stack: Addr<StackActor>,
    invite: Invite,
    left: u8,
}
/// A chain of 3xx longer than this is a loop.
const MAX_REDIRECTS: u8 = 5;
impl CallActor {
    pub(super) fn begin_inbound(
        &mut self,
        offer: Result<Option<Body>, ()>,
        ctx: &mut Context<Self>,
    ) {
        let base = self.state.base_fields().facts.clone();
        tracing::info!(
            call_sid = %self.sid,
            account_sid = %base.account_sid,
            call_id = base.call_id,
            source = base.originating_sip_ip,
            "call comes in"
        );
        let opened = self.open_media(ctx).and_then(|local| match offer {
            Err(()) => Err((415, "only application/sdp is understood".to_owned())),
            Ok(None) => Ok(None),
            Ok(Some(offer)) => sdp::answer(&offer.bytes, &local, &self.desk.sdp_policy)
                .map(Some)
                .map_err(|error| (488, error.to_string())),
        });
        match opened {
            Ok(answer) => {
                self.media.answer = answer;
                self.input(Input::Start, ctx);
            }
            Err((status, reason)) => self.media_failed(status, &reason, ctx),
        }
    }

    pub(super) fn begin_outbound(
        &mut self,
        stack: &Addr<StackActor>,
        invite: Result<Invite, NoRoute>,
        placed: oneshot::Sender<Placed>,
        ctx: &mut Context<Self>,
    ) {
        // The call can be read from now on, so the client that asked for it finds it.
        self.publish(ctx);
        let local = match self.open_media(ctx) {
            Ok(local) => local,
            Err((status, reason)) => {
                self.refuse(placed, status, reason, ctx);
                return;
            }
        };
        let mut invite = match invite {
            Ok(invite) => invite,
            Err(NoRoute { status, reason }) => {
                self.refuse(placed, status, reason.to_owned(), ctx);
                return;
            }
        };
        invite.body = Some(description(sdp::offer(&local, &self.desk.sdp_policy)));
        self.redirects =
            Some(Redirects { stack: stack.clone(), invite: invite.clone(), left: MAX_REDIRECTS });
        let owner = ctx.address().recipient();
        let asked = stack.send(Originate { invite, owner });
        // Nothing else is heard until the INVITE is out: its answers come after its name.
        ctx.wait(asked.into_actor(self).map(move |asked, this, ctx| match asked {
            Ok(Ok(originated)) => {
                this.guard.dialog = Some(originated.dialog);
                this.state.set_call_id(originated.call_id.clone());
                tracing::info!(call_sid = %this.sid, call_id = originated.call_id, "call goes out");
                this.input(Input::Start, ctx);
                tell_placed(placed, this.sid, originated.call_id);
            }
            Ok(Err(error)) => this.refuse(placed, 503, error.to_string(), ctx),
            Err(_) => this.refuse(placed, 503, "the server is stopping".to_owned(), ctx),
        }));
    }

    /// Calls again where a 3xx points, as the same call (RFC 3261 §8.1.3.4); `false` when there is
    /// nowhere to go. The first Contact that is a SIP URI is taken.
    pub(super) fn follow(
        &mut self,
        status: u16,
        response: Option<&Response>,
        ctx: &mut Context<Self>,
    ) -> bool {
        let is_redirect = (300..400).contains(&status) && self.state.is_ringing();
        let (true, Some(response), Some(redirects)) =
            (is_redirect, response, self.redirects.as_mut())
        else {
            return false;
        };
        let contacts = response.all_headers().items("Contact");
        let uri = contacts
            .filter_map(|value| value.parse::<NameAddr>().ok())
            .find_map(|contact| contact.uri.is_sip().then(|| contact.uri.as_request_uri()));
        let (Some(uri), Some(left)) = (uri, redirects.left.checked_sub(1)) else { return false };
        redirects.left = left;
        let (stack, mut invite) = (redirects.stack.clone(), redirects.invite.clone());
        tracing::info!(call_sid = %self.sid, status, "call is redirected");
        let (desk, owner) = (self.desk.clone(), ctx.address().recipient());
        let calling = async move {
            invite.flow = resolve(&desk, &uri).await.map_err(|why| (why.status, why.reason))?;
            invite.uri = uri;
            match stack.send(Originate { invite, owner }).await {
                Ok(Ok(originated)) => Ok(originated),
                Ok(Err(_)) | Err(_) => Err((503, "Service Unavailable")),
            }
        };
        // As at the beginning: what the new dialog says is heard after its name is known.
        ctx.wait(calling.into_actor(self).map(|called, this, ctx| match called {
            Ok(originated) => this.guard.dialog = Some(originated.dialog),
            Err((status, reason)) => {
                this.input(Input::NotPlaced { status, reason: reason.to_owned() }, ctx);
            }
        }));
        true
    }

    /// The INVITE cannot be sent: the call exists, and fails at once.
    pub(super) fn refuse(
        &mut self,
        placed: oneshot::Sender<Placed>,
        status: u16,
        reason: String,
        ctx: &mut Context<Self>,
    ) {
        let call_id = self.state.base_fields().facts.call_id.clone();
        self.input(Input::Start, ctx);
        tell_placed(placed, self.sid, call_id);
        self.input(Input::NotPlaced { status, reason }, ctx);
    }

    fn on_provisional(&mut self, response: &Response, ctx: &mut Context<Self>) {
        let status = response.status();
        let reason = response.reason().to_owned();
        let answer = sdp_body(response.body(), response.content_type());
        match answer.map(|body| self.accept_answer(&body)) {
            Some(agreed) => {
                // Early media that cannot be used is no reason to give up before the answer.
                if let Ok(agreed) = agreed {
                    self.agree(agreed);
                }
                self.input(Input::EarlyMedia { status, reason }, ctx);
            }
            None if status == 180 => self.input(Input::Ringing { status, reason }, ctx),
            None => {}
        }
    }

    fn on_answered(&mut self, response: &Response, ctx: &mut Context<Self>) {
        let answer = sdp_body(response.body(), response.content_type());
        match answer.map(|body| self.accept_answer(&body)) {
            Some(Ok(agreed)) => {
                // Also when it was agreed before: from now on the peer's silence counts anew.
                self.agree(agreed);
                self.input(Input::Answered, ctx);
            }
            // The answer may have come with a provisional response already.
            None if self.media.agreed.is_some() => self.input(Input::Answered, ctx),
            Some(Err(error)) => self.media_failed(488, &error.to_string(), ctx),
            None => self.media_failed(488, "no answer to our offer", ctx),
        }
    }
}

impl Handler<DialogEvent> for CallActor {
    type Result = ();

    fn handle(&mut self, event: DialogEvent, ctx: &mut Context<Self>) {
        match event {
            DialogEvent::Provisional(response) => self.on_provisional(&response, ctx),
            DialogEvent::Answered(response) => self.on_answered(&response, ctx),
            DialogEvent::Rejected { status, reason, response } => {
                if self.follow(status, response.as_deref(), ctx) {
                    return;
                }
                let header = response.and_then(|r| r.header("Reason").map(str::to_owned));
                self.input(Input::Rejected { status, reason, reason_header: header }, ctx);
            }
            DialogEvent::Cancelled { .. } => self.input(Input::CancelledByCaller, ctx),
            DialogEvent::Acked { body } => self.on_acked(body, ctx),
            DialogEvent::Reinvite(request) => self.on_reinvite(&request),
            DialogEvent::Key(Key { symbol, duration }) => {
                if let Some(digit) = Digit::from_char(symbol) {
                    self.on_digit(DtmfEvent { digit, duration }, "INFO");
                }
            }
            DialogEvent::ByeReceived(request) => {
                let headers = request
                    .all_headers()
                    .iter()
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect();
                self.input(Input::ByeReceived { headers }, ctx);
            }
            DialogEvent::Ended(cause) => match cause {
                EndCause::Hangup | EndCause::Declined => {}
                _ => self.input(Input::DialogFailed, ctx),
            },
        }
    }
}
/// The client that asked may have gone away; the call goes on.
fn tell_placed(placed: oneshot::Sender<Placed>, sid: CallSid, call_id: String) {
    let _ = placed.send(Placed { sid, call_id });
}
