//! Queues with their directory and no calls: what a queue says over its lives.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::support::{HookServer, Reply, wait};
use actix::prelude::*;
use tokio::sync::oneshot;
use trunkline::directory::{EnterQueue, KeepQueuePlace};
use trunkline::hook::{Base, BaseFields};
use trunkline::model::{CallSid, Hook, Secret};
use trunkline::queue::actor::QueueActor;
use trunkline::queue::line::Departure;
use trunkline::queue::message::{
    Arrive, GiveUpPlace, Guest, KeepPlace, Leave, QueueTold, Rules, Settle, Wish,
};
use trunkline::queue::news::EventTarget;
use trunkline::verb::{QueueEvent, RunId};

use crate::media_house::{House, SOON, facts};

const NAME: &str = "support";

/// Stands for a call: keeps what it is told.
struct Told(Arc<Mutex<Vec<QueueEvent>>>);

impl Actor for Told {
    type Context = Context<Self>;
}

impl Handler<QueueTold> for Told {
    type Result = ();

    fn handle(&mut self, told: QueueTold, _: &mut Context<Self>) {
        self.0.lock().unwrap().push(told.event);
    }
}

/// Who waits.
struct Caller {
    call: CallSid,
    queue: Addr<QueueActor>,
    told: Arc<Mutex<Vec<QueueEvent>>>,
}

impl Caller {
    async fn comes(house: &House, events: Option<Arc<EventTarget>>) -> Self {
        let told = Arc::<Mutex<Vec<QueueEvent>>>::default();
        let ear = Told(told.clone()).start().recipient();
        Self::comes_with(house, events, told, ear).await
    }

    async fn comes_with(
        house: &House,
        events: Option<Arc<EventTarget>>,
        told: Arc<Mutex<Vec<QueueEvent>>>,
        ear: Recipient<QueueTold>,
    ) -> Self {
        let call = CallSid::random();
        let base = Arc::new(BaseFields::new(Arc::new(facts(call, house.account))));
        let guest = Guest { call, run: RunId(1), base, told: ear, events };
        let arrival = Arrive { guest, wish: Wish::Wait { priority: 0 } };
        let enter = EnterQueue { account: house.account, name: NAME.to_owned(), arrival };
        let queue = house.directory.send(enter).await.unwrap().unwrap();
        Self { call, queue, told }
    }

    async fn goes(self) {
        let (call, why) = (self.call, Departure::HungUp);
        self.queue.send(Leave { call, run: None, why, base: None }).await.unwrap();
    }

    /// Waits until it is told something of that kind.
    async fn hears(&self, what: impl Fn(&QueueEvent) -> bool) {
        let heard = || self.told.lock().unwrap().iter().any(&what);
        assert!(eventually(heard).await, "heard only {:?}", self.told.lock().unwrap());
    }
}

/// Lets the actors of this thread work meanwhile.
async fn eventually(is_so: impl Fn() -> bool) -> bool {
    let until = tokio::time::Instant::now() + SOON;
    while !is_so() {
        if tokio::time::Instant::now() > until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}

#[actix_web::test]
async fn events_of_a_queue_that_is_opened_anew_come_after_those_of_its_former_life() {
    let house = House::new().await;
    let application = Arc::new(HookServer::start());
    let (seen, began) = (application.clone(), Arc::new(Mutex::new(Vec::new())));
    let noted = began.clone();
    application.on_fn("/queue", move |request| {
        noted.lock().unwrap().push(request.text("call_sid").to_owned());
        if seen.all_requests().is_empty() {
            // Slow with the first: time enough for another to overtake it.
            let overtaken = || (noted.lock().unwrap().len() > 1).then_some(());
            let _ = wait::until(Duration::from_millis(200), overtaken);
        }
        Reply::Status(200)
    });
    let events = Some(Arc::new(EventTarget {
        hook: Base::default().resolve(&Hook::post(application.url("/queue"))).unwrap(),
        secret: Secret("s".to_owned()),
    }));
    let first = Caller::comes(&house, events.clone()).await;
    let first_sid = first.call.to_string();
    first.goes().await;
    let is_over = || house.live.queue_named(house.account, NAME).is_none();
    assert!(eventually(is_over).await, "nobody is in it");
    let second = Caller::comes(&house, events).await;
    let second_sid = second.call.to_string();
    let told = application.wait_for("/queue", SOON, |requests| requests.len() == 3);
    let told: Vec<_> = told.iter().map(|r| (r.text("event"), r.text("call_sid"))).collect();
    let (first, second) = (first_sid.as_str(), second_sid.as_str());
    assert_eq!(told, [("join", first), ("leave", first), ("join", second)]);
    assert_eq!(*began.lock().unwrap(), [first, first, second]);
}

#[actix_web::test]
async fn another_wait_hook_is_told_apart_from_where_a_caller_stands() {
    let house = House::new().await;
    let caller = Caller::comes(&house, None).await;
    caller.hears(|event| matches!(event, QueueEvent::Joined(_))).await;
    let hook = Some(Hook::post("http://q.example.com/wait"));
    let rules = Rules { max_length: None, wait_hook: hook.clone() };
    caller.queue.send(Settle(rules.clone())).await.unwrap();
    caller
        .hears(|event| matches!(event, QueueEvent::HookChanged(now) if now.wait_hook == hook))
        .await;
    // The same again, with another length, changes nothing of what is heard.
    caller.queue.send(Settle(Rules { max_length: Some(9), ..rules })).await.unwrap();
    caller.queue.send(Settle(Rules::default())).await.unwrap();
    caller
        .hears(|event| matches!(event, QueueEvent::HookChanged(now) if now.wait_hook.is_none()))
        .await;
    assert_eq!(caller.told.lock().unwrap().len(), 3);
}

#[actix_web::test]
async fn a_call_that_is_gone_before_it_hears_anything_does_not_stay() {
    let house = House::new().await;
    let (send, told) = (Told(Arc::default()).start(), Arc::default());
    let ear = send.clone().recipient();
    send.send(Stop).await.unwrap();
    assert!(eventually(|| !ear.connected()).await);
    Caller::comes_with(&house, None, told, ear).await;
    let is_over = || house.live.queue_named(house.account, NAME).is_none();
    assert!(eventually(is_over).await, "nobody is in it");
}

#[derive(Message)]
#[rtype(result = "()")]
struct Stop;

impl Handler<Stop> for Told {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

#[actix_web::test]
async fn a_place_is_kept_before_a_call_gives_up_what_it_runs() {
    let house = House::new().await;
    let keep = async |call| {
        let (told, is_kept) = oneshot::channel();
        let place = KeepPlace { call, told };
        let keep = KeepQueuePlace { account: house.account, name: NAME.to_owned(), place };
        let queue = house.directory.send(keep).await.unwrap().unwrap();
        (queue, is_kept.await.unwrap())
    };
    let (first, second) = (CallSid::random(), CallSid::random());
    let (queue, is_kept) = keep(first).await;
    assert!(is_kept);
    queue.send(Settle(Rules { max_length: Some(1), wait_hook: None })).await.unwrap();
    assert!(!keep(second).await.1, "the queue is full");
    queue.send(GiveUpPlace(first)).await.unwrap();
    let is_over = || house.live.queue_named(house.account, NAME).is_none();
    assert!(eventually(is_over).await, "nobody is on the way");
    assert!(keep(second).await.1, "and one is opened anew");
}
