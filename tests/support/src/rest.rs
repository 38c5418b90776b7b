//! A client of the REST API: JSON in, JSON out, every status is an answer.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use ureq::{Agent, RequestBuilder};

/// Longest wait for one answer.
const TIME_LIMIT: Duration = Duration::from_secs(15);

/// A base URL (scheme, host, port) and the bearer token sent along.
#[derive(Clone)]
pub struct Rest {
    agent: Agent,
    base: String,
    token: String,
    /// Sent along, name and value.
    header: Option<(String, String)>,
}

/// One answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
    /// The body as JSON; `Null` when it is none.
    pub json: Value,
}

impl Answer {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The `sid` of a 201.
    ///
    /// # Errors
    /// When the answer is not a 201 with a `sid`.
    pub fn sid(&self) -> Result<String> {
        let sid = self.json.get("sid").and_then(Value::as_str);
        match (self.status, sid) {
            (201, Some(sid)) => Ok(sid.to_owned()),
            _ => anyhow::bail!("expected 201 with a sid, got {}: {}", self.status, self.text),
        }
    }
}

impl Rest {
    #[must_use]
    pub fn new(base: &str, token: &str) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIME_LIMIT))
            .build()
            .into();
        let base = base.trim_end_matches('/').to_owned();
        Self { agent, base, token: token.to_owned(), header: None }
    }

    /// The same server with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// The same with one more header in each request.
    #[must_use]
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        Self { header: Some((name.to_owned(), value.to_owned())), ..self.clone() }
    }

    /// What is sent along as bearer token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// # Errors
    /// When no answer came; so for all methods here. `path` starts with `/`, `/v1` included.
    pub fn get(&self, path: &str) -> Result<Answer> {
        let request = self.authorized(self.agent.get(self.url(path)));
        read("GET", path, request.call())
    }

    /// What is no text: status, content type and body.
    ///
    /// # Errors
    /// As [`Rest::get`].
    pub fn get_bytes(&self, path: &str) -> Result<(u16, String, Vec<u8>)> {
        let mut response = self.authorized(self.agent.get(self.url(path))).call()?;
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_owned();
        Ok((response.status().as_u16(), kind, response.body_mut().read_to_vec()?))
    }

    /// # Errors
    /// As [`Rest::get`].
    pub fn delete(&self, path: &str) -> Result<Answer> {
        let request = self.authorized(self.agent.delete(self.url(path)));
        read("DELETE", path, request.call())
    }

    /// # Errors
    /// As [`Rest::get`].
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        let request = self.authorized(self.agent.post(self.url(path)));
        read("POST", path, request.send_json(body))
    }

    /// # Errors
    /// As [`Rest::get`].
    pub fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        let request = self.authorized(self.agent.put(self.url(path)));
        read("PUT", path, request.send_json(body))
    }

    /// A POST of any bytes as `application/json`, for bodies that are not JSON.
    ///
    /// # Errors
    /// As [`Rest::get`].
    pub fn post_text(&self, path: &str, body: &str) -> Result<Answer> {
        let request = self.authorized(self.agent.post(self.url(path)));
        read("POST", path, request.header("Content-Type", "application/json").send(body))
    }

    /// Any request, for clients with habits of their own: those headers and `Authorization`; a `body` goes as
    /// it is.
    ///
    /// # Errors
    /// As [`Rest::get`].
    ///
    /// # Panics
    /// When the arguments make no request.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Result<Answer> {
        let mut request = ureq::http::Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !self.token.is_empty() {
            request = request.header("Authorization", format!("Bearer {}", self.token));
        }
        let sent = match body {
            Some(text) => self.agent.run(request.body(text).expect("a request")),
            None => self.agent.run(request.body(()).expect("a request")),
        };
        read(method, path, sent)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn authorized<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        let request = match &self.header {
            Some((name, value)) => request.header(name, value),
            None => request,
        };
        if self.token.is_empty() {
            return request;
        }
        request.header("Authorization", format!("Bearer {}", self.token))
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").field("base", &self.base).finish_non_exhaustive()
    }
}

type Sent = std::result::Result<ureq::http::Response<ureq::Body>, ureq::Error>;

fn read(method: &str, path: &str, sent: Sent) -> Result<Answer> {
    let mut response = sent.with_context(|| format!("{method} {path}"))?;
    let headers = response
        .headers()
        .iter()
        .map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
        .collect();
    let status = response.status().as_u16();
    let text =
        response.body_mut().read_to_string().with_context(|| format!("body of {method} {path}"))?;
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(Answer { status, headers, text, json })
}
