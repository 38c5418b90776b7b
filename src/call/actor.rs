//! The call actor: one per `call_sid`, on the control arbiter.
//!
//! [`State`] decides; this shell carries its effects out, in order: orders to the stack, to the
//! participant and to a conference, requests to the application, timers. What happens there comes
//! back as [`Input`].

mod dialog;
pub mod family;
mod hold;
mod media;
mod outgoing;
mod playing;
mod queue;
mod recording;
mod requests;
mod socket;
mod stay;
mod streaming;
mod tie;
mod transfer;

pub use self::queue::Assign;
pub use self::requests::RequestAnswer;
pub use self::stay::EnterRoom;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use sip::{Body, Reply, Transport};
use time::OffsetDateTime;
use tokio::sync::oneshot;

use self::family::Family;
use self::hold::Holding;
use self::media::{Media, offer_of, warning};
use self::outgoing::Outgoing;
use self::playing::Playing;
use self::queue::Queueing;
use self::requests::Requests;
use self::socket::Sockets;
use self::stay::Stay;
use self::streaming::Stream;
use self::tie::Tie;
use self::transfer::Transfer;
use super::desk::{Desk, Keep};
use super::guard::Guard;
use super::originate::{NoRoute, Placed, Plan};
use super::route::Route;
use super::tally::Counted;
use super::{CallRecord, Effect, Input, PlayId, Setup, State, TimerId, UpdateError};
use crate::conference::message::MuteAll;
use crate::hook::{HookError, HookId, HookReply, HookRequest, StatusSender};
use crate::model::call::{SipHeaders, UpdateCall};
use crate::model::{CallSid, Encryption};
use crate::participant::message::SendDigits;
use crate::recording::Take;
use crate::sip_io::message::{Action, Fields, IncomingCall};
use crate::sip_io::stack::StackActor;

pub struct CallActor {
    sid: CallSid,
    desk: Desk,
    keep: Keep,
    state: State,
    begin: Begin,
    guard: Guard,
    media: Media,
    timers: HashMap<TimerId, SpawnHandle>,
    /// What is being fetched or played.
    playing: Vec<Playing>,
    stay: Option<Stay>,
    queueing: Queueing,
    /// The recording, for as long as it goes on.
    take: Option<Take>,
    /// The stream of its audio, for as long as it goes on.
    stream: Option<Stream>,
    tie: Tie,
    family: Family,
    holding: Holding,
    /// INVITEs under way.
    outgoing: Option<Outgoing>,
    /// The far end wants to be replaced by another, who is being called.
    transfer: Option<Transfer>,
    /// Transfers so far.
    transfers: u32,
    requests: Requests,
    /// What the settings of who called want of the audio.
    encryption: Option<Encryption>,
    status: StatusSender,
    /// Of a WebSocket application.
    sockets: Sockets,
    /// Requests to the application that are not answered yet.
    pending_hooks: usize,
}

/// How the call starts, once its actor runs.
enum Begin {
    /// `Err`: a body that is no session description.
    Inbound {
        offer: Result<Option<Body>, Reply>,
    },
    Outbound {
        stack: Addr<StackActor>,
        route: Result<Route, NoRoute>,
        placed: oneshot::Sender<Placed>,
    },
    Begun,
}

impl CallActor {
    /// Takes an incoming call.
    pub fn answer(
        desk: Desk,
        call: IncomingCall,
        setup: Setup,
        keep: Keep,
        counted: Counted,
    ) -> Addr<Self> {
        let sid = setup.facts.call_sid;
        let arbiter = desk.control.clone();
        Self::start_in_arbiter(&arbiter, move |_| {
            let begin = Begin::Inbound { offer: offer_of(&call.request) };
            let identity = family::identity(&call);
            let media = Media::of_caller(is_unproved(&call));
            let mut guard = Guard::new(sid, call.stack, desk.live.clone(), counted);
            guard.dialog = Some(call.dialog);
            let encryption = call.admitted.encryption;
            Self {
                encryption,
                family: Family::of_caller(identity),
                media,
                ..Self::new(sid, desk, keep, State::new(setup), begin, guard)
            }
        })
    }

    /// Places a call; `placed` hears when the INVITE is on the wire.
    pub fn originate(desk: Desk, plan: Plan, placed: oneshot::Sender<Placed>) -> Addr<Self> {
        let sid = plan.setup.facts.call_sid;
        let arbiter = desk.control.clone();
        Self::start_in_arbiter(&arbiter, move |_| {
            let Plan { counted, setup, keep, stack, route } = plan;
            let guard = Guard::new(sid, stack.clone(), desk.live.clone(), counted);
            let begin = Begin::Outbound { stack, route, placed };
            Self::new(sid, desk, keep, State::new(setup), begin, guard)
        })
    }

