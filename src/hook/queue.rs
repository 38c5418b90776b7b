//! Status events in order (contract verbs.md §1.7): one task per call or conference sends them one
//! by one, the next when the last was answered or has failed.
//!
//! Whoever reports an event only puts it into a bounded line, so a hook that hangs delays nobody
//! but its own line. When the line is full the newest event is refused and counted; the last event
//! of a call has a place of its own and is never refused. [`StatusSender`] serves a call, whose
//! status hook may change; [`StatusHook`] adds a fixed address and serves a conference.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::{HookClient, HookError, HookRequest, ResolvedHook};
use crate::model::Secret;

/// The sending end of one line. Cloning gives another end of the same line; the task ends when the
/// last event is delivered or all ends are dropped and the line is empty.
#[derive(Clone, Debug)]
pub struct StatusSender {
    line: Arc<Line>,
}

/// A [`StatusSender`] that knows where its events go. The body is made on the line's side, so
/// that a media thread hands over plain facts only.
#[derive(Clone, Debug)]
pub struct StatusHook {
    sender: StatusSender,
    to: Arc<Destination>,
}

/// What a [`StatusHook`] sends: turned into its JSON by the task that sends it.
pub trait StatusPayload: Send + 'static {
    fn into_body(self: Box<Self>) -> Map<String, Value>;
}

impl StatusPayload for Map<String, Value> {
    fn into_body(self: Box<Self>) -> Map<String, Value> {
        *self
    }
}

#[derive(Debug)]
struct Line {
    events: mpsc::Sender<Box<dyn Errand>>,
    /// The reserved place.
    last: mpsc::Sender<Box<dyn Errand>>,
    refused: AtomicU64,
    /// Events in the line, with the one that is being delivered.
    under_way: Arc<AtomicUsize>,
    /// Closed when the task has ended.
    work: watch::Sender<()>,
}

#[derive(Clone, Debug)]
struct Destination {
    target: ResolvedHook,
    secret: Secret,
}

/// An event with its address.
trait Errand: Send {
    fn into_parts(self: Box<Self>) -> (Destination, Map<String, Value>);
}

impl StatusSender {
    /// Starts a line on the current runtime, which must be a control thread's: never a media
    /// thread's. `on_failure` hears of each event that was not delivered; the line goes on.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(client: HookClient, on_failure: impl FnMut(HookError) + Send + 'static) -> Self {
        Self::start_on(&Handle::current(), client, on_failure)
    }

    /// As [`StatusSender::start`], on a runtime of choice and from any thread.
    pub fn start_on(
        runtime: &Handle,
        client: HookClient,
        on_failure: impl FnMut(HookError) + Send + 'static,
    ) -> Self {
        Self::open(runtime, client, LINE_LENGTH, on_failure)
    }

    /// As [`StatusSender::start`], for a place where very many come and go: so many events may wait.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start_long(
        client: HookClient,
        length: usize,
        on_failure: impl FnMut(HookError) + Send + 'static,
    ) -> Self {
        Self::open(&Handle::current(), client, length, on_failure)
    }

    fn open(
        runtime: &Handle,
        client: HookClient,
        length: usize,
        on_failure: impl FnMut(HookError) + Send + 'static,
    ) -> Self {
        let (events, waiting) = mpsc::channel(length);
        let (last, reserved) = mpsc::channel(1);
        let (work, working) = watch::channel(());
        let under_way = Arc::<AtomicUsize>::default();
        let courier = Courier { client, on_failure, under_way: under_way.clone() };
        runtime.spawn(async move {
            deliver(waiting, reserved, courier).await;
            drop(working);
        });
        let refused = AtomicU64::new(0);
        Self { line: Arc::new(Line { events, last, refused, under_way, work }) }
    }

    /// Puts one event into the line. Never waits.
    pub fn send(&self, request: Box<HookRequest>) {
        self.line.put(&self.line.events, request);
    }

    /// Puts the last event into its reserved place: it is sent after all others, and ends the line.
    pub fn send_last(&self, request: Box<HookRequest>) {
        self.line.put(&self.line.last, request);
    }

    /// The same line, for events that all go to one place.
    pub fn towards(&self, target: ResolvedHook, secret: Secret) -> StatusHook {
        StatusHook { sender: self.clone(), to: Arc::new(Destination { target, secret }) }
    }

    /// Events that found the line full or ended.
    pub fn refused(&self) -> u64 {
        self.line.refused.load(Ordering::Relaxed)
    }

    /// Whether each event that was put in is delivered or has failed.
    pub fn is_idle(&self) -> bool {
        self.line.under_way.load(Ordering::Relaxed) == 0
    }

    /// Waits until the last event is delivered or has failed; for an orderly shutdown.
    pub async fn finished(&self) {
        self.line.work.closed().await;
    }
}

