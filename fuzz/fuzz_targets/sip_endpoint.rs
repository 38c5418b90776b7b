//! A user agent that receives messages in virtual time, and an owner that gives it orders.
//!
//! The input is a list of steps, divided by zero bytes. A step's first byte says what happens, the
//! rest is the message: `@T` in it becomes the tag of the last dialog, and an answer is completed
//! with the fields of the last request sent. In the end all transactions must be over.
#![no_main]

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use sip::{
    Body, Config, Credentials, DialogId, Endpoint, Event, Flow, Invite, Message, Method, Output,
    Outside, Replaces, Reply, Request,
};

static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);
/// Longer than any transaction lives.
const AFTERWARDS: Duration = Duration::from_secs(3_600);

fuzz_target!(|input: &[u8]| {
    let mut bench = Bench::new();
    for step in input.split(|&byte| byte == 0).take(64) {
        let Some((&what, rest)) = step.split_first() else { continue };
        bench.step(what, rest);
    }
    bench.hang_up();
    bench.pass(AFTERWARDS);
    let load = bench.endpoint.load();
    assert_eq!((load.servers, load.clients, load.dialogs), (0, 0, 0), "something was left over");
});

struct Bench {
    endpoint: Endpoint,
    now: Instant,
    flow: Flow,
    dialogs: Vec<DialogId>,
    pending: Option<sip::TransactionId>,
    tag: String,
    last_request: Option<Request>,
    /// What came in last could not be read.
    was_broken: bool,
}

impl Bench {
    fn new() -> Self {
        let local = SocketAddr::from(([192, 0, 2, 1], 5060));
        let peer = SocketAddr::from(([192, 0, 2, 2], 5060));
        Self {
            endpoint: Endpoint::new(Config::at(local), 1),
            now: *NOW,
            flow: Flow::udp(local, peer),
            dialogs: Vec::new(),
            pending: None,
            tag: String::new(),
            last_request: None,
            was_broken: false,
        }
    }

    fn step(&mut self, what: u8, rest: &[u8]) {
        let (now, dialog) = (self.now, self.dialogs.last().copied());
        let text = || Body { content_type: "application/sdp".into(), bytes: rest.to_vec().into() };
        // An order that comes at the wrong time is refused, which is all that is asked of it.
        let _ = match (what, dialog) {
            (b'm', _) => {
                self.receive(rest);
                Ok(())
            }
            (b'r', _) => {
                self.answer_last(rest);
                Ok(())
            }
            (b't', _) => {
                let seconds = rest.first().copied().unwrap_or(1);
                self.pass(Duration::from_millis(250) * u32::from(seconds));
                Ok(())
            }
            (b'x', _) => {
                self.endpoint.handle_transport_error(now, self.flow);
                Ok(())
            }
            (b'i', _) => self.place(None),
            // a call without offer, or with one too large for a datagram
            (b'I', _) => self.place(Some(text())),
            (b'J', _) => self.place(Some(Body::sdp(vec![b'x'; 1_400]))),
            (b's', _) => self.send(),
            (b'f', _) => {
                let replaces = std::str::from_utf8(rest).ok().and_then(|t| Replaces::parse(t).ok());
                if let Some(replaces) = replaces {
                    assert_eq!(Replaces::parse(&replaces.to_string()).as_ref(), Ok(&replaces));
                    let _ = self.endpoint.find_replaced(&replaces);
                }
                Ok(())
            }
            (b'o', _) => match self.pending.take() {
                Some(txn) => self.endpoint.respond(now, txn, Reply::new(200)),
                None => Ok(()),
            },
            (b'p', Some(dialog)) => self.endpoint.progress(now, dialog, Reply::new(180)),
            (b'P', Some(dialog)) => {
                self.endpoint.progress(now, dialog, Reply::new(183).with_body(text()))
            }
            (b'k', Some(dialog)) => self.endpoint.ack(now, dialog, Some(text())),
            (b'K', Some(dialog)) => self.endpoint.ack(now, dialog, None),
            (b'u', Some(dialog)) => self.endpoint.update(now, dialog, Vec::new(), Some(text())),
            (b'U', Some(dialog)) => self.endpoint.update(now, dialog, Vec::new(), None),
            (b'q', Some(dialog)) => {
                self.endpoint.request(now, dialog, Method::Refer, Vec::new(), None).map(drop)
            }
            (b'a', Some(dialog)) => {
                self.endpoint.answer(now, dialog, Reply::new(200).with_body(text()))
            }
            (b'd', Some(dialog)) => self.endpoint.reject(now, dialog, Reply::new(486)),
            (b'c', Some(dialog)) => self.endpoint.cancel(now, dialog),
            (b'b', Some(dialog)) => self.endpoint.bye(now, dialog, Vec::new()),
            (b'n', Some(dialog)) => self.endpoint.reinvite(now, dialog, Vec::new(), Some(text())),
            _ => Ok(()),
        };
        self.drain();
        self.was_broken = false;
    }

