//! The shell of an application socket: one task owns it and drives [`Session`].

use std::future::Future;
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

use super::protocol::{Command, SUBPROTOCOL};
use super::session::{Ending, Message, Output, Reply, Rules, Session};
use crate::hook::resolve::shown;
use crate::hook::retry::Schedule;
use crate::hook::ws_connect::{WsIncoming, WsSocket, WsTarget};
use crate::hook::{Alert, HookClient, HookError, ResolvedHook};
use crate::model::CallSid;

/// Names a socket within its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketId(pub u32);

/// What a socket tells its call.
#[derive(Clone, Debug)]
pub enum Event {
    Reply(Reply),
    Command(Box<Command>),
    Alert(Alert),
    Ended(Ending),
}

/// An event, and whose it is.
#[derive(Clone, Debug)]
pub struct SocketEvent {
    pub socket: SocketId,
    pub event: Event,
}

/// The sending end of a socket. The task ends after [`SocketSender::close`], or when all ends are
/// dropped.
#[derive(Clone, Debug)]
pub struct SocketSender {
    messages: mpsc::Sender<Message>,
    is_closing: watch::Sender<bool>,
}

/// A sending end that keeps no socket open.
#[derive(Clone, Debug)]
pub struct WeakSocket(mpsc::WeakSender<Message>);

impl WeakSocket {
    /// Sends a message when its turn comes. Never waits.
    ///
    /// # Errors
    /// The message, as of [`SocketSender::send`].
    pub fn send(&self, message: Message) -> Result<(), Message> {
        match self.0.upgrade() {
            Some(messages) => put(&messages, message),
            None => Err(message),
        }
    }
}

fn put(messages: &mpsc::Sender<Message>, message: Message) -> Result<(), Message> {
    messages.try_send(message).map_err(|error| match error {
        mpsc::error::TrySendError::Full(message) | mpsc::error::TrySendError::Closed(message) => {
            message
        }
    })
}

impl SocketSender {
    /// Sends a message when its turn comes. Never waits.
    ///
    /// # Errors
    /// The message, when too many wait already or the socket is closed.
    pub fn send(&self, message: Message) -> Result<(), Message> {
        put(&self.messages, message)
    }

    /// Without a task: its messages are for who has the other end.
    #[cfg(test)]
    pub(crate) fn loose() -> (Self, mpsc::Receiver<Message>) {
        let (messages, waiting) = mpsc::channel(QUEUE_LENGTH);
        (Self { messages, is_closing: watch::channel(false).0 }, waiting)
    }

    /// For somebody whose messages may come too late.
    pub fn weak(&self) -> WeakSocket {
        WeakSocket(self.messages.downgrade())
    }

    /// The call has ended, or goes on elsewhere: what was sent before still leaves, then the socket
    /// closes.
    pub fn close(&self) {
        self.is_closing.send_replace(true);
    }
}

/// Starts a task for a socket on the current runtime; the first message opens it. Every event is handed
/// to `deliver`, the next when that has taken it: so an application cannot be faster than its call.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn open<F, D>(
    client: HookClient,
    call_sid: CallSid,
    target: &ResolvedHook,
    deliver: F,
) -> SocketSender
where
    F: Fn(Event) -> D + Send + 'static,
    D: Future<Output = ()> + Send + 'static,
{
    let (messages, waiting) = mpsc::channel(QUEUE_LENGTH);
    let (is_closing, closing) = watch::channel(false);
    let rules = Rules {
        call_sid,
        shown: shown(&target.url),
        prefix: format!("{:08x}", rand::random::<u32>()),
        schedule: Schedule::of_socket(target.url.fragment()),
        ack_timeout: client.ws.ack_timeout(),
    };
    let shell = Shell {
        client,
        target: target.clone(),
        session: Session::new(rules),
        socket: None,
        dialing: None,
    };
    tokio::spawn(shell.run(waiting, closing, deliver));
    SocketSender { messages, is_closing }
}

