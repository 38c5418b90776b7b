//! A fault inside one call or one queue, with phones on the whole server: it ends that one alone.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ::support::rtp_peer::Voice;
use ::support::temp_dir::TempDir;
use ::support::{HookServer, Reply, Rest, RtpPeer, SipPeer, Tenant, ports, wait};
use actix::prelude::*;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use trunkline::call::actor::CallActor;
use trunkline::config::Config;
use trunkline::directory::Live;
use trunkline::model::{AccountSid, CallSid};
use trunkline::queue::actor::QueueActor;
use trunkline::server;

const SOON: Duration = Duration::from_secs(10);
const LEVEL_DB: f64 = -16.0;
const CARL_HZ: f64 = 450.0;
const CORA_HZ: f64 = 800.0;
const AGENT_HZ: f64 = 1_250.0;
const MUSIC_HZ: f64 = 1_500.0;
const AFTER_HZ: f64 = 2_000.0;
const KEY: &str = "5bd3f5e0-0000-4000-8000-00005ec2e75e";

/// Something inside that nobody has thought of.
#[derive(Message)]
#[rtype(result = "()")]
struct Fault;

impl Handler<Fault> for CallActor {
    type Result = ();

    fn handle(&mut self, _: Fault, _: &mut Context<Self>) {
        panic!("a fault that a test wants");
    }
}

impl Handler<Fault> for QueueActor {
    type Result = ();

    fn handle(&mut self, _: Fault, _: &mut Context<Self>) {
        panic!("a fault that a test wants");
    }
}

/// A server in this process, where actors can be reached. Whoever's name begins with `a` is an agent of the
/// queue `support`, all others wait in it.
struct Inside {
    live: Arc<Live>,
    tenant: Tenant,
    hooks: HookServer,
    sip: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _dir: TempDir,
}

struct Caller {
    sip: SipPeer,
    rtp: RtpPeer,
    call_sid: String,
}

impl Inside {
    fn start() -> Self {
        let dir = TempDir::new("inside").unwrap();
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (http, sip, rtp) =
            (local(ports::free_block(1)), local(ports::free_block(1)), ports::free_block(40));
        let settings = [
            ("TRUNKLINE_HTTP_LISTEN", http.to_string()),
            ("TRUNKLINE_SIP_LISTEN", sip.to_string()),
            ("TRUNKLINE_RTP_PORTS", format!("{rtp}-{}", rtp + 39)),
            ("TRUNKLINE_DATA_DIR", dir.path().display().to_string()),
            ("TRUNKLINE_ADMIN_KEY", KEY.to_owned()),
            ("TRUNKLINE__HOOK__ALLOWED_NETWORKS", "127.0.0.0/8".to_owned()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value));
        let config = Config::load_from(None, settings).unwrap();
        let ((tell, hear), (stop, stopped)) = (mpsc::channel(), oneshot::channel());
        let thread = thread::spawn(move || {
            System::new().block_on(async move {
                let server = server::start(config, false).await.unwrap();
                tell.send(server.live.clone()).unwrap();
                // Also when the test has failed.
                let _ = stopped.await;
                server.stop().await;
            });
        });
        let live = hear.recv_timeout(SOON).unwrap();
        let tenant = Tenant::provision(&Rest::new(&format!("http://{http}"), KEY), "inside");
        let (tenant, hooks) = (tenant.unwrap(), HookServer::start());
        let (stop, thread) = (Some(stop), Some(thread));
        let inside = Self { live, tenant, hooks, sip, stop, thread, _dir: dir };
        inside.answer();
        inside
    }

    fn answer(&self) {
        for path in ["/status", "/events", "/after", "/served"] {
            self.hooks.on(path, Reply::Status(204));
        }
        self.hooks.on_json("/wait", json!([tone(MUSIC_HZ)]));
        self.hooks.on_fn("/call", |request| {
            let verb = if request.text("from").starts_with('a') {
                json!({ "verb": "dequeue", "name": "support", "actionHook": "/served" })
            } else {
                json!({ "verb": "enqueue", "name": "support", "waitHook": "/wait",
                    "actionHook": "/after" })
            };
            Reply::Json(json!([verb, tone(AFTER_HZ)]))
        });
        let (call, status) = (self.hooks.url("/call"), self.hooks.url("/status"));
        let application = self.tenant.application("inside", &call, &status).unwrap();
        self.tenant.answer_devices_with(&application).unwrap();
        let hook = json!({ "queue_event_hook": { "url": self.hooks.url("/events") } });
        let answer = self.tenant.rest.put(&self.tenant.path(""), &hook).unwrap();
        assert_eq!(answer.status, 204, "{}", answer.text);
    }

