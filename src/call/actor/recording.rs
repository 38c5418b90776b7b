//! The recording of the call: two channels, what its peer says and what it hears. It goes with the call's line,
//! wherever that is.

use actix::prelude::*;
use media::mixer::SeatTap;

use super::CallActor;
use crate::call::RecordingOrder;
use crate::model::RecordingSid;
use crate::participant::message::Tap;
use crate::recording::{News, Pause, Subject, Wanted};

impl CallActor {
    pub(super) fn record(&mut self, order: RecordingOrder, ctx: &Context<Self>) {
        match order {
            RecordingOrder::Start => self.start_recording(ctx),
            RecordingOrder::Stop => self.take = None,
            RecordingOrder::Pause => {
                if let Some(take) = &self.take {
                    take.pause(Pause::Silence);
                }
            }
            RecordingOrder::Resume => {
                if let Some(take) = &self.take {
                    take.resume();
                }
            }
        }
    }

    fn start_recording(&mut self, ctx: &Context<Self>) {
        let recorder = self.desk.recorder.clone();
        let ([said, heard], feed) = recorder.stereo();
        if let Some(participant) = self.participant() {
            participant.do_send(Tap::new(SeatTap { said: Some(said), heard: Some(heard) }));
        }
        let wanted = Wanted {
            account_sid: self.state.base_fields().facts.account_sid,
            of: Subject::Call(self.sid),
            path: None,
            format: self.keep.recording.format,
        };
        let call = ctx.address();
        let take = recorder.record(wanted, feed, move |(sid, news)| {
            if let News::Ended(_) = news {
                call.do_send(RecordingEnded(sid));
            }
        });
        tracing::info!(call_sid = %self.sid, recording_sid = %take.sid(), "call is recorded");
        self.take = Some(take);
    }
}

/// A recording is over, by an order or by itself.
#[derive(Message)]
#[rtype(result = "()")]
struct RecordingEnded(RecordingSid);

impl Handler<RecordingEnded> for CallActor {
    type Result = ();

    fn handle(&mut self, RecordingEnded(sid): RecordingEnded, _: &mut Context<Self>) {
        // That of one that was stopped comes later than the next one's beginning, perhaps.
        if self.take.as_ref().is_some_and(|take| take.sid() == sid) {
            self.take = None;
            self.state.recording_ended();
        }
    }
}
