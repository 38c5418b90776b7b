//! The call's media: its line, the descriptions exchanged, and what the participant reports.

use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use media::dtmf::DtmfEvent;
use media::leg::{Leg, LegConfig};
use media::rtp::{SeqNo, Ssrc};
use media::sdp::{self, Encryption, LocalMedia, Negotiated};
use media::srtp::LocalKeys;
use media::time::RtpTime;
use sip::{Body, Reply, Request};

use super::CallActor;
use crate::call::{Input, PlayId};
use crate::media_io::line::Line;
use crate::media_io::quality::QualityCell;
use crate::participant::actor::ParticipantActor;
use crate::participant::message::{Negotiate, ParticipantEvent};
use crate::sip_io::message::Action;

/// The call's own side of the session description, and where the exchange stands.
#[derive(Default)]
pub(super) struct Media {
    local: Option<LocalMedia>,
    /// Our answer to the offer of the INVITE or re-INVITE under way.
    pub(super) answer: Option<(String, Negotiated)>,
    /// Our offer went out in a 200; its answer comes with the ACK.
    answer_is_due: bool,
    pub(super) agreed: Option<Negotiated>,
    /// How the call's line is doing, once there is one.
    pub(super) quality: Option<Arc<QualityCell>>,
}

impl CallActor {
    /// Opens the line and starts the participant; the local side of the session follows.
    pub(super) fn open_media(&mut self, ctx: &Context<Self>) -> Result<LocalMedia, (u16, String)> {
        let exhausted = |reason: &str| (480, reason.to_owned());
        let ports = self.desk.ports.lease().map_err(|error| {
            tracing::error!(call_sid = %self.sid, %error, "no media for a call");
            exhausted("media resources exhausted")
        })?;
        let place = self.desk.plane.place().ok_or_else(|| exhausted("no media thread"))?;
        let session_id = u64::from(rand::random::<u32>());
        // No call is encrypted yet.
        let local = LocalMedia::new(self.desk.media_ip, ports.port(), session_id)
            .encrypted(Encryption::Off, LocalKeys::from_random(rand::random()));
        let now = Instant::now();
        let leg = Leg::new(LegConfig {
            ssrc: Ssrc(rand::random()),
            first_seq: SeqNo(rand::random()),
            first_timestamp: RtpTime(rand::random()),
            seed: rand::random(),
            cname: self.desk.cname.clone(),
            now,
        });
        let quality = Arc::<QualityCell>::default();
        let line = Line::new(ports, leg, quality.clone(), now);
        let events = ctx.address().recipient();
        let settings = self.desk.media_settings;
        self.guard.participant =
            Some(ParticipantActor::launch(self.sid, place, line, settings, events));
        self.media.local = Some(local);
        self.media.quality = Some(quality);
        Ok(local)
    }

    pub(super) fn participant(&self) -> Option<&Addr<ParticipantActor>> {
        self.guard.participant.as_ref()
    }

    pub(super) fn agree(&mut self, agreed: Negotiated) {
        if let Some(participant) = self.participant() {
            participant.do_send(Negotiate(agreed.clone()));
        }
        self.media.agreed = Some(agreed);
    }

    /// Our side as the next description shall show it: each one has a higher version (RFC 3264 §8).
    pub(super) fn next_local(&mut self) -> Option<LocalMedia> {
        let local = self.media.local.as_mut()?;
        local.version += 1;
        Some(*local)
    }

    /// Reads the answer to our offer.
    pub(super) fn accept_answer(&self, answer: &Body) -> Result<Negotiated, sdp::Error> {
        let local = self.media.local.as_ref().ok_or(sdp::Error::NoOffer)?;
        sdp::accept_answer(&answer.bytes, local, &self.desk.sdp_policy)
    }

    pub(super) fn send_progress(&mut self, ctx: &mut Context<Self>) {
        let Some((text, agreed)) = self.media.answer.clone() else {
            // Without an offer there is nothing to answer early: ours goes out in the 200.
            self.send_answer(ctx);
            return;
        };
        self.agree(agreed);
        self.order(Action::Progress(Reply::new(183).with_body(description(text))));
        self.input(Input::ProgressSent, ctx);
    }

