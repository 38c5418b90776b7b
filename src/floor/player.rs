//! What is played to one listener, or to the room: a base list, and announcements that interrupt it.
//!
//! Announcements are heard one after the other; then the base goes on where it stopped. A player that
//! has no place in a mixer yet keeps what it is given. Whatever it was given it reports exactly once,
//! however that ended: to whoever asked, and in `notes` to its floor.

use std::collections::VecDeque;

use actix::prelude::*;
use media::mixer::{Mixer, PlayDone, PlayId, SeatId};

use super::playlist::Playlist;
use crate::participant::message::{ParticipantEvent, Play};
use crate::verb::{PlayReport, RunId};

/// Announcements of one listener that wait or sound; one more is not taken.
pub const MAX_ANNOUNCEMENTS: usize = 10;

/// Who hears a player.
#[derive(Clone, Copy)]
pub(super) enum Listener {
    Seat(SeatId),
    Room,
}

/// What became of something that was to be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    Began(RunId),
    Over(RunId, PlayReport),
}

/// The mixer, and the place in it.
pub(super) struct Stage<'a> {
    pub(super) mixer: &'a mut Mixer,
    pub(super) listener: Listener,
}

/// Who hears of an end, under which name.
pub struct Told {
    pub id: RunId,
    pub to: Recipient<ParticipantEvent>,
}

/// What is to be played and who hears of its end.
pub(super) struct Order {
    pub(super) play: Play,
    pub(super) told: Option<Told>,
    /// It is another listener's copy of what is played to the room: it is not reported.
    pub(super) is_copy: bool,
}

#[derive(Default)]
pub(super) struct Player {
    /// The mixer's player of what sounds now: the first announcement's, or the base's without one.
    sounding: Option<PlayId>,
    base: Option<Entry>,
    announcements: VecDeque<Entry>,
}

struct Entry {
    list: Playlist,
    told: Option<Told>,
    is_copy: bool,
    has_begun: bool,
    /// It fades and does not go on.
    is_stopping: bool,
}

impl Entry {
    fn new(Order { play, told, is_copy }: Order) -> Self {
        let list = Playlist::new(play);
        Self { list, told, is_copy, has_begun: false, is_stopping: false }
    }

    /// Names are those who asked gave; a copy of the room's has none here.
    fn is_named(&self, id: RunId) -> bool {
        self.list.id == id && !self.is_copy
    }

    fn report(self, notes: &mut Vec<Note>) {
        if self.is_copy {
            return;
        }
        let id = self.list.id;
        let report = if self.has_begun { self.list.report() } else { PlayReport::default() };
        if let Some(Told { id, to }) = self.told {
            to.do_send(ParticipantEvent::Played { id, report });
        }
        notes.push(Note::Over(id, report));
    }
}

impl Player {
    /// An announcement waits for its turn and interrupts the base; any other play replaces the base.
    pub(super) fn play(&mut self, order: Order, stage: Option<Stage<'_>>, notes: &mut Vec<Note>) {
        let is_announcement = order.play.announce;
        let entry = Entry::new(order);
        if is_announcement && self.announcements.len() == MAX_ANNOUNCEMENTS {
            return entry.report(notes);
        }
        let mut stage = stage;
        // What sounds is the base's; it makes room.
        if self.announcements.is_empty()
            && let Some(stage) = &mut stage
        {
            self.cut(stage, notes);
        }
        if is_announcement {
            self.announcements.push_back(entry);
        } else if let Some(former) = self.base.replace(entry) {
            former.report(notes);
        }
        if let Some(mut stage) = stage {
            self.start(&mut stage, notes);
        }
    }

    /// Stops what has that name: what sounds fades first, what waits is reported at once.
    pub(super) fn stop(&mut self, id: RunId, stage: Option<Stage<'_>>, notes: &mut Vec<Note>) {
        if let (Some(playing), Some(stage)) = (self.sounding, stage)
            && let Some(entry) = self.current().filter(|entry| entry.is_named(id))
        {
            entry.is_stopping = true;
            stage.mixer.stop_play(playing);
            return;
        }
        let waits = self.announcements.iter().position(|entry| entry.is_named(id));
        let entry = match waits {
            Some(at) => self.announcements.remove(at),
            None => self.base.take_if(|entry| entry.is_named(id)),
        };
        if let Some(entry) = entry {
            entry.report(notes);
        }
    }

    /// Begins with what is due, if nothing sounds.
    pub(super) fn start(&mut self, stage: &mut Stage<'_>, notes: &mut Vec<Note>) {
        while self.sounding.is_none() {
            let Some(entry) = self.current() else { return };
            let started = entry.list.clip().and_then(|clip| {
                // Clips are rendered at rates the mixer has filters from.
                let started = match stage.listener {
                    Listener::Seat(seat) => stage.mixer.play_to_seat(seat, clip),
                    Listener::Room => stage.mixer.play_to_room(clip),
                };
                started.ok()
            });
            if started.is_some() && !std::mem::replace(&mut entry.has_begun, true) && !entry.is_copy
            {
                notes.push(Note::Began(entry.list.id));
            }
            self.sounding = started;
            if started.is_none() {
                self.drop_current(notes);
            }
        }
    }

