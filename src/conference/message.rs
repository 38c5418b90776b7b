//! What a conference is told, and what it tells the calls in it.

use std::sync::Arc;

use actix::prelude::*;
use media::sink::TapWriter;
use media::source::Pcm;
use url::Url;

use super::policy::{Entry, Exit, Refusal};
use super::rules::{Rules, Starter};
pub use crate::floor::Told;
use crate::hook::BaseFields;
use crate::hook::ws::WeakSocket;
use crate::media_io::hub::Place;
use crate::model::{CallSid, Hook};
use crate::participant::actor::ParticipantActor;
use crate::participant::message::ParticipantEvent;
use crate::verb::RunId;

/// A call at the door. [`ConferenceEvent`]s answer it; to one that nobody takes, because the room is gone, the
/// room has ended.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Join {
    pub entry: Entry,
    member: Option<Guest>,
    /// Holds for the room when this member is the one that starts it.
    pub starter: Starter,
}

impl Join {
    pub fn new(entry: Entry, member: Guest, starter: Starter) -> Self {
        Self { entry, member: Some(member), starter }
    }

    /// The member, from now on to be told by whoever takes it.
    pub fn take(&mut self) -> Option<Guest> {
        self.member.take()
    }
}

impl Drop for Join {
    fn drop(&mut self) {
        if let Some(member) = self.member.take() {
            member.tell(Happened::Left(Exit::Ended));
        }
    }
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
    /// The socket of its session, if it has one, and where it leads.
    pub socket: Option<(Url, WeakSocket)>,
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

/// Puts a member on hold, or takes it back: it neither hears nor is heard, whether it is muted or not,
/// but hears what is played to it alone and what is announced to the room. Its call hears
/// [`Happened::Held`]; one that is held already does so again, with the `wait_hook` that holds now. Who waits
/// for the start is not held.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Hold {
    pub call: CallSid,
    pub held: bool,
    /// Where the call asks what it plays meanwhile; `None` is silence.
    pub wait_hook: Option<Hook>,
}

/// The same for everybody inside but the moderators.
#[derive(Message)]
#[rtype(result = "()")]
pub struct HoldAll {
    pub held: bool,
    pub wait_hook: Option<Hook>,
}

/// A member speaks to those with this tag alone (coach), or to all again. It hears all. While nobody has
/// the tag nobody hears it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SpeakOnlyTo {
    pub call: CallSid,
    pub tag: Option<String>,
}

/// Plays to everybody, the held included, after what was announced before:
/// [`MAX_ANNOUNCEMENTS`](crate::floor::MAX_ANNOUNCEMENTS) wait at most, and what is one too many is over
/// unheard. So is one to a room that nobody is in. To one member alone: [`PlayToMember`] with `announce`.
///
/// [`PlayToMember`]: crate::floor::message::PlayToMember
#[derive(Message)]
#[rtype(result = "()")]
pub struct Announce {
    /// One after the other, once.
    pub clips: Vec<Arc<Pcm>>,
    /// Which status events tell of it.
    pub kind: Announced,
    /// Hears that it is over, however that came.
    pub told: Option<Told>,
}

/// What is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// `say-start`, `say-done`.
    Say,
    /// `play-start`, `play-done`.
    Play,
}

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

/// Listen to the whole mix, until nobody reads the tap any more.
#[derive(Message)]
#[rtype(result = "()")]
pub struct TapRoom(pub TapWriter);

/// The directory forgot the empty room; it stops.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Close;

/// How a call's stay goes.
#[derive(Message, Clone, Debug, PartialEq)]
#[rtype(result = "()")]
pub struct ConferenceEvent {
    /// The visit it belongs to: a call may enter the same room again.
    pub run: RunId,
    pub happened: Happened,
}

/// The last one of a stay is always `Left` or `Refused`.
#[derive(Clone, Debug, PartialEq)]
pub enum Happened {
    Waiting {
        /// What REST laid down for the room: for a call whose verb names none.
        wait_hook: Option<Hook>,
    },
    Joined,
    /// On hold, or no longer.
    Held {
        held: bool,
        wait_hook: Option<Hook>,
    },
    Refused(Refusal),
    Left(Exit),
}
