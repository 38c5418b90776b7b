//! What the owner of a floor is told by those whose lines it holds.

use actix::dev::ToEnvelope;
use actix::prelude::*;
use media::codec::SendFormat;

use crate::media_io::line::{Agreed, Line};
use crate::model::CallSid;
use crate::participant::message::{ParticipantEvent, Play, SendDigits, TakeBack};
use crate::verb::{PlayReport, RunId};

/// The line of a call that was granted a seat. One that nobody takes, because the room is gone or
/// the call has left it, goes back to its owner by itself.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SeatLine {
    pub call: CallSid,
    line: Option<Box<Line>>,
    owner: Recipient<TakeBack>,
}

impl SeatLine {
    pub fn new(call: CallSid, line: Box<Line>, owner: Recipient<TakeBack>) -> Self {
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

/// Plays to one member alone, as soon as its line is here. Where nobody takes it, because the room is
/// gone or the call is not in it (any more), nothing is played. `told` hears
/// [`ParticipantEvent::Played`] either way, once.
#[derive(Message)]
#[rtype(result = "()")]
pub struct PlayToMember {
    pub call: CallSid,
    play: Option<Play>,
    told: Option<Recipient<ParticipantEvent>>,
}

impl PlayToMember {
    pub fn new(call: CallSid, play: Play, told: Option<Recipient<ParticipantEvent>>) -> Self {
        Self { call, play: Some(play), told }
    }

    /// What is to be played and who hears of its end, which is the taker's affair from now on.
    pub fn take(&mut self) -> Option<(Play, Option<Recipient<ParticipantEvent>>)> {
        Some((self.play.take()?, self.told.take()))
    }
}

impl Drop for PlayToMember {
    fn drop(&mut self) {
        if let (Some(play), Some(told)) = (self.play.take(), self.told.take()) {
            let report = PlayReport::default();
            told.do_send(ParticipantEvent::Played { id: play.id, report });
        }
    }
}

/// Stops what is played to a member under that name.
#[derive(Message)]
#[rtype(result = "()")]
pub struct StopMemberPlay {
    pub call: CallSid,
    pub id: RunId,
}

/// Sends keys to a member's peer.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SendMemberDigits {
    pub call: CallSid,
    pub digits: SendDigits,
}

/// Where a room, whichever kind it is, takes a line and what concerns it.
#[derive(Clone)]
pub struct RoomAddr {
    pub seat: Recipient<SeatLine>,
    pub renegotiated: Recipient<Renegotiated>,
    pub play: Recipient<PlayToMember>,
    pub stop_play: Recipient<StopMemberPlay>,
    pub digits: Recipient<SendMemberDigits>,
}

impl RoomAddr {
    pub fn of<A>(room: &Addr<A>) -> Self
    where
        A: Actor
            + Handler<SeatLine>
            + Handler<Renegotiated>
            + Handler<PlayToMember>
            + Handler<StopMemberPlay>
            + Handler<SendMemberDigits>,
        A::Context: ToEnvelope<A, SeatLine>
            + ToEnvelope<A, Renegotiated>
            + ToEnvelope<A, PlayToMember>
            + ToEnvelope<A, StopMemberPlay>
            + ToEnvelope<A, SendMemberDigits>,
    {
        Self {
            seat: room.clone().recipient(),
            renegotiated: room.clone().recipient(),
            play: room.clone().recipient(),
            stop_play: room.clone().recipient(),
            digits: room.clone().recipient(),
        }
    }

    /// Whether the room is still there.
    pub fn connected(&self) -> bool {
        self.seat.connected()
    }
}
