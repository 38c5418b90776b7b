//! The verbs: what an application tells a call to do (contract verbs.md §3).
//!
//! Each verb is one file: the struct is the parsed JSON and the state machine at once. A verb
//! takes events, collects [`Effect`]s in a [`Cx`] and says by a [`Step`] whether it is done.
//! [`Runner`] walks the list. Nothing here waits, reads a clock or knows who carries effects out;
//! `call/state.rs` drives this folder.

mod announcement;
mod answer;
mod conference;
mod config;
mod dequeue;
mod dial;
mod dtmf;
mod enqueue;
mod error;
mod hangup;
mod leave;
mod listen;
mod parse;
mod pause;
mod play;
mod prompts;
mod props;
mod queue;
mod redirect;
mod runner;
mod say;
mod sip_decline;
mod sip_refer;
mod sip_request;
mod synthesizer;
mod tag;

pub use announcement::Announcement;
pub use answer::Answer;
pub(crate) use conference::event_sid;
pub use conference::{Conference, ConferenceEvent, LeaveReason, Refusal, StatusEventName};
pub use config::{Config, SpeechSettings};
pub use dequeue::Dequeue;
pub use dial::{
    ChildCall, ChildEvent, ChildId, ChildName, Dial, DialOrder, Farewell, Flow, Held, Side,
};
pub use dtmf::Dtmf;
pub use enqueue::Enqueue;
pub use error::VerbError;
pub use hangup::Hangup;
pub use leave::Leave;
pub use listen::{Listen, MixType, WsAuth};
pub use parse::{parse, parse_text};
pub use pause::Pause;
pub use play::{Clip, Ear, Loops, Play, PlayReport, Speech};
pub(crate) use queue::queue_event_sid;
pub use queue::{Outcome, QueueEvent, QueueOrder, Standing};
pub use redirect::Redirect;
pub use runner::{Progress, Runner};
pub use say::Say;
pub use sip_decline::SipDecline;
pub use sip_refer::{ReferOrder, SipRefer};
pub use sip_request::SipRequestVerb;
pub use synthesizer::{EMBEDDED, Gender, Synthesizer};
pub use tag::Tag;

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::model::call::{RecordCall, SipHeaders, SipRequest};
use crate::model::{AccountSid, Hook};

/// One step of an application, with the `id` that its results carry as `verb_id`.
#[derive(Clone, Debug, PartialEq)]
pub struct Verb {
    pub id: Option<String>,
    pub kind: VerbKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum VerbKind {
    Answer(Answer),
    Conference(Box<Conference>),
    Config(Box<Config>),
    Dequeue(Box<Dequeue>),
    Dial(Box<Dial>),
    Dtmf(Dtmf),
    Enqueue(Box<Enqueue>),
    Hangup(Hangup),
    Leave(Leave),
    Pause(Pause),
    Play(Box<Play>),
    Redirect(Redirect),
    Say(Box<Say>),
    SipDecline(SipDecline),
    SipRefer(Box<SipRefer>),
    SipRequest(Box<SipRequestVerb>),
    Tag(Tag),
}

/// One execution of one verb. Timers, prompts and hooks carry it, so that what belongs to a verb
/// that is over is recognised and dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub u32);

impl RunId {
    /// A child's stay in the bridge that its parent brought it to: no verb of its own runs.
    pub const OF_CHILD: Self = Self(0);
}

/// How a call's visit to a bridge goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BridgeChange {
    /// The two hear each other.
    Connected,
    /// The other has left: this call is alone again.
    PeerLeft,
    /// There is no bridge, or it failed: this call is alone.
    Failed,
}

