//! The SIP side of one caller, as a small state machine without sockets (RFC 3261 §13, §15, §17.1.1).
//!
//! Driven by [`Run`](crate::run::Run): `start`, `on_message`, `on_timer`, `hang_up`; what must go on the
//! wire is pushed to `out`. A challenge is answered once per request.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use support::sdp;
use support::{Dialog, Message};

use crate::codec::{self, Codec};
use crate::line::Line;

/// RFC 3261 §17.1.1.1: estimate of the round trip; retransmissions start here and double.
const T1: Duration = Duration::from_millis(500);
/// RFC 3261 §17.1.2.1: longest pause between retransmissions of anything but an INVITE.
const T2: Duration = Duration::from_secs(4);
/// Longest wait for a final answer to an INVITE.
const ANSWER_LIMIT: Duration = Duration::from_secs(40);
/// Longest wait for the answer to a BYE.
const BYE_LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Caller {
    number: u32,
    uri: String,
    codec: Codec,
    sdp: String,
    state: State,
    invite_sent_at: Option<SystemTime>,
    /// INVITE to 200, once connected.
    pub(crate) set_up: Option<Duration>,
    /// Why the call failed or ended before it was hung up here.
    pub(crate) failure: Option<String>,
}

#[derive(Debug)]
enum State {
    Idle,
    Inviting { invite: Message, resend: Option<Resend>, give_up: Instant },
    Connected { dialog: Dialog, ack: Vec<u8> },
    Leaving { bye: Message, resend: Resend, give_up: Instant },
    Gone,
}

/// When to send the same bytes again, and how long to wait after that.
#[derive(Debug, Clone, Copy)]
struct Resend {
    at: Instant,
    pause: Duration,
}

impl Resend {
    fn from(now: Instant) -> Self {
        Self { at: now + T1, pause: T1 }
    }

    fn send_if_due(
        &mut self,
        now: Instant,
        longest: Duration,
        message: &Message,
        out: &mut Vec<Vec<u8>>,
    ) {
        if now >= self.at {
            out.push(message.to_bytes());
            self.pause = (self.pause * 2).min(longest);
            self.at = now + self.pause;
        }
    }
}

/// What a message meant for the caller's media.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Nothing,
    /// Where to send, and the number of the level extension when it was taken.
    Connected(SocketAddr, Option<u8>),
    Ended,
}

impl Caller {
    /// One who calls `uri` with the offer `sdp` of `codec`.
    pub(crate) fn new(number: u32, uri: &str, codec: Codec, sdp: String) -> Self {
        Self {
            number,
            uri: uri.to_owned(),
            codec,
            sdp,
            state: State::Idle,
            invite_sent_at: None,
            set_up: None,
            failure: None,
        }
    }

    pub(crate) fn call_id(&self, line: &Line) -> String {
        format!("load-{}-{}", self.number, line.local.port())
    }

