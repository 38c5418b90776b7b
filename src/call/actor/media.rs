//! The call's media: its line, the descriptions exchanged, and what the participant reports.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use media::dtmf::DtmfEvent;
use media::leg::{Leg, LegConfig};
use media::rtp::{SeqNo, Ssrc};
use media::sdp::{self, Direction, LocalMedia, Negotiated, Session};
use media::srtp::LocalKeys;
use media::time::RtpTime;
use sip::{Body, DialogId, Reply, Request, TransactionId};

use super::CallActor;
use crate::call::tries::TryId;
use crate::call::{Input, PlayId};
use crate::media_io::line::{Agreed, Line};
use crate::media_io::quality::QualityCell;
use crate::model::Encryption;
use crate::participant::actor::ParticipantActor;
use crate::participant::message::{Negotiate, ParticipantEvent};
use crate::sip_io::message::Action;

/// The descriptions exchanged with the far end, and where the exchange stands.
#[derive(Default)]
pub(super) struct Media {
    /// Where this call receives.
    line: Option<(IpAddr, u16)>,
    pub(super) session: Option<Session>,
    /// Our answer to the offer of the INVITE, until the 200 is out.
    pub(super) answer: Option<(String, Negotiated)>,
    /// Our offer went out in a 200; its answer comes with the ACK.
    answer_is_due: bool,
    /// Counts the peers that descriptions were agreed on with.
    peer: u32,
    /// Whether the caller has shown nothing yet that a forged address could not: until its ACK or PRACK,
    /// which name the tag of our response, no audio goes to the address it wrote.
    is_unproved: bool,
    /// What was agreed on meanwhile.
    withheld: Option<Negotiated>,
    /// The attempt whose early media is heard.
    early: Option<TryId>,
    /// How the call's line is doing, once there is one.
    pub(super) quality: Option<Arc<QualityCell>>,
}

impl Media {
    /// Before anything is said; whether the caller's address may be forged.
    pub(super) fn of_caller(is_unproved: bool) -> Self {
        Self { is_unproved, ..Self::default() }
    }

    /// From now on the session is one with somebody else.
    pub(super) fn change_far_end(&mut self, session: Session) {
        self.session = Some(session);
        self.answer = None;
        self.answer_is_due = false;
        self.peer += 1;
    }

    /// The next description that is agreed on is of this attempt, of several that may send early media.
    pub(super) fn turn_to(&mut self, attempt: TryId) {
        if self.early.replace(attempt).is_some_and(|before| before != attempt) {
            self.peer += 1;
        }
    }

    /// Our offer where the far end made none (RFC 3264 §4): the answer is due with the ACK.
    pub(super) fn offer_late(&mut self, policy: &sdp::Policy) -> Option<String> {
        let session = self.session.as_mut()?;
        // Whoever answers may be another one than before (RFC 4568 §7.1.4).
        session.set_keys(LocalKeys::from_random(rand::random()));
        self.answer_is_due = true;
        Some(session.offer(policy))
    }
}

impl CallActor {
    /// Whether a request can be answered with a session description.
    pub fn has_offer(request: &Request) -> bool {
        matches!(offer_of(request), Ok(Some(_)))
    }

    /// Opens the line and starts the participant.
    pub(super) fn open_media(&mut self, ctx: &Context<Self>) -> Result<(), (u16, String)> {
        let exhausted = |reason: &str| (480, reason.to_owned());
        let ports = self.desk.ports.lease().map_err(|error| {
            tracing::error!(call_sid = %self.sid, %error, "no media for a call");
            exhausted("media resources exhausted")
        })?;
        let place = self.desk.plane.place().ok_or_else(|| exhausted("no media thread"))?;
        self.media.line = Some((self.desk.media_ip, ports.port()));
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
        self.media.quality = Some(quality);
        Ok(())
    }

