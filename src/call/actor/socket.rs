//! The call's application over WebSocket: what it is asked and told goes out by the session's socket,
//! its commands come in (contract verbs.md §2).

use std::time::Instant;

use actix::prelude::*;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use url::Url;

use super::{CallActor, HookAnswered, Update};
use crate::call::{Effect, Input};
use crate::hook::ws::{
    self, Command, Event, Message as Told, MessageType, Reply, SocketEvent, SocketId, SocketSender,
    command,
};
use crate::hook::{Alert, AlertKind, HookError, HookId, HookKind, HookRequest, ResolvedHook, Via};
use crate::model::CallSid;
use crate::model::call::UpdateCall;
use crate::verb::{self, Verb};

/// The sockets of one call.
#[derive(Default)]
pub(super) struct Sockets {
    /// The session's; opened by the first message.
    session: Option<Open>,
    /// Those that redirects lead to, until it is known whether the session follows.
    candidates: Vec<(HookId, Open)>,
    last_id: u32,
    /// Commands that were refused, each with an alert.
    refused: u32,
}

struct Open {
    id: SocketId,
    url: Url,
    sender: SocketSender,
}

impl Sockets {
    pub(super) fn close(&mut self) {
        for (_, open) in self.candidates.drain(..) {
            open.sender.close();
        }
        if let Some(open) = self.session.take() {
            open.sender.close();
        }
    }
}

impl CallActor {
    /// Asks over the socket that the request names; one that goes by other ways comes back.
    pub(super) fn ask_over_socket(
        &mut self,
        request: HookRequest,
        ctx: &Context<Self>,
    ) -> Option<HookRequest> {
        let id = request.id;
        let is_redirect = matches!(request.kind, HookKind::SessionNew | HookKind::SessionRedirect);
        let sender = match request.target.via {
            Via::Session(_) => self.session_socket(&request.target, ctx),
            Via::Socket if is_redirect && self.sockets.candidates.len() < MAX_CANDIDATES => {
                let open = self.open_socket(&request.target, ctx);
                let sender = open.sender.clone();
                self.sockets.candidates.push((id, open));
                sender
            }
            Via::Http | Via::Socket => return Some(request),
        };
        if sender.send(message(request, Some(id))).is_err() {
            let url = "its socket takes no more".to_owned();
            ctx.address().do_send(HookAnswered { id, result: Err(HookError::Abandoned { url }) });
        }
        None
    }

    /// Tells what nobody answers, in order.
    pub(super) fn tell(&mut self, request: Box<HookRequest>, last: bool, ctx: &Context<Self>) {
        if request.target.session_hook().is_some() {
            let sender = self.session_socket(&request.target, ctx);
            if sender.send(message(*request, None)).is_err() {
                tracing::debug!(call_sid = %self.sid, "an event found the application's socket full");
            }
        } else if last {
            self.status.send_last(request);
        } else {
            self.status.send(request);
        }
    }

    /// The session's socket, for a hook that is told over it by somebody else.
    pub(super) fn socket_for(
        &mut self,
        target: &ResolvedHook,
        ctx: &Context<Self>,
    ) -> Option<SocketSender> {
        target.session_hook()?;
        Some(self.session_socket(target, ctx))
    }

    pub(super) fn move_session(&mut self, to: Option<HookId>) {
        let candidates = &mut self.sockets.candidates;
        let next = to.and_then(|to| {
            let at = candidates.iter().position(|(id, _)| *id == to)?;
            Some(candidates.swap_remove(at).1)
        });
        if let Some(former) = std::mem::replace(&mut self.sockets.session, next) {
            former.sender.close();
        }
    }

    fn session_socket(&mut self, target: &ResolvedHook, ctx: &Context<Self>) -> SocketSender {
        if let Some(open) = &self.sockets.session
            && open.url == target.url
        {
            return open.sender.clone();
        }
        let open = self.open_socket(target, ctx);
        let sender = open.sender.clone();
        if let Some(former) = self.sockets.session.replace(open) {
            former.sender.close();
        }
        sender
    }

    fn open_socket(&mut self, target: &ResolvedHook, ctx: &Context<Self>) -> Open {
        self.sockets.last_id += 1;
        let id = SocketId(self.sockets.last_id);
        let call = ctx.address();
        let deliver = move |event| {
            let told = call.send(FromSocket(SocketEvent { socket: id, event }));
            async move {
                // A call that is gone has nothing left to hear.
                let _ = told.await;
            }
        };
        let sender = ws::open(self.desk.hooks.clone(), self.sid, target, deliver);
        Open { id, url: target.url.clone(), sender }
    }

    fn on_socket_event(
        &mut self,
        SocketEvent { socket, event }: SocketEvent,
        ctx: &mut Context<Self>,
    ) {
        let is_session = self.sockets.session.as_ref().is_some_and(|open| open.id == socket);
        match event {
            Event::Reply(Reply { id, result }) => {
                self.on_answer(id, result, ctx);
                // The session did not follow.
                let candidates = &mut self.sockets.candidates;
                if let Some(at) = candidates.iter().position(|(asked, _)| *asked == id) {
                    candidates.swap_remove(at).1.sender.close();
                }
            }
            Event::Command(command) if is_session => self.on_command(*command, ctx),
            Event::Alert(alert) => self.carry_out(vec![Effect::Alert(alert)], ctx),
            Event::Ended(_) if is_session => self.input(Input::ApplicationGone, ctx),
            // Of a socket that is none of the session's any more, or not yet.
            Event::Command(_) | Event::Ended(_) => {}
        }
    }

