//! What a participant is told, and what it tells its call.

use std::sync::Arc;

use actix::prelude::*;
use media::dtmf::DtmfEvent;
use media::source::Pcm;

use crate::conference::actor::ConferenceActor;
use crate::media_io::line::{Agreed, Line};
use crate::verb::{Loops, PlayReport, RunId};

/// Offer and answer agreed: audio may flow. Repeated after a re-INVITE.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Negotiate(pub Agreed);

/// Play these clips one after the other to this call alone, in place of what plays now.
/// [`ParticipantEvent::Played`] follows.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Play {
    /// Named in the event.
    pub id: RunId,
    pub clips: Vec<Arc<Pcm>>,
    /// The whole list repeats.
    pub loops: Loops,
    /// Where the first clip starts, in samples at its file's rate.
    pub seek_samples: u64,
}

/// Stop the `Play` of that name; its [`ParticipantEvent::Played`] follows.
#[derive(Message)]
#[rtype(result = "()")]
pub struct StopPlay(pub RunId);

/// Give the line to a conference, which answers for it from now on.
#[derive(Message)]
#[rtype(result = "()")]
pub struct HandOver(pub Addr<ConferenceActor>);

/// The conference gives the line back.
#[derive(Message)]
#[rtype(result = "()")]
pub struct TakeBack(pub Box<Line>);

/// The conference failed with the line in it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct LineLost;

/// The call is over: say goodbye on RTCP, free the ports, stop.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Close;

/// What a participant or the conference that holds its line tells the call.
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