    /// A session of its own on the line that is there, with keys of its own.
    pub(super) fn new_session(&self, encryption: Encryption) -> Option<Session> {
        let (ip, port) = self.media.line?;
        let keys = LocalKeys::from_random(rand::random());
        let local = LocalMedia::new(ip, port, u64::from(rand::random::<u32>()));
        Some(Session::new(local.encrypted(sdp_terms(encryption), keys)))
    }

    /// A session that begins with an offer of ours. Keys are taken by default, but offered only to whom
    /// the settings name: not everybody passes them over as it should, and they fill a datagram.
    pub(super) fn offering_session(&self, encryption: Option<Encryption>) -> Option<Session> {
        let default = match self.desk.config.sip.srtp {
            Encryption::Offered => Encryption::Off,
            other => other,
        };
        self.new_session(encryption.unwrap_or(default))
    }

    pub(super) fn participant(&self) -> Option<&Addr<ParticipantActor>> {
        self.guard.participant.as_ref()
    }

    pub(super) fn agree(&mut self, mut terms: Negotiated) {
        let peer = self.media.peer;
        if self.media.is_unproved {
            self.media.withheld = Some(terms.clone());
            terms.direction = Direction::new(false, terms.direction.receives());
        }
        if let Some(participant) = self.participant() {
            participant.do_send(Negotiate(Agreed { terms, peer }));
        }
    }

    /// The far end answered a response of ours: it is where it says.
    pub(super) fn on_proved(&mut self) {
        self.media.is_unproved = false;
        if let Some(terms) = self.media.withheld.take() {
            self.agree(terms);
        }
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
        let text = match self.media.answer.take() {
            Some((text, agreed)) => {
                self.agree(agreed);
                text
            }
            // The INVITE had no offer: ours goes out now (RFC 3264 §4).
            None => match self.media.offer_late(&self.desk.sdp_policy) {
                Some(text) => text,
                None => return,
            },
        };
        self.order(Action::Answer(Reply::new(200).with_body(description(text))));
        self.input(Input::Answered, ctx);
    }

    pub(super) fn on_acked(&mut self, body: Option<Body>, ctx: &mut Context<Self>) {
        self.on_proved();
        if !std::mem::take(&mut self.media.answer_is_due) {
            return;
        }
        // The answer may be one part of the body.
        let answer = body.and_then(|body| sdp_body(&body.bytes, Some(&body.content_type)));
        let agreed =
            self.media.session.as_mut().zip(answer).map(|(session, answer)| {
                session.accept_answer(&answer.bytes, &self.desk.sdp_policy)
            });
        match agreed {
            Some(Ok(agreed)) => self.agree(agreed),
            Some(Err(error)) => self.media_failed(488, &error.to_string(), ctx),
            None => self.media_failed(488, "no answer to our offer", ctx),
        }
    }

    pub(super) fn on_reinvite(&mut self, request: &Request) {
        let reply = match offer_of(request) {
            Err(refusal) => refusal,
            Ok(Some(offer)) => self.take_offer(&offer),
            Ok(None) => match self.media.offer_late(&self.desk.sdp_policy) {
                Some(text) => Reply::new(200).with_body(description(text)),
                None => Reply::new(488),
            },
        };
        // After a refusal the session goes on as it was (RFC 3261 §14.2).
        self.order(match reply.status {
            200 => Action::Answer(reply),
            _ => Action::Reject(reply),
        });
    }

    /// An offer by UPDATE, also before the call is answered (RFC 3311 §5.2).
    pub(super) fn on_update(&mut self, dialog: DialogId, txn: TransactionId, request: &Request) {
        let reply = match offer_of(request) {
            Err(refusal) => refusal,
            // It refreshes the session (RFC 4028) or the path.
            Ok(None) => Reply::new(200),
            // The first offer is not answered yet.
            Ok(Some(_)) if !self.has_agreed() => Reply::new(500).with_header("Retry-After", "1"),
            Ok(Some(offer)) => self.take_offer(&offer),
        };
        self.guard.order_to(dialog, Action::Respond { txn, reply });
    }

