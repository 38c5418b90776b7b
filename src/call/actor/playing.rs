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
    /// What fetches it, until the participant has it, who will say when it is through.
    fetching: Option<SpawnHandle>,
}

impl CallActor {
    pub(super) fn play(&mut self, run: RunId, clips: Vec<Clip>, way: Way, ctx: &mut Context<Self>) {
        // Of a whisper too many nobody hears; what verbs play is one thing at a time.
        if self.playing.len() >= MAX_PLAYING && way.2 == Ear::Whisper {
            return;
        }
        let source = self.desk.source(self.state.base_fields().facts.account_sid);
        let fetching = async move { source.fetch_all(&clips).await };
        let fetching = ctx.spawn(fetching.into_actor(self).map(move |fetched, this, ctx| {
            if let Some(playing) = this.playing.iter_mut().find(|playing| playing.run == run) {
                playing.fetching = None;
                this.fetched(run, fetched, way, ctx);
            }
        }));
        self.playing.push(Playing { run, fetching: Some(fetching) });
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
        let Some(playing) = self.playing.iter_mut().find(|playing| playing.run == run) else {
            return;
        };
        let fetching = playing.fetching.take();
        match self.participant() {
            Some(participant) if fetching.is_none() => participant.do_send(StopPlay(run)),
            _ => {
                // Nor is it spoken any more.
                if let Some(fetching) = fetching {
                    ctx.cancel_future(fetching);
                }
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
