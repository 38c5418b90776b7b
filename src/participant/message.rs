//! What a participant is told, and what it tells its call.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use media::dtmf::DtmfEvent;
use media::source::Pcm;

use crate::floor::message::RoomAddr;
use crate::media_io::line::{Agreed, Line};
use crate::verb::{Loops, PlayReport, RunId};

/// Offer and answer agreed: audio may flow. Repeated after a re-INVITE.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Negotiate(pub Agreed);

/// Play these clips one after the other to this call alone, in place of what plays now or, as an
/// announcement, in between. [`ParticipantEvent::Played`] follows, once.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Play {
    /// Named in the event.
    pub id: RunId,
    pub clips: Vec<Arc<Pcm>>,
    /// The whole list repeats.
    pub loops: Loops,
    /// Where the first clip starts, in samples at its file's rate.
    pub seek_samples: u64,
    /// While the line is in a room: play it there. Else it waits until the line is back.
    pub there: bool,
    /// Interrupts what plays, which then goes on where it stopped. At most
    /// [`MAX_ANNOUNCEMENTS`](crate::floor::MAX_ANNOUNCEMENTS) wait for each other.
    pub announce: bool,
}

/// Stop the `Play` of that name, wherever it plays; its [`ParticipantEvent::Played`] follows.
#[derive(Message)]
#[rtype(result = "()")]
pub struct StopPlay(pub RunId);

/// Send keys (RFC 4733) to the peer, wherever the line is: `0-9 * # A-D`, and `w` for a pause of 500 ms.
/// They are lost where the peer takes no telephone-events.
#[derive(Message, Clone, Debug)]
#[rtype(result = "()")]
pub struct SendDigits {
    pub digits: String,
    /// Of each key.
    pub duration: Duration,
}

/// Give the line to a room, which answers for it from now on.
#[derive(Message)]
#[rtype(result = "()")]
pub struct HandOver(pub RoomAddr);

/// The room gives the line back.
#[derive(Message)]
#[rtype(result = "()")]
pub struct TakeBack(pub Box<Line>);

/// The room failed with the line in it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct LineLost;

/// The call is over: say goodbye on RTCP, free the ports, stop.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Close;

/// What a participant or the room that holds its line tells the call.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub enum ParticipantEvent {
    Played {
        id: RunId,
        report: PlayReport,
    },
    /// The peer sent nothing for the configured time.
    Inactive,
    Digit(DtmfEvent),
    /// Media failed beyond repair; the call should end.
    Failed,
}