    /// Goes on after a clip; `false` if it was not this player's.
    pub(super) fn ended(
        &mut self,
        done: &PlayDone,
        stage: &mut Stage<'_>,
        notes: &mut Vec<Note>,
    ) -> bool {
        if self.sounding != Some(done.play) {
            return false;
        }
        self.sounding = None;
        let goes_on = self.current().is_some_and(|entry| {
            let follows = entry.list.clip_ended(done);
            follows && !entry.is_stopping
        });
        if !goes_on {
            self.drop_current(notes);
        }
        self.start(stage, notes);
        true
    }

    /// Everything is over: its place in the mixer goes.
    pub(super) fn finish(&mut self, stage: Option<Stage<'_>>, notes: &mut Vec<Note>) {
        if let Some(mut stage) = stage {
            self.cut(&mut stage, notes);
        }
        for entry in self.announcements.drain(..).chain(self.base.take()) {
            entry.report(notes);
        }
    }

    /// The listener hears the room again: copies of what is played there are no longer needed.
    pub(super) fn drop_copies(&mut self, stage: &mut Stage<'_>, notes: &mut Vec<Note>) {
        if self.announcements.front().is_some_and(|entry| entry.is_copy) {
            self.cut(stage, notes);
        }
        self.announcements.retain(|entry| !entry.is_copy);
        self.start(stage, notes);
    }

    fn current(&mut self) -> Option<&mut Entry> {
        self.announcements.front_mut().or(self.base.as_mut())
    }

    fn drop_current(&mut self, notes: &mut Vec<Note>) {
        if let Some(entry) = self.announcements.pop_front().or_else(|| self.base.take()) {
            entry.report(notes);
        }
    }