    /// Neither waiting for an answer to INVITE nor to BYE.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.state, State::Connected { .. } | State::Gone)
    }

    /// Answered, and not over.
    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected { .. })
    }

    /// Over, or never begun.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.state, State::Idle | State::Gone)
    }

    pub(crate) fn start(&mut self, line: &Line, now: Instant, out: &mut Vec<Vec<u8>>) {
        let n = self.number;
        let invite = line
            .request("INVITE", &self.uri, &format!("{n}-1"))
            .with("From", format!("<sip:{}@{}>;tag=l{n}", line.user, line.domain))
            .with("To", format!("<{}>", self.uri))
            .with("Call-ID", self.call_id(line))
            .with("CSeq", "1 INVITE")
            .with("Contact", line.contact())
            .with_body("application/sdp", self.sdp.as_str());
        self.invite_sent_at = Some(SystemTime::now());
        self.send_invite(invite, now, out);
    }

    fn send_invite(&mut self, invite: Message, now: Instant, out: &mut Vec<Vec<u8>>) {
        out.push(invite.to_bytes());
        let resend = Some(Resend::from(now));
        self.state = State::Inviting { invite, resend, give_up: now + ANSWER_LIMIT };
    }

    /// One message of this call, received by the kernel at `at`.
    pub(crate) fn on_message(
        &mut self,
        line: &Line,
        now: Instant,
        at: SystemTime,
        message: &Message,
        out: &mut Vec<Vec<u8>>,
    ) -> Outcome {
        match (message.method(), message.code()) {
            (Some(method), _) => self.on_request(method, message, out),
            (None, Some(code)) => match message.cseq().map(|(_, method)| method) {
                Some("INVITE") => self.on_invite_response(line, now, at, code, message, out),
                Some("BYE") => self.on_bye_response(line, now, code, message, out),
                _ => Outcome::Nothing,
            },
            _ => Outcome::Nothing,
        }
    }

    fn on_request(&mut self, method: &str, request: &Message, out: &mut Vec<Vec<u8>>) -> Outcome {
        if method == "ACK" {
            return Outcome::Nothing;
        }
        let mut reply = Message::reply_to(request, 200, "OK");
        if method == "INVITE" {
            reply = reply
                .with("Contact", request.uri().map_or_else(String::new, |uri| format!("<{uri}>")))
                .with_body("application/sdp", self.sdp.as_str());
        }
        out.push(reply.to_bytes());
        if method == "BYE" && !matches!(self.state, State::Gone) {
            if matches!(self.state, State::Connected { .. }) {
                let why = request.header("X-Reason").or_else(|| request.header("Reason"));
                self.failure =
                    Some(format!("ended by the server ({})", why.unwrap_or("no reason")));
            }
            self.state = State::Gone;
            return Outcome::Ended;
        }
        Outcome::Nothing
    }

    fn on_invite_response(
        &mut self,
        line: &Line,
        now: Instant,
        at: SystemTime,
        code: u16,
        response: &Message,
        out: &mut Vec<Vec<u8>>,
    ) -> Outcome {
        let State::Inviting { invite, resend, .. } = &mut self.state else {
            // RFC 3261 §13.2.2.4: a repeated 200 means that the ACK was lost.
            if let (State::Connected { ack, .. }, 200..=299) = (&self.state, code) {
                out.push(ack.clone());
            }
            return Outcome::Nothing;
        };
        match code {
            100..=199 => {
                *resend = None;
                Outcome::Nothing
            }
            200..=299 => {
                let invite = invite.clone();
                self.on_answer(line, at, &invite, response, out)
            }
            _ => {
                if response.branch() != invite.branch() {
                    return Outcome::Nothing; // a late copy of the challenge
                }
                out.push(Message::ack_of_failure(invite, response).to_bytes());
                let again = line.authorize(invite, response);
                if let Some(again) = again {
                    self.send_invite(again, now, out);
                    return Outcome::Nothing;
                }
                self.fail(format!("{code} {}", response.reason()));
                Outcome::Ended
            }
        }
    }

    fn on_answer(
        &mut self,
        line: &Line,
        at: SystemTime,
        invite: &Message,
        ok: &Message,
        out: &mut Vec<Vec<u8>>,
    ) -> Outcome {
        let Some(mut dialog) = Dialog::of_caller(invite, ok) else {
            self.fail("200 without To tag or Contact".to_owned());
            return Outcome::Ended;
        };
        let ack = line.in_dialog(dialog.request("ACK"), &format!("{}-ack", self.number)).to_bytes();
        out.push(ack.clone());
        self.state = State::Connected { dialog, ack };
        let expected = self.codec.payload_type();
        let audio =
            sdp::remote_audio(&ok.body).filter(|audio| audio.payload_types.contains(&expected));
        let Some(audio) = audio else {
            self.failure = Some(format!("200 without {}", self.codec.name()));
            return Outcome::Nothing;
        };
        if !audio.rtp.ip().is_loopback() {
            self.failure =
                Some("media address is not on the loopback interface: refused".to_owned());
            return Outcome::Nothing;
        }
        self.set_up = self.invite_sent_at.and_then(|sent| at.duration_since(sent).ok());
        Outcome::Connected(audio.rtp, codec::accepted_level_id(&ok.body))
    }

    fn on_bye_response(
        &mut self,
        line: &Line,
        now: Instant,
        code: u16,
        response: &Message,
        out: &mut Vec<Vec<u8>>,
    ) -> Outcome {
        let State::Leaving { bye, resend, .. } = &mut self.state else { return Outcome::Nothing };
        if code < 200 || response.branch() != bye.branch() {
            return Outcome::Nothing;
        }
        if let Some(again) = line.authorize(bye, response) {
            out.push(again.to_bytes());
            *bye = again;
            *resend = Resend::from(now);
            return Outcome::Nothing;
        }
        if code >= 300 {
            self.failure = Some(format!("BYE answered {code}"));
        }
        self.state = State::Gone;
        Outcome::Ended
    }

    pub(crate) fn hang_up(&mut self, line: &Line, now: Instant, out: &mut Vec<Vec<u8>>) {
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Connected { mut dialog, .. } => {
                let bye = line.in_dialog(dialog.request("BYE"), &format!("{}-bye", self.number));
                out.push(bye.to_bytes());
                let resend = Resend::from(now);
                self.state = State::Leaving { bye, resend, give_up: now + BYE_LIMIT };
            }
            leaving @ State::Leaving { .. } => self.state = leaving,
            State::Inviting { .. } => self.fail("unanswered when the run ended".to_owned()),
            State::Idle | State::Gone => {}
        }
    }

    /// Sends again what is due, gives up what is overdue.
    pub(crate) fn on_timer(&mut self, now: Instant, out: &mut Vec<Vec<u8>>) {
        match &mut self.state {
            State::Inviting { give_up, .. } if now >= *give_up => {
                self.fail("no final answer to INVITE".to_owned());
            }
            State::Inviting { invite, resend: Some(resend), .. } => {
                resend.send_if_due(now, ANSWER_LIMIT, invite, out);
            }
            State::Leaving { give_up, .. } if now >= *give_up => {
                self.fail("no answer to BYE".to_owned());
            }
            State::Leaving { bye, resend, .. } => resend.send_if_due(now, T2, bye, out),
            _ => {}
        }
    }

    fn fail(&mut self, why: String) {
        self.failure = Some(why);
        self.state = State::Gone;
    }
}

