//! What a conference is told, and what it tells the calls in it.

use std::sync::Arc;

use actix::prelude::*;
use media::codec::SendFormat;

use super::policy::{Entry, Exit, Refusal};
use super::rules::{Rules, Starter};
use crate::hook::BaseFields;
use crate::media_io::hub::Place;
use crate::media_io::line::{Agreed, Line};
use crate::model::CallSid;
use crate::participant::actor::ParticipantActor;
use crate::participant::message::{ParticipantEvent, TakeBack};
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

/// The line of a call that was granted a seat. One that nobody takes, because the room is gone or
/// the call has left it, goes back to its owner by itself.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SeatLine {
    pub call: CallSid,
    line: Option<Box<Line>>,
    owner: Addr<ParticipantActor>,
}

impl SeatLine {
    pub fn new(call: CallSid, line: Box<Line>, owner: Addr<ParticipantActor>) -> Self {
        Self { call, line: Some(line), owner }
    }

    /// The line and how audio is sent on it; `None` for one that was never negotiated.
    pub fn take(&mut self) -> Option<(Box<Line>, SendFormat)> {
        let format = self.line.as_ref()?.format()?;
        Some((self.line.take()?, format))
    }
}

impl Drop for SeatLine {
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            self.owner.do_send(TakeBack(line));
        }
    }
}

/// A member's offer and answer changed while its line is here.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Renegotiated {
    pub call: CallSid,
    pub agreed: Agreed,
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
