//! The test bench: an endpoint, a clock, and messages written by hand.

use std::time::{Duration, Instant};

use crate::message::Message;
use crate::sim::epoch;
use crate::{
    Config, Credentials, DialogId, Endpoint, Event, Flow, Invite, Output, Reply, Request, Response,
};

/// An endpoint at 192.0.2.1 and its peer at 192.0.2.2, port 5060 each.
pub(super) struct Bench {
    pub(super) ep: Endpoint,
    pub(super) now: Instant,
    pub(super) flow: Flow,
    pub(super) events: Vec<Event>,
    pub(super) wire: Vec<(Flow, String)>,
}

impl Bench {
    pub(super) fn udp() -> Self {
        Self::with(|_| {}, Flow::udp(addr("192.0.2.1:5060"), addr("192.0.2.2:5060")))
    }

    pub(super) fn tcp() -> Self {
        Self::with(|_| {}, Flow::tcp(addr("192.0.2.1:5060"), addr("192.0.2.2:40000"), Some(7)))
    }

    pub(super) fn with(change: impl FnOnce(&mut Config), flow: Flow) -> Self {
        let mut config = Config::at(addr("192.0.2.1:5060"));
        change(&mut config);
        let ep = Endpoint::new(config, 1);
        Self { ep, now: epoch(), flow, events: Vec::new(), wire: Vec::new() }
    }

    /// Hands a message to the endpoint.
    pub(super) fn take(&mut self, text: &str) {
        self.take_from(self.flow, text);
    }

