//! The keeper: pings gateways, keeps our registrations at carriers, and follows what REST changes.
//!
//! One actor on the stack's arbiter around the cores of [`registration`](super::registration) and
//! [`health`](super::health): it looks what is due, sends that through the stack, and brings back the
//! answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use rand::RngExt;
use sip::{Flow, Method, NameAddr, Outside, Response, Uri};
use tokio::sync::oneshot;

use super::health::{Outcome, retry_after};
use super::plan::{PingPlan, RegisterPlan, trusted};
use super::registration::{Answer, Ask, Registration};
use super::{Registered, Trunks};
use crate::model::{SipGatewaySid, VoipCarrierSid};
use crate::routing::trunk::TrunkTable;
use crate::sip_io::dns::Resolver;
use crate::sip_io::stack::StackActor;
use crate::sip_io::stack::outside::{self, Answered, Trust};

/// What the keeper is built from.
pub struct KeeperParts {
    pub trunks: Arc<Trunks>,
    pub stack: Addr<StackActor>,
    pub resolver: Resolver,
    /// From one answered ping of a gateway to the next.
    pub ping_interval: Duration,
    /// Our address, for From of the pings.
    pub own: Uri,
}

pub struct TrunkKeeper {
    parts: KeeperParts,
    carriers: HashMap<VoipCarrierSid, Keeping>,
    pings: HashMap<SipGatewaySid, Ping>,
    /// Numbers what is started, so that an answer to what was stopped is not taken for another's.
    last_run: u64,
    wake: Option<(Instant, SpawnHandle)>,
    /// Who waits until the last binding is taken back.
    leaving: Option<oneshot::Sender<()>>,
}

/// A carrier we are registered with, or try to be.
struct Keeping {
    run: u64,
    name: String,
    plan: RegisterPlan,
    registration: Registration,
    /// Where the registrar was when it last answered; it did so over the first.
    registrar: Vec<Flow>,
    /// Begins when this one has taken its binding back: both would have the same Contact.
    next: Option<RegisterPlan>,
}

/// A gateway that is pinged.
struct Ping {
    run: u64,
    plan: PingPlan,
    /// `None` while an answer is awaited.
    due: Option<Instant>,
}

/// Seconds we ask to be registered for.
const EXPIRES: u32 = 3600;
/// Addresses of one name that are tried for one request.
const MAX_ADDRESSES: usize = 3;
/// How soon after a surprise a gateway is pinged again, at the latest.
const DOUBT: Duration = Duration::from_secs(5);
/// First pings are spread over this much time for each gateway.
const SPREAD: Duration = Duration::from_millis(20);
/// Until the table of carriers is read again that could not be read.
const RELOAD_AGAIN: Duration = Duration::from_secs(5);

impl TrunkKeeper {
    pub fn new(parts: KeeperParts) -> Self {
        Self {
            parts,
            carriers: HashMap::new(),
            pings: HashMap::new(),
            last_run: 0,
            wake: None,
            leaving: None,
        }
    }

    /// Makes what is running what the table asks for.
    fn follow(&mut self, table: &TrunkTable, ctx: &mut Context<Self>) {
        let now = Instant::now();
        if self.leaving.is_none() {
            self.follow_registrations(now, table);
            self.follow_pings(now, table);
        }
        let networks = table.gateways().filter_map(|(trunk, gateway)| trusted(trunk, gateway));
        self.parts.stack.do_send(Trust(networks.collect()));
        self.turn(ctx);
    }

    fn follow_registrations(&mut self, now: Instant, table: &TrunkTable) {
        let mut wanted: HashMap<_, _> = table
            .all()
            .iter()
            .filter_map(|trunk| {
                let plan = RegisterPlan::of(trunk)?;
                Some((trunk.carrier.sid, (trunk.carrier.name.clone(), plan)))
            })
            .collect();
        for (sid, keeping) in &mut self.carriers {
            let plan = wanted.remove(sid).map(|(name, plan)| {
                keeping.name = name;
                plan
            });
            let is_same = plan.as_ref() == Some(&keeping.plan);
            if !is_same || keeping.registration.is_leaving() {
                keeping.registration.leave(now);
                keeping.next = plan;
            }
        }
        for (sid, (name, plan)) in wanted {
            self.start(now, sid, name, plan);
        }
    }

