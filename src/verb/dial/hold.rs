//! What is heard while one of the two holds (contract verbs.md §3.4): the prompts of `onHoldHook`, else
//! the session's hold music; and whether the other's phone is told.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Flow, Held};
use crate::model::Hook;
use crate::verb::prompts::{Plan, Prompts, Round};
use crate::verb::{Clip, Cx, Ear, Effect, Event, Loops, RunId};

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Hold {
    hook: Option<Hook>,
    prompts: Option<Prompts>,
    /// The child holds the caller, and these are its names for the hook.
    music: Option<RunId>,
    detail: Map<String, Value>,
}

impl Hold {
    pub(super) fn new(hook: Option<Hook>) -> Self {
        Self { hook, ..Self::default() }
    }

    pub(super) fn owns(&self, to: RunId) -> bool {
        self.music == Some(to) || self.prompts.as_ref().is_some_and(|prompts| prompts.owns(to))
    }

    /// One side holds or resumes; gives back what the other's phone is to be told, if anything.
    pub(super) fn on_held(&mut self, by_child: bool, held: Held, cx: &mut Cx<'_>) -> Option<Flow> {
        let Held { mut flow, from, to, music } = held;
        let is_held = !flow.receives;
        let Some(hook) = self.hook.clone().filter(|_| by_child) else {
            let music = music.filter(|_| is_held && by_child);
            // Who is to hear music cannot be told that nothing is sent.
            flow.sends |= music.is_some();
            if by_child {
                self.play_music(music, cx);
            }
            return Some(flow);
        };
        match (is_held, self.prompts.is_some()) {
            (true, false) => {
                self.detail = Map::from_iter([
                    ("from".to_owned(), from.into()),
                    ("to".to_owned(), to.into()),
                ]);
                let plan = Plan { gap: Some(GAP), may_leave: false, ear: Ear::Seat };
                let mut prompts = Prompts::new(hook, plan);
                prompts.ask(self.fields(), cx);
                self.prompts = Some(prompts);
            }
            (false, true) => self.stop(cx),
            _ => {}
        }
        None
    }

    pub(super) fn on_event(&mut self, event: Event, cx: &mut Cx<'_>) {
        if self.music.take().is_some() {
            if let Event::PlayFailed { url, detail } = event {
                cx.out.push(Effect::MediaMissing { url, detail });
            }
            return;
        }
        let fields = self.fields();
        let Some(prompts) = &mut self.prompts else { return };
        match prompts.on_event(event, cx) {
            Round::Again => prompts.ask(fields, cx),
            Round::GoesOn | Round::Over | Round::Leave => {}
        }
    }

    pub(super) fn stop(&mut self, cx: &mut Cx<'_>) {
        if let Some(mut prompts) = self.prompts.take() {
            prompts.stop(cx);
        }
        self.play_music(None, cx);
    }

    fn play_music(&mut self, url: Option<String>, cx: &mut Cx<'_>) {
        if let Some(run) = self.music.take() {
            cx.out.push(Effect::StopPlay { run });
        }
        if let Some(url) = url {
            let run = cx.fresh_run();
            self.music = Some(run);
            cx.out.push(Effect::Play {
                run,
                clips: vec![Clip::Url(url)],
                loops: Loops::Forever,
                seek_samples: 0,
                ear: Ear::Seat,
            });
        }
    }

    fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("hold_detail".into(), json!(self.detail));
        fields
    }
}

/// Silence between two rounds of prompts.
const GAP: Duration = Duration::from_millis(500);
