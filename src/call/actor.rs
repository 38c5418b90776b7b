//! The call actor: one per `call_sid`, on the control arbiter.
//!
//! [`State`] decides; this shell carries its effects out, in order: orders to the stack, to the
//! participant and to a conference, requests to the application, timers. What happens there comes
//! back as [`Input`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use media::leg::{Leg, LegConfig};
use media::rtp::{SeqNo, Ssrc};
use media::sdp::{self, LocalMedia, Negotiated};
use media::source::Pcm;
use media::time::RtpTime;
use sip::{Body, EndCause, Invite, Reply, Request, Response};
use time::OffsetDateTime;
use tokio::sync::oneshot;

use super::desk::{Desk, Keep};
use super::guard::Guard;
use super::originate::{NoRoute, Placed, Plan};
use super::prompt::{Unplayable, fetch_all};
use super::{
    CallRecord, Effect, Input, JoinConference, PlayId, Setup, State, TimerId, UpdateError,
};
use crate::conference::actor::ConferenceActor;
use crate::conference::message::{ConferenceEvent, Guest, Happened, Join, Leave, Mute, MuteAll};
use crate::conference::policy::{Entry, Exit, Refusal};
use crate::directory::Enter;
use crate::hook::{BaseFields, HookError, HookId, HookReply, HookRequest, StatusSender};
use crate::media_io::line::Line;
use crate::model::CallSid;
use crate::model::call::{SipHeaders, UpdateCall};
use crate::participant::actor::ParticipantActor;
use crate::participant::message::{Negotiate, ParticipantEvent, Play, StopPlay};
use crate::sip_io::message::{Action, DialogEvent, IncomingCall, Originate};
use crate::sip_io::stack::StackActor;
use crate::verb::{self, LeaveReason, Loops, PlayReport, RunId};

pub struct CallActor {
    sid: CallSid,
    desk: Desk,
    keep: Keep,
    state: State,
    begin: Begin,
    guard: Guard,
    media: Media,
    timers: HashMap<TimerId, SpawnHandle>,
    /// The `play` whose clips are being fetched or played.
    playing: Option<RunId>,
    stay: Option<Stay>,
    status: StatusSender,
    /// Requests to the application that are not answered yet.
    pending_hooks: usize,
}

/// How the call starts, once its actor runs.
enum Begin {
    Inbound {
        offer: Option<Body>,
    },
    Outbound {
        stack: Addr<StackActor>,
        invite: Box<Result<Invite, NoRoute>>,
        placed: oneshot::Sender<Placed>,
    },
    Begun,
}

/// The call's own side of the session description, and where the exchange stands.
struct Media {
    local: Option<LocalMedia>,
    /// Our answer to the offer of the INVITE or re-INVITE under way.
    answer: Option<(String, Negotiated)>,
    /// Our offer went out in a 200; its answer comes with the ACK.
    answer_is_due: bool,
    agreed: Option<Negotiated>,
}

/// A visit to a conference, wished for or going on.
struct Stay {
    run: RunId,
    room: Option<Addr<ConferenceActor>>,
    /// The call left before it knew the room's address.
    left: Option<Arc<BaseFields>>,
}

impl CallActor {
    /// Takes an incoming call.
    pub fn answer(desk: Desk, call: IncomingCall, setup: Setup, keep: Keep) -> Addr<Self> {
        let sid = setup.facts.call_sid;
        let arbiter = desk.control.clone();
        Self::start_in_arbiter(&arbiter, move |_| {
            let offer = sdp_body(call.request.body(), call.request.content_type());
            let begin = Begin::Inbound { offer };
            let mut guard = Guard::new(sid, call.stack, desk.live.clone());
            guard.dialog = Some(call.dialog);
            Self::new(sid, desk, keep, State::new(setup), begin, guard)
        })
    }

