//! What time does: retransmissions, and ends for want of an answer.

use std::time::Instant;

use super::event::EndCause;
use super::order::Reply;
use super::{Endpoint, Owner, TransactionId};
use crate::dialog::{DialogId, Incoming, IncomingState, Stage};
use crate::transaction::{Machine, OnTimeout};

/// What is due in a session.
enum Due {
    /// The last provisional response goes again, so that proxies keep waiting.
    Refresh(TransactionId),
    /// The peer's INVITE was never answered by the caller.
    SetupTimeout(TransactionId),
    /// A reliable provisional response goes again.
    ResendProgress,
    /// Its PRACK never came.
    NoPrack,
    /// The 2xx goes again.
    Resend,
    /// The ACK never came.
    NoAck,
    /// Our INVITE has no final response.
    Outgoing,
    /// The offer of the peer's 2xx was never answered by our owner.
    Unanswered,
    /// Nobody refreshed the session.
    SessionExpired,
    /// We have to.
    RefreshSession,
    /// Our re-INVITE or UPDATE may be tried again.
    Retry,
}

impl Endpoint {
    /// Runs what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(owner) = self.wakes.pop_due(now) {
            match owner {
                Owner::Server(id) => self.on_server_due(now, id),
                Owner::Client(id) => self.on_client_due(now, id),
                Owner::Dialog(id) => self.on_dialog_due(now, id),
            }
        }
    }

    fn on_server_due(&mut self, now: Instant, id: TransactionId) {
        let Some(txn) = self.servers.get_mut(id) else { return };
        match txn.on_timeout(now) {
            OnTimeout::Nothing => {}
            OnTimeout::Resend => {
                let flow = txn.reply_flow;
                match txn.last.clone() {
                    Some(bytes) => self.transmit(flow, bytes),
                    None => self.send_reply(now, id, &Reply::new(100), None),
                }
            }
            OnTimeout::GaveUp | OnTimeout::Over => {
                let merge_key = self.servers.remove(id).and_then(|txn| txn.merge_key);
                if let Some(key) = merge_key {
                    self.merges.remove(&key);
                }
            }
        }
        self.rewake_server(id);
    }

    fn on_client_due(&mut self, now: Instant, id: TransactionId) {
        let fallback = self.clients.get(id).and_then(|txn| txn.user.fallback);
        if fallback.and_then(|fallback| fallback.at).is_some_and(|at| at <= now) {
            self.fall_back(now, id);
            return;
        }
        let Some(txn) = self.clients.get_mut(id) else { return };
        match txn.on_timeout(now) {
            OnTimeout::Nothing => {}
            OnTimeout::Resend => {
                let (flow, bytes) = (txn.flow, txn.bytes.clone());
                self.transmit(flow, bytes);
            }
            OnTimeout::GaveUp => self.fail_client(now, id, 408),
            OnTimeout::Over => {
                self.forget_client(id);
            }
        }
        self.rewake_client(id);
    }

    fn on_dialog_due(&mut self, now: Instant, dialog: DialogId) {
        match self.find_due(now, dialog) {
            None => {}
            Some(Due::Refresh(txn)) => self.refresh_provisional(now, dialog, txn),
            Some(Due::SetupTimeout(txn)) => {
                let server = self.servers.get(txn);
                let is_expired = server
                    .and_then(|txn| txn.request())
                    .is_some_and(|request| super::uas::expiry(request).is_some());
                let status = if is_expired { 487 } else { 480 };
                self.send_reply(now, txn, &Reply::new(status), None);
                self.close_incoming(now, dialog, Some(EndCause::SetupTimeout));
            }
            Some(Due::ResendProgress) => self.resend_progress(now, dialog),
            Some(Due::NoPrack) => self.on_no_prack(now, dialog),
            Some(Due::SessionExpired) => self.on_session_expired(now, dialog),
            Some(Due::RefreshSession) => self.refresh_session(now, dialog),
            Some(Due::Unanswered) => self.on_unanswered(now, dialog),
            Some(Due::Resend) => self.resend_success(now, dialog),
            Some(Due::NoAck) => self.on_no_ack(now, dialog),
            Some(Due::Outgoing) => self.give_up_outgoing(now, dialog),
            Some(Due::Retry) => {
                let retry = self.sessions.get_mut(&dialog).and_then(|s| s.retry.take());
                if let Some(retry) = retry {
                    self.retry(now, dialog, retry);
                }
            }
        }
        self.rewake_dialog(dialog);
    }

    fn find_due(&self, now: Instant, dialog: DialogId) -> Option<Due> {
        let session = self.sessions.get(&dialog)?;
        let incoming = session.incoming.as_ref().and_then(|incoming| {
            let Incoming { txn, state, .. } = incoming;
            match state {
                IncomingState::Open { give_up_at, .. } if *give_up_at <= now => {
                    Some(Due::SetupTimeout(*txn))
                }
                IncomingState::Open { .. }
                    if incoming.unacked().is_some_and(|unacked| unacked.give_up_at <= now) =>
                {
                    Some(Due::NoPrack)
                }
                IncomingState::Open { .. }
                    if incoming.unacked().is_some_and(|unacked| unacked.again.at <= now) =>
                {
                    Some(Due::ResendProgress)
                }
                IncomingState::Open { refresh_at: Some(at), .. } if *at <= now => {
                    Some(Due::Refresh(*txn))
                }
                IncomingState::Answered { give_up_at, .. } if *give_up_at <= now => {
                    Some(Due::NoAck)
                }
                IncomingState::Answered { again, .. } if again.at <= now => Some(Due::Resend),
                _ => None,
            }
        });
        let outgoing = session.outgoing.as_ref().is_some_and(|o| o.give_up_at <= now);
        let unanswered = session.unanswered.as_ref().is_some_and(|u| u.give_up_at <= now);
        let retry = session.retry.as_ref().is_some_and(|retry| retry.at <= now);
        let timer = session.live_timer();
        let expired = timer.is_some_and(|timer| timer.expires_at <= now);
        let refresh = timer.and_then(|timer| timer.refresh_at).is_some_and(|at| at <= now);
        incoming
            .or_else(|| outgoing.then_some(Due::Outgoing))
            .or_else(|| unanswered.then_some(Due::Unanswered))
            .or_else(|| retry.then_some(Due::Retry))
            .or_else(|| expired.then_some(Due::SessionExpired))
            .or_else(|| refresh.then_some(Due::RefreshSession))
    }

    /// §13.3.1.4: the 2xx goes again, at T1, doubling up to T2.
    fn resend_success(&mut self, now: Instant, dialog: DialogId) {
        let t2 = self.config.timers.t2;
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let Some(incoming) = &mut session.incoming else { return };
        if let IncomingState::Answered { bytes, flow, again, .. } = &mut incoming.state {
            again.step(now, t2);
            let (flow, bytes) = (*flow, bytes.clone());
            self.transmit(flow, bytes);
        }
    }

    /// §13.3.1.4: without ACK the dialog is there, but the session must end.
    fn on_no_ack(&mut self, now: Instant, dialog: DialogId) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        session.incoming = None;
        match std::mem::replace(&mut session.stage, Stage::Confirmed) {
            Stage::Leaving(headers) => self.send_bye(now, dialog, headers),
            _ => {
                self.tell_end(dialog, EndCause::NoAck);
                self.send_bye(now, dialog, vec![super::closing::reason(408, "No ACK")]);
            }
        }
    }
}
