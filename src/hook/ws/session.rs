//! The core of one application socket (contract verbs.md §2.2, §2.4): messages leave in the order they
//! were produced, what needs an ack waits for it so long and no longer, a lost socket is opened anew
//! and its session taken up again.
//!
//! Facts come in as method calls, [`Output`]s say what follows; time is an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::protocol::{self, Command, Incoming};
use crate::hook::retry::Schedule;
use crate::hook::{Alert, AlertKind, HookError, HookId, HookReply, Phase};
use crate::model::CallSid;

/// What is sent to an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageType {
    SessionNew,
    SessionRedirect,
    SessionAdulting,
    VerbHook,
    DialConfirm,
    CallStatus,
    Error,
}

/// One message, before it has its number.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub kind: MessageType,
    /// The hook as the application wrote it.
    pub hook: Option<Box<str>>,
    pub data: Map<String, Value>,
    /// Whose answer is awaited; without it an ack means nothing.
    pub reply_to: Option<HookId>,
}

/// What came of a message whose answer was awaited.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub id: HookId,
    pub result: Result<HookReply, HookError>,
}

/// Why an application says no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It closed its socket in order.
    Graceful,
    /// Its socket was lost and could not be opened again.
    Unreachable,
}

/// What follows, in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Output {
    /// Open a socket: [`Session::connected`] or [`Session::connect_failed`].
    Connect,
    Send(String),
    /// Close the socket there is; nothing is told of it.
    Close(u16),
    Reply(Reply),
    Command(Box<Command>),
    Alert(Alert),
    Ended(Ending),
    /// Nothing follows any more.
    Done,
}

/// What does not change.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) call_sid: CallSid,
    /// The socket's URL as alerts show it.
    pub(super) shown: String,
    /// First part of every message's number.
    pub(super) prefix: String,
    /// Of the first connection.
    pub(super) schedule: Schedule,
    /// How long an ack is waited for.
    pub(super) ack_timeout: Duration,
}

#[derive(Debug)]
pub(super) struct Session {
    rules: Rules,
    link: Link,
    /// Not sent yet.
    waiting: VecDeque<Message>,
    /// Sent, and not answered.
    pending: Vec<Pending>,
    opener: Option<Opener>,
    /// The call has ended: what waits is sent, then the socket closes.
    is_closing: bool,
    last_number: u64,
    /// Messages that could not be read.
    invalid: u32,
    out: VecDeque<Output>,
}

#[derive(Clone, Debug)]
enum Link {
    /// No socket, and nothing to say.
    Idle,
    Connecting(Attempt),
    Open,
    /// Connected again: the ack to `session:reconnect` comes before everything else.
    Resuming {
        attempt: Attempt,
        msgid: String,
        until: Instant,
    },
    Over,
}

/// A connection on its way.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    /// After a loss, not the first.
    again: bool,
    failed: u32,
    /// When to begin; `None`: it has begun.
    at: Option<Instant>,
}

#[derive(Debug)]
struct Pending {
    msgid: String,
    id: HookId,
    kind: MessageType,
    until: Instant,
}

/// The message that opened the session; `session:reconnect` repeats it.
#[derive(Debug)]
struct Opener {
    data: Map<String, Value>,
    /// Its ack is still awaited, also over a reconnect.
    unanswered: Option<HookId>,
    is_acked: bool,
}

impl Opener {
    /// The application has taken the session; who waits for that.
    fn answered(&mut self) -> Option<HookId> {
        self.is_acked = true;
        self.unanswered.take()
    }
}

