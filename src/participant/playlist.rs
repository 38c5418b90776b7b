//! A list of clips on its way: which one sounds, how often the list still repeats, how far it came.

use std::sync::Arc;
use std::time::Duration;

use media::mixer::{self, PlayDone, PlayId};
use media::source::Pcm;

use super::message::Play;
use crate::verb::{Loops, PlayReport, RunId};

pub(super) struct Playlist {
    pub(super) id: RunId,
    /// The player of the clip that sounds now.
    pub(super) playing: Option<PlayId>,
    clips: Vec<Arc<Pcm>>,
    at: usize,
    /// Rounds still to come after this one; `None` is for ever.
    rounds: Option<u32>,
    /// Where the next clip starts, at its own rate; only the first one does not start at 0.
    offset: u64,
    played: Duration,
}

impl Playlist {
    pub(super) fn new(play: Play) -> Self {
        let first = play.clips.first();
        Self {
            id: play.id,
            playing: None,
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

    /// The clip to start now, from where it starts.
    pub(super) fn next_clip(&mut self) -> Option<mixer::Play> {
        let pcm = self.clips.get(self.at)?.clone();
        let offset = std::mem::take(&mut self.offset);
        Some(mixer::Play { offset, ..mixer::Play::once(pcm) })
    }

    /// Notes how the clip ended; whether another one follows.
    pub(super) fn clip_ended(&mut self, done: &PlayDone) -> bool {
        if let Some(pcm) = self.clips.get(self.at) {
            self.played += pcm.rate().duration_of(done.samples);
        }
        if done.end != mixer::PlayEnd::Finished {
            return false;
        }
        if self.at + 1 < self.clips.len() {
            self.at += 1;
            return true;
        }
        if self.is_silent() || self.rounds == Some(0) {
            return false;
        }
        self.at = 0;
        self.rounds = self.rounds.map(|n| n - 1);
        true
    }

    /// A list without a single sample would repeat for ever inside one tick.
    fn is_silent(&self) -> bool {
        self.clips.iter().all(|pcm| pcm.samples().is_empty())
    }

    /// The name and outcome of the whole list, after its last clip.
    pub(super) fn report(self, last: &PlayDone) -> (RunId, PlayReport) {
        let offset = self.clips.get(self.at).map_or(0, |pcm| pcm.to_origin(last.offset));
        (self.id, PlayReport { played: self.played, last_offset_samples: offset })
    }
}
