//! Requests inside the dialog, both ways: what the far end asks and who may decide it (contract
//! verbs.md §3.2, §3.4), and what the application and the API send (§3.7, rest.md §2.3.7).

use serde_json::{Map, Value};

use super::{State, Turn};
use crate::call::failure::next_verbs;
use crate::call::in_dialog::{AnswerId, Asked, InDialog};
use crate::call::refer::{Refer, SIPFRAG, Subscription};
use crate::call::setup::Transfers;
use crate::call::{Effect, TransferOrder};
use crate::hook::{HookError, HookId, HookKind, HookReply, payload};
use crate::model::call::{Content, SipHeaders, SipRequest};
use crate::model::{CallSid, Hook};
use crate::sip_io::message::RequestId;
use crate::verb::{Event, ReferOrder, RunId};

/// What is under way inside the dialog.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Told of INFO and MESSAGE.
    request_hook: Option<Hook>,
    /// Told of REFER.
    refer_hook: Option<Hook>,
    /// Asked about what the far end sent.
    inquiries: Vec<(HookId, Inquiry)>,
    /// Sent for a verb and not answered.
    sent: Vec<(RequestId, RunId)>,
    last_id: u64,
    /// REFERs so far, from the far end.
    refers: u32,
    /// A REFER of ours went out: late NOTIFYs of it are welcome.
    has_referred: bool,
    is_transferring: bool,
}

#[derive(Debug)]
enum Inquiry {
    /// INFO or MESSAGE, answered already.
    Request,
    Refer {
        answer: AnswerId,
        wants_notify: bool,
        subscription: Subscription,
        /// Who talked with this call.
        other: Option<CallSid>,
    },
}

impl Requests {
    pub(super) fn new(request_hook: Option<Hook>, refer_hook: Option<Hook>) -> Self {
        Self { request_hook, refer_hook, ..Self::default() }
    }

    pub(super) fn set_hooks(&mut self, request_hook: Option<Hook>, refer_hook: Option<Hook>) {
        self.request_hook = request_hook.or_else(|| self.request_hook.take());
        self.refer_hook = refer_hook.or_else(|| self.refer_hook.take());
    }
}

impl State {
    // ---- from the far end ----

    /// Told of a REFER that no `dial` takes care of.
    pub(super) fn refer_hook(&self) -> Option<Hook> {
        self.requests.refer_hook.clone()
    }

    pub(super) fn on_request(&mut self, asked: InDialog, turn: &mut Turn<'_>) {
        let answer = asked.answer;
        if self.has_ended() {
            return respond(answer, 481, turn);
        }
        match asked.asked {
            Asked::Info { usual } => self.inform(asked, 200, usual, turn),
            Asked::Message => self.inform(asked, 202, NOBODY_READS, turn),
            Asked::Refer(Err(status)) => respond(answer, status, turn),
            Asked::Refer(Ok(refer)) => self.on_refer(answer, *refer, turn),
            Asked::Notify(None) => respond(answer, 489, turn),
            Asked::Notify(Some(progress)) => {
                let run = self.runner.refer();
                let is_known = run.is_some() || self.requests.has_referred;
                respond(answer, if is_known { 200 } else { 481 }, turn);
                if let Some(run) = run {
                    let (status, is_last) = (progress.status, progress.is_last);
                    self.tell(run, Event::ReferNotified { status, is_last }, turn);
                }
            }
            Asked::Other => respond(answer, 501, turn),
        }
    }

    /// Answers at once, then tells the application, if one listens.
    fn inform(&mut self, asked: InDialog, taken: u16, usual: u16, turn: &mut Turn<'_>) {
        let Some(hook) = self.requests.request_hook.clone().filter(|_| self.is_answered()) else {
            return respond(asked.answer, usual, turn);
        };
        if self.requests.inquiries.len() >= MAX_INQUIRIES {
            return respond(asked.answer, 503, turn);
        }
        respond(asked.answer, taken, turn);
        let mut fields = Map::new();
        fields.insert("sip_method".into(), asked.method.into());
        fields.insert("sip_body".into(), asked.body.into());
        fields.insert("sip_headers".into(), Value::Object(shown(&asked.headers)));
        if let Err(error) = self.inquire(&hook, fields, Inquiry::Request, turn) {
            turn.out.push(Effect::Alert(error.alert()));
        }
    }

