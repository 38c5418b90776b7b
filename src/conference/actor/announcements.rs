//! What is announced to the whole room, and the status events about it.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use actix::prelude::*;

use super::ConferenceActor;
use crate::conference::message::{Announce, Announced};
use crate::conference::policy::StatusEvent;
use crate::participant::message::Play;
use crate::verb::{Loops, RunId};

/// Those that wait or sound.
#[derive(Default)]
pub(super) struct Announcements {
    /// Names them on the floor.
    last: u32,
    all: VecDeque<Announcement>,
}

struct Announcement {
    id: RunId,
    kind: Announced,
    has_begun: bool,
}

impl ConferenceActor {
    pub(super) fn announcement_began(&mut self, id: RunId) {
        let found = self.announcements.all.iter_mut().find(|announcement| announcement.id == id);
        if let Some(announcement) = found {
            announcement.has_begun = true;
            let event = match announcement.kind {
                Announced::Say => StatusEvent::SayStart,
                Announced::Play => StatusEvent::PlayStart,
            };
            self.mention_announcement(event);
        }
    }

    pub(super) fn announcement_ended(&mut self, id: RunId) {
        let all = &mut self.announcements.all;
        let at = all.iter().position(|announcement| announcement.id == id);
        if let Some(announcement) = at.and_then(|at| all.remove(at))
            && announcement.has_begun
        {
            self.mention_announcement(match announcement.kind {
                Announced::Say => StatusEvent::SayDone,
                Announced::Play => StatusEvent::PlayDone,
            });
        }
    }

    /// It concerns nobody more than another: whoever has been here for longest stands for the room.
    fn mention_announcement(&mut self, event: StatusEvent) {
        if let Some(about) = self.policy.joined().first().map(|member| member.call) {
            self.mention(event, about);
        }
    }
}

impl Handler<Announce> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, announce: Announce, _: &mut Context<Self>) {
        let Some(Announce { clips, kind, told }) = self.here(announce) else { return };
        self.announcements.last = self.announcements.last.wrapping_add(1);
        let id = RunId(self.announcements.last);
        if !self.floor.is_empty() {
            let announcement = Announcement { id, kind, has_begun: false };
            self.announcements.all.push_back(announcement);
        }
        let (loops, seek_samples) = (Loops::Times(NonZeroU32::MIN), 0);
        let play = Play { id, clips, loops, seek_samples, there: true, announce: true };
        self.floor.play_to_room(play, told);
    }
}