    fn phone(&self, user: &str) -> SipPeer {
        self.tenant.client(user, "pa55-word").unwrap();
        SipPeer::udp(self.sip).as_client(user, "pa55-word", &self.tenant.realm)
    }

    fn uri(&self) -> String {
        format!("sip:1000@{}", self.tenant.realm)
    }

    fn call(&self, user: &str, hz: f64) -> Caller {
        let (mut sip, rtp) = (self.phone(user), RtpPeer::start(Voice::tone(hz, LEVEL_DB)));
        sip.call(&self.uri(), &rtp).unwrap();
        Caller { sip, rtp, call_sid: self.call_sid(user) }
    }

    fn call_sid(&self, user: &str) -> String {
        let asked = self.hooks.wait_for("/call", SOON, |asked| {
            asked.iter().any(|request| request.text("from") == user)
        });
        let of_user = asked.iter().rfind(|request| request.text("from") == user);
        of_user.unwrap().text("call_sid").to_owned()
    }

    /// Carl and Cora, who wait.
    fn two_wait(&self) -> [Caller; 2] {
        let carl = self.call("carl", CARL_HZ);
        self.expect_line(&["carl"]);
        let cora = self.call("cora", CORA_HZ);
        self.expect_line(&["carl", "cora"]);
        [carl, cora]
    }

    fn get(&self, path: &str) -> Value {
        self.tenant.rest.get(&self.tenant.path(path)).unwrap().json
    }

    fn expect_line(&self, expected: &[&str]) {
        let line = || -> Vec<String> {
            let rows = self.get("/Queues/support/Calls");
            let rows = rows.as_array().cloned().unwrap_or_default();
            rows.iter().map(|row| row["from"].as_str().unwrap().to_owned()).collect()
        };
        let met = wait::until(SOON, || (line() == expected).then_some(()));
        assert!(met.is_some(), "{:?} wait, not {expected:?}", line());
    }

    fn expect_result(&self, path: &str, name: &str, call_sid: &str, result: &str) {
        self.hooks.wait_for(path, SOON, |told| {
            told.iter().any(|r| r.text("call_sid") == call_sid && r.text(name) == result)
        });
    }

    fn expect_events(&self, expected: &[(&str, &str, &str)]) {
        let told = self.hooks.wait_for("/events", SOON, |told| told.len() >= expected.len());
        let told: Vec<_> = told
            .iter()
            .map(|r| (r.text("event"), r.text("from"), r.text("leave_reason")))
            .collect();
        assert_eq!(told, expected);
    }

    fn account(&self) -> AccountSid {
        AccountSid::parse(&self.tenant.account_sid).unwrap()
    }

    fn break_call(&self, call_sid: &str) {
        let call = self.live.call(self.account(), CallSid::parse(call_sid).unwrap()).unwrap();
        call.actor.unwrap().do_send(Fault);
    }

    fn break_queue(&self) {
        self.live.queue_named(self.account(), "support").unwrap().actor.do_send(Fault);
    }

    /// These calls go on and no others; the one that was broken has failed.
    fn expect_calls(&self, callers: &[&Caller], broken: Option<&str>) {
        wait::expect("no others go on", SOON, || {
            let calls = self.get("/Calls");
            let rows = calls.as_array().unwrap();
            let live = rows.iter().filter(|row| row["call_status"] == "in-progress");
            let live: Vec<&str> = live.filter_map(|row| row["call_sid"].as_str()).collect();
            live.len() == callers.len() && callers.iter().all(|c| live.contains(&&*c.call_sid))
        });
        if let Some(broken) = broken {
            assert_eq!(self.get(&format!("/Calls/{broken}"))["call_status"], "failed");
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic of it was printed already; a second one here would hide it.
            let _ = thread.join();
        }
    }
}

impl Caller {
    fn expect_hears(&self, hz: f64) {
        wait::expect(&format!("{hz} Hz are heard"), SOON, || {
            let heard = self.rtp.listen(Duration::from_millis(60));
            heard.first_with(hz, LEVEL_DB - 3.0).is_some()
        });
    }
}

/// A verb that plays a tone for ever.
fn tone(hz: f64) -> Value {
    json!({ "verb": "play", "url": format!("tone_stream://%(2000,0,{hz})"), "loop": "forever" })
}

