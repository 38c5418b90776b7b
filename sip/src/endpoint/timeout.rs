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
    /// The 2xx goes again.
    Resend,
    /// The ACK never came.
    NoAck,
    /// Our INVITE has no final response.
    Outgoing,
    /// Our re-INVITE may be tried again.
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
                let (flow, bytes) = (txn.reply_flow, txn.last.clone());
                if let Some(bytes) = bytes {
                    self.transmit(flow, bytes);
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
        let Some(txn) = self.clients.get_mut(id) else { return };
        match txn.on_timeout(now) {
            OnTimeout::Nothing => {}
            OnTimeout::Resend => {
                let (flow, bytes) = (txn.flow, txn.bytes.clone());
                self.transmit(flow, bytes);
            }
            OnTimeout::GaveUp => self.fail_client(now, id, 408),
            OnTimeout::Over => {
                self.clients.remove(id);
            }
        }
        self.rewake_client(id);
    }

    fn on_dialog_due(&mut self, now: Instant, dialog: DialogId) {
        match self.find_due(now, dialog) {
            None => {}
            Some(Due::Refresh(txn)) => self.refresh_provisional(now, dialog, txn),
            Some(Due::SetupTimeout(txn)) => {
                self.send_reply(now, txn, &Reply::new(480), None);
                self.close_incoming(now, dialog, Some(EndCause::SetupTimeout));
            }
            Some(Due::Resend) => self.resend_success(now, dialog),
            Some(Due::NoAck) => self.on_no_ack(now, dialog),
            Some(Due::Outgoing) => self.give_up_outgoing(now, dialog),
            Some(Due::Retry) => {
                let retry = self.sessions.get_mut(&dialog).and_then(|s| s.retry.take());
                if let Some(retry) = retry {
                    // its header fields were checked when the caller gave them
                    let _ = self.send_reinvite(now, dialog, retry.headers, retry.body);
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
        let retry = session.retry.as_ref().is_some_and(|retry| retry.at <= now);
        incoming
            .or_else(|| outgoing.then_some(Due::Outgoing))
            .or_else(|| retry.then_some(Due::Retry))
    }

    fn refresh_provisional(&mut self, now: Instant, dialog: DialogId, txn: TransactionId) {
        let last = self.servers.get(txn).and_then(|t| Some((t.reply_flow, t.last.clone()?)));
        if let Some((flow, bytes)) = last {
            self.transmit(flow, bytes);
        }
        if let Some(session) = self.sessions.get_mut(&dialog)
            && let Some(incoming) = &mut session.incoming
            && let IncomingState::Open { refresh_at, .. } = &mut incoming.state
        {
            *refresh_at = Some(now + super::uas::PROVISIONAL_REFRESH);
        }
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
                self.send_bye(now, dialog, Vec::new());
            }
        }
    }
}
