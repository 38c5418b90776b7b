//! A SIP user agent for exact control of the wire, over any transport; no thread of its own.
//!
//! The test drives it: what it does not ask for is not sent, except what keeps a transaction alive
//! (requests are retransmitted while their answer is awaited; a repeated request gets the same answer
//! again, a repeated 200 the same ACK). Everything sent and received is kept in a log that failing
//! expectations print.

mod over;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::dialog::Dialog;
use crate::digest::{Challenge, Credentials};
use crate::message::Message;
use crate::rtp_peer::RtpPeer;
use crate::sdp;
use crate::sip_wire::Wire;

/// Longest wait for an answer or request that a test expects.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// RFC 3261 T1: first pause before a retransmission over UDP.
const T1: Duration = Duration::from_millis(500);

static NUMBER: AtomicU32 = AtomicU32::new(0);

#[derive(Debug)]
pub struct SipPeer {
    wire: Wire,
    server: SocketAddr,
    local: SocketAddr,
    user: String,
    domain: String,
    credentials: Option<Credentials>,
    inbox: VecDeque<Message>,
    log: Vec<String>,
    started: Instant,
    /// Bytes that answer a repeated request or a repeated 200, by branch or Call-ID and CSeq.
    repeats: HashMap<String, Vec<u8>>,
}

/// A call that stands: the dialog, and when each side said so.
#[derive(Debug)]
pub struct SipCall {
    pub dialog: Dialog,
    /// The final answer to (or of) the INVITE.
    pub answer: Message,
    pub answered_at: SystemTime,
}

impl SipPeer {
    fn over(wire: Wire, server: SocketAddr) -> Self {
        let local = wire.local_addr().expect("a bound socket has an address");
        Self {
            wire,
            server,
            local,
            user: "stranger".into(),
            domain: server.to_string(),
            credentials: None,
            inbox: VecDeque::new(),
            log: Vec::new(),
            started: Instant::now(),
            repeats: HashMap::new(),
        }
    }

    /// The peer speaks as that user of that domain and answers challenges.
    #[must_use]
    pub fn as_client(mut self, user: &str, password: &str, domain: &str) -> Self {
        self.user = user.into();
        self.domain = domain.into();
        self.credentials = Some(Credentials { user: user.into(), password: password.into() });
        self
    }

    /// Sends to where `request` came from, from now on: for a peer that plays the server.
    pub fn answer_to(&mut self, request: &Message) {
        let via = request.header("Via").unwrap_or_default();
        let sent_by = via.split_whitespace().nth(1).and_then(|hop| hop.split(';').next());
        if let Some(address) = sent_by.and_then(|hop| hop.parse().ok()) {
            self.server = address;
        }
    }

    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The domain it speaks for.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// `<sip:user@address:port;transport=…>`.
    #[must_use]
    pub fn contact(&self) -> String {
        format!("<{}>", self.contact_uri())
    }

    #[must_use]
    pub fn contact_uri(&self) -> String {
        let transport = match self.wire.transport() {
            // RFC 7118 §5.5: there is no other word for it in a URI
            "WSS" => "ws".to_owned(),
            other => other.to_ascii_lowercase(),
        };
        format!("sip:{}@{};transport={transport}", self.user, self.local)
    }

    /// A request outside any dialog with everything RFC 3261 §8.1.1 demands.
    #[must_use]
    pub fn request(&self, method: &str, uri: &str) -> Message {
        let n = NUMBER.fetch_add(1, Ordering::Relaxed);
        Message::request(method, uri)
            .with("Via", self.via())
            .with("Max-Forwards", "70")
            .with("From", format!("<sip:{}@{}>;tag=p{n}", self.user, self.domain))
            .with("To", format!("<{uri}>"))
            .with("Call-ID", format!("peer-{n}-{}", self.local.port()))
            .with("CSeq", format!("1 {method}"))
            .with("Contact", self.contact())
    }

