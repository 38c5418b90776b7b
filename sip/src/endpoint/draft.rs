//! A request of ours before it is written: enough to write it, to write it again with credentials,
//! to cancel it (RFC 3261 §9.1) and to acknowledge its failure (§17.1.1.3).

use bytes::Bytes;

use super::config::Config;
use super::order::Credentials;
use super::refuse::SUPPORTED_IN_CALLS;
use super::session_timer::Timing;
use crate::Error;
use crate::auth::{Challenge, authorize};
use crate::dialog::Path;
use crate::message::build::{Body, Writer, check_header, is_reserved};
use crate::message::{Method, Response, Uri};

/// A request without Via.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) routes: Vec<String>,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) call_id: String,
    pub(crate) seq: u32,
    /// The Contact value, in requests that set the target of the dialog.
    pub(crate) contact: Option<String>,
    /// Whether it is the INVITE that makes the dialog.
    pub(crate) is_initial: bool,
    /// Whether it goes by its flow or not at all, however large.
    pub(crate) keeps_flow: bool,
    /// Session-Expires and Min-SE.
    pub(crate) timing: Option<Timing>,
    /// Fields the endpoint adds by itself: RAck, Replaces, Reason, ….
    pub(crate) own: Vec<(&'static str, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Body>,
    pub(crate) credentials: Option<Credentials>,
    /// The challenges answered so far, one per header and realm.
    pub(crate) answered: Vec<Answered>,
    /// Authorization fields as last written; the ACK of a 2xx repeats them (§22.1).
    pub(crate) authorization: Vec<(&'static str, String)>,
}

/// A challenge we have an answer to.
#[derive(Clone)]
pub(crate) struct Answered {
    /// The field of the answer.
    header: &'static str,
    challenge: Challenge,
    /// Uses of its nonce.
    uses: u32,
}

impl Draft {
    /// A request along a path.
    pub(crate) fn along(path: &Path, method: Method, seq: u32) -> Self {
        let (uri, routes) = path.routes.apply(&path.target);
        Self {
            method,
            uri,
            routes,
            from: path.local.to_string(),
            to: path.remote.to_string(),
            call_id: path.call_id.clone(),
            seq,
            contact: None,
            is_initial: false,
            keeps_flow: false,
            timing: None,
            own: Vec::new(),
            headers: Vec::new(),
            body: None,
            credentials: None,
            answered: Vec::new(),
            authorization: Vec::new(),
        }
    }

    /// Adds what the caller gave.
    ///
    /// # Errors
    /// A field may not be written, or is the endpoint's own.
    pub(crate) fn with(
        mut self,
        headers: Vec<(String, String)>,
        body: Option<Body>,
    ) -> Result<Self, Error> {
        check_headers(&headers, body.as_ref())?;
        if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Contact")) {
            return Err(Error::ReservedHeader { what: "Contact" });
        }
        self.headers = headers;
        self.body = body;
        Ok(self)
    }

    pub(crate) fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// Answers the challenges of a 401 or 407. False if there is nothing (more) to try.
    pub(crate) fn answer_challenge(&mut self, response: &Response) -> bool {
        if self.credentials.is_none() || self.answered.len() >= MAX_CHALLENGES {
            return false;
        }
        let (asking, header) = match response.status() {
            401 => ("WWW-Authenticate", "Authorization"),
            407 => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => return false,
        };
        let mut has_new = false;
        for challenge in Challenge::best(response.headers(asking)) {
            if !self.credentials.as_ref().is_some_and(|own| own.are_for(&challenge.realm)) {
                continue;
            }
            let is_full = self.answered.len() >= MAX_CHALLENGES;
            let same = |a: &Answered| a.header == header && a.challenge.realm == challenge.realm;
            match self.answered.iter_mut().find(|answered| same(answered)) {
                // the same question again means the answer was wrong, unless only the nonce was old;
                // a server that calls every nonce old is not humoured for ever
                Some(before) if !challenge.is_stale || before.challenge.is_stale => return false,
                Some(before) => *before = Answered { header, challenge, uses: 0 },
                None if is_full => return false,
                None => self.answered.push(Answered { header, challenge, uses: 0 }),
            }
            has_new = true;
        }
        has_new
    }

    /// Computes the credentials for the next writing.
    pub(crate) fn authorize(&mut self, cnonce: &str) {
        let Some(credentials) = &self.credentials else { return };
        let uri = self.uri.to_string();
        self.authorization.clear();
        for answered in &mut self.answered {
            answered.uses += 1;
            let Answered { header, challenge, uses } = answered;
            let value = authorize(challenge, credentials, &self.method, &uri, *uses, cnonce);
            self.authorization.push((*header, value));
        }
    }

    pub(crate) fn write(&self, via: &str, config: &Config) -> Bytes {
        let mut writer = self.start(&self.method, via);
        writer.header("To", &self.to);
        self.end_of_head(&mut writer, &self.method);
        if let Some(contact) = &self.contact {
            writer.header("Contact", contact);
        }
        self.write_authorization(&mut writer);
        let is_offering = matches!(self.method, Method::Invite | Method::Update);
        if is_offering && !self.has("Allow") {
            writer.header("Allow", config.allow_in_dialog);
        }
        if is_offering && !self.has("Supported") {
            let supported = if self.is_initial { SUPPORTED_IN_CALLS } else { SUPPORTED_AGAIN };
            writer.header("Supported", supported);
        }
        if let Some(timing) = &self.timing {
            writer.header("Session-Expires", &timing.expires.to_string());
            if let Some(min_se) = timing.min_se {
                writer.header("Min-SE", &min_se.to_string());
            }
        }
        if !self.has("User-Agent") {
            writer.header("User-Agent", &config.user_agent);
        }
        for (name, value) in &self.own {
            writer.header(name, value);
        }
        for (name, value) in &self.headers {
            writer.header(name, value);
        }
        writer.finish(self.body.as_ref())
    }

    /// The CANCEL of this INVITE: the same Via, Route and number, no body, no credentials.
    pub(crate) fn cancel(&self, via: &str, headers: &[(String, String)]) -> Bytes {
        let mut writer = self.start(&Method::Cancel, via);
        writer.header("To", &self.to);
        self.end_of_head(&mut writer, &Method::Cancel);
        for (name, value) in headers {
            writer.header(name, value);
        }
        writer.finish(None)
    }

    /// The ACK of a failure, inside the transaction: the To of the response, all else as sent.
    pub(crate) fn ack_failure(&self, via: &str, response: &Response) -> Bytes {
        let mut writer = self.start(&Method::Ack, via);
        writer.header("To", response.header("To").unwrap_or(&self.to));
        self.end_of_head(&mut writer, &Method::Ack);
        writer.finish(None)
    }

    /// The ACK of a 2xx without body.
    pub(crate) fn ack_success(&self, path: &Path, via: &str) -> Bytes {
        Ack { seq: self.seq, authorization: &self.authorization, body: None }.write(path, via)
    }

    fn start(&self, method: &Method, via: &str) -> Writer {
        let mut writer = Writer::request(method, &self.uri);
        writer.header("Via", via);
        writer.headers("Route", self.routes.iter().map(String::as_str));
        writer.header("Max-Forwards", "70").header("From", &self.from);
        writer
    }

    fn end_of_head(&self, writer: &mut Writer, method: &Method) {
        writer.header("Call-ID", &self.call_id);
        writer.header("CSeq", &format!("{} {method}", self.seq));
    }

    fn write_authorization(&self, writer: &mut Writer) {
        for (name, value) in &self.authorization {
            writer.header(name, value);
        }
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }
}

