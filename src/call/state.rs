//! The core of one call (contract verbs.md §1.6, §1.7): where its dialog stands, which status that
//! is, and how it ends. Exactly one final event leaves it, whatever arrives in whatever order.
//!
//! `state/ending.rs` has the ways out, `state/session.rs` the application side,
//! `state/verbs.rs` what its verbs become, `state/in_dialog.rs` requests inside the dialog,
//! `state/update.rs` the API's live control, `state/queue.rs` its visits to queues, `state/room.rs` what
//! it is told as a member of a conference.

mod child;
mod dial;
mod ending;
mod in_dialog;
mod queue;
mod room;
mod session;
mod speech;
mod update;
mod verbs;

#[cfg(test)]
mod tests;

pub use child::ParentWord;
pub use in_dialog::FarEnd;
pub use queue::Assignment;
pub use update::UpdateError;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{AppFailure, CallSnapshot, Effect, Input, Setup, TimerId, status};
use crate::hook::payload::{self, SessionExtras};
use crate::hook::{BaseFields, HookId, HookKind, HookRequest, ResolvedHook};
use crate::model::call::{CallStatus, Direction, EndedBy, SipHeaders};
use crate::verb::{ChildEvent, Line, Runner};
use child::Kinship;
use ending::{Ending, x_reason};
use in_dialog::Requests;
use session::Session;

#[derive(Debug)]
pub struct State {
    setup: Setup,
    base: BaseFields,
    phase: Phase,
    session: Session,
    runner: Runner,
    voice: speech::Voice,
    /// Until it goes its own way, if another call dialled it.
    kinship: Option<Kinship>,
    /// The two in the bridge hear each other.
    is_bridged: bool,
    /// What is played to who is held, while the call talks with another.
    hold_music: Option<String>,
    requests: Requests,
    timers: Vec<TimerId>,
    hooks: u64,
    /// The last name that a run of a verb, or of a part of one, was given.
    runs: u32,
    attempted_at: Option<OffsetDateTime>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    New,
    /// No final response yet, in either direction.
    Early(Early),
    /// Our CANCEL is out; the INVITE's final response is awaited.
    Cancelling,
    Up {
        since: Instant,
        at: OffsetDateTime,
    },
    Ended,
}

/// What an inbound call has sent so far.
#[derive(Clone, Copy, Debug, Default)]
struct Early {
    progress_asked: bool,
    progress_sent: bool,
    answer_asked: bool,
}

/// One turn of the machine: the time it happens at and where its effects go.
struct Turn<'a> {
    now: Instant,
    wall: OffsetDateTime,
    out: &'a mut Vec<Effect>,
}

impl State {
    /// A call that has not begun: [`Input::Start`] comes next.
    pub fn new(setup: Setup) -> Self {
        let mut base = BaseFields::new(setup.facts.clone());
        base.customer_data = setup.customer_data.clone().map(Arc::new);
        let parent = setup.parent.as_deref();
        let session = match parent {
            Some(parent) => Session::of_child(parent),
            None => Session::new(&setup.application),
        };
        let kinship = parent.map(|parent| Kinship::new(parent.confirm_hook.clone()));
        let application = &setup.application;
        let voice = speech::Voice::new(application.speech.as_ref());
        let requests =
            Requests::new(application.request_hook.clone(), application.refer_hook.clone());
        Self {
            setup,
            base,
            phase: Phase::New,
            session,
            runner: Runner::default(),
            voice,
            kinship,
            is_bridged: false,
            hold_music: None,
            requests,
            timers: Vec::new(),
            hooks: 0,
            runs: 0,
            attempted_at: None,
        }
    }

    /// The dialog's Call-ID, known once the INVITE is out. Before [`Input::Start`].
    pub fn set_call_id(&mut self, call_id: String) {
        let facts = Arc::make_mut(&mut self.setup.facts);
        facts.call_id = call_id;
        self.base.facts = self.setup.facts.clone();
    }

    /// Who answered, of several that were tried: the dialog's Call-ID and `ip:port`.
    pub fn set_far_end(&mut self, call_id: String, remote_host: String) {
        self.set_call_id(call_id);
        self.setup.remote_host = Some(remote_host);
    }