impl Session {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            link: Link::Idle,
            waiting: VecDeque::new(),
            pending: Vec::new(),
            opener: None,
            is_closing: false,
            last_number: 0,
            invalid: 0,
            out: VecDeque::new(),
        }
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`Session::on_time`] is due.
    pub(super) fn wake(&self) -> Option<Instant> {
        let link = match &self.link {
            Link::Connecting(attempt) => attempt.at,
            Link::Resuming { until, .. } => Some(*until),
            Link::Idle | Link::Open | Link::Over => None,
        };
        self.pending.iter().map(|pending| pending.until).chain(link).min()
    }

    /// Sends a message when its turn comes. After the application's end a question is answered with
    /// nothing, so that the verbs there are go on; one that decides is not answered.
    pub(super) fn send(&mut self, message: Message, now: Instant) {
        if self.is_closing {
            return self.give_up(&message, None);
        }
        match self.link {
            Link::Open => self.emit(message, now),
            Link::Over => self.give_up(&message, None),
            Link::Idle | Link::Connecting(_) | Link::Resuming { .. } => {
                if self.waiting.len() >= MAX_WAITING {
                    let error = self.abandoned();
                    return self.give_up(&message, Some(error));
                }
                self.waiting.push_back(message);
                if matches!(self.link, Link::Idle) {
                    self.link = Link::Connecting(Attempt { again: false, failed: 0, at: None });
                    self.out.push_back(Output::Connect);
                }
            }
        }
    }

    /// The call has ended: what was said before is still sent, nothing is waited for.
    pub(super) fn close(&mut self) {
        if std::mem::replace(&mut self.is_closing, true) {
            return;
        }
        // After a loss what opens the session is not among the pending.
        let opening = self.opener.as_mut().and_then(|opener| opener.unanswered.take());
        if let Some(id) = opening.filter(|id| !self.pending.iter().any(|p| p.id == *id)) {
            self.reply(id, Ok(NOTHING));
        }
        for pending in std::mem::take(&mut self.pending) {
            self.reply(pending.id, self.unanswered(pending.kind));
        }
        let asked = self.waiting.iter_mut();
        let asked: Vec<_> =
            asked.filter_map(|message| Some((message.reply_to.take()?, message.kind))).collect();
        for (id, kind) in asked {
            self.reply(id, self.unanswered(kind));
        }
        match self.link {
            Link::Connecting(Attempt { again: false, .. }) => {}
            Link::Open | Link::Resuming { .. } => self.finish(),
            Link::Connecting(_) | Link::Idle | Link::Over => self.out.push_back(Output::Done),
        }
    }

    // ---- the socket ----

    pub(super) fn connected(&mut self, now: Instant) {
        let Link::Connecting(attempt) = self.link else { return };
        match &self.opener {
            Some(opener) if attempt.again => {
                let data = opener.data.clone();
                let msgid = self.write("session:reconnect", None, data);
                let until = now + self.rules.ack_timeout;
                self.link = Link::Resuming { attempt, msgid, until };
            }
            _ => self.open(now),
        }
    }

    pub(super) fn connect_failed(&mut self, error: HookError, now: Instant) {
        let Link::Connecting(attempt) = self.link else { return };
        let failed = attempt.failed + 1;
        let wait = match attempt.again {
            false => self.rules.schedule.wait_after(failed, &error),
            true => reconnect_wait(failed),
        };
        match wait {
            Some(wait) => {
                let at = Some(now + wait);
                self.link = Link::Connecting(Attempt { failed, at, ..attempt });
            }
            None if attempt.again => self.unreachable(error),
            None => self.not_reached(&error),
        }
    }

    /// The peer closed, with that code.
    pub(super) fn closed(&mut self, code: Option<u16>, now: Instant) {
        if code != Some(NORMAL) {
            return self.lost(now);
        }
        let was_open = matches!(self.link, Link::Open | Link::Resuming { .. });
        if !was_open {
            return;
        }
        if self.opener.is_none() {
            // Whatever it heard was no session: the session that comes has a socket of its own.
            self.link = Link::Idle;
            return;
        }
        self.link = Link::Over;
        let unanswered = self.opener.as_mut().and_then(|opener| opener.unanswered.take());
        if let Some(id) = unanswered.filter(|id| !self.pending.iter().any(|p| p.id == *id)) {
            let error = self.abandoned();
            self.reply(id, Err(error));
        }
        for pending in std::mem::take(&mut self.pending) {
            let result = match unanswered == Some(pending.id) {
                true => Err(self.abandoned()),
                false => self.unanswered(pending.kind),
            };
            self.reply(pending.id, result);
        }
        self.drop_waiting(None);
        self.out.push_back(Output::Ended(Ending::Graceful));
    }

    /// The socket broke, or was closed with another code: what was asked is lost, what opened the
    /// session excepted.
    pub(super) fn lost(&mut self, now: Instant) {
        let failed = match &self.link {
            Link::Open => 0,
            Link::Resuming { attempt, .. } => attempt.failed + 1,
            Link::Idle | Link::Connecting(_) | Link::Over => return,
        };
        let opening = self.opener.as_ref().and_then(|opener| opener.unanswered);
        for pending in std::mem::take(&mut self.pending) {
            if opening != Some(pending.id) {
                let error = self.abandoned();
                self.reply(pending.id, Err(error));
            }
        }
        self.again(failed, now);
    }

    pub(super) fn on_time(&mut self, now: Instant) {
        match &mut self.link {
            Link::Connecting(attempt) if attempt.at.is_some_and(|at| at <= now) => {
                attempt.at = None;
                self.out.push_back(Output::Connect);
            }
            Link::Resuming { attempt, until, .. } if *until <= now => {
                let failed = attempt.failed + 1;
                self.out.push_back(Output::Close(GOING_AWAY));
                self.again(failed, now);
            }
            _ => {}
        }
        let limit = self.rules.ack_timeout;
        while let Some(at) = self.pending.iter().position(|pending| pending.until <= now) {
            let pending = self.pending.remove(at);
            self.forget_opening(pending.id);
            let url = self.rules.shown.clone();
            self.reply(pending.id, Err(HookError::Timeout { url, phase: Phase::Headers, limit }));
        }
    }

    pub(super) fn text(&mut self, text: &str, now: Instant) {
        match protocol::parse(text) {
            Ok(Incoming::Ack { msgid, data }) => self.ack(&msgid, data, now),
            Ok(Incoming::Command(command)) => self.command(command),
            Err(details) => self.invalid(&details, Some(text)),
        }
    }

    pub(super) fn binary(&mut self) {
        self.invalid("binary frame", None);
    }

    // ---- inside ----

    fn ack(&mut self, msgid: &str, data: Option<Value>, now: Instant) {
        if matches!(&self.link, Link::Resuming { msgid: awaited, .. } if awaited == msgid) {
            // Before the first ack was there, this one supplies the verbs; after it they are a repeat.
            if let Some(id) = self.opener.as_mut().and_then(Opener::answered) {
                self.reply(id, Ok(HookReply { body: data }));
            }
            self.open(now);
        } else if let Some(Pending { id, .. }) = self.take_pending(msgid) {
            self.reply(id, Ok(HookReply { body: data }));
        }
    }

    fn command(&mut self, command: Command) {
        // D-14: a command that names a message answers it as well.
        if let Some(msgid) = &command.msgid {
            let opening = self.opener.as_ref().and_then(|opener| opener.unanswered);
            if let Some(Pending { id, kind, .. }) = self.take_pending(msgid) {
                let is_answer = opening == Some(id) || kind.decides();
                if is_answer && command.name == "redirect" && command.data.is_array() {
                    // The first verbs, or those for a child: not what these could replace or follow.
                    return self.reply(id, Ok(HookReply { body: Some(command.data) }));
                }
                self.reply(id, Ok(NOTHING));
            }
        }
        self.out.push_back(Output::Command(Box::new(command)));
    }

    fn invalid(&mut self, details: &str, content: Option<&str>) {
        self.invalid += 1;
        if self.invalid <= MAX_ALERTS {
            let message = format!("invalid websocket message: {details}");
            self.out.push_back(Output::Alert(Alert::new(AlertKind::InvalidAppPayload, message)));
        }
        let mut data = Map::new();
        data.insert("msg".into(), "InvalidMessage".into());
        data.insert("details".into(), details.into());
        if let Some(content) = content {
            let shown: String = content.chars().take(MAX_SHOWN_CHARS).collect();
            data.insert("content".into(), shown.into());
        }
        self.write("jambonz:error", None, data);
    }

    /// Writes what waited; at the end of the call that was all.
    fn open(&mut self, now: Instant) {
        self.link = Link::Open;
        while let Some(message) = self.waiting.pop_front() {
            // What opens a session that is over already would only confuse.
            if !(self.is_closing && message.kind.opens()) {
                self.emit(message, now);
            }
        }
        if self.is_closing {
            self.finish();
        }
    }

    fn finish(&mut self) {
        self.link = Link::Over;
        let failed = self.opener.as_ref().is_some_and(|opener| !opener.is_acked);
        self.out.push_back(Output::Close(if failed { GOING_AWAY } else { NORMAL }));
        self.out.push_back(Output::Done);
    }

    fn emit(&mut self, message: Message, now: Instant) {
        let Message { kind, hook, data, reply_to } = message;
        if kind.opens() && self.opener.is_none() {
            self.opener =
                Some(Opener { data: data.clone(), unanswered: reply_to, is_acked: false });
        }
        let msgid = self.write(kind.name(), hook.as_deref(), data);
        if let Some(id) = reply_to {
            let until = now + self.rules.ack_timeout;
            self.pending.push(Pending { msgid, id, kind, until });
        }
    }

    fn write(&mut self, kind: &str, hook: Option<&str>, data: Map<String, Value>) -> String {
        self.last_number += 1;
        let msgid = format!("{}-{}", self.rules.prefix, self.last_number);
        let text = protocol::envelope(kind, msgid.clone(), self.rules.call_sid, hook, data);
        self.out.push_back(Output::Send(text));
        msgid
    }

    fn again(&mut self, failed: u32, now: Instant) {
        if self.is_closing {
            self.link = Link::Over;
            self.out.push_back(Output::Done);
            return;
        }
        match reconnect_wait(failed) {
            Some(wait) => {
                let at = Some(now + wait);
                self.link = Link::Connecting(Attempt { again: true, failed, at });
            }
            None => self.unreachable(self.abandoned()),
        }
    }

    /// A lost socket does not come back.
    fn unreachable(&mut self, error: HookError) {
        self.link = Link::Over;
        self.out.push_back(Output::Alert(error.alert()));
        if let Some(id) = self.opener.as_mut().and_then(|opener| opener.unanswered.take()) {
            self.reply(id, Err(error));
        }
        self.drop_waiting(None);
        self.out.push_back(Output::Ended(Ending::Unreachable));
    }

    /// There was no socket yet; the next message tries again.
    fn not_reached(&mut self, error: &HookError) {
        self.link = Link::Idle;
        // Who asked raises the alert; events have nobody to do so.
        if !self.waiting.iter().any(|message| message.reply_to.is_some()) {
            self.out.push_back(Output::Alert(error.alert()));
        }
        self.drop_waiting(Some(error));
        if self.is_closing {
            self.out.push_back(Output::Done);
        }
    }

    fn drop_waiting(&mut self, error: Option<&HookError>) {
        for message in std::mem::take(&mut self.waiting) {
            self.give_up(&message, error.cloned());
        }
    }

    fn give_up(&mut self, message: &Message, error: Option<HookError>) {
        if let Some(id) = message.reply_to {
            self.reply(id, error.map_or_else(|| self.unanswered(message.kind), Err));
        }
    }

    fn take_pending(&mut self, msgid: &str) -> Option<Pending> {
        let at = self.pending.iter().position(|pending| pending.msgid == msgid)?;
        let pending = self.pending.remove(at);
        if let Some(opener) = &mut self.opener
            && opener.unanswered == Some(pending.id)
        {
            opener.answered();
        }
        Some(pending)
    }

    fn forget_opening(&mut self, id: HookId) {
        if let Some(opener) = &mut self.opener {
            opener.unanswered.take_if(|unanswered| *unanswered == id);
        }
    }

    fn reply(&mut self, id: HookId, result: Result<HookReply, HookError>) {
        self.out.push_back(Output::Reply(Reply { id, result }));
    }

    /// What a question is worth that nobody answers any more.
    fn unanswered(&self, kind: MessageType) -> Result<HookReply, HookError> {
        match kind.decides() {
            true => Err(self.abandoned()),
            false => Ok(NOTHING),
        }
    }

    fn abandoned(&self) -> HookError {
        HookError::Abandoned { url: self.rules.shown.clone() }
    }
}

