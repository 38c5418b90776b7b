//! Whole calls in virtual time: inputs in, effects out as short lines that read like a log.

mod application;
mod dial;
mod in_dialog;
mod inbound;
mod outbound;
mod queue;
mod recording;
mod room;
mod socket;
mod speech;
mod streaming;
mod update;
mod whatever_comes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::*;
use crate::call::{Application, CallRecord, Limits, Script, Transfers};
use crate::hook::{CallFacts, HookError, HookReply};
use crate::model::call::{MemberOrder, UpdateCall};
use crate::model::{AccountSid, ApplicationSid, CallSid, Hook, Secret, ServiceProviderSid};
use crate::sip_io::message::RequestId;
use crate::verb;

const HELLO: &str = "http://app.example.com/hello";
const STATUS: &str = "http://app.example.com/status";

/// One call and everything it wanted so far.
struct Story {
    state: State,
    now: Instant,
    wall: OffsetDateTime,
    /// Requests in order, status events left out.
    hooks: Vec<HookRequest>,
    events: Vec<HookRequest>,
    alarms: Vec<(Instant, TimerId)>,
    record: Option<CallRecord>,
    /// The latest request inside the dialog.
    request: Option<RequestId>,
}

impl Story {
    fn new(setup: Setup) -> Self {
        Self {
            state: State::new(setup),
            now: Instant::now(),
            wall: OffsetDateTime::UNIX_EPOCH,
            hooks: Vec::new(),
            events: Vec::new(),
            alarms: Vec::new(),
            record: None,
            request: None,
        }
    }

    fn inbound() -> Self {
        Self::new(setup(Direction::Inbound))
    }

    /// An inbound call whose application has answered.
    fn running(verbs: Value) -> Self {
        let mut story = Self::inbound();
        story.tell(Input::Start);
        story.reply(verbs);
        story
    }

    /// An answered inbound call that runs `verbs`.
    fn talking(mut verbs: Value) -> Self {
        verbs.as_array_mut().unwrap().insert(0, json!({"verb": "answer"}));
        let mut story = Self::running(verbs);
        story.tell(Input::Answered);
        story
    }

    fn outbound() -> Self {
        Self::new(setup(Direction::Outbound))
    }

    /// An outbound call that rings nowhere yet.
    fn calling() -> Self {
        let mut story = Self::outbound();
        story.tell(Input::Start);
        story
    }

    fn tell(&mut self, input: Input) -> Vec<String> {
        let mut out = Vec::new();
        self.state.handle(self.now, self.wall, input, &mut out);
        self.take(out)
    }

    #[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
    fn update(&mut self, body: Value) -> Result<Vec<String>, UpdateError> {
        let mut out = Vec::new();
        let update = UpdateCall::parse(&body).unwrap();
        let _ = self.state.update(self.now, self.wall, update, &mut out)?;
        Ok(self.take(out))
    }

    /// The application answers the latest request.
    fn reply(&mut self, body: Value) -> Vec<String> {
        let id = self.hooks.last().unwrap().id;
        self.reply_to(id, Ok(HookReply { body: Some(body) }))
    }

    fn fail_hook(&mut self, error: HookError) -> Vec<String> {
        let id = self.hooks.last().unwrap().id;
        self.reply_to(id, Err(error))
    }

    fn reply_to(&mut self, id: HookId, result: Result<HookReply, HookError>) -> Vec<String> {
        self.tell(Input::HookReply { id, result })
    }

    /// Lets time pass; timers that are due go off.
    fn pass(&mut self, seconds: f64) -> Vec<String> {
        let until = self.now + Duration::from_secs_f64(seconds);
        let mut log = Vec::new();
        while let Some(place) = self.next_alarm(until) {
            let (at, id) = self.alarms.remove(place);
            self.set_time(at);
            log.extend(self.tell(Input::Timer { id }));
        }
        self.set_time(until);
        log
    }

