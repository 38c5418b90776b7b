//! A list of clips on its way: which one sounds, how often the list still repeats, how far it came.
//!
//! It may be interrupted, and goes on where it stopped.

use std::sync::Arc;
use std::time::Duration;

use media::mixer::{self, PlayDone};
use media::source::Pcm;

use crate::participant::message::Play;
use crate::verb::{Loops, PlayReport, RunId};

pub(super) struct Playlist {
    pub(super) id: RunId,
    clips: Vec<Arc<Pcm>>,
    at: usize,
    /// Rounds still to come after this one; `None` is for ever.
    rounds: Option<u32>,
    /// Where the clip starts or goes on, at its own rate.
    offset: u64,
    played: Duration,
}

impl Playlist {
    pub(super) fn new(play: Play) -> Self {
        let first = play.clips.first();
        Self {
            id: play.id,
            offset: first.map_or(0, |pcm| pcm.from_origin(play.seek_samples)),
            clips: play.clips,
            at: 0,
            rounds: match play.loops {
                Loops::Times(times) => Some(times.get() - 1),
                Loops::Forever => None,
            },
            played: Duration::ZERO,
        }
    }

    /// The clip to start now, from where it starts; `None` if there is not one in the list.
    pub(super) fn clip(&self) -> Option<mixer::Play> {
        let pcm = self.clips.get(self.at)?.clone();
        Some(mixer::Play { offset: self.offset, ..mixer::Play::once(pcm) })
    }

    /// Notes how far the clip that sounded came: the list may go on from there.
    pub(super) fn interrupted(&mut self, done: &PlayDone) {
        if let Some(pcm) = self.clips.get(self.at) {
            self.played += pcm.rate().duration_of(done.samples);
        }
        self.offset = done.offset;
    }

    /// Notes how the clip ended; whether another one follows.
    pub(super) fn clip_ended(&mut self, done: &PlayDone) -> bool {
        self.interrupted(done);
        if done.end != mixer::PlayEnd::Finished {
            return false;
        }
        if self.at + 1 < self.clips.len() {
            self.at += 1;
        } else if self.is_silent() || self.rounds == Some(0) {
            return false;
        } else {
            self.at = 0;
            self.rounds = self.rounds.map(|n| n - 1);
        }
        self.offset = 0;
        true
    }

    /// A list without a single sample would repeat for ever inside one tick.
    fn is_silent(&self) -> bool {
        self.clips.iter().all(|pcm| pcm.samples().is_empty())
    }

    /// How far the whole list came.
    pub(super) fn report(&self) -> PlayReport {
        let offset = self.clips.get(self.at).map_or(0, |pcm| pcm.to_origin(self.offset));
        PlayReport { played: self.played, last_offset_samples: offset }
    }
}