impl MessageType {
    fn name(self) -> &'static str {
        match self {
            Self::SessionNew => "session:new",
            Self::SessionRedirect => "session:redirect",
            Self::SessionAdulting => "session:adulting",
            Self::VerbHook => "verb:hook",
            Self::DialConfirm => "dial:confirm",
            Self::CallStatus => "call:status",
            Self::Error => "jambonz:error",
        }
    }

    /// Whether it is what a session begins with.
    fn opens(self) -> bool {
        matches!(self, Self::SessionNew | Self::SessionRedirect | Self::SessionAdulting)
    }

    /// Whether even an answer without verbs says something: silence must not be taken for it.
    fn decides(self) -> bool {
        self == Self::DialConfirm
    }
}

/// 500 ms, 1 s, 2 s, 4 s, 8 s; then no more.
fn reconnect_wait(failed: u32) -> Option<Duration> {
    (failed < MAX_RECONNECTS).then(|| Duration::from_millis(500) * 2u32.pow(failed))
}

/// No new verbs.
const NOTHING: HookReply = HookReply { body: None };

const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;
const MAX_RECONNECTS: u32 = 5;
/// A call makes about ten in its life, a menu some hundreds.
const MAX_WAITING: usize = 256;
/// About messages that cannot be read; the application itself is told of each.
const MAX_ALERTS: u32 = 16;
const MAX_SHOWN_CHARS: usize = 1000;

#[cfg(test)]
mod tests;