    fn next_alarm(&self, until: Instant) -> Option<usize> {
        let due = self.alarms.iter().enumerate().filter(|(_, (at, _))| *at <= until);
        due.min_by_key(|(_, (at, _))| *at).map(|(place, _)| place)
    }

    fn set_time(&mut self, at: Instant) {
        self.wall += at - self.now;
        self.now = at;
    }

    fn take(&mut self, effects: Vec<Effect>) -> Vec<String> {
        let mut log = Vec::new();
        for effect in effects {
            let line = self.line(effect);
            log.extend((!line.is_empty()).then_some(line));
        }
        log
    }

    /// One effect as a line; what only changes reads or timers gives none.
    fn line(&mut self, effect: Effect) -> String {
        match effect {
            Effect::SendProgress => "183".into(),
            Effect::SendAnswer => "200".into(),
            Effect::SendDecline { status, reason, headers } => {
                format!("{status} {reason}{}", shown(&headers))
            }
            Effect::SendBye { headers } => format!("BYE{}", shown(&headers)),
            Effect::SendCancel => "CANCEL".into(),
            Effect::Respond { status, headers, .. } => {
                format!("answer {status}{}", shown(&headers))
            }
            Effect::SendRequest { id, request } => {
                self.request = Some(id);
                let content =
                    request.content.map_or_else(String::new, |c| format!(" {:?}", c.text));
                format!("{}{}{content}", request.method, shown(&request.headers))
            }
            Effect::Transfer(order) => format!("transfer to {}", order.refer.target),
            Effect::Hook(request) => {
                let hook = request.target.session_hook();
                let line =
                    format!("{:?} {}", request.kind, hook.unwrap_or(request.target.url.as_str()));
                self.hooks.push(*request);
                line
            }
            // What a verb tells goes the way of status events, for the sake of its order.
            Effect::StatusEvent { request, last: false } if request.kind == HookKind::VerbHook => {
                let line = format!("{:?} {}", request.kind, request.target.url);
                self.hooks.push(*request);
                line
            }
            Effect::StatusEvent { request, last } => {
                let line = event(&request.body);
                assert_eq!(last, line.contains(" by "), "{line}");
                self.events.push(*request);
                line
            }
            Effect::MoveSession { to } => format!("session moves to {:?}", to.map(|id| id.0)),
            Effect::StartTimer { id, after } => {
                self.alarms.retain(|(_, other)| *other != id);
                self.alarms.push((self.now + after, id));
                String::new()
            }
            Effect::StopTimer { id } => {
                self.alarms.retain(|(_, other)| *other != id);
                String::new()
            }
            Effect::Play { clips, .. } => format!("play {}", names(&clips)),
            Effect::StopPlay { .. } => "stop play".into(),
            Effect::SendRinging => "180".into(),
            Effect::CallChild { child, order, .. } => {
                format!("call {} {:?}", child.0, order.call.to.kind)
            }
            Effect::Dial { order, .. } => match order {
                verb::DialOrder::Adult { child, verbs } => {
                    format!("adult {} {}", child.0, verbs.len())
                }
                other => format!("{other:?}"),
            },
            Effect::TellParent(event) => format!("tell parent {event:?}"),
            Effect::ExitBridge { .. } => "exit bridge".into(),
            Effect::SendDigits { digits, duration } => {
                format!("keys {digits} {}", duration.as_millis())
            }
            Effect::MuteTie { run, muted } => format!("mute tie {} {muted}", run.0),
            Effect::JoinConference(join) => format!("join {}", join.name),
            Effect::LeaveConference { .. } => "leave".into(),
            Effect::OrderMember { order: MemberOrder::Mute(muted), .. } => format!("mute {muted}"),
            Effect::OrderMember { order, .. } => format!("{order:?}"),
            Effect::Announce { clips, audience, .. } => {
                format!("{audience:?} hears {}", names(&clips))
            }
            Effect::MuteOthers { muted, .. } => format!("mute others {muted}"),
            Effect::Queue(errand) => format!("queue {:?}", errand.order),
            Effect::StartStream { url, .. } => format!("stream to {url}"),
            Effect::SetStreamFlow { flow, .. } => format!("stream {flow:?}"),
            Effect::StopStream { .. } => "stop stream".into(),
            Effect::Record(order) => format!("record {order:?}"),
            Effect::Alert(alert) => format!("alert {}: {}", alert.kind.as_str(), alert.message),
            Effect::Publish => String::new(),
            Effect::Ended(record) => {
                assert!(self.record.is_none(), "a call ends once");
                assert_eq!(self.alarms, [], "no timer outlives its call");
                let line = format!("ended: {}", record.termination.as_str());
                self.record = Some(*record);
                line
            }
        }
    }