    /// Takes one input and appends what follows from it to `out`, in order.
    pub fn handle(
        &mut self,
        now: Instant,
        wall: OffsetDateTime,
        input: Input,
        out: &mut Vec<Effect>,
    ) {
        let turn = &mut Turn { now, wall, out };
        match input {
            Input::Start => self.on_start(turn),
            Input::Ringing { status, reason } => {
                self.on_provisional(CallStatus::Ringing, status, &reason, turn);
            }
            Input::EarlyMedia { status, reason } => {
                self.on_provisional(CallStatus::EarlyMedia, status, &reason, turn);
            }
            Input::Rejected { status, reason, reason_header } => {
                if !self.is_answered() && !self.has_ended() {
                    self.base.sip_reason_header = reason_header.map(Into::into);
                    self.on_rejected(status, reason, turn);
                }
            }
            Input::NotPlaced { status, reason } => {
                if !matches!(self.phase, Phase::Ended) {
                    self.finish(Ending::failed(status, reason, EndedBy::Jambonz), turn);
                }
            }
            Input::Answered => self.on_answered(turn),
            Input::ProgressSent => self.on_progress_sent(turn),
            Input::CancelledByCaller { reason_header } => {
                if !self.has_ended() {
                    self.base.sip_reason_header = reason_header.map(Into::into);
                    self.on_cancelled(turn);
                }
            }
            Input::ByeReceived { headers } => self.on_bye(&headers, turn),
            Input::MediaFailed { status, reason } => self.on_media_failed(status, reason, turn),
            Input::MediaTimeout => self.hang_up_for("Media Timeout", turn),
            Input::Request(asked) => self.on_request(*asked, turn),
            Input::RequestDone { id, status, reason, is_heard } => {
                self.on_request_done(id, status, reason, is_heard, turn);
            }
            Input::Transferred(far) => self.on_transferred(turn, far),
            Input::DialogFailed => self.on_dialog_failed(turn),
            Input::HookReply { id, result } => self.on_hook_reply(id, result, turn),
            Input::Timer { id } => self.on_timer(id, turn),
            Input::PlayDone { id, report } => self.on_play_done(id, report, turn),
            Input::PlayFailed { id, url, detail } => self.on_play_failed(id, url, detail, turn),
            Input::Conference { id, event } => self.on_conference(id, event, turn),
            Input::Queue { id, event } => self.on_queue(id, event, turn),
            Input::Bridge { run, event } => self.on_bridge(run, event, turn),
            Input::Child { run, child, name, event } => {
                self.on_child(run, child, name, event, turn);
            }
            Input::Parent(word) => self.on_parent_word(*word, turn),
            Input::Key { key, duration, is_relayed } => {
                self.on_key(key, duration, is_relayed, turn);
            }
            Input::Held { flow } => self.on_held(flow, turn),
            Input::Hangup { headers } => self.on_hangup(headers, turn),
        }
    }

    /// What reads show now.
    pub fn snapshot(&self) -> CallSnapshot {
        CallSnapshot::of(&self.base, self.setup.service_url.clone())
    }

    /// The base fields as payloads show them now.
    pub fn base_fields(&self) -> &BaseFields {
        &self.base
    }

    pub fn is_answered(&self) -> bool {
        matches!(self.phase, Phase::Up { .. })
    }

    /// Whether the far end of an outbound call may still answer, and is wanted to.
    pub fn is_ringing(&self) -> bool {
        matches!(self.phase, Phase::Early(_)) && self.direction() == Direction::Outbound
    }

    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    fn direction(&self) -> Direction {
        self.setup.facts.direction
    }

    fn line(&self) -> Line {
        match self.phase {
            Phase::Up { .. } => Line::Answered,
            Phase::Early(Early { progress_sent: true, .. }) => Line::EarlyMedia,
            _ => Line::Unanswered,
        }
    }

    // ---- the dialog ----

    fn on_start(&mut self, turn: &mut Turn<'_>) {
        if !matches!(self.phase, Phase::New) {
            return;
        }
        self.phase = Phase::Early(Early::default());
        self.attempted_at = Some(turn.wall);
        self.start_timer(TimerId::MaxDuration, self.setup.limits.max_duration, turn);
        match self.direction() {
            Direction::Inbound => {
                turn.out.push(Effect::Publish);
                self.open_session(turn);
            }
            Direction::Outbound => {
                self.start_timer(TimerId::Ring, self.setup.limits.ring_timeout, turn);
                self.send_status_event(turn);
                turn.out.push(Effect::Publish);
            }
        }
    }

    fn on_provisional(&mut self, next: CallStatus, code: u16, reason: &str, turn: &mut Turn<'_>) {
        if !matches!(self.phase, Phase::Early(_)) || self.direction() == Direction::Inbound {
            return;
        }
        if status::is_news(self.base.call_status, next) {
            self.set_status(next, code, reason);
            self.send_status_event(turn);
            turn.out.push(Effect::Publish);
            self.tell_parent(
                match next {
                    CallStatus::EarlyMedia => ChildEvent::EarlyMedia,
                    _ => ChildEvent::Ringing,
                },
                turn,
            );
        }
    }