    fn start(&mut self, now: Instant, sid: VoipCarrierSid, name: String, plan: RegisterPlan) {
        let run = self.next_run();
        let registration = Registration::new(now, rand::random(), plan.hops.len(), EXPIRES);
        let registrar = Vec::new();
        let keeping = Keeping { run, name, plan, registration, registrar, next: None };
        self.carriers.insert(sid, keeping);
    }

    fn follow_pings(&mut self, now: Instant, table: &TrunkTable) {
        let mut former = std::mem::take(&mut self.pings);
        for (trunk, gateway) in table.gateways() {
            let Some(plan) = PingPlan::of(trunk, gateway) else { continue };
            let same = former.remove(&gateway.sid).filter(|ping| ping.plan == plan);
            let ping = same.unwrap_or_else(|| {
                let due = Some(now + SPREAD * u32::try_from(self.pings.len()).unwrap_or(u32::MAX));
                Ping { run: self.next_run(), plan, due }
            });
            self.pings.insert(gateway.sid, ping);
        }
    }

    fn next_run(&mut self) -> u64 {
        self.last_run += 1;
        self.last_run
    }

    /// Does what is due, and sets the alarm for what will be.
    fn turn(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.turn_over(now);
        let mut asks = Vec::new();
        for (sid, keeping) in &mut self.carriers {
            if let Some(ask) = keeping.registration.poll(now) {
                asks.push((*sid, keeping.run, ask));
            }
        }
        for (sid, run, ask) in asks {
            self.register(sid, run, ask, ctx);
        }
        let due = |ping: &Ping| ping.due.is_some_and(|due| due <= now);
        let due: Vec<_> =
            self.pings.iter().filter(|(_, ping)| due(ping)).map(|(s, _)| *s).collect();
        for sid in due {
            self.ping(sid, ctx);
        }
        self.turn_over(now);
        self.set_alarm(now, ctx);
    }

    /// Drops registrations that are over, and begins those that waited for it.
    fn turn_over(&mut self, now: Instant) {
        let is_over = |keeping: &Keeping| keeping.registration.is_over();
        let over: Vec<_> =
            self.carriers.iter().filter(|(_, k)| is_over(k)).map(|(sid, _)| *sid).collect();
        for sid in over {
            let Some(keeping) = self.carriers.remove(&sid) else { continue };
            self.parts.trunks.publish(sid, None);
            if let Some(plan) = keeping.next {
                self.start(now, sid, keeping.name, plan);
            }
        }
        if self.carriers.is_empty()
            && let Some(tell) = self.leaving.take()
        {
            // Who waited may have lost patience.
            let _ = tell.send(());
        }
    }

    fn set_alarm(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let registrations = self.carriers.values().filter_map(|k| k.registration.next_wake());
        let pings = self.pings.values().filter_map(|ping| ping.due);
        let Some(at) = registrations.chain(pings).min() else { return };
        if let Some((armed, handle)) = self.wake.take() {
            if armed <= at && armed > now {
                self.wake = Some((armed, handle));
                return;
            }
            ctx.cancel_future(handle);
        }
        let handle = ctx.run_later(at.saturating_duration_since(now), |this, ctx| {
            this.wake = None;
            this.turn(ctx);
        });
        self.wake = Some((at, handle));
    }