/// The ACK of a 2xx: a request of its own along the dialog's path, with the number and the credentials
/// of its INVITE (§13.2.2.4, §22.1).
pub(crate) struct Ack<'a> {
    pub(crate) seq: u32,
    pub(crate) authorization: &'a [(&'static str, String)],
    pub(crate) body: Option<&'a Body>,
}

impl Ack<'_> {
    pub(crate) fn write(&self, path: &Path, via: &str) -> Bytes {
        let ack = Draft::along(path, Method::Ack, self.seq);
        let mut writer = ack.start(&Method::Ack, via);
        writer.header("To", &ack.to);
        ack.end_of_head(&mut writer, &Method::Ack);
        for (name, value) in self.authorization {
            writer.header(name, value);
        }
        writer.finish(self.body)
    }
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { method, call_id, seq, .. } = self;
        write!(f, "Draft({method} {call_id} {seq})")
    }
}

/// Whether header fields and body of a caller may be written. Content-Type is the body's.
pub(crate) fn check_headers(
    headers: &[(String, String)],
    body: Option<&Body>,
) -> Result<(), Error> {
    for (name, value) in headers {
        check_header(name, value)?;
        if is_reserved(name) {
            return Err(Error::ReservedHeader { what: "header field" });
        }
        if name.eq_ignore_ascii_case("Content-Type") {
            return Err(Error::ReservedHeader { what: "Content-Type" });
        }
    }
    match body {
        Some(body) => check_header("Content-Type", &body.content_type),
        None => Ok(()),
    }
}

/// What an INVITE or UPDATE inside a dialog says we can. Reliable provisional responses to a re-INVITE
/// are not among it: nothing of ours rings twice.
const SUPPORTED_AGAIN: &str = "timer, replaces";

/// Realms that may ask for credentials along the way of one request.
const MAX_CHALLENGES: usize = 4;