/// What a running verb is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The verb's own timer.
    Timer,
    PlayDone(PlayReport),
    PlayFailed {
        url: String,
        detail: String,
    },
    Conference(ConferenceEvent),
    /// From the queue this call is in.
    Queue(QueueEvent),
    /// The call was answered, or 183 went out.
    Line,
    /// A call that was dialled reports; no name: it never came to be.
    Child {
        child: ChildId,
        name: Option<ChildName>,
        event: ChildEvent,
    },
    Bridge(BridgeChange),
    /// The far end pressed a key; `is_relayed`: the bridge passes it on by itself.
    Key {
        key: char,
        duration: Duration,
        is_relayed: bool,
    },
    /// The far end holds, or takes up the call again.
    Held(Held),
    /// What a hook that was [asked for prompts](AskKind::Prompt) says; `None`: it failed.
    Prompts(Option<Vec<Verb>>),
    /// The final answer to the verb's request; not `is_heard`: there was none, for that reason.
    RequestDone {
        status: u16,
        reason: String,
        is_heard: bool,
    },
    /// The far end tells how the call it was asked to place fares (RFC 3515 §2.4.5).
    ReferNotified {
        status: Option<u16>,
        is_last: bool,
    },
}

/// What a verb wants from its call.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// 200 to the caller; the verb that needs it starts when it is sent.
    Answer,
    /// 183 with SDP to the caller; 200 if it has offered nothing that could be answered early.
    Progress,
    /// The same for what may stay unheard: 180 then.
    RingWithMedia,
    /// 180 to the caller, unless it has heard more already.
    Ring,
    /// Ends the application; BYE with these headers.
    Hangup {
        headers: SipHeaders,
    },
    /// Ends the application; a final response to the caller.
    Decline {
        status: u16,
        reason: String,
        headers: SipHeaders,
    },
    StartTimer {
        run: RunId,
        after: Duration,
    },
    StopTimer {
        run: RunId,
    },
    Play {
        run: RunId,
        clips: Vec<Clip>,
        loops: Loops,
        seek_samples: u64,
        ear: Ear,
    },
    StopPlay {
        run: RunId,
    },
    /// A file that could not be played: worth an alert.
    MediaMissing {
        url: String,
        detail: String,
    },
    /// A text that could not be spoken: worth an alert.
    SpeechFailed {
        detail: String,
    },
    /// Sets the session's voice and whether texts are spoken anew each time.
    SetSpeech(SpeechSettings),
    JoinConference {
        run: RunId,
        verb: Box<Conference>,
    },
    LeaveConference {
        run: RunId,
    },
    /// Something of the queue that the verb waits in.
    Queue {
        run: RunId,
        order: QueueOrder,
    },
    Dial {
        run: RunId,
        order: DialOrder,
    },
    /// Leaves the bridge, and so ends it. No event comes back.
    ExitBridge {
        run: RunId,
    },
    /// Keys to the far end, each of that duration; `w` is a pause.
    SendDigits {
        digits: String,
        duration: Duration,
    },
    /// The call's audio goes to a WebSocket, until that is stopped.
    Listen {
        run: RunId,
        listen: Box<Listen>,
    },
    StopListen {
        run: RunId,
    },
    /// Played to who is held from now on.
    SetHoldMusic(String),
    SetCustomerData(Map<String, Value>),
    SetStatusHook(Hook),
    /// Each one that is named replaces the one before.
    SetDialogHooks {
        request_hook: Option<Hook>,
        refer_hook: Option<Hook>,
    },
    /// What becomes of the call's recording.
    Record(RecordCall),
    /// Properties that were set and do nothing: worth an alert.
    WithoutEffect {
        verb: &'static str,
        names: Vec<&'static str>,
    },
    /// A request inside the dialog; [`Event::RequestDone`] follows.
    SipRequest {
        run: RunId,
        request: SipRequest,
    },
    /// A REFER; [`Event::RequestDone`] follows.
    Refer {
        run: RunId,
        order: ReferOrder,
    },
    /// Tells a hook whose answer nobody waits for.
    Tell {
        run: RunId,
        hook: Hook,
        fields: Map<String, Value>,
    },
    /// Asks the application for what comes next.
    Ask(Ask),
}

