//! The stream of the call's audio to a WebSocket: opened, told, let go.

use actix::prelude::*;
use media::dtmf::DtmfEvent;
use serde_json::{Map, Value};
use url::Url;

use super::CallActor;
use crate::listen::{Ended, Order, Streaming};
use crate::model::call::StreamFlow;
use crate::participant::message::Tap;
use crate::verb::{Listen, RunId};

/// One that goes on.
pub(super) struct Stream {
    run: RunId,
    streaming: Streaming,
}

impl CallActor {
    pub(super) fn start_stream(
        &mut self,
        run: RunId,
        url: Url,
        listen: &Listen,
        call: Map<String, Value>,
        ctx: &Context<Self>,
    ) {
        let address = ctx.address();
        let listener = self.desk.listener.clone();
        let (streaming, tap) = listener.open(url, listen, call, move |ended| {
            address.do_send(StreamEnded { run, ended });
        });
        if let Some(participant) = self.participant() {
            participant.do_send(Tap::new(tap));
        }
        tracing::info!(call_sid = %self.sid, "call is streamed");
        self.stream = Some(Stream { run, streaming });
    }

    pub(super) fn stop_stream(&mut self, run: RunId) {
        self.stream.take_if(|stream| stream.run == run);
    }

    pub(super) fn set_stream_flow(&self, run: RunId, flow: StreamFlow) {
        if let Some(stream) = self.stream.as_ref().filter(|stream| stream.run == run) {
            stream.streaming.order(Order::Flow(flow));
        }
    }

    /// A key of the far end.
    pub(super) fn stream_digit(&self, digit: DtmfEvent) {
        if let Some(stream) = self.stream.as_ref().filter(|stream| stream.streaming.passes_dtmf) {
            stream.streaming.order(Order::Digit(digit.digit.as_char(), digit.duration));
        }
    }
}

/// A stream is over.
#[derive(Message)]
#[rtype(result = "()")]
struct StreamEnded {
    run: RunId,
    ended: Ended,
}

impl Handler<StreamEnded> for CallActor {
    type Result = ();

    fn handle(&mut self, StreamEnded { run, ended }: StreamEnded, _: &mut Context<Self>) {
        tracing::info!(call_sid = %self.sid, ?ended, "stream ended");
        if let Ended::NotConnected(error) = ended {
            self.desk.alert(self.state.base_fields(), error.alert());
        }
        self.stop_stream(run);
        self.state.stream_ended(run);
    }
}
