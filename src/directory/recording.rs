//! Recordings of rooms: the directory begins and ends them, for it knows every room and sits on no media
//! thread. A room only has its mix tapped.

use std::sync::Arc;

use actix::prelude::*;

use super::{DirectoryActor, write};
use crate::conference::actor::{Identity, RoomId};
use crate::conference::message::TapRoom;
use crate::model::{AccountSid, ConferenceSid, RecordOrder, RecordingPath, RecordingSid};
use crate::recording::{News, Pause, Recorder, Subject, Take, Wanted};

/// How the recording of a room stands (contract rest.md §3.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomRecording {
    pub state: RecordingStanding,
    /// Below the account's folder; of what is off there is none.
    pub path: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingStanding {
    #[default]
    Off,
    On,
    Paused,
}

impl RecordingStanding {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Paused => "paused",
        }
    }
}

/// What becomes of the recording of a live room.
#[derive(Message, Clone, Debug)]
#[rtype(result = "Result<(), NotRecorded>")]
pub struct RecordRoom {
    pub account: AccountSid,
    pub room: ConferenceSid,
    pub order: RecordOrder,
}

/// Why an order was not obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRecorded {
    #[error("the conference is not in progress")]
    NoRoom,
    #[error("the conference is being recorded already")]
    Recording,
    #[error("the conference is not being recorded")]
    NotRecording,
    #[error("the recording is paused already")]
    Paused,
    #[error("the recording is not paused")]
    NotPaused,
    /// This server records nothing.
    #[error("recording is not possible")]
    Unable,
}

/// A recording under way; it ends with its room.
pub(super) struct RoomTake {
    take: Take,
    path: String,
    is_paused: bool,
}

impl RoomTake {
    pub(super) fn shown(&self) -> RoomRecording {
        let state = match self.is_paused {
            true => RecordingStanding::Paused,
            false => RecordingStanding::On,
        };
        RoomRecording { state, path: Some(self.path.clone()) }
    }
}

impl DirectoryActor {
    /// Rooms can be recorded.
    #[must_use]
    pub fn with_recorder(mut self, recorder: Arc<Recorder>) -> Self {
        self.recorder = Some(recorder);
        self
    }

    fn record(
        &mut self,
        id: RoomId,
        order: RecordOrder,
        directory: Addr<Self>,
    ) -> Result<(), NotRecorded> {
        let room = self.rooms.get_mut(&id).ok_or(NotRecorded::NoRoom)?;
        match (order, &mut room.recording) {
            (RecordOrder::Start { path }, None) => {
                let recorder = self.recorder.as_ref().ok_or(NotRecorded::Unable)?;
                let (tap, feed) = recorder.mono();
                room.actor.do_send(TapRoom(tap));
                let take = recorder.record(wanted(&room.identity, path), feed, move |news| {
                    let (sid, news) = news;
                    directory.do_send(RecordingNews { room: id, sid, news });
                });
                let path = take.path().to_owned();
                room.recording = Some(RoomTake { take, path, is_paused: false });
            }
            (RecordOrder::Start { .. }, Some(_)) => return Err(NotRecorded::Recording),
            (_, None) => return Err(NotRecorded::NotRecording),
            (RecordOrder::Stop, taken) => *taken = None,
            (RecordOrder::Pause, Some(taken)) if !taken.is_paused => {
                taken.is_paused = true;
                taken.take.pause(Pause::Cut);
            }
            (RecordOrder::Pause, Some(_)) => return Err(NotRecorded::Paused),
            (RecordOrder::Resume, Some(taken)) if taken.is_paused => {
                taken.is_paused = false;
                taken.take.resume();
            }
            (RecordOrder::Resume, Some(_)) => return Err(NotRecorded::NotPaused),
        }
        self.show_recording(id);
        Ok(())
    }

    fn show_recording(&self, id: RoomId) {
        let Some(room) = self.rooms.get(&id) else { return };
        let recording = room.recording.as_ref().map(RoomTake::shown).unwrap_or_default();
        if let Some(shown) = write(&self.live.conferences).get_mut(&room.identity.sid) {
            shown.recording = recording;
        }
    }
}

/// A conference ended; its room may be entered again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ConferenceEnded(pub RoomId);

impl Handler<ConferenceEnded> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, ConferenceEnded(id): ConferenceEnded, _: &mut Context<Self>) {
        if self.rooms.get_mut(&id).is_some_and(|room| room.recording.take().is_some()) {
            self.show_recording(id);
        }
    }
}

fn wanted(identity: &Identity, path: Option<RecordingPath>) -> Wanted {
    Wanted {
        account_sid: identity.account,
        of: Subject::Conference { sid: identity.sid, name: identity.name.clone() },
        path,
        format: None,
    }
}

impl Handler<RecordRoom> for DirectoryActor {
    type Result = Result<(), NotRecorded>;

    fn handle(&mut self, ordered: RecordRoom, ctx: &mut Context<Self>) -> Self::Result {
        let RecordRoom { account, room: sid, order } = ordered;
        let is_meant = |identity: &Identity| identity.account == account && identity.sid == sid;
        let found = self.rooms.iter().find(|(_, room)| is_meant(&room.identity));
        let id = *found.ok_or(NotRecorded::NoRoom)?.0;
        self.record(id, order, ctx.address())
    }
}

/// The recorder has something to tell about the recording of a room.
#[derive(Message)]
#[rtype(result = "()")]
struct RecordingNews {
    room: RoomId,
    sid: RecordingSid,
    news: News,
}

impl Handler<RecordingNews> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, told: RecordingNews, _: &mut Context<Self>) {
        let Some(room) = self.rooms.get_mut(&told.room) else { return };
        // What was stopped, and perhaps begun anew, still has its last word on the way.
        let current = room.recording.as_mut().filter(|taken| taken.take.sid() == told.sid);
        match (told.news, current) {
            (News::Began { path }, Some(taken)) => taken.path = path,
            (News::Ended(_), Some(_)) => room.recording = None,
            (_, None) => return,
        }
        self.show_recording(told.room);
    }
}