struct Shell {
    client: HookClient,
    target: ResolvedHook,
    session: Session,
    socket: Option<WsSocket>,
    dialing: Option<BoxFuture<'static, Result<WsSocket, HookError>>>,
}

impl Shell {
    async fn run<F, D>(
        mut self,
        mut waiting: mpsc::Receiver<Message>,
        mut closing: watch::Receiver<bool>,
        deliver: F,
    ) where
        F: Fn(Event) -> D,
        D: Future<Output = ()>,
    {
        let mut is_closed = false;
        loop {
            while let Some(output) = self.session.poll() {
                match output {
                    Output::Connect => self.dialing = Some(self.dial()),
                    Output::Send(text) => self.write(text).await,
                    Output::Close(code) => {
                        if let Some(socket) = self.socket.take() {
                            tokio::spawn(socket.close(code, ""));
                        }
                    }
                    Output::Reply(reply) => deliver(Event::Reply(reply)).await,
                    Output::Command(command) => deliver(Event::Command(command)).await,
                    Output::Alert(alert) => deliver(Event::Alert(alert)).await,
                    Output::Ended(ending) => deliver(Event::Ended(ending)).await,
                    Output::Done => return,
                }
            }
            let wake = self.session.wake();
            let now = Instant::now;
            tokio::select! {
                message = waiting.recv(), if !is_closed => match message {
                    Some(message) => self.session.send(message, now()),
                    None => {
                        is_closed = true;
                        self.session.close();
                    }
                },
                () = told_to_close(&mut closing), if !is_closed => {
                    is_closed = true;
                    waiting.close();
                    while let Some(message) = waiting.recv().await {
                        self.session.send(message, now());
                    }
                    self.session.close();
                }
                dialled = maybe(self.dialing.as_mut()) => {
                    self.dialing = None;
                    match dialled {
                        Ok(socket) => {
                            self.socket = Some(socket);
                            self.session.connected(now());
                        }
                        Err(error) => self.session.connect_failed(error, now()),
                    }
                }
                incoming = next(self.socket.as_mut()) => self.take(incoming),
                () = sleep_until(wake.unwrap_or_else(far).into()), if wake.is_some() => {
                    self.session.on_time(now());
                }
            }
        }
    }

    fn dial(&self) -> BoxFuture<'static, Result<WsSocket, HookError>> {
        let (client, target) = (self.client.clone(), self.target.clone());
        async move {
            let target = WsTarget {
                url: &target.url,
                auth: target.auth.as_ref(),
                subprotocols: &[SUBPROTOCOL],
                needs_subprotocol: true,
            };
            client.connect_ws(&target).await
        }
        .boxed()
    }

    async fn write(&mut self, text: String) {
        let Some(socket) = &mut self.socket else { return };
        if let Err(error) = socket.send_text(text).await {
            self.lose(&error.to_string());
        }
    }

    fn take(&mut self, incoming: WsIncoming) {
        let now = Instant::now();
        match incoming {
            WsIncoming::Text(text) => self.session.text(&text, now),
            WsIncoming::Binary(_) => self.session.binary(),
            WsIncoming::Closed(code) => {
                self.socket = None;
                tracing::debug!(
                    url = shown(&self.target.url),
                    ?code,
                    "application closed its socket"
                );
                self.session.closed(code, now);
            }
            WsIncoming::Lost(why) => self.lose(&why),
        }
    }

    fn lose(&mut self, why: &str) {
        self.socket = None;
        tracing::info!(url = shown(&self.target.url), why, "application's socket is lost");
        self.session.lost(Instant::now());
    }
}

/// Also when nobody is left who could say so.
async fn told_to_close(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

async fn maybe<F: Future + Unpin>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn next(socket: Option<&mut WsSocket>) -> WsIncoming {
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}

/// No matter when: nobody waits for it.
fn far() -> Instant {
    Instant::now()
}

/// Messages that the task has not taken yet; it always takes them soon.
const QUEUE_LENGTH: usize = 256;

#[cfg(test)]
mod tests;