    /// A fresh Via with a branch of its own.
    #[must_use]
    pub fn via(&self) -> String {
        let n = NUMBER.fetch_add(1, Ordering::Relaxed);
        let transport = self.wire.transport();
        format!("SIP/2.0/{transport} {};branch=z9hG4bK-{}-{n};rport", self.local, self.local.port())
    }

    /// Sends a message as it is.
    pub fn send(&mut self, message: &Message) {
        self.send_bytes(&message.to_bytes());
    }

    /// Sends any bytes: garbage too.
    ///
    /// # Panics
    /// When the socket refuses them.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.note(">", bytes);
        let sent = self.wire.send(bytes, self.server);
        sent.expect("the SIP socket takes bytes");
    }

    /// The next message that has come or comes `within`, whatever it is.
    pub fn next_message(&mut self, within: Duration) -> Option<Message> {
        self.find(within, |_| true)
    }

    /// The first message that `is` it, waiting for it; others stay for later.
    pub fn find(&mut self, within: Duration, is: impl Fn(&Message) -> bool) -> Option<Message> {
        // Repetitions that came before their original was answered.
        let repeats = &self.repeats;
        self.inbox.retain(|m| m.method().is_none() || !repeats.contains_key(&request_key(m)));
        if let Some(at) = self.inbox.iter().position(&is) {
            return self.inbox.remove(at);
        }
        let deadline = Instant::now() + within;
        while let Some(message) = self.receive(deadline) {
            if is(&message) {
                return Some(message);
            }
            self.inbox.push_back(message);
        }
        None
    }

    /// # Panics
    /// When no such request comes `within`.
    pub fn expect_request(&mut self, method: &str, within: Duration) -> Message {
        let found = self.find(within, |message| message.method() == Some(method));
        found.unwrap_or_else(|| panic!("no {method} within {within:?}\n{}", self.history()))
    }

    /// Whether no request of that method is there or comes `within`.
    pub fn hears_no(&mut self, method: &str, within: Duration) -> bool {
        self.find(within, |message| message.method() == Some(method)).is_none()
    }

    /// The next response to `request`, provisional or final.
    ///
    /// # Panics
    /// When none comes `within`.
    pub fn expect_response(&mut self, request: &Message, within: Duration) -> Message {
        let is = answers(request);
        let found = self.find(within, is);
        found.unwrap_or_else(|| {
            let method = request.method().unwrap_or_default();
            panic!("no response to {method} within {within:?}\n{}", self.history())
        })
    }

    /// Sends `request`, again while nothing is heard (UDP), and gives the final response. An INVITE's
    /// failure is acknowledged.
    ///
    /// # Panics
    /// When no final response comes in time.
    pub fn transact(&mut self, request: &Message) -> Message {
        self.send(request);
        self.final_response(request)
    }

    /// As [`SipPeer::transact`] for a request that was sent already.
    ///
    /// # Panics
    /// When no final response comes in time.
    pub fn final_response(&mut self, request: &Message) -> Message {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = T1;
        let mut heard_any = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = if heard_any { left } else { pause.min(left) };
            match self.find(wait, answers(request)) {
                Some(response) if response.code().is_some_and(|code| code >= 200) => {
                    if request.method() == Some("INVITE")
                        && response.code().is_some_and(|code| code >= 300)
                    {
                        self.send(&Message::ack_of_failure(request, &response));
                    }
                    return response;
                }
                Some(_) => heard_any = true,
                None if Instant::now() >= deadline => panic!(
                    "no final response to {} within {PATIENCE:?}\n{}",
                    request.method().unwrap_or_default(),
                    self.history()
                ),
                None => {
                    if self.wire.is_datagrams() {
                        self.send(request);
                    }
                    pause *= 2;
                }
            }
        }
    }

    /// The same request with an answer to the challenge, or `None` when there is nothing to answer.
    #[must_use]
    pub fn authorized(&self, request: &Message, response: &Message) -> Option<Message> {
        let challenge = Challenge::of(response)?;
        let credentials = self.credentials.as_ref()?;
        let (cseq, method) = request.cseq()?;
        let answer = challenge.answer(credentials, method, request.uri()?, 1);
        let mut again = request.clone();
        again.set("Via", self.via());
        again.set("CSeq", format!("{} {method}", cseq + 1));
        again.set(challenge.answer_header, answer);
        Some(again)
    }

    /// [`SipPeer::transact`], answering one challenge; gives the request that got the response, too.
    pub fn transact_authorized(&mut self, request: Message) -> (Message, Message) {
        let response = self.transact(&request);
        match self.authorized(&request, &response) {
            Some(again) => {
                let response = self.transact(&again);
                (again, response)
            }
            None => (request, response),
        }
    }

    /// REGISTER for `expires` seconds; the final response.
    pub fn register(&mut self, expires: u32) -> Message {
        let aor = format!("<sip:{}@{}>", self.user, self.domain);
        let mut request = self.request("REGISTER", &format!("sip:{}", self.domain));
        request.set("To", aor);
        self.transact_authorized(request.with("Expires", expires.to_string())).1
    }

    /// INVITE with an offer for `rtp`, challenge answered, 200 acknowledged; media then flows.
    ///
    /// # Errors
    /// The final response, when it is none of 2xx.
    ///
    /// # Panics
    /// When a 200 makes no dialog or its answer has no audio.
    pub fn call(&mut self, uri: &str, rtp: &RtpPeer) -> Result<SipCall, Box<Message>> {
        self.call_offering(uri, rtp, &sdp::audio(rtp.local_addr(), rtp.format()))
    }

    /// [`SipPeer::call`] with that offer.
    ///
    /// # Errors
    /// The final response, when it is none of 2xx.
    ///
    /// # Panics
    /// When a 200 makes no dialog or its answer has no audio.
    pub fn call_offering(
        &mut self,
        uri: &str,
        rtp: &RtpPeer,
        offer: &str,
    ) -> Result<SipCall, Box<Message>> {
        let invite = self.request("INVITE", uri).with_body("application/sdp", offer);
        let (invite, response) = self.transact_authorized(invite);
        if response.code().is_none_or(|code| code >= 300) {
            return Err(Box::new(response));
        }
        let call = self.acknowledge(&invite, response);
        let audio = sdp::remote_audio(&call.answer.body);
        let audio = audio.unwrap_or_else(|| panic!("a 200 without audio\n{}", self.history()));
        rtp.connect(audio.rtp);
        Ok(call)
    }

    /// Sends the ACK of a 2xx and keeps it for repetitions.
    ///
    /// # Panics
    /// When the response makes no dialog.
    pub fn acknowledge(&mut self, invite: &Message, ok: Message) -> SipCall {
        let dialog = Dialog::of_caller(invite, &ok);
        let mut dialog =
            dialog.unwrap_or_else(|| panic!("a 2xx that makes no dialog\n{}", self.history()));
        let mut ack = dialog.request("ACK");
        ack.headers.insert(0, ("Via".to_owned(), self.via()));
        self.send(&ack);
        self.repeats.insert(response_key(&ok), ack.to_bytes());
        SipCall { dialog, answer: ok, answered_at: SystemTime::now() }
    }

    /// A response to a request received; it is sent again when the request is repeated.
    ///
    /// Adds a To tag, and to an INVITE's also the Contact.
    pub fn reply(&mut self, request: &Message, code: u16, reason: &str) -> Message {
        let response = self.response(request, code, reason);
        self.respond(request, &response);
        response
    }

    /// The response that [`SipPeer::reply`] would send, to be changed before it is sent.
    #[must_use]
    pub fn response(&self, request: &Message, code: u16, reason: &str) -> Message {
        let mut response = Message::reply_to(request, code, reason);
        if code > 100
            && request.to_tag().is_none()
            && let Some(to) = response.header("To").map(ToOwned::to_owned)
        {
            response.set("To", format!("{to};tag=u{}", self.local.port()));
        }
        if request.method() == Some("INVITE") && (101..300).contains(&code) {
            response = response.with("Contact", self.contact());
        }
        response
    }

    pub fn respond(&mut self, request: &Message, response: &Message) {
        self.repeats.insert(request_key(request), response.to_bytes());
        self.send(response);
    }

    /// Answers an INVITE with 200 and a description of `rtp`, and waits for the ACK.
    ///
    /// # Panics
    /// When the offer has no audio or no ACK comes.
    pub fn accept(&mut self, invite: &Message, rtp: &RtpPeer) -> SipCall {
        let audio = sdp::remote_audio(&invite.body);
        let audio = audio.unwrap_or_else(|| panic!("an offer without audio\n{}", self.history()));
        let ok = self
            .response(invite, 200, "OK")
            .with_body("application/sdp", sdp::pcmu(rtp.local_addr()));
        rtp.connect(audio.rtp);
        self.respond(invite, &ok);
        let answered_at = SystemTime::now();
        self.expect_request("ACK", PATIENCE);
        let dialog = Dialog::of_called(invite, &ok).expect("our own 200 makes a dialog");
        SipCall { dialog, answer: ok, answered_at }
    }

    /// A request inside a dialog, challenge answered; the final response.
    pub fn in_dialog(&mut self, dialog: &mut Dialog, method: &str) -> Message {
        let mut request = dialog.request(method);
        request.headers.insert(0, ("Via".to_owned(), self.via()));
        let request = request.with("Contact", self.contact());
        let (sent, response) = self.transact_authorized(request);
        dialog.cseq = sent.cseq().map_or(dialog.cseq, |(number, _)| number);
        response
    }

    /// Hangs up; the response to BYE.
    pub fn hang_up(&mut self, call: &mut SipCall) -> Message {
        self.in_dialog(&mut call.dialog, "BYE")
    }

    /// Waits for the other side's BYE and answers it.
    ///
    /// # Panics
    /// When none comes `within`.
    pub fn expect_bye(&mut self, within: Duration) -> Message {
        let bye = self.expect_request("BYE", within);
        self.reply(&bye, 200, "OK");
        bye
    }

    /// CANCEL of an INVITE that was sent (RFC 3261 §9.1); its response.
    pub fn cancel(&mut self, invite: &Message) -> Message {
        self.transact(&Message::cancel_of(invite))
    }

    /// Whether the server has closed the (TCP) connection `within`.
    pub fn is_closed(&mut self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        loop {
            match self.read(deadline) {
                Ok(Some(message)) => self.inbox.push_back(message),
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
    }

    /// Everything sent (`>`) and received (`<`) so far.
    #[must_use]
    pub fn history(&self) -> String {
        self.log.join("\n")
    }

    /// The next message before `deadline`, repetitions taken care of.
    fn receive(&mut self, deadline: Instant) -> Option<Message> {
        // A broken connection brings no more messages; what is missing is then reported.
        while let Ok(Some(message)) = self.read(deadline) {
            let key = if message.method().is_some() {
                request_key(&message)
            } else {
                response_key(&message)
            };
            if message.method() != Some("ACK")
                && let Some(repeat) = self.repeats.get(&key).cloned()
            {
                self.send_bytes(&repeat);
                continue;
            }
            return Some(message);
        }
        None
    }

    fn read(&mut self, deadline: Instant) -> io::Result<Option<Message>> {
        let message = self.wire.receive(deadline)?;
        if let Some(message) = &message {
            self.note("<", &message.to_bytes());
        }
        Ok(message)
    }

    fn note(&mut self, direction: &str, bytes: &[u8]) {
        let shown = &bytes[..bytes.len().min(2_000)];
        let text = String::from_utf8_lossy(shown).replace("\r\n", "\n    ");
        let at = self.started.elapsed().as_millis();
        self.log.push(format!("{direction} {at} ms\n    {}", text.trim_end()));
    }
}

/// Whether a message is a response to `request` (RFC 3261 §17.1.3).
fn answers(request: &Message) -> impl Fn(&Message) -> bool + use<> {
    let branch = request.branch().map(ToOwned::to_owned);
    let method = request.cseq().map(|(_, method)| method.to_owned());
    move |message| {
        message.code().is_some()
            && message.branch() == branch.as_deref()
            && message.cseq().map(|(_, method)| method) == method.as_deref()
    }
}

fn request_key(request: &Message) -> String {
    let method = request.method().unwrap_or_default();
    format!("{method} {}", request.branch().unwrap_or_default())
}

fn response_key(response: &Message) -> String {
    let class = response.code().unwrap_or_default() / 100;
    let cseq = response.header("CSeq").unwrap_or_default();
    format!("{class} {} {cseq}", response.call_id())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::rtp_peer::Voice;

    /// Two peers, each the other's server.
    fn pair() -> (SipPeer, SipPeer) {
        let mut a = SipPeer::udp((Ipv4Addr::LOCALHOST, 9).into());
        let b = SipPeer::udp(a.local_addr());
        a.server = b.local_addr();
        (a, b)
    }

    #[test]
    fn two_peers_call_talk_and_hang_up() {
        let (mut a, mut b) = pair();
        let (rtp_a, rtp_b) =
            (RtpPeer::start(Voice::Silence), RtpPeer::start(Voice::tone(450.0, -16.0)));
        let called = std::thread::spawn(move || {
            let invite = b.expect_request("INVITE", PATIENCE);
            b.reply(&invite, 180, "Ringing");
            let call = b.accept(&invite, &rtp_b);
            b.expect_bye(PATIENCE);
            (call, rtp_b.heard().frames.len())
        });
        let mut call = a.call("sip:b@127.0.0.1", &rtp_a).expect("answered");
        let heard = rtp_a.listen(Duration::from_millis(300));
        assert!((heard.level_db(450.0) + 16.0).abs() < 0.5);
        assert_eq!(a.hang_up(&mut call).code(), Some(200));
        let (call_b, frames) = called.join().expect("the called side is content");
        assert_eq!(call_b.dialog.call_id, call.dialog.call_id);
        assert!(frames > 10);
    }

    #[test]
    fn a_repeated_request_gets_the_same_answer_again() {
        let (mut a, mut b) = pair();
        let options = a.request("OPTIONS", "sip:b");
        a.send(&options);
        let received = b.expect_request("OPTIONS", PATIENCE);
        b.reply(&received, 200, "OK");
        let first = a.expect_response(&options, PATIENCE);
        a.send(&options);
        assert!(b.hears_no("OPTIONS", Duration::from_millis(50)));
        assert_eq!(a.expect_response(&options, PATIENCE), first);
    }

    #[test]
    fn a_challenge_is_answered() {
        let (a, mut b) = pair();
        let mut a = a.as_client("u", "p", "d");
        let registrar = std::thread::spawn(move || {
            let first = b.expect_request("REGISTER", PATIENCE);
            let challenge = b
                .response(&first, 401, "Unauthorized")
                .with("WWW-Authenticate", "Digest realm=\"d\", nonce=\"n\", qop=\"auth\"");
            b.respond(&first, &challenge);
            let second = b.expect_request("REGISTER", PATIENCE);
            b.reply(&second, 200, "OK");
            second
        });
        assert_eq!(a.register(60).code(), Some(200));
        let second = registrar.join().expect("the registrar is content");
        assert_eq!(second.cseq(), Some((2, "REGISTER")));
        assert!(second.header("Authorization").is_some_and(|value| value.contains("qop=auth")));
    }
}