    /// The status events so far.
    fn told(&self) -> Vec<String> {
        self.events.iter().map(|request| event(&request.body)).collect()
    }

    fn last_event(&self) -> Value {
        Value::Object(self.events.last().unwrap().body.clone())
    }

    fn last_hook(&self) -> Value {
        Value::Object(self.hooks.last().unwrap().body.clone())
    }
}

fn names(clips: &[verb::Clip]) -> String {
    let names = clips.iter().map(|clip| match clip {
        verb::Clip::Url(url) => url.as_str(),
        verb::Clip::Speech(speech) => speech.text.as_str(),
    });
    names.collect::<Vec<_>>().join(" ")
}

/// `<status> <sip status>`, then who ended it and how long it was.
fn event(body: &Map<String, Value>) -> String {
    let mut line =
        format!("event {} {}", body["call_status"].as_str().unwrap(), body["sip_status"]);
    if let Some(by) = body.get("call_termination_by") {
        line += &format!(" by {}", by.as_str().unwrap());
    }
    if let Some(duration) = body.get("duration") {
        line += &format!(" after {duration}");
    }
    line
}

fn shown(headers: &SipHeaders) -> String {
    headers.iter().map(|(name, value)| format!(" [{name}: {value}]")).collect()
}

fn facts(direction: Direction) -> CallFacts {
    CallFacts {
        call_sid: CallSid::random(),
        account_sid: AccountSid::random(),
        service_provider_sid: ServiceProviderSid::random(),
        application_sid: Some(ApplicationSid::random()),
        direction,
        from: "1001".into(),
        to: "15551230000".into(),
        caller_name: "Alice".into(),
        call_id: "abc@10.0.0.1".into(),
        trace_id: "0123456789abcdef0123456789abcdef".into(),
        fs_sip_address: "192.0.2.1:5060".into(),
        fs_public_ip: None,
        api_base_url: None,
        originating_sip_ip: Some("192.0.2.9".into()),
        originating_sip_trunk_name: None,
        parent_call_sid: None,
        caller_id: None,
    }
}

fn setup(direction: Direction) -> Setup {
    Setup {
        facts: Arc::new(facts(direction)),
        application: Application {
            call_hook: Some(Hook::post(HELLO)),
            status_hook: Some(Hook::post(STATUS)),
            ..Application::default()
        },
        webhook_secret: Secret("wh_secret".into()),
        queue_event_hook: Some(Hook::post("http://events.example.com/queue")),
        invite: None,
        has_offer: direction == Direction::Inbound,
        customer_data: None,
        limits: Limits::default(),
        service_url: None,
        remote_host: Some("192.0.2.9:5060".into()),
        transfers: Transfers::Unknown,
        parent: None,
    }
}

fn refused() -> HookError {
    HookError::Connect { url: HELLO.into(), fault: crate::hook::ConnectFault::Refused }
}

fn bye() -> Input {
    Input::ByeReceived { headers: vec![] }
}

fn rejected(status: u16, reason: &str) -> Input {
    Input::Rejected { status, reason: reason.into(), reason_header: None }
}

fn lobby() -> Value {
    json!([{"verb": "conference", "name": "lobby", "actionHook": "/after"}])
}