    /// Interrupts what sounds.
    fn cut(&mut self, stage: &mut Stage<'_>, notes: &mut Vec<Note>) {
        let done = self.sounding.take().and_then(|playing| stage.mixer.cut_play(playing));
        let (Some(done), Some(entry)) = (done, self.current()) else { return };
        entry.list.interrupted(&done);
        if entry.is_stopping {
            self.drop_current(notes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use media::codec::CodecKind;
    use media::mixer::{Event, MixerConfig, SeatConfig};
    use media::source::Pcm;
    use media::time::SampleRate;

    use super::*;
    use crate::verb::Loops;

    /// One listener and what is played to it.
    struct Ear {
        mixer: Mixer,
        seat: SeatId,
        player: Player,
        notes: Vec<Note>,
        now: Instant,
    }

    /// Clips of so many ticks; each is known by its level.
    fn play(id: u32, announce: bool, clips: &[(i16, usize)], times: u32) -> Play {
        let pcm = |&(level, ticks): &(i16, usize)| {
            Arc::new(Pcm::new(vec![level; ticks * 160], SampleRate::NARROW))
        };
        Play {
            id: RunId(id),
            clips: clips.iter().map(pcm).collect(),
            loops: NonZeroU32::new(times).map_or(Loops::Forever, Loops::Times),
            seek_samples: 0,
            there: false,
            announce,
        }
    }

    fn base(id: u32, level: i16, ticks: usize) -> Play {
        play(id, false, &[(level, ticks)], 1)
    }

    fn announcement(id: u32, level: i16, ticks: usize) -> Play {
        play(id, true, &[(level, ticks)], 1)
    }

    impl Ear {
        fn new() -> Self {
            let mut mixer = Mixer::new(MixerConfig::default());
            let seat = mixer.add_seat(SeatConfig::new(CodecKind::Pcmu)).unwrap();
            let (player, notes) = (Player::default(), Vec::new());
            Self { mixer, seat, player, notes, now: Instant::now() }
        }

        fn with(&mut self, act: impl FnOnce(&mut Player, Stage<'_>, &mut Vec<Note>)) {
            let stage = Stage { mixer: &mut self.mixer, listener: Listener::Seat(self.seat) };
            act(&mut self.player, stage, &mut self.notes);
        }

        fn play(&mut self, play: Play) {
            let order = Order { play, told: None, is_copy: false };
            self.with(|player, stage, notes| player.play(order, Some(stage), notes));
        }

        fn stop(&mut self, id: u32) {
            self.with(|player, stage, notes| player.stop(RunId(id), Some(stage), notes));
        }

        /// What is heard at the end of each tick.
        fn hear(&mut self, ticks: usize) -> Vec<i16> {
            let mut heard = Vec::new();
            for _ in 0..ticks {
                self.now += Duration::from_millis(20);
                self.mixer.tick(self.now);
                let mut frame = [0; 160];
                let sent = self.mixer.outgoing(self.seat).next().unwrap().payload;
                CodecKind::Pcmu.decode(sent, &mut frame);
                // Within the steps of G.711.
                heard.push((frame[159] + 250) / 500 * 500);
                while let Some(event) = self.mixer.poll_event() {
                    if let Event::PlayDone(done) = event {
                        self.with(|player, mut stage, notes| {
                            assert!(player.ended(&done, &mut stage, notes));
                        });
                    }
                }
            }
            heard
        }

        /// Ids in the order of their reports, with the ticks that were heard of each.
        fn reports(&mut self) -> Vec<(u32, u128)> {
            let over = self.notes.drain(..).filter_map(|note| match note {
                Note::Over(RunId(id), report) => Some((id, report.played.as_millis() / 20)),
                Note::Began(_) => None,
            });
            over.collect()
        }
    }

    #[test]
    fn an_announcement_interrupts_the_base_which_goes_on_where_it_stopped() {
        let mut ear = Ear::new();
        ear.play(play(1, false, &[(1_000, 3), (2_000, 3)], 2));
        assert_eq!(ear.hear(4), [1_000, 1_000, 1_000, 2_000]);
        ear.play(announcement(2, 4_000, 2));
        ear.play(announcement(3, 5_000, 1));
        assert_eq!(ear.hear(4), [4_000, 4_000, 5_000, 2_000]);
        assert_eq!(ear.reports(), [(2, 2), (3, 1)]);
        assert_eq!(ear.hear(8), [2_000, 1_000, 1_000, 1_000, 2_000, 2_000, 2_000, 0]);
        assert_eq!(ear.reports(), [(1, 12)]);
    }

    #[test]
    fn whatever_ends_it_a_play_is_reported_once() {
        let mut ear = Ear::new();
        ear.play(base(1, 1_000, 100));
        ear.hear(2);
        ear.play(base(2, 2_000, 100));
        assert_eq!(ear.reports(), [(1, 2)], "replaced");
        ear.hear(2);
        ear.stop(2);
        // It fades.
        ear.play(base(3, 3_000, 100));
        assert_eq!(ear.reports(), [(2, 2)], "stopped, then replaced before it had faded");
        ear.hear(1);
        ear.stop(3);
        ear.stop(3);
        assert_eq!(ear.reports(), []);
        assert_eq!(ear.hear(2), [0, 0]);
        assert_eq!(ear.reports(), [(3, 2)]);
        ear.play(base(4, 4_000, 100));
        ear.hear(1);
        ear.play(announcement(5, 5_000, 100));
        ear.play(announcement(6, 6_000, 100));
        ear.play(base(7, 7_000, 100));
        ear.stop(6);
        assert_eq!(ear.reports(), [(4, 1), (6, 0)], "replaced while interrupted; never begun");
        ear.hear(3);
        ear.with(|player, stage, notes| player.finish(Some(stage), notes));
        assert_eq!(ear.reports(), [(5, 3), (7, 0)], "the listener went");
        assert_eq!(ear.hear(1), [0]);
    }

    #[test]
    fn what_was_stopped_does_not_go_on_after_an_announcement() {
        let mut ear = Ear::new();
        ear.play(base(1, 1_000, 100));
        ear.hear(1);
        ear.stop(1);
        ear.play(announcement(2, 2_000, 1));
        assert_eq!(ear.reports(), [(1, 1)]);
        assert_eq!(ear.hear(2), [2_000, 0]);
        assert_eq!(ear.reports(), [(2, 1)]);
    }

    #[test]
    fn what_waits_for_a_seat_begins_with_it_and_announcements_are_bounded() {
        let mut ear = Ear::new();
        for (id, announce) in [(1, false), (2, false)].into_iter().chain((3..14).map(|n| (n, true)))
        {
            let order = Order {
                play: play(id, announce, &[(500 * id as i16, 1)], 1),
                told: None,
                is_copy: false,
            };
            ear.player.play(order, None, &mut ear.notes);
        }
        assert_eq!(
            ear.reports(),
            [(1, 0), (13, 0)],
            "the first base, and one announcement too many"
        );
        ear.with(|player, mut stage, notes| player.start(&mut stage, notes));
        let heard = ear.hear(12);
        assert_eq!((heard[0], heard[10], heard[11]), (1_500, 1_000, 0));
        assert_eq!(ear.reports().len(), 11);
    }

    #[test]
    fn an_empty_list_is_over_at_once_and_copies_are_dropped_unreported() {
        let mut ear = Ear::new();
        ear.play(play(1, false, &[], 0));
        assert_eq!(ear.reports(), [(1, 0)]);
        ear.play(base(1, 1_000, 100));
        let order = Order { play: announcement(1, 5_000, 9), told: None, is_copy: true };
        ear.with(|player, stage, notes| player.play(order, Some(stage), notes));
        assert_eq!(ear.hear(2), [5_000, 5_000]);
        ear.with(|player, mut stage, notes| player.drop_copies(&mut stage, notes));
        assert_eq!(ear.hear(1), [1_000]);
        assert_eq!(ear.reports(), []);
    }
}