impl StatusHook {
    /// Starts a line of its own, see [`StatusSender::start`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(
        client: HookClient,
        target: ResolvedHook,
        secret: Secret,
        on_failure: impl FnMut(HookError) + Send + 'static,
    ) -> Self {
        StatusSender::start(client, on_failure).towards(target, secret)
    }

    /// Puts one event into the line. Never waits; costs one allocation.
    pub fn send(&self, payload: impl StatusPayload) {
        let line = &self.sender.line;
        line.put(&line.events, self.addressed(payload));
    }

    /// Puts the last event into its reserved place: it is sent after all others, and ends the line.
    pub fn send_last(&self, payload: impl StatusPayload) {
        let line = &self.sender.line;
        line.put(&line.last, self.addressed(payload));
    }

    /// Events that found the line full or ended.
    pub fn refused(&self) -> u64 {
        self.sender.refused()
    }

    /// Waits until the last event is delivered or has failed; for an orderly shutdown.
    pub async fn finished(&self) {
        self.sender.finished().await;
    }

    fn addressed<P: StatusPayload>(&self, payload: P) -> Box<Addressed<P>> {
        Box::new(Addressed { to: Arc::clone(&self.to), payload })
    }
}

impl Line {
    fn put(&self, place: &mpsc::Sender<Box<dyn Errand>>, errand: Box<dyn Errand>) {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        if place.try_send(errand).is_err() {
            self.under_way.fetch_sub(1, Ordering::Relaxed);
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Addressed<P> {
    to: Arc<Destination>,
    payload: P,
}

impl<P: StatusPayload> Errand for Addressed<P> {
    fn into_parts(self: Box<Self>) -> (Destination, Map<String, Value>) {
        let Self { to, payload } = *self;
        ((*to).clone(), Box::new(payload).into_body())
    }
}

impl Errand for HookRequest {
    fn into_parts(self: Box<Self>) -> (Destination, Map<String, Value>) {
        let Self { target, secret, body, .. } = *self;
        (Destination { target, secret }, body)
    }
}

/// The task behind a line.
async fn deliver<F: FnMut(HookError)>(
    mut waiting: mpsc::Receiver<Box<dyn Errand>>,
    mut reserved: mpsc::Receiver<Box<dyn Errand>>,
    mut courier: Courier<F>,
) {
    let last = loop {
        tokio::select! {
            biased;
            Some(errand) = waiting.recv() => courier.run(errand).await,
            Some(errand) = reserved.recv() => break errand,
            else => return,
        }
    };
    // What was put into the line before the last event may have arrived since the line was seen
    // empty.
    waiting.close();
    reserved.close();
    while let Some(errand) = waiting.recv().await {
        courier.run(errand).await;
    }
    courier.run(last).await;
}

struct Courier<F> {
    client: HookClient,
    on_failure: F,
    under_way: Arc<AtomicUsize>,
}

impl<F: FnMut(HookError)> Courier<F> {
    async fn run(&mut self, errand: Box<dyn Errand>) {
        let (Destination { target, secret }, body) = errand.into_parts();
        if let Err(error) = self.client.ask(&target, &secret, &body).await {
            (self.on_failure)(error);
        }
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Events that may wait. A call makes about ten in its life, a large conference some hundreds.
const LINE_LENGTH: usize = 256;

#[cfg(test)]
mod tests;
