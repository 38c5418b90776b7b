//! A voice application for tests: an HTTP server that answers by script and remembers what it was asked.
//!
//! Answers are set per path; a path without one gives 404. Requests are kept in order of arrival, over
//! all paths, so that a test can check the order of events.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::wait;

/// Largest request body taken.
const MAX_BODY: usize = 1 << 20;
/// Time after which an unanswered ([`Reply::Hang`]) connection is closed after all.
const HANG_LIMIT: Duration = Duration::from_secs(60);

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct HookRequest {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body as JSON, `Null` when it is none.
    pub json: Value,
    pub at: SystemTime,
}

impl HookRequest {
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// A text field of the JSON body, empty when absent.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.json.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether `Jambonz-Signature` is right for this secret and body.
    #[must_use]
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let Some(value) = self.header("Jambonz-Signature") else { return false };
        let part = |key| value.split(',').find_map(|p| p.trim().strip_prefix(key));
        let (Some(time), Some(signature)) = (part("t="), part("v1=")) else { return false };
        let body: &[u8] = if self.method == "GET" { b"{}" } else { &self.body };
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(body);
        let right: String =
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        right == signature
    }
}

/// What the application does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// 200 with JSON.
    Json(Value),
    /// That status, no body.
    Status(u16),
    Body {
        status: u16,
        content_type: &'static str,
        bytes: Vec<u8>,
    },
    /// Takes the request and never answers.
    Hang,
    /// Closes the connection without an answer.
    Close,
}

type Script = Arc<dyn Fn(&HookRequest) -> Reply + Send + Sync>;

#[derive(Default)]
struct Shared {
    scripts: Mutex<HashMap<String, Script>>,
    requests: Mutex<Vec<HookRequest>>,
    stop: AtomicBool,
}

/// A running application. Dropping it stops accepting.
pub struct HookServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl HookServer {
    /// # Panics
    /// When no loopback port is free.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a TCP port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Self { address, shared }
    }

    /// Absolute URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers every request of that path so, from now on.
    pub fn on(&self, path: &str, reply: Reply) {
        self.on_fn(path, move |_| reply.clone());
    }

    /// Answers every request of that path with JSON (a verb array).
    pub fn on_json(&self, path: &str, verbs: Value) {
        self.on(path, Reply::Json(verbs));
    }

    /// Decides at each request.
    pub fn on_fn(
        &self,
        path: &str,
        script: impl Fn(&HookRequest) -> Reply + Send + Sync + 'static,
    ) {
        lock(&self.shared.scripts).insert(path.to_owned(), Arc::new(script));
    }

    /// All requests so far, in order of arrival.
    #[must_use]
    pub fn all_requests(&self) -> Vec<HookRequest> {
        lock(&self.shared.requests).clone()
    }

    /// Requests of one path so far.
    #[must_use]
    pub fn requests(&self, path: &str) -> Vec<HookRequest> {
        let mut requests = self.all_requests();
        requests.retain(|request| request.path() == path);
        requests
    }

    /// Waits until the requests of a path satisfy `enough`, and gives them.
    ///
    /// # Panics
    /// When they do not `within`; what came is shown.
    pub fn wait_for(
        &self,
        path: &str,
        within: Duration,
        enough: impl Fn(&[HookRequest]) -> bool,
    ) -> Vec<HookRequest> {
        let met = wait::until(within, || {
            let requests = self.requests(path);
            enough(&requests).then_some(requests)
        });
        met.unwrap_or_else(|| {
            let bodies: Vec<String> =
                self.all_requests().iter().map(|r| format!("{} {}", r.target, r.json)).collect();
            panic!("{path} was not asked as expected within {within:?}:\n{}", bodies.join("\n"))
        })
    }

    /// Call status events of one call that a status hook at `path` got, in order.
    #[must_use]
    pub fn events(&self, path: &str, call_sid: &str) -> Vec<HookRequest> {
        let mut events = self.requests(path);
        events.retain(|event| event.text("call_sid") == call_sid);
        events
    }

    /// Waits for the final event of a call and gives the statuses of all its events.
    ///
    /// # Panics
    /// When no final event comes `within`.
    #[must_use]
    pub fn statuses_to_the_end(&self, path: &str, call_sid: &str, within: Duration) -> Vec<String> {
        let is_final = |event: &HookRequest| {
            matches!(event.text("call_status"), "completed" | "failed" | "busy" | "no-answer")
        };
        self.wait_for(path, within, |events| {
            events.iter().any(|event| event.text("call_sid") == call_sid && is_final(event))
        });
        let events = self.events(path, call_sid);
        events.iter().map(|event| event.text("call_status").to_owned()).collect()
    }
}