/// A request to the application with a verb's results.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    pub run: RunId,
    pub kind: AskKind,
    pub hook: Hook,
    /// The verb's results, in payload order.
    pub fields: Map<String, Value>,
    pub verb_id: Option<String>,
    /// False when nobody waits for the answer: the call or the verb is already gone.
    pub wants_reply: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskKind {
    /// The `actionHook` of a verb that ended.
    Action,
    /// The `redirect` verb: a different origin becomes the new base.
    Redirect,
    /// What shall be heard while the verb waits; [`Event::Prompts`] has the answer.
    Prompt,
}

/// Where a verb stands after a start or an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// It goes on; events will follow.
    Wait,
    /// It is over; the next verb follows, after the question if there is one.
    Done(Option<Question>),
    /// It ended the application; nothing follows.
    End,
}

/// A hook to ask, and what to tell it; the runner makes an [`Ask`] of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub kind: AskKind,
    pub hook: Hook,
    pub fields: Map<String, Value>,
}

impl Question {
    fn action(hook: &Option<Hook>, fields: Map<String, Value>) -> Option<Self> {
        let hook = hook.clone()?;
        Some(Self { kind: AskKind::Action, hook, fields })
    }
}

/// Why a verb is stopped from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Another application takes over; the call lives on.
    Replaced,
    /// The call is over.
    CallEnded,
}

/// What a verb needs of the call before it may start (contract verbs.md §3.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Nothing,
    /// A media path: the call is answered first.
    Answer,
    /// A media path; 183 is enough.
    EarlyMedia,
}

/// How far the call's SIP side has come, as far as verbs care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    Unanswered,
    /// 183 with SDP was sent.
    EarlyMedia,
    Answered,
}

/// The surroundings of a verb during one call into it. Effects are only collected.
#[derive(Debug)]
pub struct Cx<'a> {
    pub now: Instant,
    pub line: Line,
    pub account_sid: AccountSid,
    /// Who hears what is played.
    pub ear: Ear,
    /// The last [`RunId`] that was given out in this call.
    pub runs: &'a mut u32,
    pub out: &'a mut Vec<Effect>,
}

impl Cx<'_> {
    /// A name that nothing in this call has had.
    fn fresh_run(&mut self) -> RunId {
        *self.runs = self.runs.wrapping_add(1);
        RunId(*self.runs)
    }
}

impl Verb {
    fn start(&mut self, run: RunId, cx: &mut Cx<'_>) -> Step {
        match &mut self.kind {
            // `leave` has a meaning among prompts only.
            VerbKind::Answer(_) | VerbKind::Leave(_) => Step::Done(None),
            VerbKind::Conference(verb) => verb.start(run, cx),
            VerbKind::Config(verb) => verb.start(cx),
            VerbKind::Dequeue(verb) => verb.start(run, cx),
            VerbKind::Enqueue(verb) => verb.start(run, cx),
            VerbKind::Dial(verb) => verb.start(run, cx),
            VerbKind::Dtmf(verb) => verb.start(run, cx),
            VerbKind::Hangup(verb) => verb.start(cx),
            VerbKind::Pause(verb) => verb.start(run, cx),
            VerbKind::Play(verb) => verb.start(run, cx),
            VerbKind::Redirect(verb) => verb.start(cx),
            VerbKind::Say(verb) => verb.start(run, cx),
            VerbKind::SipDecline(verb) => verb.start(cx),
            VerbKind::SipRefer(verb) => verb.start(run, cx),
            VerbKind::SipRequest(verb) => verb.start(run, cx),
            VerbKind::Tag(verb) => verb.start(cx),
        }
    }

    /// Whether an event of that name, which is not the verb's own, is for a part of it.
    fn owns(&self, to: RunId) -> bool {
        match &self.kind {
            VerbKind::Conference(verb) => verb.owns(to),
            VerbKind::Dequeue(verb) => verb.owns(to),
            VerbKind::Enqueue(verb) => verb.owns(to),
            VerbKind::Dial(verb) => verb.owns(to),
            _ => false,
        }
    }

