//! A phone in virtual time, and what becomes of its REGISTERs.

mod bindings;
mod outbound;
mod saved;

use std::time::{Duration, Instant};

use super::{Applied, Bindings, Limits};
use crate::endpoint::Reply;
use crate::message::Request;
use crate::sim::epoch;
use crate::transport::Flow;

const AOR: &str = "alice@example.com";

struct Phone {
    bindings: Bindings,
    limits: Limits,
    now: Instant,
    flow: Flow,
    call_id: &'static str,
    cseq: u32,
}

impl Phone {
    fn new() -> Self {
        Self {
            bindings: Bindings::new(2),
            limits: Limits { max_contacts: 2, ..Limits::default() },
            now: epoch(),
            flow: Flow::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.7:40000".parse().unwrap()),
            call_id: "one",
            cseq: 0,
        }
    }

    fn register(&mut self, headers: &str) -> Result<Applied, Reply> {
        self.cseq += 1;
        self.register_as(AOR, headers)
    }

    fn register_as(&mut self, aor: &str, headers: &str) -> Result<Applied, Reply> {
        let (call_id, cseq) = (self.call_id, self.cseq);
        let text = format!(
            "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK{cseq}\r\n\
             From: <sip:alice@example.com>;tag=f\r\nTo: <sip:alice@example.com>\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\nUser-Agent: phone\r\n{headers}\r\n"
        );
        let request = Request::parse(text.as_bytes()).unwrap();
        self.bindings.apply(self.now, aor, &request, self.flow, &self.limits)
    }

    fn contacts(&self) -> Vec<String> {
        self.bindings.lookup(self.now, AOR).iter().map(|b| b.contact.to_string()).collect()
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }
}

fn contact_of(reply: &Reply) -> Vec<&str> {
    let contacts = reply.headers.iter().filter(|(name, _)| name == "Contact");
    contacts.map(|(_, value)| value.as_str()).collect()
}