    pub(super) fn send_answer(&mut self, ctx: &mut Context<Self>) {
        let text = match (self.media.answer.take(), self.media.local) {
            (Some((text, agreed)), _) => {
                self.agree(agreed);
                text
            }
            // The INVITE had no offer: ours goes out now (RFC 3264 §4).
            (None, Some(local)) => {
                self.media.answer_is_due = true;
                sdp::offer(&local, &self.desk.sdp_policy)
            }
            (None, None) => return,
        };
        self.order(Action::Answer(Reply::new(200).with_body(description(text))));
        self.input(Input::Answered, ctx);
    }

    pub(super) fn on_acked(&mut self, body: Option<Body>, ctx: &mut Context<Self>) {
        if !std::mem::take(&mut self.media.answer_is_due) {
            return;
        }
        let agreed = body.map(|body| self.accept_answer(&body));
        match agreed {
            Some(Ok(agreed)) => self.agree(agreed),
            Some(Err(error)) => self.media_failed(488, &error.to_string(), ctx),
            None => self.media_failed(488, "no answer to our offer", ctx),
        }
    }

    pub(super) fn on_reinvite(&mut self, request: &Request) {
        let Some(local) = self.next_local() else {
            self.order(Action::Reject(Reply::new(488)));
            return;
        };
        if is_foreign(request.body(), request.content_type()) {
            let refusal = Reply::new(415).with_header("Accept", "application/sdp");
            self.order(Action::Reject(refusal));
            return;
        }
        let Some(offer) = sdp_body(request.body(), request.content_type()) else {
            self.media.answer_is_due = true;
            let text = sdp::offer(&local, &self.desk.sdp_policy);
            self.order(Action::Answer(Reply::new(200).with_body(description(text))));
            return;
        };
        match sdp::answer(&offer.bytes, &local, &self.desk.sdp_policy) {
            Ok((text, agreed)) => {
                self.agree(agreed);
                self.order(Action::Answer(Reply::new(200).with_body(description(text))));
            }
            // The session goes on as it was (RFC 3261 §14.2).
            Err(error) => {
                let refusal = Reply::new(488).with_header("X-Reason", error.to_string());
                self.order(Action::Reject(refusal));
            }
        }
    }

    pub(super) fn media_failed(&mut self, status: u16, reason: &str, ctx: &mut Context<Self>) {
        self.input(Input::MediaFailed { status, reason: reason.to_owned() }, ctx);
    }
}

impl CallActor {
    /// A key was pressed, whichever way it came. No verb takes keys yet.
    pub(super) fn on_digit(&self, digit: DtmfEvent, by: &str) {
        let ms = digit.duration.as_millis();
        tracing::debug!(call_sid = %self.sid, ms, by, "digit received");
    }
}

impl Handler<ParticipantEvent> for CallActor {
    type Result = ();

    fn handle(&mut self, event: ParticipantEvent, ctx: &mut Context<Self>) {
        match event {
            ParticipantEvent::Played { id, report } => {
                if self.playing == Some(id) {
                    self.playing = None;
                }
                self.input(Input::PlayDone { id: PlayId(id), report }, ctx);
            }
            ParticipantEvent::Inactive => self.input(Input::MediaTimeout, ctx),
            ParticipantEvent::Digit(digit) => self.on_digit(digit, "RTP"),
            ParticipantEvent::Failed => self.media_failed(500, "media failed", ctx),
        }
    }
}

pub(super) fn description(text: String) -> Body {
    Body { content_type: "application/sdp".to_owned(), bytes: text.into() }
}

/// Whether there is a body that is no session description: it cannot be taken for "no offer".
pub(super) fn is_foreign(body: &bytes::Bytes, content_type: Option<&str>) -> bool {
    !body.is_empty() && sdp_body(body, content_type).is_none()
}

/// The body, if it is a session description.
pub(super) fn sdp_body(body: &bytes::Bytes, content_type: Option<&str>) -> Option<Body> {
    let content_type = content_type?;
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    (kind.eq_ignore_ascii_case("application/sdp") && !body.is_empty())
        .then(|| Body { content_type: content_type.to_owned(), bytes: body.clone() })
}
