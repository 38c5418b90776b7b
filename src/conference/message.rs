//! What a conference is told, and what it tells the calls in it.

use std::sync::Arc;

use actix::prelude::*;

use super::policy::{Entry, Exit, Refusal};
use super::rules::{Rules, Starter};
use crate::hook::BaseFields;
use crate::media_io::hub::Place;
use crate::model::CallSid;
use crate::participant::actor::ParticipantActor;
use crate::participant::message::ParticipantEvent;
use crate::verb::RunId;

/// A call at the door. [`ConferenceEvent`]s answer it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Join {
    pub entry: Entry,
    pub member: Guest,
    /// Holds for the room when this member is the one that starts it.
    pub starter: Starter,
}

/// Something else is laid down for the room now.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Settle(pub Rules);

impl Guest {
    /// Tells the call how its stay goes.
    pub fn tell(&self, happened: Happened) {
        self.stay.do_send(ConferenceEvent { run: self.run, happened });
    }
}

/// Who a member is and where to reach it.
pub struct Guest {
    pub base: Arc<BaseFields>,
    pub participant: Addr<ParticipantActor>,
    /// Hears how the stay goes.
    pub stay: Recipient<ConferenceEvent>,
    /// Hears of digits and media trouble while the line is here.
    pub media: Recipient<ParticipantEvent>,
    /// Names this visit in what `stay` hears.
    pub run: RunId,
}

/// A call leaves by itself, or is kicked.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Leave {
    pub call: CallSid,
    pub exit: Exit,
    /// The visit that ends; `None` is whichever goes on.
    pub run: Option<RunId>,
    /// The member as its last event shall show it, if that changed.
    pub base: Option<Arc<BaseFields>>,
}

#[derive(Message)]
#[rtype(result = "()")]
pub struct Mute {
    pub call: CallSid,
    pub muted: bool,
}

/// Mutes or unmutes everybody but the moderators.
#[derive(Message)]
#[rtype(result = "()")]
pub struct MuteAll(pub bool);

/// Sets or clears a member's tag.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Tag {
    pub call: CallSid,
    pub tag: Option<String>,
}

/// Ends the room for everybody.
#[derive(Message)]
#[rtype(result = "()")]
pub struct End;

/// Go on at that place, on another thread, without a word missed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Relocate(pub Place);

/// The directory forgot the empty room; it stops.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Close;

/// How a call's stay goes.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
#[rtype(result = "()")]
pub struct ConferenceEvent {
    /// The visit it belongs to: a call may enter the same room again.
    pub run: RunId,
    pub happened: Happened,
}

/// The last one of a stay is always `Left` or `Refused`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    Waiting,
    Joined,
    Refused(Refusal),
    Left(Exit),
}