    /// Takes an event for the verb itself, or with another `to` for a part that it [owns](Self::owns).
    fn on_event(&mut self, event: Event, to: RunId, run: RunId, cx: &mut Cx<'_>) -> Step {
        match &mut self.kind {
            VerbKind::Conference(verb) => verb.on_event(event, to, run, cx),
            VerbKind::Dequeue(verb) => verb.on_event(event, to, run, cx),
            VerbKind::Enqueue(verb) => verb.on_event(event, to, run, cx),
            VerbKind::Dial(verb) => verb.on_event(event, to, run, cx),
            VerbKind::Dtmf(verb) => verb.on_event(&event),
            VerbKind::Pause(verb) => verb.on_event(&event),
            VerbKind::Play(verb) => verb.on_event(event, run, cx),
            VerbKind::Say(verb) => verb.on_event(event, cx),
            VerbKind::SipRefer(verb) => verb.on_event(&event, run, cx),
            VerbKind::SipRequest(verb) => verb.on_event(&event),
            // These end where they start and hear nothing.
            VerbKind::Answer(_)
            | VerbKind::Config(_)
            | VerbKind::Hangup(_)
            | VerbKind::Leave(_)
            | VerbKind::Redirect(_)
            | VerbKind::SipDecline(_)
            | VerbKind::Tag(_) => Step::Wait,
        }
    }

    /// Ends a running verb. What it returns is still sent, its reply ignored.
    fn stop(&mut self, why: Stop, run: RunId, cx: &mut Cx<'_>) -> Option<Question> {
        match &mut self.kind {
            VerbKind::Conference(verb) => verb.stop(why, run, cx),
            VerbKind::Dequeue(verb) => verb.stop(why, run, cx),
            VerbKind::Enqueue(verb) => verb.stop(why, run, cx),
            VerbKind::Dial(verb) => verb.stop(why, run, cx),
            VerbKind::Dtmf(verb) => verb.stop(run, cx),
            VerbKind::Pause(verb) => verb.stop(run, cx),
            VerbKind::Play(verb) => verb.stop(run, cx),
            VerbKind::Say(_) => Say::stop(run, cx),
            VerbKind::SipRefer(verb) => verb.stop(why, run, cx),
            VerbKind::Answer(_)
            | VerbKind::Config(_)
            | VerbKind::Hangup(_)
            | VerbKind::Leave(_)
            | VerbKind::Redirect(_)
            | VerbKind::SipDecline(_)
            | VerbKind::SipRequest(_)
            | VerbKind::Tag(_) => None,
        }
    }

    fn need(&self) -> Need {
        match &self.kind {
            VerbKind::Play(play) if play.early_media => Need::EarlyMedia,
            VerbKind::Dial(dial) => dial.need(),
            VerbKind::Say(say) if say.early_media => Need::EarlyMedia,
            VerbKind::Answer(_)
            | VerbKind::Conference(_)
            | VerbKind::Dequeue(_)
            | VerbKind::Enqueue(_)
            | VerbKind::Play(_)
            | VerbKind::Say(_) => Need::Answer,
            VerbKind::Config(_)
            | VerbKind::Dtmf(_)
            | VerbKind::Hangup(_)
            | VerbKind::Leave(_)
            | VerbKind::Pause(_)
            | VerbKind::Redirect(_)
            | VerbKind::SipDecline(_)
            | VerbKind::SipRefer(_)
            | VerbKind::SipRequest(_)
            | VerbKind::Tag(_) => Need::Nothing,
        }
    }

    /// A verb whose precondition is not met is skipped.
    fn may_run(&self, line: Line) -> bool {
        match &self.kind {
            VerbKind::Dtmf(_)
            | VerbKind::Hangup(_)
            | VerbKind::SipRefer(_)
            | VerbKind::SipRequest(_) => line == Line::Answered,
            VerbKind::SipDecline(_) => line != Line::Answered,
            _ => true,
        }
    }
}
