//! What a call is told: facts about its dialog, its media, its application, its timers.

use std::time::Duration;

use crate::hook::{HookError, HookId, HookReply};
use crate::model::call::SipHeaders;
use crate::verb::{
    BridgeChange, ChildEvent, ChildId, ChildName, ConferenceEvent, Flow, PlayReport, QueueEvent,
    RunId,
};

use super::{FarEnd, InDialog, ParentWord, PlayId, TimerId};
use crate::sip_io::message::RequestId;

#[derive(Clone, Debug)]
pub enum Input {
    /// Inbound: the INVITE is here. Outbound: the INVITE is on the wire.
    Start,

    // The far end of an outbound call.
    /// 180 without a body.
    Ringing {
        status: u16,
        reason: String,
    },
    /// 18x with SDP.
    EarlyMedia {
        status: u16,
        reason: String,
    },
    /// A final response of 300 or more, or a local reason why there will be none
    /// (503 not sent, 408 no response).
    Rejected {
        status: u16,
        reason: String,
        reason_header: Option<String>,
    },

    /// The INVITE cannot be sent at all: no carrier, nobody registered, no such host.
    NotPlaced {
        status: u16,
        reason: String,
    },

    // Both directions.
    /// Outbound: 200 came. Inbound: our 200 went out. Media runs.
    Answered,
    /// Inbound: our 183 with SDP went out. Media runs.
    ProgressSent,
    /// Inbound: CANCEL before our final response; 487 is the stack's.
    CancelledByCaller {
        /// Its Reason header (RFC 3326).
        reason_header: Option<String>,
    },
    /// The far end's BYE, with its headers that SIP itself does not define, as received.
    ByeReceived {
        headers: Vec<(String, String)>,
    },
    /// No media path: before the answer of an inbound call it is declined with this status; of an
    /// outbound call the 200's SDP was unusable, or there was no port to offer.
    MediaFailed {
        status: u16,
        reason: String,
    },
    /// The far end's media stayed away for too long.
    MediaTimeout,
    /// The far end asks something inside the dialog.
    Request(Box<InDialog>),
    /// The final answer to [`Effect::SendRequest`](super::Effect::SendRequest); not `is_heard`: none
    /// came, for that reason.
    RequestDone {
        id: RequestId,
        status: u16,
        reason: String,
        is_heard: bool,
    },
    /// A transfer is over, or the far end was replaced: who it is now, if it is another.
    Transferred(Option<FarEnd>),
    /// An in-dialog request failed with 408 or 481: the far end is gone.
    DialogFailed,

    /// The answer to [`Effect::Hook`](super::Effect::Hook).
    HookReply {
        id: HookId,
        result: Result<HookReply, HookError>,
    },
    Timer {
        id: TimerId,
    },

    PlayDone {
        id: PlayId,
        report: PlayReport,
    },
    /// A file could not be had or is no sound.
    PlayFailed {
        id: PlayId,
        url: String,
        detail: String,
    },
    /// From the conference, for the stay that [`JoinConference`](super::JoinConference) began.
    Conference {
        id: RunId,
        event: ConferenceEvent,
    },

    /// From a queue, for that visit.
    Queue {
        id: RunId,
        event: QueueEvent,
    },
    /// From the bridge this call visits.
    Bridge {
        run: RunId,
        event: BridgeChange,
    },
    /// From a call that this one dialled; no name: it never came to be.
    Child {
        run: RunId,
        child: ChildId,
        name: Option<ChildName>,
        event: ChildEvent,
    },
    /// From the call that dialled this one.
    Parent(Box<ParentWord>),
    /// The far end pressed a key; `is_relayed`: a bridge passes it on by itself.
    Key {
        key: char,
        duration: Duration,
        is_relayed: bool,
    },
    /// The far end holds, or takes up the call again.
    Held {
        flow: Flow,
    },

    /// Delete over the API, removal with hang-up, shutdown: BYE, CANCEL, or 480.
    Hangup {
        headers: SipHeaders,
    },
}