    fn on_answered(&mut self, turn: &mut Turn<'_>) {
        match self.phase {
            Phase::Early(_) => {
                self.phase = Phase::Up { since: turn.now, at: turn.wall };
                self.stop_timer(TimerId::Ring, turn);
                if let Some(limit) = self.setup.limits.time_limit {
                    self.start_timer(TimerId::TimeLimit, limit, turn);
                }
                self.set_status(CallStatus::InProgress, 200, "OK");
                self.send_status_event(turn);
                turn.out.push(Effect::Publish);
                match self.direction() {
                    Direction::Inbound => self.run(turn, Runner::on_line),
                    Direction::Outbound if self.on_child_answered(turn) => {}
                    Direction::Outbound => self.open_session(turn),
                }
            }
            Phase::Cancelling => {
                // The 200 crossed our CANCEL (RFC 3261 §9.1): the call exists and must end.
                let bye = Effect::SendBye { headers: SipHeaders::default() };
                self.finish(Ending::no_answer(EndedBy::Jambonz).saying(bye), turn);
            }
            // It was given up, and stands all the same.
            Phase::Ended => {
                turn.out.push(Effect::SendBye { headers: SipHeaders::default() });
            }
            Phase::New | Phase::Up { .. } => {}
        }
    }

    fn on_progress_sent(&mut self, turn: &mut Turn<'_>) {
        if let Phase::Early(early) = &mut self.phase {
            early.progress_sent = true;
            self.run(turn, Runner::on_line);
        }
    }

    fn on_rejected(&mut self, code: u16, reason: String, turn: &mut Turn<'_>) {
        let rejected = match self.is_child() {
            true => status::of_child_rejection(code),
            false => status::of_rejection(code),
        };
        let ending = match self.phase {
            // The INVITE never left: whatever the code, nobody was busy.
            Phase::New => Ending::failed(code, reason, EndedBy::Jambonz),
            Phase::Early(_) => Ending {
                status: rejected,
                sip: Some((code, reason)),
                ended_by: EndedBy::Caller,
                last_word: None,
            },
            Phase::Cancelling if matches!(code, 408 | 487) => Ending::no_answer(EndedBy::Jambonz),
            Phase::Cancelling => Ending {
                status: rejected,
                sip: Some((code, reason)),
                ended_by: EndedBy::Jambonz,
                last_word: None,
            },
            Phase::Up { .. } | Phase::Ended => return,
        };
        self.finish(ending, turn);
    }

    fn on_cancelled(&mut self, turn: &mut Turn<'_>) {
        // After the 200 a CANCEL has no effect (RFC 3261 §9.2) and is not reported: one that is
        // reported in `Up` overtook the order to answer, and the dialog is gone.
        if matches!(self.phase, Phase::New | Phase::Early(_) | Phase::Up { .. }) {
            self.finish(Ending::no_answer(EndedBy::Caller), turn);
        }
    }

    fn on_bye(&mut self, headers: &[(String, String)], turn: &mut Turn<'_>) {
        match self.phase {
            Phase::Up { .. } => {
                self.base.bye_headers = extension_headers(headers).map(Arc::new);
                self.finish(Ending::completed(EndedBy::Caller), turn);
            }
            Phase::New | Phase::Early(_) => self.on_cancelled(turn),
            Phase::Cancelling => self.finish(Ending::no_answer(EndedBy::Jambonz), turn),
            Phase::Ended => {}
        }
    }

    fn on_media_failed(&mut self, code: u16, reason: String, turn: &mut Turn<'_>) {
        match (self.phase, self.direction()) {
            (Phase::New, Direction::Outbound) => {
                self.finish(Ending::failed(code, reason, EndedBy::Jambonz), turn);
            }
            (Phase::New | Phase::Early(_), Direction::Inbound) => {
                let why = reason.clone();
                self.decline(code, reason, &why, turn);
            }
            (Phase::Early(_), Direction::Outbound) => {
                // The far end's 200 is there, but nothing can be made of its SDP.
                let bye = Effect::SendBye { headers: x_reason(&reason) };
                self.finish(Ending::failed(code, reason, EndedBy::Jambonz).saying(bye), turn);
            }
            (Phase::Cancelling, _) => {
                let bye = Effect::SendBye { headers: SipHeaders::default() };
                self.finish(Ending::no_answer(EndedBy::Jambonz).saying(bye), turn);
            }
            (Phase::Up { .. }, _) => self.hang_up_for(&reason, turn),
            (Phase::Ended, _) => {}
        }
    }

