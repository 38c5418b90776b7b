//! What a call wants done. The order of effects is the order in which they must happen.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use super::child::ChildOrder;
use super::refer::{Refer, Subscription};
use super::{AnswerId, CallRecord, RecordingOrder};
use crate::hook::ws::WeakSocket;
use crate::hook::{Alert, BaseFields, HookId, HookRequest, ResolvedHook};
use crate::model::call::{MemberOrder, SipHeaders, SipRequest, StreamFlow};
use crate::queue::news::EventTarget;
use crate::sip_io::message::RequestId;
use crate::verb::{
    ChildEvent, ChildId, Clip, DialOrder, Ear, Listen, Loops, QueueOrder, RunId, StatusEventName,
};

#[derive(Clone, Debug)]
pub enum Effect {
    /// 183 with SDP; [`Input::ProgressSent`](super::Input::ProgressSent) says it is out.
    SendProgress,
    /// 200 with SDP; [`Input::Answered`](super::Input::Answered) says it is out.
    SendAnswer,
    /// Final response to the caller; carries `X-Reason`.
    SendDecline {
        status: u16,
        reason: String,
        headers: SipHeaders,
    },
    SendBye {
        headers: SipHeaders,
    },
    /// CANCEL of our INVITE; a [`Input::Rejected`](super::Input::Rejected) is still expected.
    SendCancel,
    /// Answers a request of the far end inside the dialog.
    Respond {
        answer: AnswerId,
        status: u16,
        headers: SipHeaders,
    },
    /// [`Input::RequestDone`](super::Input::RequestDone) follows.
    SendRequest {
        id: RequestId,
        request: Box<SipRequest>,
    },
    /// Calls somebody else in place of the far end, who asked for it and hears how it goes;
    /// [`Input::Transferred`](super::Input::Transferred) says that it is over.
    Transfer(Box<TransferOrder>),

    /// To the application; the answer comes back as
    /// [`Input::HookReply`](super::Input::HookReply) with the same id, also when the call has
    /// ended meanwhile (it is ignored then, but for an alert).
    Hook(Box<HookRequest>),
    /// Through the call's ordered queue: [`StatusSender::send`](crate::hook::StatusSender::send),
    /// or `send_last` for the last event of the call. Nothing comes back.
    StatusEvent {
        request: Box<HookRequest>,
        last: bool,
    },

    /// The session goes on over the socket that answered this request, or by HTTP; the socket it had
    /// closes.
    MoveSession {
        to: Option<HookId>,
    },

    /// Starts a timer, or starts it anew.
    StartTimer {
        id: TimerId,
        after: Duration,
    },
    StopTimer {
        id: TimerId,
    },

    /// One after the other, the whole list `loops` times. A time limit on it is ours: it
    /// comes as a timer and ends in [`Effect::StopPlay`].
    Play {
        id: PlayId,
        /// URLs are absolute.
        clips: Vec<Clip>,
        loops: Loops,
        seek_samples: u64,
        ear: Ear,
    },
    /// The player answers with [`Input::PlayDone`](super::Input::PlayDone), which a limited play
    /// waits for and every other ignores.
    StopPlay {
        id: PlayId,
    },

    /// 180 to the caller.
    SendRinging,
    /// Calls somebody for this call's `dial`; it reports as [`Input::Child`](super::Input::Child).
    CallChild {
        run: RunId,
        child: ChildId,
        order: Box<ChildOrder>,
    },
    /// What a `dial` wants of a child, or of the bridge.
    Dial {
        run: RunId,
        order: DialOrder,
    },
    /// To the call that dialled this one.
    TellParent(Box<ChildEvent>),
    /// Leaves the bridge, and so ends it. No event comes back.
    ExitBridge {
        run: RunId,
    },
    /// Keys to the far end, each of that duration; `w` is a pause.
    SendDigits {
        digits: String,
        duration: Duration,
    },
    /// Whether the other hears this call in the bridge of that run, now or once they are in it.
    MuteTie {
        run: RunId,
        muted: bool,
    },

    JoinConference(Box<JoinConference>),
    /// Leaves the conference, or the wait for it. No event comes back.
    LeaveConference {
        id: RunId,
        base: Box<BaseFields>,
    },
    /// An order about this member, for its conference.
    OrderMember {
        id: RunId,
        order: MemberOrder,
    },
    /// Heard once in this call's conference.
    Announce {
        id: RunId,
        /// URLs are absolute.
        clips: Vec<Clip>,
        audience: Audience,
    },
    /// Every member of this call's conference that is no moderator.
    MuteOthers {
        id: RunId,
        muted: bool,
    },

    /// Something of the queue that the call waits in.
    Queue(Box<QueueErrand>),

    /// The call's audio goes to that WebSocket.
    StartStream {
        id: RunId,
        url: Url,
        listen: Box<Listen>,
        /// What its first message says of the call.
        call: Map<String, Value>,
    },
    SetStreamFlow {
        id: RunId,
        flow: StreamFlow,
    },
    StopStream {
        id: RunId,
    },
    /// What becomes of the call's recording.
    Record(RecordingOrder),
    Alert(Alert),
    /// What reads show has changed: take a new [`State::snapshot`](super::State::snapshot).
    Publish,
    /// The last effect of a call: the record to keep. Hooks and status events that were handed
    /// out before may still be on their way.
    Ended(Box<CallRecord>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimerId {
    /// Nobody answers our INVITE.
    Ring,
    /// The far end does not confirm our CANCEL.
    Cancel,
    /// The call's own limit, from the answer on.
    TimeLimit,
    /// The server's limit, from the start on.
    MaxDuration,
    /// A running verb's.
    Verb(RunId),
}

/// A REFER to be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferOrder {
    pub refer: Refer,
    pub subscription: Subscription,
}

/// Who hears an announcement in a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    Room,
    /// The call it is about, alone.
    Member,
}

/// One `play`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub RunId);

/// A member's wish to enter a room of its account.
#[derive(Clone, Debug)]
pub struct JoinConference {
    pub id: RunId,
    pub name: String,
    /// A moderator: starts the room on entering.
    pub start_on_enter: bool,
    pub end_on_exit: bool,
    /// How long the others may stay when the last of those has gone.
    pub grace: Duration,
    pub join_muted: bool,
    pub beep: bool,
    pub member_tag: Option<String>,
    pub speak_only_to: Option<String>,
    pub distribute_dtmf: bool,
    /// Of the recording, if this member starts the room.
    pub record_path: Option<crate::model::RecordingPath>,
    pub max_participants: Option<u32>,
    /// Where the room's events go if this member starts it.
    pub status: Option<ConferenceTarget>,
    /// The account's, for hooks that are laid down for the room.
    pub webhook_secret: crate::model::Secret,
    /// The member, as events about it show it.
    pub base: BaseFields,
}

/// What a call wants of a queue of its account.
#[derive(Clone, Debug)]
pub struct QueueErrand {
    pub run: RunId,
    pub order: QueueOrder,
    /// The call as it is now.
    pub base: BaseFields,
    /// Where the queue's events about this caller go.
    pub events: Option<Arc<EventTarget>>,
}

/// A conference's status hook and the events it wants.
#[derive(Clone, Debug)]
pub struct ConferenceTarget {
    pub hook: ResolvedHook,
    pub secret: crate::model::Secret,
    pub events: Vec<StatusEventName>,
    /// Of a hook that is told over the socket of the session that starts the room; its call knows it.
    pub socket: Option<WeakSocket>,
}