    fn on_command(&mut self, command: Command, ctx: &mut Context<Self>) {
        tracing::info!(call_sid = %self.sid, command = command.name.as_str(), "application orders");
        let name: String = command.name.chars().take(MAX_NAME_CHARS).collect();
        let outcome = match command.call_sid.filter(|sid| *sid != self.sid) {
            Some(child) => self.pass_on(child, &command),
            None => self.obey(command, ctx),
        };
        if let Err(problem) = outcome {
            self.complain(&name, &problem, ctx);
        }
    }

    fn obey(&mut self, command: Command, ctx: &mut Context<Self>) -> Result<(), String> {
        let (now, wall) = (Instant::now(), OffsetDateTime::now_utc());
        let mut effects = Vec::new();
        match command.name.as_str() {
            "redirect" if command.data.is_array() => {
                let verbs = verb::parse(&command.data).map_err(|error| error.to_string())?;
                self.state.take_verbs(now, wall, verbs, command.queue, &mut effects);
            }
            "config" => {
                let verb = config(command.data)?;
                self.state.run_aside(now, wall, verb, &mut effects);
            }
            _ => {
                let update = update(&command)?;
                self.state
                    .update(now, wall, update, &mut effects)
                    .map_err(|error| error.to_string())?;
                // What has no effect is an alert over REST, and said here as well.
                for effect in &effects {
                    if let Effect::Alert(alert) = effect
                        && alert.kind == AlertKind::ErrorUpdatingCall
                    {
                        self.say_error(&command.name, &alert.message);
                    }
                }
            }
        }
        self.carry_out(effects, ctx);
        Ok(())
    }

    /// A command for another leg of the session.
    fn pass_on(&self, child: CallSid, command: &Command) -> Result<(), String> {
        let unknown = || format!("callSid {child} is no call of this session");
        let account = self.state.base_fields().facts.account_sid;
        let call = self.desk.live.call(account, child).ok_or_else(unknown)?;
        let actor = call.actor.filter(|_| call.snapshot.is_child_of(self.sid));
        let actor = actor.ok_or_else(unknown)?;
        let update = update(command)?;
        // What it cannot do there is an alert of that call.
        actor.do_send(Update(update));
        Ok(())
    }

    fn complain(&mut self, command: &str, problem: &str, ctx: &mut Context<Self>) {
        self.say_error(command, problem);
        self.sockets.refused += 1;
        if self.sockets.refused <= MAX_REFUSED {
            let message = format!("{command}: {problem}");
            let alert = Alert::new(AlertKind::InvalidAppPayload, message);
            self.carry_out(vec![Effect::Alert(alert)], ctx);
        }
    }

    fn say_error(&self, command: &str, problem: &str) {
        let Some(open) = &self.sockets.session else { return };
        let mut data = Map::new();
        data.insert("msg".into(), "command failed".into());
        data.insert("details".into(), problem.into());
        data.insert("content".into(), command.into());
        let error = Told { kind: MessageType::Error, hook: None, data, reply_to: None };
        // An application that reads nothing misses this as well.
        let _ = open.sender.send(error);
    }
}

/// A request in the words of a socket.
fn message(request: HookRequest, reply_to: Option<HookId>) -> Told {
    let HookRequest { kind, target, body, .. } = request;
    let kind = match kind {
        HookKind::SessionNew => MessageType::SessionNew,
        HookKind::SessionRedirect => MessageType::SessionRedirect,
        HookKind::VerbHook | HookKind::ConferenceStatus => MessageType::VerbHook,
        HookKind::CallStatus => MessageType::CallStatus,
    };
    let has_hook = matches!(kind, MessageType::SessionRedirect | MessageType::VerbHook);
    let hook = match target.via {
        Via::Session(hook) => hook,
        Via::Http | Via::Socket => String::from(target.url).into(),
    };
    Told { kind, hook: Some(hook).filter(|_| has_hook), data: body, reply_to }
}

fn update(command: &Command) -> Result<UpdateCall, String> {
    let Command { name, data, tool_call_id, .. } = command;
    let body = match name.as_str() {
        "redirect" => redirect_body(data)?,
        _ => command::update_body(name, data, tool_call_id.as_ref())
            .ok_or_else(|| "it is not supported".to_owned())?,
    };
    UpdateCall::parse(&body).map_err(|error| error.to_string())
}

/// `redirect` with hooks: the words of REST.
fn redirect_body(data: &Value) -> Result<Value, String> {
    let given = data.as_object().ok_or("data must be verbs or hooks")?;
    let hooks = ["call_hook", "child_call_hook", "call_status_hook"];
    let body = hooks.into_iter().filter_map(|name| Some((name.into(), given.get(name)?.clone())));
    let body: Map<String, Value> = body.collect();
    match body.is_empty() {
        true => Err("data has neither verbs nor a call_hook".to_owned()),
        false => Ok(Value::Object(body)),
    }
}

/// The verb `config` with the data of the command `config`.
fn config(data: Value) -> Result<Verb, String> {
    let Value::Object(mut properties) = data else { return Err("data must be an object".into()) };
    properties.insert("verb".into(), "config".into());
    let array = Value::Array(vec![Value::Object(properties)]);
    let verbs = verb::parse(&array).map_err(|error| error.to_string())?;
    verbs.into_iter().next().ok_or_else(|| "no verb".to_owned())
}

#[derive(Message)]
#[rtype(result = "()")]
struct FromSocket(SocketEvent);

impl Handler<FromSocket> for CallActor {
    type Result = ();

    fn handle(&mut self, FromSocket(event): FromSocket, ctx: &mut Context<Self>) {
        self.on_socket_event(event, ctx);
    }
}

/// Redirects under way at a time.
const MAX_CANDIDATES: usize = 4;
/// Alerts about refused commands; the application itself is told of each.
const MAX_REFUSED: u32 = 16;
const MAX_NAME_CHARS: usize = 64;
