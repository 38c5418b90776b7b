//! `Idempotency-Key`: a request that is sent again with the same key is answered what the first was, and
//! does nothing more (after draft-ietf-httpapi-idempotency-key-header).
//!
//! Keys are an account's, for 24 hours. Only what was done is kept: a request that was refused, or failed,
//! may be sent again under its key. That it began is written while it runs, what came of it before it is
//! answered, so both hold over a restart. When the server is killed in between, nobody knows whether the
//! call was placed (it ended with the server in any case): the key is then refused until it expires.
//! Killed within the milliseconds before the beginning is written, the request counts as never sent.

use std::collections::HashMap;
use std::future::{Future, Ready, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::AppState;
use super::describe::{Extracts, Operation, Param, ParamKind};
use super::error::ApiError;
use crate::model::{AccountSid, Timestamp, hex};
use crate::store::FirstRequest;

const HEADER: &str = "Idempotency-Key";
const LONGEST: usize = 255;

/// How long a request waits for the first with its key.
const PATIENCE: Duration = Duration::from_secs(30);

const OTHER: &str = "this Idempotency-Key belongs to another request";
const RUNNING: &str = "the first request with this Idempotency-Key is still running";
const UNKNOWN: &str =
    "the server ended during the first request with this Idempotency-Key; its outcome is not known";

/// The key of a request, if it has one; refused only when it is used.
pub(super) struct IdempotencyKey(Result<Option<String>, ApiError>);

const HEADERS: &[Param] = &[Param::optional(
    HEADER,
    ParamKind::Text,
    "1 to 255 printable characters: sent again with it within 24 hours, the request is answered what \
     the first was and does nothing more",
)];

impl Extracts for IdempotencyKey {
    fn describe(operation: &mut Operation) {
        operation.headers = HEADERS;
    }
}

impl FromRequest for IdempotencyKey {
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut given = request.headers().get_all(HEADER);
        let key = match (given.next(), given.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => read(value.as_bytes()).map(Some),
            (Some(_), Some(_)) => Err(malformed()),
        };
        ready(Ok(Self(key)))
    }
}

fn read(value: &[u8]) -> Result<String, ApiError> {
    let is_printable = value.iter().all(|b| (b' '..=b'~').contains(b));
    match std::str::from_utf8(value) {
        Ok(text) if is_printable && (1..=LONGEST).contains(&text.len()) => Ok(text.to_owned()),
        Ok(_) | Err(_) => Err(malformed()),
    }
}

fn malformed() -> ApiError {
    ApiError::bad_request(format!("{HEADER} must be 1 to {LONGEST} printable characters, once"))
}

impl IdempotencyKey {
    /// Does `work`, or answers what it came to the first time. `what` names the operation and `asked`
    /// is its body: both must be the same again. The work goes on when the client hangs up.
    pub(super) async fn once<T, W>(
        self,
        state: &web::Data<AppState>,
        account: AccountSid,
        (what, asked): (&str, &Value),
        work: W,
    ) -> Result<T, ApiError>
    where
        T: Serialize + DeserializeOwned + 'static,
        W: Future<Output = Result<T, ApiError>> + 'static,
    {
        let Some(key) = self.0? else { return work.await };
        let asked = fingerprint(what, asked);
        let place = state.running.enter((account, key.clone()), &asked, PATIENCE).await?;
        let known = state.store.idempotency().find(account, &key, Timestamp::now()).await?;
        if let Some(first) = known {
            return replay(first, &asked);
        }
        let state = state.clone();
        let task = actix_web::rt::spawn(async move {
            let _place = place;
            let store = state.store.idempotency();
            let (noted, outcome) =
                tokio::join!(store.begin(account, &key, &asked, Timestamp::now()), work);
            let kept = match &outcome {
                Ok(answer) => {
                    let text = serde_json::to_string(answer).unwrap_or_default();
                    store.answer(account, &key, (&asked, &text), Timestamp::now()).await
                }
                Err(_) => store.forget(account, &key).await,
            };
            if let Err(error) = noted.and(kept) {
                tracing::error!(%error, cause = ?error, %account, "an Idempotency-Key is not kept");
            }
            outcome
        });
        // It fails only by a panic, which has been logged.
        task.await.unwrap_or(Err(ApiError::Internal))
    }
}