    fn on_refer(&mut self, answer: AnswerId, refer: Refer, turn: &mut Turn<'_>) {
        if !self.is_answered() {
            return respond(answer, 480, turn);
        }
        self.requests.refers += 1;
        let subscription = Subscription { id: (self.requests.refers > 1).then_some(refer.seq) };
        let is_busy =
            self.requests.is_transferring || self.requests.inquiries.len() >= MAX_INQUIRIES;
        let referred = self.referred();
        let hook = referred.as_ref().and_then(|(hook, _)| hook.clone());
        let hook = hook.or_else(|| self.refer_hook());
        match (hook, self.setup.transfers) {
            _ if is_busy => respond(answer, 491, turn),
            (Some(hook), _) => {
                let other = referred.map(|(_, other)| other);
                let details = refer.details(self.setup.facts.call_sid, other);
                let mut fields = Map::new();
                fields.insert("refer_details".into(), Value::Object(details));
                let wants_notify = refer.wants_notify;
                let inquiry = Inquiry::Refer { answer, wants_notify, subscription, other };
                if let Err(error) = self.inquire(&hook, fields, inquiry, turn) {
                    turn.out.push(Effect::Alert(error.alert()));
                    respond(answer, 503, turn);
                }
            }
            (None, Transfers::Followed) => {
                self.requests.is_transferring = true;
                accept(answer, refer.wants_notify, turn);
                turn.out.push(Effect::Transfer(Box::new(TransferOrder { refer, subscription })));
            }
            (None, Transfers::Forbidden) => respond(answer, 403, turn),
            (None, Transfers::Unknown) => respond(answer, 501, turn),
        }
    }

    fn inquire(
        &mut self,
        hook: &Hook,
        fields: Map<String, Value>,
        inquiry: Inquiry,
        turn: &mut Turn<'_>,
    ) -> Result<(), HookError> {
        let target = self.session.resolve(hook)?;
        let body = payload::action(&self.base, fields, None);
        let request = self.request(HookKind::VerbHook, target, body);
        self.requests.inquiries.push((request.id, inquiry));
        turn.out.push(Effect::Hook(Box::new(request)));
        Ok(())
    }

