//! The words of `dial`: what it wants of its children, and what they report.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::model::call::{CallStatus, SipHeaders, Target};
use crate::model::{CallSid, Encryption, Hook};
use crate::verb::{Listen, Verb};

/// A child of a dial: the place of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChildId(pub u8);

/// The call to one target.
#[derive(Clone, Debug, PartialEq)]
pub struct ChildCall {
    pub to: Target,
    pub headers: SipHeaders,
    /// User part of From; absent: the one of whoever called us.
    pub from_user: Option<String>,
    pub from_host: Option<String>,
    pub caller_name: Option<String>,
    /// Asked when it has answered; its verbs decide whether it is connected.
    pub confirm_hook: Option<Hook>,
    /// Asked about a REFER of it.
    pub refer_hook: Option<Hook>,
    pub tag: Option<Map<String, Value>>,
    /// Tells who is really calling (RFC 3325).
    pub forwards_identity: bool,
    pub encryption: Option<Encryption>,
    /// It gives up by itself then.
    pub ring_timeout: Duration,
}

/// How a child is named in payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildName {
    pub call_sid: CallSid,
    /// SIP Call-ID.
    pub call_id: String,
}

/// What a child reports.
#[derive(Clone, Debug, PartialEq)]
pub enum ChildEvent {
    Ringing,
    /// It can be heard before it has answered.
    EarlyMedia,
    /// It was answered; whether it is accepted is asked still.
    Answered,
    /// It is ready to be connected.
    Accepted,
    Key {
        key: char,
        duration: Duration,
        is_relayed: bool,
    },
    /// Its far end holds, or takes up the call again.
    Held(Held),
    /// It has an application of its own from now on.
    Left,
    /// It says what the dialling call does from now on.
    Replaces(Vec<Verb>),
    Ended {
        status: CallStatus,
        sip_status: u16,
    },
}

/// A far end holds the other, or takes up the call again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub flow: Flow,
    /// Who does so to whom.
    pub from: String,
    pub to: String,
    /// What the session plays to who is held.
    pub music: Option<String>,
}

/// Which way audio goes, as a far end wants it for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    pub sends: bool,
    pub receives: bool,
}

/// What a dial wants of its children, and of the two who talk.
#[derive(Clone, Debug, PartialEq)]
pub enum DialOrder {
    Call {
        child: ChildId,
        call: Box<ChildCall>,
    },
    /// CANCEL or BYE, whichever fits.
    Drop {
        child: ChildId,
        why: Farewell,
    },
    /// This call opens a bridge and enters it; so does the child. [`Event::Bridge`] follows.
    Bridge {
        child: ChildId,
    },
    /// Presses a key at the far end.
    Key {
        to: Side,
        key: char,
        duration: Duration,
    },
    /// Offers another direction of audio.
    Hold {
        to: Side,
        flow: Flow,
    },
    /// Lets the child ask for an application of its own.
    Redirect {
        child: ChildId,
        hook: Hook,
    },
    /// Leaves the child to what that brings.
    Release {
        child: ChildId,
    },
    /// Lets the child go its own way with these verbs.
    Adult {
        child: ChildId,
        verbs: Vec<Verb>,
    },
    /// The audio of the child goes to a WebSocket until it leaves.
    Listen {
        child: ChildId,
        listen: Box<Listen>,
    },
    /// Asks a hook about keys that were pressed there; nobody waits for the answer.
    Tell {
        of: Side,
        hook: Hook,
        fields: Map<String, Value>,
    },
}

/// One of the two who talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Caller,
    Child(ChildId),
}

/// Why a child is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    NotWanted,
    /// Another was answered.
    Elsewhere,
    /// The two have talked for as long as they may.
    TimeLimit,
}
