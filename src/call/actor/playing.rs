//! What a `play` verb names: fetched, handed to the participant, stopped.

use std::sync::Arc;

use actix::prelude::*;
use media::source::Pcm;

use super::CallActor;
use crate::call::prompt::{Source, Unplayable};
use crate::call::{Input, PlayId};
use crate::participant::message::{Play, StopPlay};
use crate::verb::{Loops, PlayReport, RunId};

impl CallActor {
    pub(super) fn play(
        &mut self,
        run: RunId,
        urls: Vec<String>,
        loops: Loops,
        seek_samples: u64,
        ctx: &mut Context<Self>,
    ) {
        self.playing = Some(run);
        let client = self.desk.hooks.clone();
        let sounds = self.desk.config.media.sounds_dir.clone();
        let source = Source { client, sounds, cache: self.desk.prompts.clone() };
        let fetching = async move { source.fetch_all(&urls).await };
        ctx.spawn(fetching.into_actor(self).map(move |fetched, this, ctx| {
            // Stopped or replaced while the files were on their way.
            if this.playing == Some(run) {
                this.fetched(run, fetched, loops, seek_samples, ctx);
            }
        }));
    }

    pub(super) fn fetched(
        &mut self,
        run: RunId,
        fetched: Result<Vec<Arc<Pcm>>, Unplayable>,
        loops: Loops,
        seek_samples: u64,
        ctx: &mut Context<Self>,
    ) {
        match (fetched, self.participant()) {
            (Ok(clips), Some(participant)) => {
                let (there, announce) = (false, false);
                let play = Play { id: run, clips, loops, seek_samples, there, announce };
                participant.do_send(play);
            }
            (Ok(_), None) => {}
            (Err(Unplayable { url, detail }), _) => {
                self.playing = None;
                self.input(Input::PlayFailed { id: PlayId(run), url, detail }, ctx);
            }
        }
    }

    pub(super) fn stop_play(&mut self, run: RunId, ctx: &mut Context<Self>) {
        if self.playing != Some(run) {
            return;
        }
        match self.participant() {
            Some(participant) => participant.do_send(StopPlay(run)),
            None => {
                self.playing = None;
                let report = PlayReport::default();
                self.input(Input::PlayDone { id: PlayId(run), report }, ctx);
            }
        }
    }
}