    /// Places a call; `placed` hears when the INVITE is on the wire.
    pub fn originate(desk: Desk, plan: Plan, placed: oneshot::Sender<Placed>) -> Addr<Self> {
        let sid = plan.setup.facts.call_sid;
        let arbiter = desk.control.clone();
        Self::start_in_arbiter(&arbiter, move |_| {
            let Plan { setup, keep, stack, invite } = plan;
            let guard = Guard::new(sid, stack.clone(), desk.live.clone());
            let begin = Begin::Outbound { stack, invite: Box::new(invite), placed };
            Self::new(sid, desk, keep, State::new(setup), begin, guard)
        })
    }

    fn new(sid: CallSid, desk: Desk, keep: Keep, state: State, begin: Begin, guard: Guard) -> Self {
        let media = Media { local: None, answer: None, answer_is_due: false, agreed: None };
        let status = desk.status_sender(sid, state.snapshot().account_sid);
        Self {
            sid,
            desk,
            keep,
            state,
            begin,
            guard,
            media,
            timers: HashMap::new(),
            playing: None,
            stay: None,
            status,
            pending_hooks: 0,
        }
    }

    fn input(&mut self, input: Input, ctx: &mut Context<Self>) {
        let mut effects = Vec::new();
        self.state.handle(Instant::now(), OffsetDateTime::now_utc(), input, &mut effects);
        self.carry_out(effects, ctx);
    }

    fn carry_out(&mut self, effects: Vec<Effect>, ctx: &mut Context<Self>) {
        for effect in effects {
            match effect {
                Effect::SendProgress => self.send_progress(ctx),
                Effect::SendAnswer => self.send_answer(ctx),
                Effect::SendDecline { status, reason, headers } => {
                    self.order(Action::Reject(reply(status, &reason, &headers)));
                }
                Effect::SendBye { headers } => self.order(Action::Bye(pairs(&headers))),
                Effect::SendCancel => self.order(Action::Cancel),
                Effect::Hook(request) => self.ask(*request, ctx),
                Effect::StatusEvent { request, last: false } => self.status.send(request),
                Effect::StatusEvent { request, last: true } => self.status.send_last(request),
                Effect::StartTimer { id, after } => {
                    let handle = ctx.run_later(after, move |this, ctx| {
                        this.timers.remove(&id);
                        this.input(Input::Timer { id }, ctx);
                    });
                    self.replace_timer(id, Some(handle), ctx);
                }
                Effect::StopTimer { id } => self.replace_timer(id, None, ctx),
                Effect::Play { id: PlayId(run), urls, loops, seek_samples } => {
                    self.play(run, urls, loops, seek_samples, ctx);
                }
                Effect::StopPlay { id: PlayId(run) } => self.stop_play(run, ctx),
                Effect::JoinConference(join) => self.join(*join, ctx),
                Effect::LeaveConference { id, base } => self.leave(id, *base),
                Effect::MuteMember { id, muted } => {
                    self.tell_room(id, Mute { call: self.sid, muted });
                }
                Effect::MuteOthers { id, muted } => self.tell_room(id, MuteAll(muted)),
                Effect::Alert(alert) => self.desk.alert(self.state.base_fields(), alert),
                Effect::Publish => self.publish(ctx),
                Effect::Ended(record) => self.end(&record, ctx),
            }
        }
    }

    fn publish(&self, ctx: &Context<Self>) {
        let actor = (!self.state.has_ended()).then(|| ctx.address());
        self.desk.live.publish_call(Arc::new(self.state.snapshot()), actor);
    }

    fn end(&mut self, record: &CallRecord, ctx: &mut Context<Self>) {
        tracing::info!(
            call_sid = %self.sid,
            call_status = record.call_status.as_str(),
            sip_status = record.sip_status,
            duration = record.duration,
            "call ended"
        );
        self.desk.record(record, self.state.base_fields(), &self.keep);
        self.publish(ctx);
        self.guard.finish();
        self.stop_if_done(ctx);
    }

    /// An ended call stays until its last hook was answered: a failure of it is worth an alert.
    fn stop_if_done(&self, ctx: &mut Context<Self>) {
        if self.state.has_ended() && self.pending_hooks == 0 {
            ctx.stop();
        }
    }

    fn order(&self, action: Action) {
        self.guard.order(action);
    }