    fn register(&mut self, sid: VoipCarrierSid, run: u64, ask: Ask, ctx: &Context<Self>) {
        let Some(keeping) = self.carriers.get(&sid) else { return };
        let plan = keeping.plan.clone();
        let Some(hop) = plan.hops.get(ask.hop).cloned() else { return };
        let call_id = keeping.registration.call_id().to_owned();
        let contact_user = plan.contact_user.clone();
        let make = move |flow, seq| {
            let name = NameAddr::new(plan.aor.clone());
            let params = format!(";expires={}", ask.expires);
            Outside {
                method: Method::Register,
                uri: hop.domain.clone(),
                flow,
                from: name.clone(),
                to: name,
                call_id: Some(call_id.clone()),
                seq,
                contact: Some((Some(plan.contact_user.clone()), params)),
                headers: vec![("Expires".to_owned(), ask.expires.to_string())],
                body: None,
                credentials: Some(plan.credentials.clone()),
                route: Vec::new(),
            }
        };
        let asking = send(self.way(), hop.next, ask.seq, make);
        let keeper = ctx.address();
        actix::spawn(async move {
            let (answered, flows) = asking.await;
            let answer = answer(&answered, &contact_user);
            keeper.do_send(RegisterAnswered { sid, run, answer, flows });
        });
    }

    fn ping(&mut self, sid: SipGatewaySid, ctx: &Context<Self>) {
        let Some(ping) = self.pings.get_mut(&sid) else { return };
        ping.due = None;
        let (run, PingPlan { next, target }) = (ping.run, ping.plan.clone());
        let own = NameAddr::new(self.parts.own.clone());
        let make = move |flow, seq| Outside {
            method: Method::Options,
            uri: target.clone(),
            flow,
            from: own.clone(),
            to: NameAddr::new(target.clone()),
            call_id: None,
            seq,
            contact: Some((None, String::new())),
            headers: vec![("Accept".to_owned(), "application/sdp".to_owned())],
            body: None,
            credentials: None,
            route: Vec::new(),
        };
        let asking = send(self.way(), next, 1, make);
        let keeper = ctx.address();
        actix::spawn(async move {
            let (answered, _) = asking.await;
            let outcome = Outcome::of(answered.status, answered.response.as_deref());
            keeper.do_send(PingAnswered { sid, run, outcome });
        });
    }

    fn way(&self) -> (Addr<StackActor>, Resolver) {
        (self.parts.stack.clone(), self.parts.resolver.clone())
    }

    fn publish(&self, sid: VoipCarrierSid) {
        let Some(keeping) = self.carriers.get(&sid) else { return };
        let registered = Registered {
            status: keeping.registration.status().cloned(),
            bound_until: keeping.registration.bound_until(),
            contact_user: keeping.plan.contact_user.clone(),
            addresses: keeping.registrar.iter().map(|f| f.peer.ip().to_canonical()).collect(),
        };
        self.parts.trunks.publish(sid, Some(registered));
    }
}

/// Sends a request to the first address of a URI that answers. All its addresses come with the
/// answer, the one that gave it first: any of them may be where calls come from.
async fn send(
    (stack, resolver): (Addr<StackActor>, Resolver),
    next: Uri,
    seq: u32,
    make: impl Fn(Flow, u32) -> Outside,
) -> (Answered, Vec<Flow>) {
    let unsent = |seq, reason: &str| Answered {
        status: 503,
        reason: reason.to_owned(),
        seq,
        response: None,
    };
    let mut flows = match resolver.resolve(&next).await {
        Ok(flows) => flows,
        Err(error) => return (unsent(seq, &error.to_string()), Vec::new()),
    };
    let mut last = unsent(seq, "not sent");
    let tries: Vec<Flow> = flows.iter().take(MAX_ADDRESSES).copied().collect();
    for (tried, flow) in tries.into_iter().enumerate() {
        let seq = if tried == 0 { seq } else { last.seq + 1 };
        match stack.send(outside::Ask(make(flow, seq))).await {
            Ok(Some(answered)) => last = answered,
            Ok(None) | Err(_) => last = unsent(seq, "not sent"),
        }
        if last.response.is_some() {
            flows.swap(0, tried);
            break;
        }
    }
    (last, flows)
}