    pub(super) fn take_from(&mut self, flow: Flow, text: &str) {
        self.ep.handle_message(self.now, flow, text.as_bytes());
        self.drain();
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(at) = self.ep.next_wake().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.ep.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    pub(super) fn drain(&mut self) {
        while let Some(output) = self.ep.poll_output() {
            match output {
                Output::Transmit { flow, bytes } => {
                    let text = String::from_utf8(bytes.to_vec()).unwrap();
                    // a refusal can only echo what the request had
                    let is_good = Message::parse(text.as_bytes()).is_ok();
                    assert!(is_good || text.starts_with("SIP/2.0 400 "), "own message: {text}");
                    self.wire.push((flow, text));
                }
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    /// What was sent since the last call.
    pub(super) fn sent(&mut self) -> Vec<String> {
        self.drain();
        std::mem::take(&mut self.wire).into_iter().map(|(_, text)| text).collect()
    }

    /// The start lines of what was sent: method or status only.
    pub(super) fn starts(&mut self) -> Vec<String> {
        self.sent().iter().map(|text| start_of(text)).collect()
    }

    pub(super) fn one_response(&mut self) -> Response {
        let sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:#?}");
        Response::parse(sent[0].as_bytes()).unwrap()
    }

    pub(super) fn one_request(&mut self) -> Request {
        let sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:#?}");
        Request::parse(sent[0].as_bytes()).unwrap()
    }

    /// The only event since the last call.
    pub(super) fn one_event(&mut self) -> Event {
        self.drain();
        assert_eq!(self.events.len(), 1, "{:#?}", self.events);
        self.events.remove(0)
    }

    pub(super) fn no_event(&mut self) {
        self.drain();
        assert!(self.events.is_empty(), "{:#?}", self.events);
    }

    /// Takes an INVITE in; its dialog.
    pub(super) fn incoming(&mut self) -> DialogId {
        self.take(&request("INVITE", "1", "", SDP_AND_CONTACT));
        self.pass(200);
        assert_eq!(self.starts(), ["100"]);
        match self.one_event() {
            Event::Invite { dialog, .. } => dialog,
            other => panic!("{other:?}"),
        }
    }

    /// Takes a call in, answers it and takes the ACK; dialog and our tag.
    pub(super) fn incoming_confirmed(&mut self) -> (DialogId, String) {
        let dialog = self.incoming();
        self.ep.answer(self.now, dialog, Reply::new(200)).unwrap();
        let tag = self.one_response().to().tag().unwrap().to_owned();
        self.take(&request("ACK", "1", &tag, ""));
        assert!(matches!(self.one_event(), Event::Acked { body: None, .. }));
        (dialog, tag)
    }

    /// Places a call; its dialog and INVITE.
    pub(super) fn outgoing(&mut self, credentials: Option<Credentials>) -> (DialogId, Request) {
        let mut invite = Invite::new(
            "sip:bob@192.0.2.2".parse().unwrap(),
            self.flow,
            "\"Alice\" <sip:alice@example.com>".parse().unwrap(),
            "<sip:bob@example.com>".parse().unwrap(),
        );
        invite.contact_user = Some("alice".into());
        invite.body = Some(crate::Body::sdp("v=0\r\n"));
        invite.credentials = credentials;
        let (dialog, call_id) = self.ep.invite(self.now, invite).unwrap();
        let request = self.one_request();
        assert_eq!(request.call_id(), call_id);
        (dialog, request)
    }

    /// Places a call that is answered; dialog and INVITE.
    pub(super) fn outgoing_confirmed(&mut self) -> (DialogId, Request) {
        let (dialog, invite) = self.outgoing(None);
        self.take(&response(&invite, 200, "b", CONTACT));
        assert!(matches!(self.one_event(), Event::Answered { .. }));
        assert_eq!(self.starts(), ["ACK"]);
        (dialog, invite)
    }

    /// After every timer has run nothing may be left.
    pub(super) fn assert_forgets_everything(&mut self) {
        self.pass(200_000);
        let load = self.ep.load();
        assert_eq!((load.dialogs, load.servers, load.clients), (0, 0, 0), "{load:?}");
        assert_eq!(self.ep.next_wake(), None);
        assert!(self.ep.waiting_on.is_empty() && self.ep.dialogs_on.is_empty());
    }
}

pub(super) const CONTACT: &str = "Contact: <sip:bob@192.0.2.2:5060>\r\n";
pub(super) const SDP_AND_CONTACT: &str =
    "Contact: <sip:bob@192.0.2.2:5060>\r\nContent-Type: application/sdp\r\n";

/// A request of the peer: From bob;tag=b, Call-ID in, branch by CSeq and method.
pub(super) fn request(method: &str, seq: &str, to_tag: &str, extra: &str) -> String {
    let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    // ACK and CANCEL of a transaction share the INVITE's branch; the ACK of a 2xx does not care
    let branch = if matches!(method, "ACK" | "CANCEL") { "INVITE" } else { method };
    format!(
        "{method} sip:alice@192.0.2.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{branch}{seq};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:bob@example.com>;tag=b\r\n\
         To: <sip:alice@example.com>{to_tag}\r\nCall-ID: in\r\nCSeq: {seq} {method}\r\n\
         {extra}Content-Length: 0\r\n\r\n"
    )
}

/// The peer's response to a request of ours.
pub(super) fn response(request: &Request, status: u16, to_tag: &str, extra: &str) -> String {
    let to = match (request.to().tag(), to_tag) {
        (Some(_), _) | (None, "") => request.to().to_string(),
        (None, tag) => format!("{};tag={tag}", request.to()),
    };
    format!(
        "SIP/2.0 {status} Whatever\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\n\
         CSeq: {}\r\n{extra}Content-Length: 0\r\n\r\n",
        request.via(),
        request.from(),
        request.call_id(),
        request.cseq(),
    )
}

/// The same message with a session description.
pub(super) fn with_sdp(text: &str, sdp: &str) -> String {
    let head = text.strip_suffix("Content-Length: 0\r\n\r\n").unwrap();
    let length = sdp.len();
    format!("{head}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}")
}

pub(super) fn start_of(text: &str) -> String {
    let mut words = text.split(' ');
    let first = words.next().unwrap_or_default();
    if first == "SIP/2.0" { words.next().unwrap_or_default().to_owned() } else { first.to_owned() }
}

pub(super) fn addr(text: &str) -> std::net::SocketAddr {
    text.parse().unwrap()
}
