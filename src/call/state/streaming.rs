//! The stream of the call's audio while it is in a conference (contract verbs.md §3.5, D-34) or talks with
//! another (§3.4): it begins when the call joins, and ends when it leaves.

use super::update::no_effect;
use super::{State, Turn};
use crate::call::Effect;
use crate::model::call::StreamFlow;
use crate::verb::{ConferenceEvent, Listen, RunId};

/// What the visit to a conference wants streamed.
#[derive(Debug, Default)]
pub(super) struct Stream {
    wanted: Option<(RunId, Box<Listen>)>,
    /// The visit for which there is one.
    on: Option<RunId>,
}

impl State {
    /// The call is about to enter a room.
    pub(super) fn stream_there(&mut self, run: RunId, listen: Option<Box<Listen>>) {
        self.stream.wanted = listen.map(|listen| (run, listen));
    }

    /// Of a bridge the call's media takes part in already.
    pub(super) fn stream_now(&mut self, run: RunId, listen: Box<Listen>, turn: &mut Turn<'_>) {
        self.stream_there(run, Some(listen));
        self.start_stream(run, turn);
    }

    /// Follows the visit. Before the verb hears of the event.
    pub(super) fn stream_along(
        &mut self,
        run: RunId,
        event: &ConferenceEvent,
        turn: &mut Turn<'_>,
    ) {
        match event {
            ConferenceEvent::Joined => self.start_stream(run, turn),
            ConferenceEvent::Left(_) | ConferenceEvent::Refused(_) => self.stop_stream(run, turn),
            _ => {}
        }
    }

    pub(super) fn stop_stream(&mut self, run: RunId, turn: &mut Turn<'_>) {
        self.stream.wanted.take_if(|(wanted, _)| *wanted == run);
        if self.stream.on.take_if(|on| *on == run).is_some() {
            turn.out.push(Effect::StopStream { id: run });
        }
    }

    /// The stream ended by itself: its peer wants no more, or never came.
    pub fn stream_ended(&mut self, run: RunId) {
        self.stream.on.take_if(|on| *on == run);
    }

    pub(super) fn set_stream_flow(&mut self, name: &str, flow: StreamFlow, turn: &mut Turn<'_>) {
        if let Some(id) = self.stream.on {
            turn.out.push(Effect::SetStreamFlow { id, flow });
        } else {
            no_effect(name, "nothing is streamed", turn);
        }
    }

    fn start_stream(&mut self, run: RunId, turn: &mut Turn<'_>) {
        let Some((_, listen)) = self.stream.wanted.take_if(|(wanted, _)| *wanted == run) else {
            return;
        };
        match self.session.resolve_socket(&listen.url) {
            Ok(url) => {
                self.stream.on = Some(run);
                let mut call = self.base.to_map();
                let caller = self.base.facts.caller_name.as_str();
                call.entry("caller_id").or_insert_with(|| caller.into());
                turn.out.push(Effect::StartStream { id: run, url, listen, call });
            }
            Err(error) => turn.out.push(Effect::Alert(error.alert())),
        }
    }
}
