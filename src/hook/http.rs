//! Sends hooks and fetches media by HTTP (contract verbs.md §1.2).
//!
//! One [`HookClient`] serves the whole server: it keeps a pool of connections per origin and may
//! be cloned into any thread that runs tokio. Everything it refuses, and every way a request can
//! fail, is a [`HookError`]. Called by `call/` for replies that matter and by
//! [`queue`](super::queue) for events.

mod dial;
pub(super) mod fault;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Request, RequestBuilder, Response, StatusCode};
use serde_json::{Map, Value};
use tokio::time::timeout;
use url::Url;

use super::guard::{Guard, Lookup, system_lookup};
use super::resolve::{Base, Login, ResolvedHook, Via, is_socket, shown};
use super::retry::Schedule;
use super::ws_connect::{Dialer, WsConfig};
use super::{ConnectFault, HookError, HookReply, HookRequest, Phase, js_json, sign};
use crate::model::address_policy::NOT_ALLOWED;
use crate::model::{AddressPolicy, Hook, HookMethod, Secret};
use dial::Dial;

/// The configurable part of [`HookClient`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookConfig {
    /// From the start of an attempt to the response headers; the body has the same again.
    pub timeout: Duration,
    pub user_agent: String,
    /// A longer JSON reply is a failure.
    pub max_reply_bytes: usize,
    /// Which addresses of this machine's own network may be reached, if any.
    pub addresses: AddressPolicy,
    pub ws: WsConfig,
}

impl Default for HookConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            user_agent: "jambonz".into(),
            max_reply_bytes: 1024 * 1024,
            addresses: AddressPolicy::default(),
            ws: WsConfig::default(),
        }
    }
}