    fn on_dialog_failed(&mut self, turn: &mut Turn<'_>) {
        match self.phase {
            // RFC 3261 §12.2.1.2: such a dialog is terminated by a BYE all the same.
            Phase::Up { .. } => self.hang_up(SipHeaders::default(), turn),
            Phase::Cancelling => self.finish(Ending::no_answer(EndedBy::Jambonz), turn),
            // The INVITE expired unanswered; the stack has said so to the caller.
            Phase::Early(_) if self.direction() == Direction::Inbound => {
                let reason = "Temporarily Unavailable".to_owned();
                self.finish(Ending::failed(480, reason, EndedBy::Jambonz), turn);
            }
            Phase::New | Phase::Early(_) | Phase::Ended => {}
        }
    }

    fn on_timer(&mut self, id: TimerId, turn: &mut Turn<'_>) {
        self.timers.retain(|timer| *timer != id);
        match id {
            TimerId::Ring if self.direction() == Direction::Outbound => self.cancel(turn),
            TimerId::Ring => {}
            TimerId::Cancel => {
                if matches!(self.phase, Phase::Cancelling) {
                    // Whoever answers after this must not be left with a call nobody knows.
                    let bye = Effect::SendBye { headers: SipHeaders::default() };
                    self.finish(Ending::no_answer(EndedBy::Jambonz).saying(bye), turn);
                }
            }
            TimerId::TimeLimit => self.hang_up_for(MAX_DURATION_REASON, turn),
            TimerId::MaxDuration => {
                let headers = x_reason(MAX_DURATION_REASON);
                self.on_hangup(headers, turn);
            }
            TimerId::Verb(run) => self.on_verb_timer(run, turn),
        }
    }

    fn on_hangup(&mut self, mut headers: SipHeaders, turn: &mut Turn<'_>) {
        match (self.phase, self.direction()) {
            (Phase::New, _) => self.finish(Ending::no_answer(EndedBy::Jambonz), turn),
            (Phase::Early(_), Direction::Inbound) => {
                if headers.find("X-Reason").is_none() {
                    headers.set("X-Reason", "Call Hangup");
                }
                self.decline_with(480, "Temporarily Unavailable".into(), headers, turn);
            }
            (Phase::Early(_), Direction::Outbound) => self.cancel(turn),
            (Phase::Up { .. }, _) => self.hang_up(headers, turn),
            (Phase::Cancelling | Phase::Ended, _) => {}
        }
    }

    // ---- status, timers, requests ----

    fn set_status(&mut self, status: CallStatus, code: u16, reason: &str) {
        self.base.call_status = status;
        self.base.sip_status = code;
        self.base.sip_reason = reason.into();
    }

    fn send_status_event(&mut self, turn: &mut Turn<'_>) {
        if let Some(target) = self.session.status_target(turn) {
            let body = payload::plain(&self.base);
            let request = self.request(HookKind::CallStatus, target, body);
            let last = self.base.call_status.is_final();
            turn.out.push(Effect::StatusEvent { request: Box::new(request), last });
        }
    }

    fn session_new(&self) -> Map<String, Value> {
        let application = &self.setup.application;
        payload::session_new(
            &self.base,
            &SessionExtras {
                defaults: application.speech.as_ref(),
                env_vars: application.env_vars.as_ref(),
                invite: self.setup.invite.as_ref(),
            },
        )
    }

    fn request(
        &mut self,
        kind: HookKind,
        target: ResolvedHook,
        body: Map<String, Value>,
    ) -> HookRequest {
        self.hooks += 1;
        HookRequest {
            id: HookId(self.hooks),
            kind,
            call_sid: self.setup.facts.call_sid,
            target,
            body,
            secret: self.setup.webhook_secret.clone(),
        }
    }

    fn start_timer(&mut self, id: TimerId, after: Duration, turn: &mut Turn<'_>) {
        if !self.timers.contains(&id) {
            self.timers.push(id);
        }
        turn.out.push(Effect::StartTimer { id, after });
    }

    fn stop_timer(&mut self, id: TimerId, turn: &mut Turn<'_>) {
        if self.timers.contains(&id) {
            self.timers.retain(|timer| *timer != id);
            turn.out.push(Effect::StopTimer { id });
        }
    }
}

/// What an application is shown of a BYE: the headers that SIP does not define.
fn extension_headers(headers: &[(String, String)]) -> Option<Map<String, Value>> {
    let mut map = Map::new();
    for (name, value) in headers.iter().take(MAX_SHOWN_HEADERS) {
        if !payload::is_standard(&name.to_ascii_lowercase()) {
            map.insert(name.clone(), value.as_str().into());
        }
    }
    (!map.is_empty()).then_some(map)
}

const MAX_DURATION_REASON: &str = "Max Call Duration";
const MAX_SHOWN_HEADERS: usize = 64;