    fn replace_timer(&mut self, id: TimerId, handle: Option<SpawnHandle>, ctx: &mut Context<Self>) {
        let former = match handle {
            Some(handle) => self.timers.insert(id, handle),
            None => self.timers.remove(&id),
        };
        if let Some(former) = former {
            ctx.cancel_future(former);
        }
    }

    // ---- media ----

    /// Opens the line and starts the participant; the local side of the session follows.
    fn open_media(&mut self, ctx: &Context<Self>) -> Result<LocalMedia, (u16, String)> {
        let exhausted = |reason: &str| (480, reason.to_owned());
        let ports = self.desk.ports.lease().map_err(|error| {
            tracing::error!(call_sid = %self.sid, %error, "no media for a call");
            exhausted("media resources exhausted")
        })?;
        let place = self.desk.plane.place().ok_or_else(|| exhausted("no media thread"))?;
        let local = LocalMedia {
            ip: self.desk.media_ip,
            rtp_port: ports.port(),
            session_id: u64::from(rand::random::<u32>()),
            version: 1,
        };
        let now = Instant::now();
        let leg = Leg::new(LegConfig {
            ssrc: Ssrc(rand::random()),
            first_seq: SeqNo(rand::random()),
            first_timestamp: RtpTime(rand::random()),
            seed: rand::random(),
            cname: self.desk.cname.clone(),
            now,
        });
        let line = Line::new(ports, leg, now);
        let events = ctx.address().recipient();
        let inactivity = self.desk.config.rtp.inactivity_timeout;
        self.guard.participant =
            Some(ParticipantActor::launch(self.sid, place, line, inactivity, events));
        self.media.local = Some(local);
        Ok(local)
    }

    fn participant(&self) -> Option<&Addr<ParticipantActor>> {
        self.guard.participant.as_ref()
    }

    fn agree(&mut self, agreed: Negotiated) {
        if let Some(participant) = self.participant() {
            participant.do_send(Negotiate(agreed.clone()));
        }
        self.media.agreed = Some(agreed);
    }

    /// Our side as the next description shall show it: each one has a higher version (RFC 3264 §8).
    fn next_local(&mut self) -> Option<LocalMedia> {
        let local = self.media.local.as_mut()?;
        local.version += 1;
        Some(*local)
    }

    fn send_progress(&mut self, ctx: &mut Context<Self>) {
        let Some((text, agreed)) = self.media.answer.clone() else { return };
        self.agree(agreed);
        self.order(Action::Progress(Reply::new(183).with_body(description(text))));
        self.input(Input::ProgressSent, ctx);
    }

    fn send_answer(&mut self, ctx: &mut Context<Self>) {
        let text = match (self.media.answer.take(), self.media.local) {
            (Some((text, agreed)), _) => {
                self.agree(agreed);
                text
            }
            // The INVITE had no offer: ours goes out now (RFC 3264 §4).
            (None, Some(local)) => {
                self.media.answer_is_due = true;
                sdp::offer(&local, &CODECS)
            }
            (None, None) => return,
        };
        self.order(Action::Answer(Reply::new(200).with_body(description(text))));
        self.input(Input::Answered, ctx);
    }

    fn on_acked(&mut self, body: Option<Body>, ctx: &mut Context<Self>) {
        if !std::mem::take(&mut self.media.answer_is_due) {
            return;
        }
        let agreed = body.map(|body| sdp::accept_answer(&body.bytes, &CODECS));
        match agreed {
            Some(Ok(agreed)) => self.agree(agreed),
            Some(Err(error)) => self.media_failed(488, &error.to_string(), ctx),
            None => self.media_failed(488, "no answer to our offer", ctx),
        }
    }