/// What a registrar's answer grants. Of several bindings of ours the shortest counts.
fn answer(answered: &Answered, contact_user: &str) -> Answer {
    let response = answered.response.as_deref();
    let number = |name| response?.header(name)?.trim().parse::<u32>().ok();
    let of_contact = |response: &Response| {
        let contacts = response.all_headers().items("Contact");
        let ours = contacts
            .filter_map(|value| value.parse::<NameAddr>().ok())
            .filter(|contact| contact.uri.user().as_deref() == Some(contact_user));
        ours.filter_map(|contact| contact.params.get("expires")?.parse::<u32>().ok()).min()
    };
    Answer {
        status: answered.status,
        reason: answered.reason.clone(),
        seq: answered.seq,
        expires: response.and_then(of_contact).or_else(|| number("Expires")),
        min_expires: number("Min-Expires"),
        retry_after: response.and_then(retry_after),
    }
}

impl Actor for TrunkKeeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.notify(Follow);
    }
}

/// A carrier, gateway or account has changed: do what is stored now.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Follow;

impl Handler<Follow> for TrunkKeeper {
    type Result = ();

    fn handle(&mut self, _: Follow, ctx: &mut Context<Self>) {
        let trunks = self.parts.trunks.clone();
        let reading = async move { trunks.table().await };
        ctx.spawn(reading.into_actor(self).map(|table, this, ctx| match table {
            // One that has changed meanwhile is being read by who was told of that.
            Ok(table) if this.parts.trunks.is_current(&table) => this.follow(&table, ctx),
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "cannot read the carriers");
                ctx.notify_later(Follow, RELOAD_AGAIN);
            }
        }));
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct RegisterAnswered {
    sid: VoipCarrierSid,
    run: u64,
    answer: Answer,
    /// Where the registrar is.
    flows: Vec<Flow>,
}

impl Handler<RegisterAnswered> for TrunkKeeper {
    type Result = ();

    fn handle(&mut self, answered: RegisterAnswered, ctx: &mut Context<Self>) {
        let RegisterAnswered { sid, run, answer, flows } = answered;
        let now = Instant::now();
        if let Some(keeping) = self.carriers.get_mut(&sid).filter(|keeping| keeping.run == run) {
            let was_ok = keeping.registration.status().map(|status| status.is_ok);
            keeping.registration.on_answer(now, &answer);
            let is_ok = keeping.registration.status().map(|status| status.is_ok);
            if (200..300).contains(&answer.status) {
                keeping.registrar = flows;
            }
            let Answer { status, reason, .. } = answer;
            match is_ok {
                Some(true) if was_ok != is_ok => {
                    tracing::info!(carrier = keeping.name, "registered with the carrier");
                }
                Some(false) if was_ok != is_ok => {
                    let carrier = &keeping.name;
                    tracing::warn!(carrier, status, reason, "not registered with the carrier");
                }
                _ => {}
            }
            self.publish(sid);
        }
        self.turn(ctx);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct PingAnswered {
    sid: SipGatewaySid,
    run: u64,
    outcome: Outcome,
}

impl Handler<PingAnswered> for TrunkKeeper {
    type Result = ();

    fn handle(
        &mut self,
        PingAnswered { sid, run, outcome }: PingAnswered,
        ctx: &mut Context<Self>,
    ) {
        if let Some(ping) = self.pings.get_mut(&sid).filter(|ping| ping.run == run) {
            self.parts.trunks.report(sid, outcome);
            let interval = self.parts.ping_interval;
            let wait = match self.parts.trunks.is_in_doubt(sid) {
                true => interval.min(DOUBT),
                false => interval.mul_f64(rand::rng().random_range(0.9..=1.1)),
            };
            ping.due = Some(Instant::now() + wait);
        }
        self.turn(ctx);
    }
}

/// Take every binding back; answered when that is done, or there is none.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Leave;

impl Handler<Leave> for TrunkKeeper {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Leave, ctx: &mut Context<Self>) -> Self::Result {
        let now = Instant::now();
        let (tell, hear) = oneshot::channel();
        self.leaving = Some(tell);
        self.pings.clear();
        for keeping in self.carriers.values_mut() {
            keeping.registration.leave(now);
            keeping.next = None;
        }
        self.turn(ctx);
        Box::pin(async move {
            // Dropped only if the keeper is gone, and its bindings with it.
            let _ = hear.await;
        })
    }
}