    fn new(
        sid: CallSid,
        desk: Desk,
        keep: Keep,
        mut state: State,
        begin: Begin,
        guard: Guard,
    ) -> Self {
        if keep.recording.is_wanted {
            state.record_from_answer();
        }
        let status = desk.status_sender(sid, state.snapshot().account_sid);
        Self {
            sid,
            desk,
            keep,
            state,
            begin,
            guard,
            media: Media::default(),
            timers: HashMap::new(),
            playing: Vec::new(),
            stay: None,
            queueing: Queueing::default(),
            take: None,
            stream: None,
            tie: Tie::default(),
            family: Family::default(),
            holding: Holding::default(),
            outgoing: None,
            transfer: None,
            transfers: 0,
            requests: Requests::default(),
            encryption: None,
            status,
            sockets: Sockets::default(),
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
                Effect::SendAnswer => {
                    tracing::info!(call_sid = %self.sid, "call is answered");
                    self.send_answer(ctx);
                }
                Effect::SendDecline { status, reason, headers } => {
                    tracing::info!(call_sid = %self.sid, status, reason, "call is declined");
                    self.order(Action::Reject(reply(status, &reason, &headers)));
                }
                Effect::SendBye { headers } => self.order(Action::Bye(farewell(&headers))),
                Effect::SendCancel => self.cancel_invites(ctx),
                Effect::Respond { answer, status, headers } => {
                    self.respond(answer, status, &headers);
                }
                Effect::SendRequest { id, request } => self.send_request(id, *request, ctx),
                Effect::Transfer(order) => self.follow_refer(*order, ctx),
                Effect::Hook(request) => {
                    tracing::info!(call_sid = %self.sid, kind = ?request.kind, "application is asked");
                    self.ask(*request, ctx);
                }
                Effect::StatusEvent { request, last } => self.tell(request, last, ctx),
                Effect::MoveSession { to } => self.move_session(to),
                Effect::StartTimer { id, after } => {
                    let handle = ctx.run_later(after, move |this, ctx| {
                        this.timers.remove(&id);
                        this.input(Input::Timer { id }, ctx);
                    });
                    self.replace_timer(id, Some(handle), ctx);
                }
                Effect::StopTimer { id } => self.replace_timer(id, None, ctx),
                Effect::Play { id: PlayId(run), clips, loops, seek_samples, ear } => {
                    self.play(run, clips, (loops, seek_samples, ear), ctx);
                }
                Effect::StopPlay { id: PlayId(run) } => self.stop_play(run, ctx),
                Effect::SendRinging => self.order(Action::Progress(Reply::new(180))),
                Effect::CallChild { run, child, order } => {
                    self.call_child(run, child, *order, ctx);
                }
                Effect::Dial { run, order } => self.order_child(run, order, ctx),
                Effect::TellParent(event) => self.tell_parent(*event),
                Effect::ExitBridge { run } => {
                    self.exit_bridge(run);
                    self.unhold(ctx);
                }
                Effect::SendDigits { digits, duration } => {
                    self.send_digits(SendDigits { digits, duration });
                }
                Effect::MuteTie { run, muted } => self.mute_tie(run, muted),
                Effect::JoinConference(join) => {
                    tracing::info!(call_sid = %self.sid, conference = join.name, "call enters");
                    self.join(*join, ctx);
                }
                Effect::LeaveConference { id, base } => self.leave(id, *base),
                Effect::OrderMember { id, order } => self.order_member(id, order),
                Effect::Announce { id, clips, audience } => self.announce(id, clips, audience),
                Effect::MuteOthers { id, muted } => self.tell_room(id, MuteAll(muted)),
                Effect::Queue(errand) => self.run_queue_errand(*errand, ctx),
                Effect::StartStream { id, url, listen, call } => {
                    self.start_stream(id, url, &listen, call, ctx);
                }
                Effect::SetStreamFlow { id, flow } => self.set_stream_flow(id, flow),
                Effect::StopStream { id } => self.stop_stream(id),
                Effect::Record(order) => self.record(order, ctx),
                Effect::Alert(alert) => {
                    tracing::warn!(call_sid = %self.sid, kind = alert.kind.as_str(), alert.message);
                    self.desk.alert(self.state.base_fields(), alert);
                }
                Effect::Publish => self.publish(ctx),
                Effect::Ended(record) => self.end(&record, ctx),
            }
        }
    }

    fn publish(&self, ctx: &Context<Self>) {
        let actor = (!self.state.has_ended()).then(|| ctx.address());
        let quality = self.media.quality.clone();
        self.desk.live.publish_call(Arc::new(self.state.snapshot()), quality, actor);
    }

    fn end(&mut self, record: &CallRecord, ctx: &mut Context<Self>) {
        tracing::info!(
            call_sid = %self.sid,
            call_status = record.call_status.as_str(),
            sip_status = record.sip_status,
            duration = record.duration,
            why = record.termination.as_str(),
            "call ended"
        );
        self.transfer = None;
        self.take = None;
        self.stream = None;
        self.drop_invites(false);
        self.drop_requests();
        self.sockets.close();
        self.desk.record(record, self.state.base_fields(), &self.keep);
        // Who reads that it has ended may begin the next one. It is shown so once only: a call that was
        // deleted would come back with the second time.
        self.guard.finish();
        self.publish(ctx);
        self.stop_if_done(ctx);
    }

    /// An ended call stays until its last hook was answered, since a failure of it is worth an alert,
    /// and until the room or queue it was entering has heard that it left.
    fn stop_if_done(&self, ctx: &mut Context<Self>) {
        if self.state.has_ended()
            && self.pending_hooks == 0
            && self.stay.is_none()
            && !self.queueing.is_entering()
        {
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

    fn ask(&mut self, request: HookRequest, ctx: &Context<Self>) {
        self.pending_hooks += 1;
        let Some(request) = self.ask_over_socket(request, ctx) else { return };
        let (hooks, call) = (self.desk.hooks.clone(), ctx.address());
        actix::spawn(async move {
            let id = request.id;
            let result = hooks.send(&request).await;
            call.do_send(HookAnswered { id, result });
        });
    }

    fn on_answer(
        &mut self,
        id: HookId,
        result: Result<HookReply, HookError>,
        ctx: &mut Context<Self>,
    ) {
        self.pending_hooks = self.pending_hooks.saturating_sub(1);
        self.input(Input::HookReply { id, result }, ctx);
        self.stop_if_done(ctx);
    }
}

/// Headers from outside as the stack takes them.
pub(super) fn pairs(headers: &SipHeaders) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn reply(status: u16, reason: &str, headers: &SipHeaders) -> Reply {
    let phrase = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
    let reply = Reply { reason: phrase, headers: pairs(headers), ..Reply::new(status) };
    match status {
        488 => reply.with_header("Warning", warning(headers.find("X-Reason").unwrap_or(reason))),
        _ => reply,
    }
}

/// The headers of a BYE: also why, in the words of RFC 3326.
fn farewell(headers: &SipHeaders) -> Fields {
    let mut fields = pairs(headers);
    if headers.find("Reason").is_none() {
        // ITU-T Q.850: normal clearing, recovery on timer expiry, temporary failure.
        let cause = match headers.find("X-Reason") {
            None => "Q.850;cause=16;text=\"Normal call clearing\"",
            Some("Max Call Duration") => "Q.850;cause=102;text=\"Max Call Duration\"",
            Some("Media Timeout") => "Q.850;cause=41;text=\"Media Timeout\"",
            Some(_) => "Q.850;cause=41;text=\"Temporary failure\"",
        };
        fields.push(("Reason".to_owned(), cause.to_owned()));
    }
    fields
}

/// Whether nothing vouches for the address this call came from: a datagram of a stranger.
fn is_unproved(call: &IncomingCall) -> bool {
    let IncomingCall { admitted, flow, .. } = call;
    flow.transport == Transport::Udp && admitted.client.is_none() && admitted.trunk.is_none()
}

impl Actor for CallActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        match std::mem::replace(&mut self.begin, Begin::Begun) {
            Begin::Inbound { offer } => self.begin_inbound(offer, ctx),
            Begin::Outbound { stack, route, placed } => {
                self.begin_outbound(stack, route, placed, ctx);
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
        self.on_answer(id, result, ctx);
    }
}

/// Live call control over REST.
#[derive(Message)]
#[rtype(result = "Result<Updated, UpdateError>")]
pub struct Update(pub UpdateCall);

/// What became of an update.
#[derive(Debug)]
pub enum Updated {
    /// The work goes on after the answer.
    Accepted,
    /// A request was sent; its answer comes here, or nothing if the call ends before.
    Asked(oneshot::Receiver<RequestAnswer>),
}

impl Handler<Update> for CallActor {
    type Result = Result<Updated, UpdateError>;

    fn handle(&mut self, Update(update): Update, ctx: &mut Context<Self>) -> Self::Result {
        self.update(update, ctx)
    }
}

impl CallActor {
    fn update(
        &mut self,
        update: UpdateCall,
        ctx: &mut Context<Self>,
    ) -> Result<Updated, UpdateError> {
        let mut effects = Vec::new();
        let now = (Instant::now(), OffsetDateTime::now_utc());
        let sent = self.state.update(now.0, now.1, update, &mut effects);
        // Before the request goes out: its answer may be there at once.
        let updated = sent.map(|sent| match sent {
            Some(id) => Updated::Asked(self.await_request(id)),
            None => Updated::Accepted,
        });
        self.carry_out(effects, ctx);
        updated
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
