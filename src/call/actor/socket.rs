//! The call's application over WebSocket: what it is asked and told goes out by the session's socket,
//! its commands come in (contract verbs.md §2).

use std::collections::HashMap;
use std::time::Instant;

use actix::prelude::*;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use url::Url;

use super::family::FromParent;
use super::{CallActor, HookAnswered, Update};
use crate::call::{Effect, Input, ParentWord};
use crate::hook::ws::{
    self, Command, Event, Message as Told, MessageType, Reply, SocketEvent, SocketId, SocketSender,
    WeakSocket, command,
};
use crate::hook::{
    Alert, AlertKind, HookError, HookId, HookKind, HookReply, HookRequest, ResolvedHook, Via,
};
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
    /// Children tell of themselves over the session's socket, the last of them after this call's end.
    is_lent: bool,
    /// What children have asked over it: the call, and its name for the question.
    asked_for: HashMap<HookId, Foreign>,
    asked: u64,
}

struct Open {
    id: SocketId,
    url: Url,
    sender: SocketSender,
    /// Whose it is, if not the call's own: that one hears what comes over it.
    owner: Option<Addr<CallActor>>,
}

/// What a child has asked over this call's socket.
struct Foreign {
    call: Addr<CallActor>,
    /// Its name there.
    id: HookId,
    kind: HookKind,
    url: String,
}

/// The socket of a session, for the calls that it dials.
pub(super) struct Lent {
    owner: Addr<CallActor>,
    url: Url,
    sender: SocketSender,
}

impl Sockets {
    /// Those of a call that another one dials.
    pub(super) fn of_child(lent: Option<Lent>) -> Self {
        let session = lent.map(|Lent { owner, url, sender }| Open {
            id: SocketId(0),
            url,
            sender,
            owner: Some(owner),
        });
        Self { session, ..Self::default() }
    }

    /// That of the session, for who tells of other things by it, and where it leads.
    pub(super) fn of_session(&self) -> Option<(Url, WeakSocket)> {
        self.session.as_ref().map(|open| (open.url.clone(), open.sender.weak()))
    }

    pub(super) fn lend(&mut self, owner: Addr<CallActor>) -> Option<Lent> {
        let open = self.session.as_ref()?;
        let owner = open.owner.clone().unwrap_or(owner);
        self.is_lent = true;
        Some(Lent { owner, url: open.url.clone(), sender: open.sender.clone() })
    }

    /// What a command found to have no effect, which is an alert over REST: to be said to the application
    /// as well, while of the alerts only so many stay.
    fn refusals(&mut self, effects: &mut Vec<Effect>) -> Vec<String> {
        let mut problems = Vec::new();
        effects.retain(|effect| match effect {
            Effect::Alert(alert) if alert.kind == AlertKind::ErrorUpdatingCall => {
                problems.push(alert.message.clone());
                self.refused += 1;
                self.refused <= MAX_REFUSED
            }
            _ => true,
        });
        problems
    }