    /// Takes the reply to a question about the far end's request; gives back any other.
    pub(super) fn on_inquiry_reply(
        &mut self,
        id: HookId,
        result: Result<HookReply, HookError>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Result<HookReply, HookError>> {
        let inquiries = &mut self.requests.inquiries;
        let Some(place) = inquiries.iter().position(|(asked, _)| *asked == id) else {
            return Err(result);
        };
        let (_, inquiry) = inquiries.remove(place);
        let refusal = match &result {
            Err(HookError::Status { status, .. }) if (400..700).contains(status) => *status,
            Err(_) => 503,
            // Verbs that cannot be run.
            Ok(_) => 500,
        };
        let verbs = match next_verbs(result) {
            Ok(verbs) => verbs,
            Err(failure) => {
                // The old application goes on.
                turn.out.extend(failure.alert().map(Effect::Alert));
                if let Inquiry::Refer { answer, .. } = inquiry {
                    respond(answer, refusal, turn);
                }
                return Ok(());
            }
        };
        let mut other = None;
        if let Inquiry::Refer { answer, wants_notify, subscription, other: then } = inquiry {
            other = then;
            accept(answer, wants_notify, turn);
            if wants_notify {
                // D-28: for the far end its part is done.
                let (headers, content) = subscription.notify(200, "OK", true);
                self.send_notify(&headers, content, turn);
            }
        }
        if verbs.is_empty() {
            return Ok(());
        }
        // Those for a leg that this call talks with no more are dropped.
        match other {
            None => self.load(verbs, turn),
            Some(_) if other == self.referred().map(|(_, now)| now) => {
                self.run_referred(verbs, turn);
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn send_notify(&mut self, fields: &[(String, String)], text: String, turn: &mut Turn<'_>) {
        let mut headers = SipHeaders::default();
        for (name, value) in fields {
            headers.set(name, value);
        }
        let content = Some(Content { content_type: SIPFRAG.to_owned(), text });
        let request = SipRequest { method: "NOTIFY".to_owned(), headers, content };
        self.send_request(request, None, turn);
    }

    /// The transfer that was under way is over; the far end may be another one now.
    pub(super) fn on_transferred(&mut self, turn: &mut Turn<'_>, far: Option<FarEnd>) {
        self.requests.is_transferring = false;
        if let Some(FarEnd { remote_host, is_client }) = far {
            self.setup.remote_host = Some(remote_host);
            if !is_client && self.setup.transfers == Transfers::Followed {
                self.setup.transfers = Transfers::Forbidden;
            }
            self.requests.refers = 0;
            turn.out.push(Effect::Publish);
        }
    }

    // ---- from us ----

    /// Sends a request inside the dialog; who waits for the answer is `run`, or whoever keeps the id.
    pub(super) fn send_request(
        &mut self,
        request: SipRequest,
        run: Option<RunId>,
        turn: &mut Turn<'_>,
    ) -> RequestId {
        self.requests.last_id += 1;
        let id = RequestId(self.requests.last_id);
        if let Some(run) = run {
            self.requests.sent.push((id, run));
        }
        turn.out.push(Effect::SendRequest { id, request: Box::new(request) });
        id
    }

    pub(super) fn on_request_done(
        &mut self,
        id: RequestId,
        status: u16,
        reason: String,
        is_heard: bool,
        turn: &mut Turn<'_>,
    ) {
        let sent = &mut self.requests.sent;
        let Some(place) = sent.iter().position(|(asked, _)| *asked == id) else { return };
        let (_, run) = sent.remove(place);
        self.tell(run, Event::RequestDone { status, reason, is_heard }, turn);
    }

    /// A REFER of the application's, with what it left out (contract verbs.md §3.7).
    pub(super) fn send_refer(&mut self, run: RunId, order: ReferOrder, turn: &mut Turn<'_>) {
        let facts = &self.setup.facts;
        let here = facts.fs_sip_address.clone();
        let there = self.setup.remote_host.clone().unwrap_or_else(|| here.clone());
        let refer_to = address(&order.refer_to, &there);
        let by = order.referred_by.unwrap_or_else(|| facts.from.clone());
        let by = address(&by, &here);
        let mut headers = order.headers;
        headers.put("Refer-To", format!("<{refer_to}>"));
        headers.put(
            "Referred-By",
            match order.referred_by_name {
                Some(name) => {
                    let name = name.replace('\\', "\\\\").replace('"', "\\\"");
                    format!("\"{name}\" <{by}>")
                }
                None => format!("<{by}>"),
            },
        );
        self.requests.has_referred = true;
        let request = SipRequest { method: "REFER".to_owned(), headers, content: None };
        self.send_request(request, Some(run), turn);
    }
}

/// Who is at the other end of the dialog now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FarEnd {
    /// `ip:port`.
    pub remote_host: String,
    /// A registered user of the account.
    pub is_client: bool,
}

fn respond(answer: AnswerId, status: u16, turn: &mut Turn<'_>) {
    turn.out.push(Effect::Respond { answer, status, headers: SipHeaders::default() });
}

/// 202 to a REFER; RFC 4488 §4: who wants no NOTIFYs is told that there will be none.
fn accept(answer: AnswerId, wants_notify: bool, turn: &mut Turn<'_>) {
    let mut headers = SipHeaders::default();
    if !wants_notify {
        headers.set("Refer-Sub", "false");
    }
    turn.out.push(Effect::Respond { answer, status: 202, headers });
}

/// What is no URI is the user part of one.
fn address(text: &str, host: &str) -> String {
    let has_scheme = ["sip:", "sips:", "tel:"].iter().any(|scheme| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    match has_scheme {
        true => text.to_owned(),
        false if text.contains('@') => format!("sip:{text}"),
        false => format!("sip:{text}@{host}"),
    }
}

/// Headers for an application: repeated ones joined (RFC 3261 §7.3.1), credentials left out.
fn shown(headers: &[(String, String)]) -> Map<String, Value> {
    let mut map: Map<String, Value> = Map::new();
    let is_secret = |name: &str| name.to_ascii_lowercase().ends_with("authorization");
    for (name, value) in headers.iter().filter(|(name, _)| !is_secret(name)).take(MAX_SHOWN) {
        match map.get_mut(name) {
            Some(Value::String(have)) => {
                have.push_str(", ");
                have.push_str(value);
            }
            _ => {
                map.insert(name.clone(), value.as_str().into());
            }
        }
    }
    map
}

/// Questions to the application at the same time.
const MAX_INQUIRIES: usize = 16;
const MAX_SHOWN: usize = 64;
/// A MESSAGE without a reader: 480 Temporarily Unavailable.
const NOBODY_READS: u16 = 480;