/// The client cannot be built from its configuration.
#[derive(Debug, thiserror::Error)]
#[error("http client for hooks cannot be built")]
pub struct BuildError(#[source] reqwest::Error);

/// A URL leads to an address that is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("url leads to {NOT_ALLOWED}")]
pub struct NotAllowed;

/// Sends hooks. Cloning shares the connections.
#[derive(Clone, Debug)]
pub struct HookClient {
    client: reqwest::Client,
    guard: Guard,
    timeout: Duration,
    max_reply_bytes: usize,
    pub(super) ws: Dialer,
}

impl HookClient {
    /// Proxies named in the environment are not used: behind one, the address check would not
    /// see what is connected.
    ///
    /// # Errors
    /// [`BuildError`], for example if the user agent cannot be a header.
    pub fn new(config: &HookConfig) -> Result<Self, BuildError> {
        Self::with_lookup(config, system_lookup())
    }

    fn with_lookup(config: &HookConfig, lookup: Lookup) -> Result<Self, BuildError> {
        // Fails if a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let guard = Guard::new(config.addresses.clone(), lookup);
        let builder = || {
            reqwest::Client::builder()
                .user_agent(&config.user_agent)
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .dns_resolver(Arc::new(guard.clone()))
                .connector_layer(dial::Watch)
                .pool_idle_timeout(POOL_IDLE)
                .pool_max_idle_per_host(POOL_IDLE_PER_ORIGIN)
        };
        let client = builder().build().or_else(|error| {
            // Usually a machine without certificates: plain HTTP works there all the same.
            tracing::warn!(%error, "no system certificates: https hooks will fail");
            builder().tls_certs_only([]).build().map_err(BuildError)
        })?;
        let HookConfig { timeout, max_reply_bytes, .. } = *config;
        let ws = Dialer::new(&config.ws, &config.user_agent, guard.clone());
        Ok(Self { client, guard, timeout, max_reply_bytes, ws })
    }

    /// Checks a URL that is about to be saved, or is named in a request: whether it leads, as its
    /// name resolves now, where it may not. Text that cannot be asked at all passes, and is refused
    /// or resolved by who uses it.
    ///
    /// # Errors
    /// [`NotAllowed`], whose text follows the name of the property.
    pub async fn check_address(&self, url: &str) -> Result<(), NotAllowed> {
        match Url::parse(url) {
            Ok(url) if matches!(url.scheme(), "http" | "https" | "ws" | "wss") => {
                self.guard.check_now(&url).await.map_err(|_| NotAllowed)
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Sends one hook and reads its reply, trying again as its URL's fragment says. A session's own
    /// socket is not reached from here.
    ///
    /// # Errors
    /// The failure of the last attempt.
    pub async fn send(&self, request: &HookRequest) -> Result<HookReply, HookError> {
        match request.target.via {
            Via::Socket => self.ask_over_socket(request).await,
            Via::Http | Via::Session(_) => {
                self.ask(&request.target, &request.secret, &request.body).await
            }
        }
    }

    /// As [`HookClient::send`], for what belongs to no single call.
    ///
    /// # Errors
    /// The failure of the last attempt.
    pub async fn ask(
        &self,
        target: &ResolvedHook,
        secret: &Secret,
        body: &Map<String, Value>,
    ) -> Result<HookReply, HookError> {
        let schedule = Schedule::from_fragment(target.url.fragment());
        let mut failed = 0;
        loop {
            let error = match self.attempt(target, secret, body).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            failed += 1;
            match schedule.wait_after(failed, &error) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    /// Asks an application which settings it takes, by `OPTIONS`: its answer, if that is JSON. A
    /// WebSocket URL is asked by HTTP.
    ///
    /// # Errors
    /// [`HookError::Status`] for any status but 2xx, and whatever can happen to a hook.
    pub async fn options(&self, url: &str) -> Result<Option<Value>, HookError> {
        let mut asked = url.to_owned();
        if let Ok(mut url) = Url::parse(url)
            && let Some(scheme) = http_for(url.scheme())
            && url.set_scheme(scheme).is_ok()
        {
            asked = url.into();
        }
        let target = Base::default().resolve(&Hook::post(asked))?;
        let request = self.builder(Method::OPTIONS, &target.url, target.auth.as_ref());
        let response = self.exchange(request.header(ACCEPT, JSON), &target.url).await?;
        match response.status() {
            status if status.is_success() => Ok(self.reply(response, &target.url).await?.body),
            status => Err(refused_with(status, &target.url)),
        }
    }

    /// Writes `body` to a URL by `PUT`; gives the status, and what was answered.
    ///
    /// # Errors
    /// Whatever can happen to a hook.
    pub(super) async fn put(
        &self,
        url: &Url,
        body: &'static str,
    ) -> Result<(u16, Bytes), HookError> {
        let request = self.builder(Method::PUT, url, None).body(body);
        let response = self.exchange(request, url).await?;
        let status = response.status().as_u16();
        Ok((status, self.body(response, url, MAX_PUT_ANSWER).await?))
    }

    /// Fetches a media file; up to `MAX_REDIRECTS` redirects are followed, each checked
    /// like the first address. `url` may hold user name and password.
    ///
    /// # Errors
    /// [`HookError::Status`] for any status but 200, [`HookError::TooLarge`] beyond
    /// `limit_bytes`, and whatever can happen to a hook.
    pub async fn fetch(&self, url: &str, limit_bytes: usize) -> Result<Bytes, HookError> {
        let mut base = Base::of(&Hook::post(url));
        let mut target = base.resolve(&Hook::post(url))?;
        for _ in 0..=MAX_REDIRECTS {
            let request = self.builder(Method::GET, &target.url, target.auth.as_ref());
            let response = self.exchange(request, &target.url).await?;
            match (response.status(), location(&response)) {
                (StatusCode::OK, _) => return self.body(response, &target.url, limit_bytes).await,
                (status, Some(next)) if status.is_redirection() => {
                    base.follow(&target);
                    let next = target.url.join(&next).map_err(|_| bad_url(&target.url))?;
                    target = base.resolve(&Hook::post(next))?;
                }
                (status, _) => return Err(refused_with(status, &target.url)),
            }
        }
        Err(refused_with(StatusCode::LOOP_DETECTED, &target.url))
    }

    async fn attempt(
        &self,
        target: &ResolvedHook,
        secret: &Secret,
        body: &Map<String, Value>,
    ) -> Result<HookReply, HookError> {
        let response = self.exchange(self.request(target, secret, body), &target.url).await?;
        match response.status() {
            StatusCode::OK | StatusCode::ACCEPTED | StatusCode::NO_CONTENT => {
                self.reply(response, &target.url).await
            }
            status => Err(refused_with(status, &target.url)),
        }
    }

    fn request(
        &self,
        target: &ResolvedHook,
        secret: &Secret,
        body: &Map<String, Value>,
    ) -> RequestBuilder {
        let mut url = target.url.clone();
        let (method, signed, sent) = match target.method {
            HookMethod::Get => {
                append_scalars(&mut url, body);
                (Method::GET, sign::GET_BODY.to_owned(), None)
            }
            HookMethod::Post => {
                let text = js_json::object_text(body);
                (Method::POST, text.clone(), Some(text))
            }
        };
        let signature = sign::signature(secret, unix_seconds(), &signed);
        let request = self
            .builder(method, &url, target.auth.as_ref())
            .header(ACCEPT, JSON)
            .header(sign::SIGNATURE_HEADER, signature);
        match sent {
            Some(text) => request.header(CONTENT_TYPE, JSON).body(text),
            None => request,
        }
    }

    fn builder(&self, method: Method, url: &Url, auth: Option<&Login>) -> RequestBuilder {
        let mut url = url.clone();
        url.set_fragment(None);
        let request = self.client.request(method, url);
        match auth {
            Some(Login { username, password }) => request.basic_auth(username, Some(&password.0)),
            None => request,
        }
    }

    /// One request up to its response headers, within the time limit. A connection from the pool
    /// that turns out to be closed is replaced once; the server saw nothing, or at least said
    /// nothing.
    async fn exchange(&self, request: RequestBuilder, url: &Url) -> Result<Response, HookError> {
        if is_socket(url) {
            return Err(HookError::WebSocket { url: shown(url) });
        }
        self.guard.check(url).map_err(|_| HookError::ForbiddenAddress { url: shown(url) })?;
        let request = request.build().map_err(|_| bad_url(url))?;
        let spare = request.try_clone();
        let (outcome, dial) = dial::watched(timeout(self.timeout, async {
            match (self.client.execute(request).await, spare) {
                (Err(error), Some(again)) if dial::reused() && fault::is_silent_close(&error) => {
                    self.execute_fresh(again).await
                }
                (outcome, _) => outcome,
            }
        }))
        .await;
        match (outcome, dial) {
            (Ok(Ok(response)), _) => Ok(response),
            (Ok(Err(error)), _) => Err(fault::classify(&error, url)),
            (Err(_), Dial::Started) => {
                Err(HookError::Connect { url: shown(url), fault: ConnectFault::TimedOut })
            }
            (Err(_), Dial::Unneeded | Dial::Connected) => Err(HookError::Timeout {
                url: shown(url),
                phase: Phase::Headers,
                limit: self.timeout,
            }),
        }
    }

    async fn execute_fresh(&self, request: Request) -> Result<Response, reqwest::Error> {
        tracing::debug!(url = shown(request.url()), "stale connection, hook is sent again");
        self.client.execute(request).await
    }

    async fn reply(&self, response: Response, url: &Url) -> Result<HookReply, HookError> {
        let json = is_json(response.headers());
        let body = self.body(response, url, self.max_reply_bytes).await;
        if !json {
            // Read all the same, so that the connection can be used again; what came is nobody's.
            return Ok(HookReply { body: None });
        }
        let body = body?;
        if body.is_empty() {
            return Ok(HookReply { body: None });
        }
        match serde_json::from_slice(&body) {
            Ok(value) => Ok(HookReply { body: Some(value) }),
            Err(_) => Err(HookError::NotJson { url: shown(url) }),
        }
    }

    /// The whole body, within the time limit and `limit_bytes`.
    async fn body(
        &self,
        response: Response,
        url: &Url,
        limit_bytes: usize,
    ) -> Result<Bytes, HookError> {
        timeout(self.timeout, collect(response, url, limit_bytes)).await.unwrap_or_else(|_| {
            Err(HookError::Timeout { url: shown(url), phase: Phase::Body, limit: self.timeout })
        })
    }
}

async fn collect(
    mut response: Response,
    url: &Url,
    limit_bytes: usize,
) -> Result<Bytes, HookError> {
    let too_large = || HookError::TooLarge { url: shown(url), limit: limit_bytes };
    let announced = response.content_length().unwrap_or(0);
    if announced > limit_bytes as u64 {
        return Err(too_large());
    }
    let mut body = BytesMut::with_capacity(announced as usize);
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > limit_bytes => return Err(too_large()),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body.freeze()),
            Err(_) => return Err(HookError::Truncated { url: shown(url) }),
        }
    }
}

/// Scalar fields as query arguments, after those the URL has (D-1).
fn append_scalars(url: &mut Url, body: &Map<String, Value>) {
    let scalars: Vec<_> = body
        .iter()
        .filter_map(|(key, value)| js_json::scalar_text(value).map(|text| (key, text)))
        .collect();
    if !scalars.is_empty() {
        url.query_pairs_mut().extend_pairs(scalars);
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().contains(JSON))
}

fn location(response: &Response) -> Option<String> {
    let value = response.headers().get(reqwest::header::LOCATION)?;
    value.to_str().ok().map(str::to_owned)
}

fn refused_with(status: StatusCode, url: &Url) -> HookError {
    HookError::Status { url: shown(url), status: status.as_u16() }
}

fn bad_url(url: &Url) -> HookError {
    HookError::BadUrl { url: shown(url) }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The scheme by which a WebSocket's server is asked without one.
fn http_for(scheme: &str) -> Option<&'static str> {
    match scheme {
        "ws" => Some("http"),
        "wss" => Some("https"),
        _ => None,
    }
}

const JSON: &str = "application/json";

/// Object stores answer a refusal with a page of XML.
const MAX_PUT_ANSWER: usize = 64 * 1024;

/// Node closes idle connections after five seconds; leaving first avoids most stale ones.
const POOL_IDLE: Duration = Duration::from_secs(4);

const POOL_IDLE_PER_ORIGIN: usize = 64;

/// Of a media file only; a redirected hook is a failure.
const MAX_REDIRECTS: usize = 5;

#[cfg(test)]
mod tests;
