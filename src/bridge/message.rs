//! What a bridge is told, and what it tells the two calls in it.

use actix::prelude::*;

use crate::model::CallSid;
use crate::participant::actor::ParticipantActor;
use crate::participant::message::{ParticipantEvent, Play};
use crate::verb::RunId;

/// A call comes in; the second one completes the bridge. [`BridgeEvent`]s follow.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Enter {
    pub call: CallSid,
    pub participant: Addr<ParticipantActor>,
    /// Hears of digits, plays and media trouble while the line is here.
    pub media: Recipient<ParticipantEvent>,
    /// Hears how the bridge goes.
    pub told: Recipient<BridgeEvent>,
    /// Names this visit in what `told` hears.
    pub run: RunId,
}

/// A call goes, and with it the bridge: its line comes back to its participant, the other call hears
/// [`Happened::PeerLeft`] and gets its own line back. Who opened a bridge to which the other never comes
/// ends it so.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Exit {
    pub call: CallSid,
}

/// The other does not hear this call, or does again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Mute {
    pub call: CallSid,
    pub muted: bool,
}

/// This call neither hears the other nor is heard, or does again. What is played to it alone it hears.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Hold {
    pub call: CallSid,
    pub held: bool,
}

/// Plays to one call alone, which is apart from the other meanwhile. They are together again when it is
/// over, by its end or by [`StopPlay`](crate::participant::message::StopPlay) to that participant. `media`
/// of the call hears of the end.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Whisper {
    pub call: CallSid,
    pub play: Play,
}

/// Passes the keys of this call (RFC 4733) on to the other or keeps them. From the start they are
/// passed on.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RelayDigits {
    pub call: CallSid,
    pub relayed: bool,
}

/// How a bridge goes.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
#[rtype(result = "()")]
pub struct BridgeEvent {
    /// The visit it belongs to.
    pub run: RunId,
    pub happened: Happened,
}

/// The last one of a visit is `PeerLeft` or `Failed`, unless the call leaves by itself: then it hears no
/// more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// Both lines are here: the two hear each other.
    Connected,
    /// The other has left, or its media failed. The line is on its way back.
    PeerLeft,
    /// There is no place in the bridge, or it failed, or this call's media did. A line that was here is on
    /// its way back.
    Failed,
}
