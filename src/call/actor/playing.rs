//! What verbs play: fetched, handed to the participant, stopped.

use std::sync::Arc;

use actix::prelude::*;
use media::source::Pcm;

use super::CallActor;
use crate::bridge::message::Whisper;
use crate::call::prompt::Unplayable;
use crate::call::{Input, PlayId};
use crate::participant::message::{Play, StopPlay};
use crate::verb::{Clip, Ear, Loops, PlayReport, RunId};

/// How often it is heard, from which sample on, and by whom.
pub(super) type Way = (Loops, u64, Ear);

/// Something that is being fetched or played.
pub(super) struct Playing {
    run: RunId,
    /// The participant has it, and will say when it is through.
    is_fetched: bool,
}

impl CallActor {
    pub(super) fn play(&mut self, run: RunId, clips: Vec<Clip>, way: Way, ctx: &mut Context<Self>) {
        if self.playing.len() == MAX_PLAYING {
            self.playing.remove(0);
        }
        self.playing.push(Playing { run, is_fetched: false });
        let source = self.desk.source(self.state.base_fields().facts.account_sid);
        let fetching = async move { source.fetch_all(&clips).await };
        ctx.spawn(fetching.into_actor(self).map(move |fetched, this, ctx| {
            // Stopped or replaced while the files were on their way.
            if let Some(playing) = this.playing.iter_mut().find(|playing| playing.run == run) {
                playing.is_fetched = true;
                this.fetched(run, fetched, way, ctx);
            }
        }));
    }

    fn fetched(
        &mut self,
        run: RunId,
        fetched: Result<Vec<Arc<Pcm>>, Unplayable>,
        (loops, seek_samples, ear): Way,
        ctx: &mut Context<Self>,
    ) {
        match (fetched, self.participant()) {
            (Ok(clips), Some(participant)) => {
                let (there, announce) = (ear != Ear::Call, ear == Ear::Whisper);
                let play = Play { id: run, clips, loops, seek_samples, there, announce };
                match self.bridge().filter(|_| announce) {
                    Some(bridge) => bridge.do_send(Whisper { call: self.sid, play }),
                    None => participant.do_send(play),
                }
            }
            (Ok(_), None) => {}
            (Err(Unplayable { url, detail }), _) => {
                self.forget_play(run);
                self.input(Input::PlayFailed { id: PlayId(run), url, detail }, ctx);
            }
        }
    }

    pub(super) fn stop_play(&mut self, run: RunId, ctx: &mut Context<Self>) {
        let Some(playing) = self.playing.iter().find(|playing| playing.run == run) else { return };
        match self.participant() {
            Some(participant) if playing.is_fetched => participant.do_send(StopPlay(run)),
            _ => {
                self.forget_play(run);
                let report = PlayReport::default();
                self.input(Input::PlayDone { id: PlayId(run), report }, ctx);
            }
        }
    }

    pub(super) fn forget_play(&mut self, run: RunId) {
        self.playing.retain(|playing| playing.run != run);
    }
}

/// What a call has fetched or played at a time: a verb's, its prompts, a whisper.
const MAX_PLAYING: usize = 8;
