//! One stream: a task with a socket, which ends when nobody holds its [`Streaming`] any more, when the peer
//! wants it, or when the socket breaks.

use std::time::Duration;

use actix::ArbiterHandle;
use media::SampleRate;
use media::mixer::SeatTap;
use media::sink::tap;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use url::Url;

use super::frames::{self, FRAME, Framer, SUBPROTOCOLS, Taps};
use crate::hook::ws_connect::{WsIncoming, WsSocket, WsTarget};
use crate::hook::{HookClient, HookError, Login};
use crate::model::call::StreamFlow;
use crate::verb::{Listen, MixType};

/// What taps hold while a socket takes nothing.
const TAP_DEPTH: Duration = Duration::from_secs(1);
/// Orders on their way; more than that nobody presses keys.
const MAX_ORDERS: usize = 64;
const NORMAL_CLOSURE: u16 = 1000;

/// Opens streams, on a thread they have for themselves.
#[derive(Clone)]
pub struct Listener {
    hooks: HookClient,
    thread: ArbiterHandle,
}

/// What a stream is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    Flow(StreamFlow),
    /// A key of the far end, and how long it was held.
    Digit(char, Duration),
}

/// A stream in the hands of who wanted it; without it, it ends.
#[derive(Debug)]
pub struct Streaming {
    orders: mpsc::Sender<Order>,
    pub passes_dtmf: bool,
}

impl Streaming {
    /// One too many is lost.
    pub fn order(&self, order: Order) {
        // Full or over: either way there is nobody to wait for.
        let _ = self.orders.try_send(order);
    }
}

/// How a stream ended, told once.
#[derive(Debug)]
pub enum Ended {
    /// It never began.
    NotConnected(HookError),
    /// By order, or with the call.
    Stopped,
    /// The peer closed it, or asked us to.
    ByPeer,
    /// The socket broke.
    Lost,
}

impl Listener {
    pub fn new(hooks: HookClient, thread: ArbiterHandle) -> Self {
        Self { hooks, thread }
    }

    /// Streams to `url`, whatever `listen` says of it. The tap is to be given to the call's participant;
    /// `call` is what the first message says of the call.
    pub fn open(
        &self,
        url: Url,
        listen: &Listen,
        call: Map<String, Value>,
        ended: impl FnOnce(Ended) + Send + 'static,
    ) -> (Streaming, SeatTap) {
        let rate = SampleRate::new(listen.sample_rate).unwrap_or(SampleRate::NARROW);
        let (said, says) = tap(rate, TAP_DEPTH);
        let (heard, hears) = match listen.mix {
            MixType::Mono => (None, None),
            MixType::Mixed | MixType::Stereo => {
                let (heard, hears) = tap(rate, TAP_DEPTH);
                (Some(heard), Some(hears))
            }
        };
        let framer = Framer::new(Taps { said: says, heard: hears }, listen.mix);
        let setup = frames::setup(rate, listen.mix, call, listen.metadata.as_ref());
        let auth = listen
            .auth
            .as_ref()
            .map(|auth| Login { username: auth.username.clone(), password: auth.password.clone() });
        let (orders, receiver) = mpsc::channel(MAX_ORDERS);
        let hooks = self.hooks.clone();
        self.thread.spawn(async move {
            let target = WsTarget {
                url: &url,
                auth: auth.as_ref(),
                subprotocols: &SUBPROTOCOLS,
                needs_subprotocol: false,
            };
            ended(match hooks.connect_ws(&target).await {
                Ok(socket) => run(socket, setup, framer, receiver).await,
                Err(error) => Ended::NotConnected(error),
            });
        });
        let streaming = Streaming { orders, passes_dtmf: listen.pass_dtmf };
        (streaming, SeatTap { said: Some(said), heard })
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

async fn run(
    mut socket: WsSocket,
    setup: String,
    mut framer: Framer,
    mut orders: mpsc::Receiver<Order>,
) -> Ended {
    if socket.send_text(setup).await.is_err() {
        return Ended::Lost;
    }
    // What was said while the socket was opened would only make the rest late.
    framer.forget();
    let mut every = interval(FRAME);
    every.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut messages = Vec::new();
    let mut is_late = false;
    loop {
        tokio::select! {
            incoming = socket.next() => match incoming {
                WsIncoming::Text(text) if frames::is_disconnect(&text) => {
                    socket.close(NORMAL_CLOSURE, "").await;
                    return Ended::ByPeer;
                }
                WsIncoming::Text(_) | WsIncoming::Binary(_) => {}
                WsIncoming::Closed(_) => return Ended::ByPeer,
                WsIncoming::Lost(_) => return Ended::Lost,
            },
            order = orders.recv() => match order {
                Some(Order::Flow(flow)) => framer.set_flow(flow),
                Some(Order::Digit(key, length)) => {
                    if socket.send_text(frames::digit(key, length)).await.is_err() {
                        return Ended::Lost;
                    }
                }
                None => {
                    socket.close(NORMAL_CLOSURE, "").await;
                    return Ended::Stopped;
                }
            },
            _ = every.tick() => {
                messages.clear();
                framer.read(&mut messages);
                for message in messages.drain(..) {
                    if socket.send_binary(message).await.is_err() {
                        return Ended::Lost;
                    }
                }
                // Said once a burst.
                let left_out = framer.take_left_out();
                if left_out > 0 && !is_late {
                    metrics::counter!("listen_bursts_dropped_total").increment(1);
                    tracing::info!(samples = left_out, "a stream does not keep up: audio is left out");
                }
                is_late = left_out > 0;
            }
        }
    }
}

#[cfg(test)]
mod tests;