#[test]
fn a_fault_in_a_waiting_call_ends_it_and_the_others_wait_on() {
    let inside = Inside::start();
    let [mut carl, cora] = inside.two_wait();
    inside.break_call(&carl.call_sid);
    carl.sip.expect_bye(SOON);
    inside.expect_line(&["cora"]);
    inside.expect_calls(&[&cora], Some(&carl.call_sid));
    cora.expect_hears(MUSIC_HZ);
    let agent = inside.call("anna", AGENT_HZ);
    agent.expect_hears(CORA_HZ);
    cora.expect_hears(AGENT_HZ);
    inside.expect_events(&[
        ("join", "carl", ""),
        ("join", "cora", ""),
        ("leave", "carl", "abandoned"),
        ("leave", "cora", "dequeued"),
    ]);
}

#[test]
fn a_fault_in_a_caller_s_call_lets_the_agent_go_on() {
    let inside = Inside::start();
    let [mut carl, cora] = inside.two_wait();
    let agent = inside.call("anna", AGENT_HZ);
    agent.expect_hears(CARL_HZ);
    inside.break_call(&carl.call_sid);
    carl.sip.expect_bye(SOON);
    inside.expect_result("/served", "dequeue_result", &agent.call_sid, "complete");
    agent.expect_hears(AFTER_HZ);
    inside.expect_calls(&[&agent, &cora], Some(&carl.call_sid));
    inside.expect_line(&["cora"]);
    cora.expect_hears(MUSIC_HZ);
}

#[test]
fn a_fault_in_an_agent_s_call_lets_the_caller_go_on() {
    let inside = Inside::start();
    let [carl, cora] = inside.two_wait();
    let mut agent = inside.call("anna", AGENT_HZ);
    agent.expect_hears(CARL_HZ);
    inside.break_call(&agent.call_sid);
    agent.sip.expect_bye(SOON);
    inside.expect_result("/after", "queue_result", &carl.call_sid, "bridged");
    carl.expect_hears(AFTER_HZ);
    inside.expect_calls(&[&carl, &cora], Some(&agent.call_sid));
    inside.expect_line(&["cora"]);
    cora.expect_hears(MUSIC_HZ);
}

#[test]
fn a_fault_in_an_agent_s_call_before_the_bridge_stands_puts_the_caller_back() {
    let inside = Inside::start();
    let [carl, cora] = inside.two_wait();
    carl.expect_hears(MUSIC_HZ);
    // An agent without an offer has no sound before its ACK, which does not come.
    let mut late = inside.phone("amy");
    let invite = late.request("INVITE", &inside.uri());
    let (_, answered) = late.transact_authorized(invite);
    assert_eq!(answered.code(), Some(200));
    let path = format!("/Queues/support/Calls/{}", carl.call_sid);
    let path = inside.tenant.path(&path);
    wait::expect("carl is reserved", SOON, || {
        let answer = inside.tenant.rest.put(&path, &json!({ "priority": 999 })).unwrap();
        answer.status == 404
    });
    let amy = inside.call_sid("amy");
    inside.break_call(&amy);
    inside.expect_calls(&[&carl, &cora], Some(&amy));
    inside.expect_line(&["carl", "cora"]);
    carl.expect_hears(MUSIC_HZ);
    let agent = inside.call("anna", AGENT_HZ);
    agent.expect_hears(CARL_HZ);
    carl.expect_hears(AGENT_HZ);
    inside.expect_events(&[
        ("join", "carl", ""),
        ("join", "cora", ""),
        ("leave", "carl", "dequeued"),
    ]);
}

#[test]
fn a_fault_in_a_queue_lets_all_its_calls_go_on_and_the_name_is_free() {
    let inside = Inside::start();
    let [carl, cora] = inside.two_wait();
    inside.break_queue();
    for caller in [&carl, &cora] {
        inside.expect_result("/after", "queue_result", &caller.call_sid, "error");
        caller.expect_hears(AFTER_HZ);
    }
    wait::expect("there is no such queue", SOON, || inside.get("/Queues") == json!([]));
    inside.expect_calls(&[&carl, &cora], None);
    let cyril = inside.call("cyril", CARL_HZ);
    inside.expect_line(&["cyril"]);
    let agent = inside.call("anna", AGENT_HZ);
    agent.expect_hears(CARL_HZ);
    cyril.expect_hears(AGENT_HZ);
}
