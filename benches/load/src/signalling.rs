//! The SIP side of all callers: one socket, and which message is whose.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail};
use support::Message;
use support::stamp::StampedUdp;

use crate::caller::{Caller, Outcome};
use crate::line::Line;
use crate::target::SipTarget;

const REGISTER_LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);

pub(crate) struct Signalling {
    line: Line,
    server: SocketAddr,
    socket: StampedUdp,
    pub(crate) callers: Vec<Caller>,
    by_call_id: HashMap<String, usize>,
    outbox: Vec<Vec<u8>>,
}

impl Signalling {
    /// # Errors
    /// When no socket can be had.
    pub(crate) fn new(target: &SipTarget) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let line = Line {
            local: socket.local_addr()?,
            domain: target.domain.clone(),
            user: target.user.clone(),
            credentials: target.credentials.clone(),
        };
        Ok(Self {
            line,
            server: target.address,
            socket: StampedUdp::new(socket)?,
            callers: Vec::new(),
            by_call_id: HashMap::new(),
            outbox: Vec::new(),
        })
    }

    pub(crate) fn add(&mut self, caller: Caller) {
        self.by_call_id.insert(caller.call_id(&self.line), self.callers.len());
        self.callers.push(caller);
    }

    /// Puts another caller into a place whose call is over.
    pub(crate) fn replace(&mut self, number: usize, caller: Caller) {
        if let Some(place) = self.callers.get_mut(number) {
            self.by_call_id.remove(&place.call_id(&self.line));
            self.by_call_id.insert(caller.call_id(&self.line), number);
            *place = caller;
        }
    }

    pub(crate) fn number_of(&self, call_id: &str) -> Option<usize> {
        self.by_call_id.get(call_id).copied()
    }

    /// Registers the SIP client these callers are.
    ///
    /// # Errors
    /// When the server refuses or does not answer.
    pub(crate) fn register(&mut self) -> Result<()> {
        let aor = format!("<sip:{}@{}>", self.line.user, self.line.domain);
        let mut request = self
            .line
            .request("REGISTER", &format!("sip:{}", self.line.domain), "register")
            .with("From", format!("{aor};tag=r"))
            .with("To", aor)
            .with("Call-ID", format!("load-register-{}", self.line.local.port()))
            .with("CSeq", "1 REGISTER")
            .with("Contact", self.line.contact())
            .with("Expires", "3600");
        let give_up = Instant::now() + REGISTER_LIMIT;
        let mut resend_at = Instant::now();
        while Instant::now() < give_up {
            if Instant::now() >= resend_at {
                self.socket.send_to(&request.to_bytes(), self.server)?;
                resend_at = Instant::now() + Duration::from_secs(1);
            }
            let Some((response, _)) = self.receive()? else {
                thread::sleep(PAUSE);
                continue;
            };
            if response.branch() != request.branch() {
                continue;
            }
            match response.code() {
                Some(200..=299) => return Ok(()),
                Some(300..) => {
                    let Some(again) = self.line.authorize(&request, &response) else {
                        bail!("REGISTER answered {:?} {}", response.code(), response.reason());
                    };
                    request = again;
                    resend_at = Instant::now();
                }
                _ => {}
            }
        }
        bail!("REGISTER was not answered within {REGISTER_LIMIT:?}")
    }

    pub(crate) fn start(&mut self, number: usize) {
        if let Some(caller) = self.callers.get_mut(number) {
            caller.start(&self.line, Instant::now(), &mut self.outbox);
        }
    }

    pub(crate) fn hang_up(&mut self, number: usize) {
        if let Some(caller) = self.callers.get_mut(number) {
            caller.hang_up(&self.line, Instant::now(), &mut self.outbox);
        }
    }

    /// Reads what has come, sends what is due; what changed for a caller goes to `on_change`.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(crate) fn turn(
        &mut self,
        look_at_timers: bool,
        mut on_change: impl FnMut(usize, Outcome) -> Result<()>,
    ) -> Result<()> {
        while let Some((message, at)) = self.receive()? {
            if let Some((number, outcome)) = self.dispatch(&message, at) {
                on_change(number, outcome)?;
            }
        }
        if look_at_timers {
            let now = Instant::now();
            self.callers.iter_mut().for_each(|caller| caller.on_timer(now, &mut self.outbox));
        }
        for message in self.outbox.drain(..) {
            self.socket.send_to(&message, self.server)?;
        }
        Ok(())
    }

    fn dispatch(&mut self, message: &Message, at: SystemTime) -> Option<(usize, Outcome)> {
        let number = self.by_call_id.get(message.call_id()).copied();
        let Some((number, caller)) = number.and_then(|n| Some((n, self.callers.get_mut(n)?)))
        else {
            if message.method().is_some_and(|method| method != "ACK") {
                self.outbox.push(Message::reply_to(message, 200, "OK").to_bytes());
            }
            return None;
        };
        let now = Instant::now();
        Some((number, caller.on_message(&self.line, now, at, message, &mut self.outbox)))
    }

    /// The next SIP message that has come; what is no SIP is dropped.
    fn receive(&mut self) -> Result<Option<(Message, SystemTime)>> {
        let mut buffer = [0; 16_384];
        while let Some(received) = self.socket.receive(&mut buffer)? {
            let bytes = buffer.get(..received.len).unwrap_or_default();
            if let Some(message) = Message::parse(bytes) {
                return Ok(Some((message, received.at)));
            }
        }
        Ok(None)
    }
}
