//! What signalling costs on one core, without sockets: one message read, a stream cut into messages, an
//! OPTIONS answered, and a whole call taken by an endpoint (INVITE, 200, ACK, BYE, 200).

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sip::{
    Body, Config, DialogId, Endpoint, Event, Flow, Frame, Message, Output, Reply, StreamFramer,
};

const JSSIP_INVITE: &[u8] = include_bytes!("../sip/tests/data/jssip-invite.sip");
const JSSIP_REGISTER: &[u8] = include_bytes!("../sip/tests/data/jssip-register-2-auth.sip");

const SDP: &str = "v=0\r\no=- 3 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n\
    a=sendrecv\r\n";

/// Between two calls. Each leaves two transactions behind for 32 s, and an endpoint bounds those.
const STEP: Duration = Duration::from_millis(2);

/// A message of a phone in call `n`, with the fields phones write.
fn message(start: &str, n: u64, tag: &str, cseq: &str, extra: &str, body: &str) -> Vec<u8> {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.7:5060;rport;branch=z9hG4bK{n}-{branch}\r\n\
         Max-Forwards: 70\r\nFrom: \"Alice\" <sip:alice@example.com>;tag=f{n}\r\n\
         To: <sip:1000@example.com>{tag}\r\nCall-ID: call-{n}@192.0.2.7\r\nCSeq: {cseq}\r\n\
         Contact: <sip:alice@192.0.2.7:5060>\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REFER, NOTIFY, INFO, UPDATE\r\n\
         Supported: replaces, timer, outbound\r\nUser-Agent: bench\r\n{extra}{kind}\
         Content-Length: {}\r\n\r\n{body}",
        body.len(),
        branch = cseq.replace(' ', "-"),
    )
    .into_bytes()
}

fn request(method: &str, n: u64, tag: &str, seq: u32, body: &str) -> Vec<u8> {
    let start = format!("{method} sip:1000@192.0.2.1:5060 SIP/2.0");
    message(&start, n, tag, &format!("{seq} {method}"), "", body)
}

fn messages() -> [(&'static str, Vec<u8>); 6] {
    let route = "Record-Route: <sip:192.0.2.5;lr>, <sip:192.0.2.6;lr>\r\n";
    [
        ("invite_browser", JSSIP_INVITE.to_vec()),
        ("invite_phone", request("INVITE", 1, "", 1, SDP)),
        ("register_auth", JSSIP_REGISTER.to_vec()),
        ("ok_with_sdp", message("SIP/2.0 200 OK", 1, ";tag=t", "1 INVITE", route, SDP)),
        ("ack", request("ACK", 1, ";tag=t", 1, "")),
        ("bye", request("BYE", 1, ";tag=t", 2, "")),
    ]
}

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("sip_parse");
    group.throughput(Throughput::Elements(1));
    for (name, bytes) in messages() {
        group.bench_function(name, |b| {
            b.iter(|| Message::parse(black_box(&bytes)).expect("a good message"));
        });
    }
    group.finish();
}

fn frame(c: &mut Criterion) {
    let all: Vec<Vec<u8>> = messages().map(|(_, bytes)| bytes).to_vec();
    let stream = all.concat();
    let mut group = c.benchmark_group("sip_frame");
    group.throughput(Throughput::Elements(all.len() as u64));
    group.bench_function("six_messages", |b| {
        let mut framer = StreamFramer::new();
        b.iter(|| {
            framer.push(black_box(&stream));
            while let Some(frame) = framer.next().expect("well framed") {
                assert!(matches!(black_box(frame), Frame::Message(_)));
            }
        });
    });
    group.finish();
}

/// An endpoint and its clock, which runs on so that finished calls are forgotten as they would be.
struct Server {
    endpoint: Endpoint,
    now: Instant,
    flow: Flow,
    calls: u64,
    body: Bytes,
}

impl Server {
    fn new() -> Self {
        let local = ([192, 0, 2, 1], 5060).into();
        Self {
            endpoint: Endpoint::new(Config::at(local), 1),
            now: Instant::now(),
            flow: Flow::udp(local, ([192, 0, 2, 7], 5060).into()),
            calls: 0,
            body: Bytes::from_static(SDP.as_bytes()),
        }
    }

    /// Hands a message in; the time that took, the last message out, the call if it began one.
    fn take(&mut self, bytes: &[u8]) -> (Duration, Option<Bytes>, Option<DialogId>) {
        let began = Instant::now();
        self.endpoint.handle_message(self.now, self.flow, black_box(bytes));
        let (sent, dialog) = self.drain();
        (began.elapsed(), sent, dialog)
    }

    fn drain(&mut self) -> (Option<Bytes>, Option<DialogId>) {
        let (mut sent, mut call) = (None, None);
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit { bytes, .. } => sent = Some(bytes),
                Output::Event(Event::Invite { dialog, .. }) => call = Some(dialog),
                Output::Event(_) => {}
            }
        }
        (sent, call)
    }

    fn pass(&mut self, step: Duration) -> Duration {
        self.now += step;
        let began = Instant::now();
        while self.endpoint.next_wake().is_some_and(|at| at <= self.now) {
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        began.elapsed()
    }

    /// One OPTIONS and its 200.
    fn options(&mut self) -> Duration {
        self.calls += 1;
        let (spent, sent, _) = self.take(&request("OPTIONS", self.calls, "", 1, ""));
        assert!(sent.is_some());
        spent + self.pass(STEP)
    }

    /// One call that is answered at once and hung up by the caller. Only the endpoint's work counts, not
    /// the making of the caller's messages.
    fn call(&mut self) -> Duration {
        self.calls += 1;
        let n = self.calls;
        let (mut spent, _, dialog) = self.take(&request("INVITE", n, "", 1, SDP));
        let reply = Reply::new(200).with_body(Body::sdp(self.body.clone()));
        let began = Instant::now();
        self.endpoint.answer(self.now, dialog.expect("a call"), reply).expect("answered");
        let (answer, _) = self.drain();
        spent += began.elapsed();
        let answer = Message::parse(&answer.expect("a 200")).expect("a good message");
        let Message::Response(answer) = answer else { panic!("not an answer") };
        let tag = format!(";tag={}", answer.to().tag().expect("a tag"));
        spent += self.take(&request("ACK", n, &tag, 1, "")).0;
        let (took, sent, _) = self.take(&request("BYE", n, &tag, 2, ""));
        assert!(sent.is_some());
        spent + took + self.pass(STEP)
    }
}

fn serve(c: &mut Criterion) {
    let mut group = c.benchmark_group("sip_endpoint");
    group.throughput(Throughput::Elements(1));
    group.bench_function("options_answered", |b| {
        let mut server = Server::new();
        b.iter_custom(|count| (0..count).map(|_| server.options()).sum());
    });
    group.bench_function("call_taken", |b| {
        let mut server = Server::new();
        b.iter_custom(|count| (0..count).map(|_| server.call()).sum());
    });
    group.finish();
}

criterion_group!(benches, parse, frame, serve);
criterion_main!(benches);
