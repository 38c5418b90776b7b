//! What a caller orders: replies, new calls, credentials.

use std::fmt;

pub use crate::message::Replaces;
pub use crate::message::build::Body;
use crate::message::{Method, NameAddr, Uri};
use crate::transport::Flow;

/// A response to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The reason phrase; `None` takes the usual one.
    pub reason: Option<String>,
    /// Header fields to add.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Body>,
}

impl Reply {
    /// A reply of that status with the usual phrase and nothing else.
    pub fn new(status: u16) -> Self {
        Self { status, reason: None, headers: Vec::new(), body: None }
    }

    /// The same with a reason phrase.
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The same with a header field more.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with a body.
    pub fn with_body(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }
}

/// A call to place.
#[derive(Debug, Clone)]
pub struct Invite {
    /// Request-URI.
    pub uri: Uri,
    /// Where to send it: the address of the next hop, or the flow a REGISTER came over.
    pub flow: Flow,
    /// Whether no other way leads there, as to a phone behind a NAT that registered over this flow: the
    /// INVITE then does not try TCP when it is too large for a datagram (RFC 3261 §18.1.1).
    pub keeps_flow: bool,
    /// From, without tag.
    pub from: NameAddr,
    /// To, without tag.
    pub to: NameAddr,
    /// User part of our Contact.
    pub contact_user: Option<String>,
    /// Header fields to add. User-Agent, Allow and Supported replace the endpoint's own.
    pub headers: Vec<(String, String)>,
    /// The offer.
    pub body: Option<Body>,
    /// Answers one 401 or 407 challenge.
    pub credentials: Option<Credentials>,
    /// Preloaded Route set, first hop first.
    pub route: Vec<NameAddr>,
    /// The dialog this call takes the place of (RFC 3891).
    pub replaces: Option<Replaces>,
}

impl Invite {
    /// A call without offer, extra headers, credentials or route.
    pub fn new(uri: Uri, flow: Flow, from: NameAddr, to: NameAddr) -> Self {
        Self {
            uri,
            flow,
            keeps_flow: false,
            from,
            to,
            contact_user: None,
            headers: Vec::new(),
            body: None,
            credentials: None,
            route: Vec::new(),
            replaces: None,
        }
    }
}

/// Whether provisional responses are sent reliably (RFC 3262).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reliable {
    /// Only if the peer requires it.
    WhenRequired,
    /// Those with a body also if the peer can.
    #[default]
    WhenSupported,
}

/// A request of its own, outside any dialog: REGISTER to a carrier, OPTIONS to a gateway.
#[derive(Debug, Clone)]
pub struct Outside {
    /// REGISTER, OPTIONS, MESSAGE, …; not INVITE, ACK, CANCEL or BYE.
    pub method: Method,
    /// Request-URI.
    pub uri: Uri,
    /// Where to send it.
    pub flow: Flow,
    /// From, without tag.
    pub from: NameAddr,
    /// To.
    pub to: NameAddr,
    /// `None` draws one. A series of REGISTERs keeps its own (RFC 3261 §10.2).
    pub call_id: Option<String>,
    /// CSeq number; a challenge that is answered takes the next one.
    pub seq: u32,
    /// User part of our Contact and its parameters (`;expires=300`, say); `None` sends no Contact.
    pub contact: Option<(Option<String>, String)>,
    /// Header fields to add.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Body>,
    /// Answers one 401 or 407 challenge.
    pub credentials: Option<Credentials>,
    /// Preloaded Route set, first hop first.
    pub route: Vec<NameAddr>,
}

/// Name and password for digest challenges.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password. Never printed.
    pub password: String,
    /// The only realm they are for; `None` where the peer alone decides (it was named by whoever gave
    /// the credentials).
    pub realm: Option<String>,
}

impl Credentials {
    /// Credentials for whatever realm asks.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: password.into(), realm: None }
    }

    /// Whether they are for this realm.
    pub fn are_for(&self, realm: &str) -> bool {
        self.realm.as_ref().is_none_or(|own| own.eq_ignore_ascii_case(realm))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}