    fn on_reinvite(&mut self, request: &Request) {
        let Some(local) = self.next_local() else {
            self.order(Action::Reject(Reply::new(488)));
            return;
        };
        let Some(offer) = sdp_body(request.body(), request.content_type()) else {
            self.media.answer_is_due = true;
            let text = sdp::offer(&local, &CODECS);
            self.order(Action::Answer(Reply::new(200).with_body(description(text))));
            return;
        };
        match sdp::answer(&offer.bytes, &local, &CODECS) {
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

    fn media_failed(&mut self, status: u16, reason: &str, ctx: &mut Context<Self>) {
        self.input(Input::MediaFailed { status, reason: reason.to_owned() }, ctx);
    }

    // ---- beginnings ----

    fn begin_inbound(&mut self, offer: Option<Body>, ctx: &mut Context<Self>) {
        let base = self.state.base_fields().facts.clone();
        tracing::info!(call_sid = %self.sid, call_id = base.call_id, "call comes in");
        let opened = self.open_media(ctx).and_then(|local| match offer {
            None => Ok(None),
            Some(offer) => sdp::answer(&offer.bytes, &local, &CODECS)
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

    fn begin_outbound(
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
        invite.body = Some(description(sdp::offer(&local, &CODECS)));
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

    /// The INVITE cannot be sent: the call exists, and fails at once.
    fn refuse(
        &mut self,
        placed: oneshot::Sender<Placed>,
        status: u16,
        reason: String,
        ctx: &mut Context<Self>,
    ) {
        let call_id = self.state.base_fields().facts.call_id.clone();
        self.input(Input::Start, ctx);
        tell_placed(placed, self.sid, call_id);
        self.input(Input::Rejected { status, reason, reason_header: None }, ctx);
    }

    // ---- the application ----

    fn ask(&mut self, request: HookRequest, ctx: &Context<Self>) {
        self.pending_hooks += 1;
        let (hooks, call) = (self.desk.hooks.clone(), ctx.address());
        actix::spawn(async move {
            let id = request.id;
            let result = hooks.send(&request).await;
            call.do_send(HookAnswered { id, result });
        });
    }

    fn play(
        &mut self,
        run: RunId,
        urls: Vec<String>,
        loops: Loops,
        seek_samples: u64,
        ctx: &mut Context<Self>,
    ) {
        self.playing = Some(run);
        let hooks = self.desk.hooks.clone();
        let fetching = async move { fetch_all(&hooks, &urls).await };
        ctx.spawn(fetching.into_actor(self).map(move |fetched, this, ctx| {
            // Stopped or replaced while the files were on their way.
            if this.playing == Some(run) {
                this.fetched(run, fetched, loops, seek_samples, ctx);
            }
        }));
    }

    fn fetched(
        &mut self,
        run: RunId,
        fetched: Result<Vec<Arc<Pcm>>, Unplayable>,
        loops: Loops,
        seek_samples: u64,
        ctx: &mut Context<Self>,
    ) {
        match (fetched, self.participant()) {
            (Ok(clips), Some(participant)) => {
                participant.do_send(Play { id: run, clips, loops, seek_samples });
            }
            (Ok(_), None) => {}
            (Err(Unplayable { url, detail }), _) => {
                self.playing = None;
                self.input(Input::PlayFailed { id: PlayId(run), url, detail }, ctx);
            }
        }
    }

    fn stop_play(&mut self, run: RunId, ctx: &mut Context<Self>) {
        if self.playing != Some(run) {
            return;
        }
        match self.participant() {
            Some(participant) => participant.do_send(StopPlay(run)),
            None => {
                self.playing = None;
                let report = PlayReport { played: Duration::ZERO, last_offset_samples: 0 };
                self.input(Input::PlayDone { id: PlayId(run), report }, ctx);
            }
        }
    }

    // ---- the conference ----

    fn join(&mut self, join: JoinConference, ctx: &mut Context<Self>) {
        let Some(participant) = self.participant().cloned() else { return };
        let run = join.id;
        self.stay = Some(Stay { run, room: None, left: None });
        let entry = Entry {
            call: self.sid,
            moderator: join.start_on_enter,
            end_on_exit: join.end_on_exit,
            join_muted: join.join_muted.then_some(true),
            beep: join.beep.then_some(true),
            tag: join.member_tag,
            max_participants: join.max_participants.and_then(|n| usize::try_from(n).ok()),
        };
        let guest = Guest {
            base: Arc::new(join.base),
            participant,
            stay: ctx.address().recipient(),
            media: ctx.address().recipient(),
            run,
        };
        let account = self.state.base_fields().facts.account_sid;
        let join_room = Join { entry, member: guest, status: join.status.map(Arc::new) };
        let asked = self.desk.directory.send(Enter { account, name: join.name, join: join_room });
        ctx.spawn(asked.into_actor(self).map(move |found, this, ctx| match found.ok().flatten() {
            Some(room) => this.room_found(run, room),
            None => this.media_failed(480, "no media thread", ctx),
        }));
    }

    fn room_found(&mut self, run: RunId, room: Addr<ConferenceActor>) {
        let call = self.sid;
        match &mut self.stay {
            Some(stay) if stay.run == run && stay.left.is_none() => {
                stay.room = Some(room.clone());
                self.guard.room = Some(room);
            }
            // Gone in the meantime: the room learns it right after it learned of the arrival.
            Some(stay) if stay.run == run => {
                room.do_send(Leave { call, exit: Exit::Left, base: stay.left.take() });
                self.stay = None;
            }
            _ => room.do_send(Leave { call, exit: Exit::Left, base: None }),
        }
    }

    fn leave(&mut self, run: RunId, base: BaseFields) {
        let Some(stay) = self.stay.as_mut().filter(|stay| stay.run == run) else { return };
        let base = Some(Arc::new(base));
        match stay.room.take() {
            Some(room) => {
                room.do_send(Leave { call: self.sid, exit: Exit::Left, base });
                self.stay = None;
                self.guard.room = None;
            }
            None => stay.left = base,
        }
    }

    fn tell_room<M>(&self, run: RunId, message: M)
    where
        M: Message<Result = ()> + Send + 'static,
        ConferenceActor: Handler<M>,
    {
        let stay = self.stay.as_ref().filter(|stay| stay.run == run);
        if let Some(room) = stay.and_then(|stay| stay.room.as_ref()) {
            room.do_send(message);
        }
    }
}

/// What this server offers and answers with, best first.
const CODECS: [media::codec::CodecKind; 2] =
    [media::codec::CodecKind::Pcmu, media::codec::CodecKind::Pcma];

fn description(text: String) -> Body {
    Body { content_type: "application/sdp".to_owned(), bytes: text.into() }
}

/// The body, if it is a session description.
fn sdp_body(body: &bytes::Bytes, content_type: Option<&str>) -> Option<Body> {
    let content_type = content_type?;
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    (kind.eq_ignore_ascii_case("application/sdp") && !body.is_empty())
        .then(|| Body { content_type: content_type.to_owned(), bytes: body.clone() })
}

/// Headers from outside as the stack takes them.
pub(super) fn pairs(headers: &SipHeaders) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn reply(status: u16, reason: &str, headers: &SipHeaders) -> Reply {
    let reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
    Reply { reason, headers: pairs(headers), ..Reply::new(status) }
}

/// The client that asked may have gone away; the call goes on.
fn tell_placed(placed: oneshot::Sender<Placed>, sid: CallSid, call_id: String) {
    let _ = placed.send(Placed { sid, call_id });
}

impl Actor for CallActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        match std::mem::replace(&mut self.begin, Begin::Begun) {
            Begin::Inbound { offer } => self.begin_inbound(offer, ctx),
            Begin::Outbound { stack, invite, placed } => {
                self.begin_outbound(&stack, *invite, placed, ctx);
            }
            Begin::Begun => {}
        }
    }
}

/// The application answered, or did not.
#[derive(Message)]
#[rtype(result = "()")]
struct HookAnswered {
    id: HookId,
    result: Result<HookReply, HookError>,
}

impl Handler<HookAnswered> for CallActor {
    type Result = ();

    fn handle(&mut self, HookAnswered { id, result }: HookAnswered, ctx: &mut Context<Self>) {
        self.pending_hooks = self.pending_hooks.saturating_sub(1);
        self.input(Input::HookReply { id, result }, ctx);
        self.stop_if_done(ctx);
    }
}

impl Handler<DialogEvent> for CallActor {
    type Result = ();

    fn handle(&mut self, event: DialogEvent, ctx: &mut Context<Self>) {
        match event {
            DialogEvent::Provisional(response) => self.on_provisional(&response, ctx),
            DialogEvent::Answered(response) => self.on_answered(&response, ctx),
            DialogEvent::Rejected { status, reason, response } => {
                let header = response.and_then(|r| r.header("Reason").map(str::to_owned));
                self.input(Input::Rejected { status, reason, reason_header: header }, ctx);
            }
            DialogEvent::Cancelled { .. } => self.input(Input::CancelledByCaller, ctx),
            DialogEvent::Acked { body } => self.on_acked(body, ctx),
            DialogEvent::Reinvite(request) => self.on_reinvite(&request),
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

impl CallActor {
    fn on_provisional(&mut self, response: &Response, ctx: &mut Context<Self>) {
        let status = response.status();
        let reason = response.reason().to_owned();
        let answer = sdp_body(response.body(), response.content_type());
        match answer.map(|body| sdp::accept_answer(&body.bytes, &CODECS)) {
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
        match answer.map(|body| sdp::accept_answer(&body.bytes, &CODECS)) {
            Some(Ok(agreed)) => {
                if self.media.agreed.as_ref() != Some(&agreed) {
                    self.agree(agreed);
                }
                self.input(Input::Answered, ctx);
            }
            // The answer may have come with a provisional response already.
            None if self.media.agreed.is_some() => self.input(Input::Answered, ctx),
            Some(Err(error)) => self.media_failed(488, &error.to_string(), ctx),
            None => self.media_failed(488, "no answer to our offer", ctx),
        }
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
            ParticipantEvent::Digit(digit) => {
                tracing::debug!(call_sid = %self.sid, ms = digit.duration.as_millis(), "digit received");
            }
            ParticipantEvent::Failed => self.media_failed(500, "media failed", ctx),
        }
    }
}

impl Handler<ConferenceEvent> for CallActor {
    type Result = ();

    fn handle(&mut self, event: ConferenceEvent, ctx: &mut Context<Self>) {
        let Some(stay) = &self.stay else { return };
        let id = stay.run;
        let event = match event.happened {
            _ if event.run != id => return,
            Happened::Waiting => verb::ConferenceEvent::Waiting,
            Happened::Joined => verb::ConferenceEvent::Joined,
            Happened::Refused(why) => {
                self.stay = None;
                verb::ConferenceEvent::Refused(match why {
                    Refusal::Full => verb::Refusal::Full,
                    Refusal::Locked => verb::Refusal::Locked,
                    Refusal::AlreadyIn => verb::Refusal::AlreadyIn,
                })
            }
            Happened::Left(exit) => {
                self.stay = None;
                self.guard.room = None;
                verb::ConferenceEvent::Left(match exit {
                    Exit::Kicked => LeaveReason::Kicked,
                    Exit::Left => LeaveReason::Left,
                    Exit::Ended => LeaveReason::Ended,
                })
            }
        };
        self.input(Input::Conference { id, event }, ctx);
    }
}

/// Live call control over REST.
#[derive(Message)]
#[rtype(result = "Result<(), UpdateError>")]
pub struct Update(pub UpdateCall);

impl Handler<Update> for CallActor {
    type Result = Result<(), UpdateError>;

    fn handle(&mut self, Update(update): Update, ctx: &mut Context<Self>) -> Self::Result {
        let mut effects = Vec::new();
        let now = (Instant::now(), OffsetDateTime::now_utc());
        let result = self.state.update(now.0, now.1, update, &mut effects);
        self.carry_out(effects, ctx);
        result
    }
}

/// End the call: BYE, CANCEL or 480, whatever fits.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Hangup;

impl Handler<Hangup> for CallActor {
    type Result = ();

    fn handle(&mut self, _: Hangup, ctx: &mut Context<Self>) {
        self.input(Input::Hangup { headers: SipHeaders::default() }, ctx);
    }
}