impl fmt::Debug for HookServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookServer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for HookServer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread; when that fails it has ended already.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let shared = Arc::clone(shared);
        // A client that breaks off in the middle is its own affair.
        thread::spawn(move || drop(serve(stream, &shared)));
    }
}

/// One connection: requests one after another until either side closes.
fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(HANG_LIMIT))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(request) = read_request(&mut reader)? {
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        let script = lock(&shared.scripts).get(request.path()).cloned();
        let reply = script.map_or(Reply::Status(404), |script| script(&request));
        lock(&shared.requests).push(request);
        let (status, content_type, bytes) = match reply {
            Reply::Json(value) => (200, "application/json", value.to_string().into_bytes()),
            Reply::Status(status) => (status, "text/plain", Vec::new()),
            Reply::Body { status, content_type, bytes } => (status, content_type, bytes),
            Reply::Hang => {
                // Until the client gives up and closes, or the read limit passes.
                let mut rest = [0; 64];
                while reader.read(&mut rest)? > 0 {}
                break;
            }
            Reply::Close => break,
        };
        write!(
            writer,
            "HTTP/1.1 {status} -\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        )?;
        writer.write_all(&bytes)?;
    }
    Ok(())
}

fn read_request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<HookRequest>> {
    let Some(start) = read_line(reader)? else { return Ok(None) };
    let mut words = start.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut request = HookRequest {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        json: Value::Null,
        at: SystemTime::now(),
    };
    while let Some(line) = read_line(reader)?.filter(|line| !line.is_empty()) {
        if let Some((name, value)) = line.split_once(':') {
            request.headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    let length = request.header("Content-Length").and_then(|text| text.parse().ok()).unwrap_or(0);
    if length > MAX_BODY {
        return Err(io::ErrorKind::InvalidData.into());
    }
    request.body = vec![0; length];
    reader.read_exact(&mut request.body)?;
    request.json = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    Ok(Some(request))
}

/// A line without its end; `None` when the connection was closed.
fn read_line(reader: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut line = String::new();
    let read = reader.by_ref().take(16_384).read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rest::Rest;

    #[test]
    fn replies_follow_the_script_and_requests_are_kept_in_order() {
        let hooks = HookServer::start();
        hooks.on_json("/call", json!([{ "verb": "answer" }]));
        hooks.on("/status", Reply::Status(204));
        let rest = Rest::new(&hooks.url(""), "");
        assert_eq!(
            rest.post("/call?x=1", &json!({ "call_sid": "a" })).unwrap().json[0]["verb"],
            "answer"
        );
        assert_eq!(rest.post("/status", &json!({ "call_sid": "a" })).unwrap().status, 204);
        assert_eq!(rest.get("/else").unwrap().status, 404);
        let targets: Vec<String> = hooks.all_requests().into_iter().map(|r| r.target).collect();
        assert_eq!(targets, ["/call?x=1", "/status", "/else"]);
        assert_eq!(hooks.events("/status", "a").len(), 1);
    }

    #[test]
    fn a_closed_connection_is_no_answer() {
        let hooks = HookServer::start();
        hooks.on("/call", Reply::Close);
        assert!(Rest::new(&hooks.url(""), "").post("/call", &json!({})).is_err());
    }

    #[test]
    fn a_signature_is_checked_over_time_and_body() {
        let mut request = HookRequest {
            method: "POST".into(),
            target: "/".into(),
            headers: vec![],
            body: b"{}".to_vec(),
            json: json!({}),
            at: SystemTime::now(),
        };
        assert!(!request.is_signed_with("secret"));
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac secret
        let signature = "b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163";
        request.headers.push(("jambonz-signature".into(), format!("t=1700000000,v1={signature}")));
        assert!(request.is_signed_with("secret"));
        assert!(!request.is_signed_with("other"));
    }
}
