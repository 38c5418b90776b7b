//! The call's dialog: how it begins, and what the stack reports of it and of the INVITEs that may
//! become it.

use actix::prelude::*;
use media::dtmf::{Digit, DtmfEvent};
use sip::{Body, DialogId, EndCause, Headers, Reply};

use super::CallActor;
use crate::call::Input;
use crate::call::tries::TryId;
use crate::participant::message::Pressed;
use crate::sip_io::message::{Action, DialogEvent, Fields, Happened, Key};

impl CallActor {
    pub(super) fn begin_inbound(
        &mut self,
        offer: Result<Option<Body>, Reply>,
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
        let opened = self.open_media(ctx).and_then(|()| match offer {
            Err(_) => Err((415, "only application/sdp is understood".to_owned())),
            Ok(offer) => self.first_answer(offer.as_ref()),
        });
        match opened {
            Ok(()) => self.input(Input::Start, ctx),
            Err((status, reason)) => self.media_failed(status, &reason, ctx),
        }
    }

    fn first_answer(&mut self, offer: Option<&Body>) -> Result<(), (u16, String)> {
        let encryption = self.encryption.unwrap_or(self.desk.config.sip.srtp);
        let mut session =
            self.new_session(encryption).ok_or_else(|| (488, "no line".to_owned()))?;
        if let Some(offer) = offer {
            let answer = session.answer(&offer.bytes, &self.desk.sdp_policy);
            self.media.answer = Some(answer.map_err(|error| (488, error.to_string()))?);
        }
        self.media.session = Some(session);
        Ok(())
    }

    /// What an INVITE of ours reports that is not answered yet.
    fn on_attempt(
        &mut self,
        id: TryId,
        dialog: DialogId,
        happened: Happened,
        ctx: &mut Context<Self>,
    ) {
        match happened {
            Happened::Trying => self.on_attempt_heard(id),
            Happened::Provisional(response) => self.on_provisional(id, &response, ctx),
            Happened::Answered(response) => self.on_attempt_answered(id, dialog, &response, ctx),
            Happened::Rejected { status, reason, response } => {
                self.on_attempt_failed(dialog, id, status, reason, response.as_deref(), ctx);
            }
            Happened::Ended(_) | Happened::ByeReceived(_) => {
                let reason = "Request Terminated".to_owned();
                self.on_attempt_failed(dialog, id, 487, reason, None, ctx);
            }
            Happened::Update { txn, request } => self.on_early_update(id, dialog, txn, &request),
            Happened::Request { txn, .. } => {
                // There is no call yet that anything could be asked of.
                let action = Action::Respond { txn, reply: Reply::new(480) };
                self.guard.order_to(dialog, action);
            }
            _ => {}
        }
    }

    fn on_happened(&mut self, dialog: DialogId, happened: Happened, ctx: &mut Context<Self>) {
        match happened {
            Happened::Cancelled { reason: reason_header } => {
                self.input(Input::CancelledByCaller { reason_header }, ctx);
            }
            Happened::Acked { body } => {
                self.on_acked(body, ctx);
                self.note_hold(ctx);
            }
            Happened::Pracked => self.on_proved(),
            Happened::Reinvite(request) => {
                self.on_reinvite(&request);
                self.note_hold(ctx);
            }
            Happened::ReinviteDone(done) => self.on_reinvite_done(done, ctx),
            Happened::Update { txn, request } => {
                self.on_update(dialog, txn, &request);
                self.note_hold(ctx);
            }
            Happened::Request { txn, request } => self.on_request(txn, &request, ctx),
            Happened::RequestDone { id, status, reason, is_heard } => {
                self.on_request_done(id, status, reason, is_heard, ctx);
            }
            Happened::Key(Key { symbol, duration }) => {
                if let Some(digit) = Digit::from_char(symbol) {
                    let key = DtmfEvent { digit, duration };
                    if let Some(participant) = self.participant() {
                        participant.do_send(Pressed(key));
                    }
                    self.on_digit(key, true, ctx);
                }
            }
            Happened::ByeReceived(request) => {
                let headers = fields(request.all_headers());
                self.on_gone(headers, |headers| Input::ByeReceived { headers }, ctx);
            }
            Happened::Ended(EndCause::Hangup | EndCause::Declined) => {}
            Happened::Ended(_) => self.on_gone(Vec::new(), |_| Input::DialogFailed, ctx),
            _ => {}
        }
    }

    /// The far end is gone, and with it the call, unless a transfer of its is under way.
    fn on_gone(
        &mut self,
        headers: Fields,
        input: impl FnOnce(Fields) -> Input,
        ctx: &mut Context<Self>,
    ) {
        match self.on_referrer_left(headers) {
            Some(headers) => self.input(input(headers), ctx),
            None => self.lose_requests(ctx),
        }
    }
}

impl Handler<DialogEvent> for CallActor {
    type Result = ();

    fn handle(&mut self, event: DialogEvent, ctx: &mut Context<Self>) {
        let DialogEvent { dialog, happened } = event;
        if let Happened::Replaced(replacing) = &happened {
            self.on_replaced(dialog, replacing, ctx);
        } else if let Some(id) = self.attempt_of(dialog) {
            self.on_attempt(id, dialog, happened, ctx);
        } else if self.guard.dialog == Some(dialog) {
            self.on_happened(dialog, happened, ctx);
        }
        // Else it is a dialog that the call has left behind.
    }
}

fn fields(headers: &Headers) -> Fields {
    headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
