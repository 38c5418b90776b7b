//! The call's recording (contract rest.md §2.3.7, verbs.md §3.2): when it begins and how it stands.
//!
//! What is ordered before the answer begins with the answer. An order that does not fit what goes on has no
//! effect but an alert.

use super::update::no_effect;
use super::{State, Turn};
use crate::call::Effect;
use crate::model::call::RecordCall;

/// How the recording of the call stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Recording {
    #[default]
    Off,
    /// To begin with the answer.
    Wanted,
    On,
    Paused,
}

/// What the shell is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingOrder {
    Start,
    Stop,
    Pause,
    Resume,
}

impl State {
    /// The call is recorded from its answer on. Before [`Input::Start`](crate::call::Input::Start).
    pub fn record_from_answer(&mut self) {
        self.recording = Recording::Wanted;
    }

    /// The recording is over, by itself.
    pub fn recording_ended(&mut self) {
        self.recording = Recording::Off;
    }

    pub(super) fn record(&mut self, order: RecordCall, turn: &mut Turn<'_>) {
        let (next, done) = match (order, self.recording) {
            (RecordCall::Start, Recording::Off) if !self.is_answered() => (Recording::Wanted, None),
            (RecordCall::Start, Recording::Off) => (Recording::On, Some(RecordingOrder::Start)),
            (RecordCall::Stop, Recording::Wanted) => (Recording::Off, None),
            (RecordCall::Stop, Recording::On | Recording::Paused) => {
                (Recording::Off, Some(RecordingOrder::Stop))
            }
            (RecordCall::Pause, Recording::On) => (Recording::Paused, Some(RecordingOrder::Pause)),
            (RecordCall::Resume, Recording::Paused) => {
                (Recording::On, Some(RecordingOrder::Resume))
            }
            (RecordCall::StartElsewhere, _) => {
                return no_effect("record", "recording by SIPREC is not supported", turn);
            }
            (RecordCall::Start, _) => {
                return no_effect("record", "the call is recorded already", turn);
            }
            (RecordCall::Stop, _) => return no_effect("record", "the call is not recorded", turn),
            (RecordCall::Pause | RecordCall::Resume, _) => {
                return no_effect("record", "the recording is not in such a state", turn);
            }
        };
        self.recording = next;
        turn.out.extend(done.map(Effect::Record));
    }

    /// The call was answered just now.
    pub(super) fn begin_recording(&mut self, turn: &mut Turn<'_>) {
        if self.recording == Recording::Wanted {
            self.recording = Recording::On;
            turn.out.push(Effect::Record(RecordingOrder::Start));
        }
    }
}
