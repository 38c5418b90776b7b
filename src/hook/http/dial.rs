//! Whether a request opened a connection or used one from the pool.
//!
//! The pool does not say. But it calls the connector within the task that waits for the request,
//! so a task-local mark tells: a request that failed without dialling used an old connection.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

/// How far the connection of the current request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dial {
    /// None was opened: the pool had one.
    Unneeded,
    Started,
    Connected,
}

tokio::task_local! {
    static DIAL: Cell<Dial>;
}

/// Runs a request and says what became of its connection.
pub(super) async fn watched<F: Future>(request: F) -> (F::Output, Dial) {
    DIAL.scope(Cell::new(Dial::Unneeded), async {
        let output = request.await;
        (output, DIAL.with(Cell::get))
    })
    .await
}

/// Whether the current request has used a connection of the pool.
pub(super) fn reused() -> bool {
    DIAL.try_with(Cell::get).is_ok_and(|dial| dial == Dial::Unneeded)
}

fn mark(dial: Dial) {
    // A connection that lost the race against the pool is finished in a task of its own, where
    // nobody asks.
    let _ = DIAL.try_with(|cell| cell.set(dial));
}

/// Layer around the connector that leaves the mark.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch;

impl<S> Layer<S> for Watch {
    type Service = Watched<S>;

    fn layer(&self, connector: S) -> Watched<S> {
        Watched(connector)
    }
}

/// A connector that leaves the mark.
#[derive(Clone, Debug)]
pub(super) struct Watched<S>(S);

impl<S, R> Service<R> for Watched<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        mark(Dial::Started);
        let connecting = self.0.call(request);
        Box::pin(async move {
            let connection = connecting.await?;
            mark(Dial::Connected);
            Ok(connection)
        })
    }
}