#[cfg(test)]
mod tests {
    use support::digest::Credentials;

    use super::*;

    fn line() -> Line {
        Line {
            local: "127.0.0.1:5099".parse().unwrap(),
            domain: "r".into(),
            user: "u".into(),
            credentials: Some(Credentials { user: "u".into(), password: "p".into() }),
        }
    }

    /// A caller that has sent its INVITE, and that INVITE.
    fn started() -> (Caller, Message) {
        let offer = sdp::pcmu("127.0.0.1:4000".parse().unwrap());
        let mut caller = Caller::new(3, "sip:conference-x@r", Codec::Pcmu, offer);
        let mut out = Vec::new();
        caller.start(&line(), Instant::now(), &mut out);
        (caller, Message::parse(&out[0]).unwrap())
    }

    fn reply(request: &Message, code: u16) -> Message {
        let mut reply = Message::reply_to(request, code, "x");
        let to = reply.header("To").unwrap().to_owned();
        reply.set("To", format!("{to};tag=s"));
        reply
    }

    fn hear(caller: &mut Caller, message: &Message) -> (Outcome, Vec<Message>) {
        let mut out = Vec::new();
        let (now, at) = (Instant::now(), SystemTime::now());
        let outcome = caller.on_message(&line(), now, at, message, &mut out);
        (outcome, out.iter().map(|bytes| Message::parse(bytes).unwrap()).collect())
    }

    #[test]
    fn a_challenge_is_acknowledged_and_answered_once() {
        let (mut caller, invite) = started();
        let challenge = reply(&invite, 401)
            .with("WWW-Authenticate", "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"");
        let (outcome, sent) = hear(&mut caller, &challenge);
        assert_eq!(outcome, Outcome::Nothing);
        assert_eq!((sent[0].method(), sent[0].branch()), (Some("ACK"), invite.branch()));
        assert_eq!(sent[1].cseq(), Some((2, "INVITE")));
        assert!(sent[1].header("Authorization").is_some());
        let again =
            reply(&sent[1], 401).with("WWW-Authenticate", "Digest realm=\"r\", nonce=\"m\"");
        assert_eq!(hear(&mut caller, &again).0, Outcome::Ended);
        assert_eq!(caller.failure.as_deref(), Some("401 x"));
    }

    #[test]
    fn an_answer_is_acknowledged_again_when_it_is_repeated() {
        let (mut caller, invite) = started();
        let ok = reply(&invite, 200)
            .with("Contact", "<sip:s@127.0.0.1:5060>")
            .with_body("application/sdp", sdp::pcmu("127.0.0.1:6000".parse().unwrap()));
        let (outcome, first) = hear(&mut caller, &ok);
        assert_eq!(outcome, Outcome::Connected("127.0.0.1:6000".parse().unwrap(), None));
        assert_eq!(first[0].method(), Some("ACK"));
        assert_eq!(hear(&mut caller, &ok).1, first);
        assert!(matches!(caller.state, State::Connected { .. }) && caller.set_up.is_some());
    }

    #[test]
    fn media_off_this_machine_is_refused() {
        let (mut caller, invite) = started();
        let ok = reply(&invite, 200)
            .with("Contact", "<sip:s@127.0.0.1:5060>")
            .with_body("application/sdp", sdp::pcmu("192.0.2.1:6000".parse().unwrap()));
        assert_eq!(hear(&mut caller, &ok).0, Outcome::Nothing);
        assert!(caller.failure.is_some());
    }

    #[test]
    fn an_invite_nobody_answers_is_sent_again_and_given_up() {
        let (mut caller, _) = started();
        let (start, mut out) = (Instant::now(), Vec::new());
        caller.on_timer(start + Duration::from_millis(510), &mut out);
        assert_eq!(out.len(), 1);
        caller.on_timer(start + Duration::from_millis(900), &mut out);
        assert_eq!(out.len(), 1);
        caller.on_timer(start + ANSWER_LIMIT + T1, &mut out);
        assert!(caller.is_settled() && caller.failure.is_some());
    }
}