    fn has_agreed(&self) -> bool {
        self.media.session.as_ref().is_some_and(|session| session.agreed().is_some())
    }

    fn take_offer(&mut self, offer: &Body) -> Reply {
        let Some(session) = &mut self.media.session else { return Reply::new(488) };
        match session.answer(&offer.bytes, &self.desk.sdp_policy) {
            Ok((text, agreed)) => {
                // What an answer of the call that is still to come has to repeat.
                if let Some(answer) = &mut self.media.answer {
                    *answer = (text.clone(), agreed.clone());
                }
                self.agree(agreed);
                Reply::new(200).with_body(description(text))
            }
            Err(error) => not_acceptable(&error.to_string()),
        }
    }

    pub(super) fn media_failed(&mut self, status: u16, reason: &str, ctx: &mut Context<Self>) {
        self.input(Input::MediaFailed { status, reason: reason.to_owned() }, ctx);
    }
}

impl CallActor {
    /// A key was pressed; `is_relayed`: a bridge passes it on by itself, whichever way it came.
    pub(super) fn on_digit(&mut self, digit: DtmfEvent, is_relayed: bool, ctx: &mut Context<Self>) {
        self.stream_digit(digit);
        let DtmfEvent { digit, duration } = digit;
        let ms = duration.as_millis();
        tracing::debug!(call_sid = %self.sid, ms, is_relayed, "digit received");
        self.input(Input::Key { key: digit.as_char(), duration, is_relayed }, ctx);
    }
}

impl Handler<ParticipantEvent> for CallActor {
    type Result = ();

    fn handle(&mut self, event: ParticipantEvent, ctx: &mut Context<Self>) {
        match event {
            ParticipantEvent::Played { id, report } => {
                self.forget_play(id);
                self.input(Input::PlayDone { id: PlayId(id), report }, ctx);
            }
            // Nobody is there to send, and the target may ring for longer than silence is borne.
            ParticipantEvent::Inactive if self.is_between_far_ends() => {}
            ParticipantEvent::Inactive => self.input(Input::MediaTimeout, ctx),
            ParticipantEvent::Digit(digit) => self.on_digit(digit, true, ctx),
            ParticipantEvent::Failed => self.media_failed(500, "media failed", ctx),
        }
    }
}

pub(super) fn sdp_terms(encryption: Encryption) -> sdp::Encryption {
    match encryption {
        Encryption::Off => sdp::Encryption::Off,
        Encryption::Offered => sdp::Encryption::Offered,
        Encryption::Required => sdp::Encryption::Required,
    }
}

pub(super) fn description(text: String) -> Body {
    Body { content_type: "application/sdp".to_owned(), bytes: text.into() }
}

/// 488, and why (RFC 3261 §20.43).
pub(super) fn not_acceptable(why: &str) -> Reply {
    Reply::new(488).with_header("Warning", warning(why)).with_header("X-Reason", why)
}

/// The value of a Warning header: code 399, an agent, a quoted text.
pub(super) fn warning(why: &str) -> String {
    format!("399 trunkline \"{}\"", why.replace(['"', '\\'], "'"))
}

/// The offer of a request, if it has one.
///
/// # Errors
/// The refusal of a body that is no session description: it cannot be taken for "no offer".
pub(super) fn offer_of(request: &Request) -> Result<Option<Body>, Reply> {
    let (body, kind) = (request.body(), request.content_type());
    match sdp_body(body, kind) {
        None if !body.is_empty() => Err(Reply::new(415).with_header("Accept", ACCEPT)),
        offer => Ok(offer),
    }
}

const ACCEPT: &str = "application/sdp, multipart/mixed";

/// The session description in a body, alone or as a part of it (RFC 5621 §3).
pub(super) fn sdp_body(body: &bytes::Bytes, content_type: Option<&str>) -> Option<Body> {
    sip::message::multipart::find(content_type?, body, "application/sdp")
        .map(|bytes| Body { content_type: "application/sdp".to_owned(), bytes })
}