fn replay<T: DeserializeOwned>(first: FirstRequest, asked: &str) -> Result<T, ApiError> {
    if first.request_hash != asked {
        return Err(ApiError::unprocessable(OTHER));
    }
    let answer = first.answer.ok_or_else(|| ApiError::unprocessable(UNKNOWN))?;
    serde_json::from_str(&answer).map_err(|error| ApiError::internal(&error))
}

fn fingerprint(what: &str, asked: &Value) -> String {
    hex(&Sha256::digest(format!("{what}\n{asked}")))
}

type Key = (AccountSid, String);

/// Requests with a key that run now: no more than there are connections.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<HashMap<Key, First>>);

#[derive(Debug)]
struct First {
    asked: String,
    /// Closed when it is over.
    over: watch::Receiver<()>,
}

/// The place of the one request that runs with its key, until it is dropped.
#[derive(Debug)]
struct Place {
    running: Arc<Running>,
    key: Key,
    _over: watch::Sender<()>,
}

/// What [`Running::take`] finds.
#[derive(Debug)]
enum Taken {
    Free(Place),
    /// The same request runs: to be waited for.
    BySame(watch::Receiver<()>),
    ByOther,
}

impl Running {
    /// Waits for so long until no other request runs with this key.
    async fn enter(
        self: &Arc<Self>,
        key: Key,
        asked: &str,
        patience: Duration,
    ) -> Result<Place, ApiError> {
        let wait = async {
            loop {
                match self.take(&key, asked) {
                    Taken::Free(place) => return Ok(place),
                    Taken::BySame(mut over) => {
                        // Nothing is ever sent: it is over when the sender is gone.
                        let _ = over.changed().await;
                    }
                    Taken::ByOther => return Err(ApiError::unprocessable(OTHER)),
                }
            }
        };
        let waited = tokio::time::timeout(patience, wait).await;
        waited.unwrap_or_else(|_| Err(ApiError::unprocessable(RUNNING)))
    }

    fn take(self: &Arc<Self>, key: &Key, asked: &str) -> Taken {
        let mut running = self.lock();
        match running.get(key) {
            Some(first) if first.asked == asked => Taken::BySame(first.over.clone()),
            Some(_) => Taken::ByOther,
            None => {
                let (sender, over) = watch::channel(());
                running.insert(key.clone(), First { asked: asked.to_owned(), over });
                Taken::Free(Place { running: self.clone(), key: key.clone(), _over: sender })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, First>> {
        // Insert and remove leave the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_printable_and_not_too_long() {
        for good in
            ["a", "8e03978e-40d5-43e8-bc93-6894a57f9324", "\"quoted key\"", &"x".repeat(255)]
        {
            assert_eq!(read(good.as_bytes()), Ok(good.to_owned()));
        }
        for bad in ["", "a\tb", "ä", &"x".repeat(256)] {
            assert_eq!(read(bad.as_bytes()), Err(malformed()), "{bad}");
        }
    }

    #[test]
    fn another_operation_or_body_is_another_request() {
        let body = json!({"from": "a"});
        let one = fingerprint("calls", &body);
        assert_eq!(one, fingerprint("calls", &body.clone()));
        assert_ne!(one, fingerprint("participants", &body));
        assert_ne!(one, fingerprint("calls", &json!({"from": "b"})));
    }

    #[tokio::test]
    async fn the_second_waits_for_the_first_but_not_for_ever() {
        let running = Arc::new(Running::default());
        let key = (AccountSid::random(), "k".to_owned());
        let enter = |key: &Key, asked, patience| {
            let (running, key) = (running.clone(), key.clone());
            async move { running.enter(key, asked, patience).await }
        };
        let first = enter(&key, "a", PATIENCE).await.unwrap();
        let other = enter(&key, "b", PATIENCE).await.unwrap_err();
        assert_eq!(other, ApiError::unprocessable(OTHER));
        let elsewhere = (AccountSid::random(), "k".to_owned());
        enter(&elsewhere, "b", PATIENCE).await.unwrap();
        let (second, ()) = tokio::join!(enter(&key, "a", PATIENCE), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        let third = enter(&key, "a", Duration::ZERO).await.unwrap_err();
        assert_eq!(third, ApiError::unprocessable(RUNNING));
        drop(second);
        assert!(running.lock().is_empty());
    }
}