    fn send(&mut self) -> Result<(), sip::Error> {
        let outside = Outside {
            method: Method::Register,
            uri: "sip:192.0.2.2".parse()?,
            flow: self.flow,
            from: "<sip:alice@192.0.2.2>".parse()?,
            to: "<sip:alice@192.0.2.2>".parse()?,
            call_id: None,
            seq: 1,
            contact: Some((Some("alice".to_owned()), ";expires=60".to_owned())),
            headers: Vec::new(),
            body: None,
            credentials: Some(Credentials::new("a", "b")),
            route: Vec::new(),
        };
        self.endpoint.send(self.now, outside).map(drop)
    }

    fn place(&mut self, body: Option<Body>) -> Result<(), sip::Error> {
        let uri: sip::Uri = "sip:bob@192.0.2.2".parse()?;
        let (from, to) = ("<sip:alice@192.0.2.1>".parse()?, "<sip:bob@192.0.2.2>".parse()?);
        let mut invite = Invite::new(uri, self.flow, from, to);
        invite.credentials = Some(Credentials::new("a", "b"));
        invite.body = body;
        let (dialog, _) = self.endpoint.invite(self.now, invite)?;
        self.dialogs.push(dialog);
        Ok(())
    }

    fn receive(&mut self, message: &[u8]) {
        let mut bytes = Vec::new();
        let mut rest = message;
        while let Some(at) = rest.windows(2).position(|two| two == b"@T") {
            bytes.extend_from_slice(&rest[..at]);
            bytes.extend_from_slice(self.tag.as_bytes());
            rest = &rest[at + 2..];
        }
        bytes.extend_from_slice(rest);
        self.was_broken = Message::parse(&bytes).is_err();
        self.endpoint.handle_message(self.now, self.flow, &bytes);
    }

    /// `rest` is `status SP reason CRLF`, and what else the peer writes.
    fn answer_last(&mut self, rest: &[u8]) {
        let Some(request) = &self.last_request else { return };
        let (via, from) = (request.via(), request.from());
        let (to, call_id, cseq) = (request.to(), request.call_id(), request.cseq());
        let tag =
            if request.header("To").is_some_and(|to| to.contains("tag=")) { "" } else { ";tag=z" };
        let line = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |at| at + 1);
        let mut bytes = b"SIP/2.0 ".to_vec();
        bytes.extend_from_slice(&rest[..line]);
        let fields = format!(
            "Via: {via}\r\nFrom: {from}\r\nTo: {to}{tag}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n"
        );
        bytes.extend_from_slice(fields.as_bytes());
        bytes.extend_from_slice(&rest[line..]);
        self.endpoint.handle_message(self.now, self.flow, &bytes);
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.endpoint.next_wake().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    fn hang_up(&mut self) {
        for dialog in std::mem::take(&mut self.dialogs) {
            let _ = self.endpoint.reject(self.now, dialog, Reply::new(500));
            let _ = self.endpoint.cancel(self.now, dialog);
            let _ = self.endpoint.bye(self.now, dialog, Vec::new());
        }
        if let Some(txn) = self.pending.take() {
            let _ = self.endpoint.respond(self.now, txn, Reply::new(480));
        }
        self.drain();
    }

    /// Looks at all that the endpoint wants done: what it sends must be a message.
    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit { bytes, .. } => match Message::parse(&bytes) {
                    Ok(Message::Request(request)) => self.last_request = Some(request),
                    Ok(Message::Response(response)) => {
                        if let Some(tag) = response.to().tag() {
                            self.tag = tag.to_owned();
                        }
                    }
                    // A refusal gives back what it refuses, broken as it was.
                    Err(_) if self.was_broken => {}
                    Err(refused) => panic!("sent what cannot be read: {refused:?} in {bytes:?}"),
                },
                Output::Event(Event::Invite { dialog, .. }) => self.dialogs.push(dialog),
                Output::Event(Event::Request { txn, .. } | Event::Update { txn, .. }) => {
                    let former = self.pending.replace(txn);
                    if let Some(txn) = former {
                        let _ = self.endpoint.respond(self.now, txn, Reply::new(405));
                    }
                }
                Output::Event(_) => {}
            }
        }
    }
}