    pub(super) fn close(&mut self) {
        for (_, open) in self.candidates.drain(..) {
            open.sender.close();
        }
        for (_, Foreign { call, id, kind, url }) in self.asked_for.drain() {
            let result = match kind {
                // Nobody has said that the child is taken.
                HookKind::DialConfirm => Err(HookError::Abandoned { url }),
                _ => Ok(HookReply { body: None }),
            };
            call.do_send(HookAnswered { id, result });
        }
        // A socket that others use as well closes when the last of them lets go.
        if let Some(open) = self.session.take()
            && open.owner.is_none()
            && !self.is_lent
        {
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
            Via::Session(_) => {
                let sender = self.session_socket(&request.target, ctx);
                let open = self.sockets.session.as_ref();
                if let Some(owner) = open.and_then(|open| open.owner.as_ref()) {
                    // The answer comes to the owner of the socket, who passes it on, unless it is gone.
                    let (call, url) = (ctx.address(), request.target.shown());
                    let told = owner.send(AskFor { call: call.clone(), request });
                    actix::spawn(async move {
                        if told.await.is_err() {
                            let result = Err(HookError::Abandoned { url });
                            call.do_send(HookAnswered { id, result });
                        }
                    });
                    return None;
                }
                sender
            }
            Via::Socket if is_redirect && self.sockets.candidates.len() < MAX_CANDIDATES => {
                let open = self.open_socket(&request.target, ctx);
                let sender = open.sender.clone();
                self.sockets.candidates.push((id, open));
                sender
            }
            Via::Http | Via::Socket => return Some(request),
        };
        let url = request.target.shown();
        if sender.send(message(request, Some(id))).is_err() {
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
    ) -> Option<WeakSocket> {
        target.session_hook()?;
        Some(self.session_socket(target, ctx).weak())
    }

    pub(super) fn move_session(&mut self, to: Option<HookId>) {
        let candidates = &mut self.sockets.candidates;
        let next = to.and_then(|to| {
            let at = candidates.iter().position(|(id, _)| *id == to)?;
            Some(candidates.swap_remove(at).1)
        });
        let former = std::mem::replace(&mut self.sockets.session, next);
        if let Some(former) = former.filter(|open| open.owner.is_none()) {
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
        let former = self.sockets.session.replace(open);
        if let Some(former) = former.filter(|open| open.owner.is_none()) {
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
        Open { id, url: target.url.clone(), sender, owner: None }
    }

    fn on_socket_event(
        &mut self,
        SocketEvent { socket, event }: SocketEvent,
        ctx: &mut Context<Self>,
    ) {
        let is_session = self.sockets.session.as_ref().is_some_and(|open| open.id == socket);
        match event {
            Event::Reply(Reply { id, result }) => {
                if let Some(Foreign { call, id, .. }) = self.sockets.asked_for.remove(&id) {
                    call.do_send(HookAnswered { id, result });
                    return;
                }
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
            Some(child) => self.pass_on(child, &command, &name, ctx),
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
                let verbs = verbs(&command.data)?;
                self.state.take_verbs(now, wall, verbs, command.queue, &mut effects);
            }
            "redirect" if is_for_legs(&command.data) => {
                let of = |leg| command.data.get(leg).map(verbs).transpose();
                let (of_child, own) = (of(CHILD)?, of(PARENT)?);
                if let Some(verbs) = of_child
                    && !self.state.let_child_go(now, wall, verbs, &mut effects)
                {
                    return Err("the call talks with no child".to_owned());
                }
                if let Some(verbs) = own {
                    self.state.take_verbs(now, wall, verbs, false, &mut effects);
                }
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
                for problem in self.sockets.refusals(&mut effects) {
                    self.say_error(&command.name, &problem);
                }
            }
        }
        self.carry_out(effects, ctx);
        Ok(())
    }

    /// A command for another leg of the session.
    fn pass_on(
        &self,
        child: CallSid,
        command: &Command,
        name: &str,
        ctx: &mut Context<Self>,
    ) -> Result<(), String> {
        let unknown = move || format!("callSid {child} is no call of this session");
        let account = self.state.base_fields().facts.account_sid;
        let call = self.desk.live.call(account, child).ok_or_else(unknown)?;
        let actor = call.actor.filter(|_| call.snapshot.is_child_of(self.sid));
        let actor = actor.ok_or_else(unknown)?;
        if command.name == "redirect" && command.data.is_array() {
            let word = ParentWord::Adult(verbs(&command.data)?);
            actor.do_send(FromParent::Word(Box::new(word)));
            return Ok(());
        }
        let update = update(command)?;
        let (name, told) = (name.to_owned(), actor.send(Update(update)));
        ctx.spawn(told.into_actor(self).map(move |done, this, ctx| {
            let problem = match done {
                Ok(Ok(_)) => return,
                Ok(Err(refusal)) => refusal.to_string(),
                Err(_) => unknown(),
            };
            this.complain(&name, &problem, ctx);
        }));
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
        HookKind::SessionAdulting => MessageType::SessionAdulting,
        HookKind::VerbHook | HookKind::ConferenceStatus => MessageType::VerbHook,
        HookKind::DialConfirm => MessageType::DialConfirm,
        HookKind::CallStatus => MessageType::CallStatus,
    };
    let has_hook = !matches!(
        kind,
        MessageType::SessionNew | MessageType::SessionAdulting | MessageType::CallStatus
    );
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

fn verbs(data: &Value) -> Result<Vec<Verb>, String> {
    verb::parse(data).map_err(|error| error.to_string())
}

/// `redirect` with verbs for one leg of a bridge, or for each.
fn is_for_legs(data: &Value) -> bool {
    [CHILD, PARENT].iter().any(|leg| data.get(leg).is_some())
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
    verbs(&array)?.into_iter().next().ok_or_else(|| "no verb".to_owned())
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

/// A child asks over the session's socket.
#[derive(Message)]
#[rtype(result = "()")]
struct AskFor {
    call: Addr<CallActor>,
    request: HookRequest,
}

impl Handler<AskFor> for CallActor {
    type Result = ();

    fn handle(&mut self, AskFor { call, request }: AskFor, _: &mut Context<Self>) {
        let (asked, kind, url) = (request.id, request.kind, request.target.shown());
        let sender = self.sockets.session.as_ref().map(|open| open.sender.clone());
        self.sockets.asked += 1;
        // Above all numbers that this call's own questions ever have.
        let id = HookId(FOREIGN + self.sockets.asked);
        let foreign = Foreign { call: call.clone(), id: asked, kind, url: url.clone() };
        self.sockets.asked_for.insert(id, foreign);
        if sender.is_none_or(|sender| sender.send(message(request, Some(id))).is_err()) {
            self.sockets.asked_for.remove(&id);
            let result = Err(HookError::Abandoned { url });
            call.do_send(HookAnswered { id: asked, result });
        }
    }
}

/// Redirects under way at a time.
const MAX_CANDIDATES: usize = 4;
/// Alerts about refused commands; the application itself is told of each.
const MAX_REFUSED: u32 = 16;
const CHILD: &str = "child_call";
const PARENT: &str = "parent_call";
const MAX_NAME_CHARS: usize = 64;
const FOREIGN: u64 = 1 << 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_without_effect_are_told_each_and_are_so_many_alerts_at_most() {
        let mut sockets = Sockets::default();
        let mut alerts = 0;
        for n in 0..MAX_REFUSED + 5 {
            let alert = Alert::new(AlertKind::ErrorUpdatingCall, format!("no effect {n}"));
            let mut effects = vec![Effect::Publish, Effect::Alert(alert)];
            assert_eq!(sockets.refusals(&mut effects), [format!("no effect {n}")]);
            assert!(matches!(effects[0], Effect::Publish), "{effects:?}");
            alerts += effects.len() - 1;
        }
        assert_eq!(alerts, MAX_REFUSED as usize);
        // Those of another kind are not of commands.
        let other = Alert::new(AlertKind::TtsFailure, "text-to-speech failed");
        let mut effects = vec![Effect::Alert(other)];
        assert!(sockets.refusals(&mut effects).is_empty());
        assert_eq!(effects.len(), 1);
    }
}
