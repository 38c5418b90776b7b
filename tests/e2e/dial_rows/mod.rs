//! `dial` row by row (contract verbs.md §3.4) with foreign phones (`baresip` where sound matters, `sipp` where a
//! certain answer does) and an application in Node. A is who dials, B and C who are dialled. Scenarios are named
//! by words of their names.
//!
//! | property | scenario |
//! |---|---|
//! | `target`: up to 10 at once, each once | [`ringing`]: ten are rung at once |
//! | `actionHook` | [`talk`]: two phones talk; [`ringing`]: the last failure; everywhere else too |
//! | `answerOnBridge` | [`answer`]: a caller hears it ring, early media; false: ten are rung at once |
//! | `callerId`, `callerName`, `headers`, `tag`, `proxy` | [`offer`]: a callee is told |
//! | `forwardPAI` | [`offer`]: a callee is told, a private identity |
//! | `timeout` | [`ringing`]: the last failure |
//! | `timeLimit` | [`talk`]: two may talk for so long |
//! | `dialMusic` | [`answer`]: music is heard instead of early media |
//! | `confirmHook` | [`answer`]: each is asked, a confirm hook that fails |
//! | `dtmfCapture`, `dtmfHook` | [`held`]: keys of one phone |
//! | `referHook` | [`refer`] |
//! | `onHoldHook` | [`held`]: a hold hook |
//! | `anchorMedia`, `exitMediaPath` | accepted: [`offer`]: what a dial cannot do yet |
//! | `srtpEncryption` | [`offer`]: the callee's leg; `dtls`: an alert, no effect: what a dial cannot do yet |
//! | `listen`, `stream` | [`streamed`]: the voice of one side |
//! | `transcribe`, `dub`, `amd`, `boostAudioSignal`, `codecs` | an alert, no effect: [`offer`]: what a dial cannot do yet |
//!
//! | target | scenario |
//! |---|---|
//! | `phone`: `number`, `trunk`, `name` (D-26) | [`offer`]: a phone number; there are no least-cost routes |
//! | `user`: with and without realm, every contact | [`ringing`]: every phone of a user; nobody: the last failure |
//! | `user`: `overrideTo` | [`offer`]: a callee is told |
//! | `sip`: `sipUri`, `auth` | [`ringing`]: a SIP target |
//! | `teams` | refused with an alert: [`offer`]: what a dial cannot do yet |
//! | any: `confirmHook`, `method` | [`answer`]: each is asked |
//! | any: `headers`, `from`, `proxy` | [`offer`]: a callee is told |
//!
//! | flow | scenario |
//! |---|---|
//! | first to answer, a later 200 | [`ringing`]: ten are rung at once |
//! | `confirmHook`: payload, verbs on B alone, declined, empty, failed | [`answer`]: each is asked, a confirm hook that fails |
//! | bridge | [`answer`]: a caller hears it ring |
//! | B hangs up | [`talk`]: two phones talk |
//! | A hangs up | [`talk`]: a caller who hangs up; before the answer: [`ringing`]: a caller who gives up |
//! | all targets fail | [`ringing`]: the last failure |
//! | A unanswered and the verb fails | [`ringing`]: an unanswered caller (D-27: 603, nothing else can be configured) |
//! | hold without `onHoldHook`, `config.onHoldMusic` | [`held`]: hold of a callee, a held caller |
//! | mute, keys, hang-up by REST | [`talk`]: either is muted |
//! | whisper by REST | [`talk`]: a whisper |
//! | `child_call_hook`, alone and with `call_hook` (§1.9, §1.10) | [`talk`]: a callee gets an application |
//! | direct dial of users (§1.1) | [`ringing`]: users of a realm |
//!
//! | payload of `actionHook` | scenario |
//! |---|---|
//! | base fields and the four of `dial`, no others | [`talk`]: two phones talk |
//! | status and code of failures | [`ringing`]: the last failure, a caller who gives up |
//! | of several the winner, else the last to report | [`ringing`]: ten are rung at once, the last failure |
//! | no fields before any attempt | out of reach from here: an attempt is made at once |
//!
//! | REFER | scenario |
//! |---|---|
//! | payload, 202 and NOTIFY 200, no verbs, a failing hook, no hook, `config.referHook` | [`refer`]: what the hook says |
//! | verbs: REFER on B | [`refer`]: verbs for a REFER of the callee |
//! | verbs: REFER on A | [`refer`]: verbs for a REFER of the caller |

mod answer;
mod ears;
mod held;
mod offer;
mod refer;
mod ringing;
mod streamed;
mod talk;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::Deref;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use support::baresip::{Answers, Codec, Phone, Security};
use support::rtp_peer::Voice;
use support::sipp::Sipp;
use support::temp_dir::TempDir;
use support::{Baresip, Message, RtpPeer};

use crate::scripted::Scripted;
use crate::stage::{LEVEL_DB, PASSWORD, SOON, file};

/// What phones send: multiples of 50 Hz, which one frame can tell apart.
const ALICE_HZ: f64 = 450.0;
const BOB_HZ: f64 = 800.0;
const CAROL_HZ: f64 = 1_250.0;
/// What the application plays: instead of a ring tone, to who is held, to one alone, and after the dial.
const MUSIC_HZ: f64 = 1_700.0;
const HOLD_HZ: f64 = 2_150.0;
const OWN_HZ: f64 = 2_600.0;
const AFTER_HZ: f64 = 650.0;

/// A server whose callers are connected to others.
struct Dials {
    house: Scripted,
}

impl Deref for Dials {
    type Target = Scripted;

    fn deref(&self) -> &Scripted {
        &self.house
    }
}

/// Two who are being connected, as webhooks and REST name them.
struct Legs {
    parent: String,
    child: String,
}

impl Legs {
    fn parent_path(&self) -> String {
        format!("/Calls/{}", self.parent)
    }

    fn child_path(&self) -> String {
        format!("/Calls/{}", self.child)
    }
}

impl Dials {
    fn new() -> Self {
        let dials = Self { house: Scripted::new() };
        dials.script(&json!({ "/done": [], "/keys": [], "/hold": [dials.plays(HOLD_HZ, 300)] }));
        dials
    }

    /// A dial of those targets with an action hook and these options.
    fn dial(&self, target: &Value, options: &Value) -> Value {
        let mut verb = json!({ "verb": "dial", "target": target, "actionHook": "/done" });
        let (Value::Object(map), Value::Object(options)) = (&mut verb, options) else {
            panic!("options are an object");
        };
        map.extend(options.clone());
        verb
    }

    /// The next verb of who has dialled: heard until the test is over.
    fn after(&self) -> Value {
        self.plays(AFTER_HZ, 60_000)
    }

    /// Calls of that user dial those targets so, and hear a tone after it.
    fn connects(&self, user: &str, target: &Value, options: &Value) {
        let key = format!("/call#{user}");
        self.script(&json!({ key: [self.dial(target, options), self.after()] }));
    }

    /// A new registered phone of that user.
    fn phone(&self, user: &str, hz: f64) -> Baresip {
        self.phone_that(user, hz, Answers::AtOnce)
    }

    fn phone_that(&self, user: &str, hz: f64, answers: Answers) -> Baresip {
        self.stage.tenant.client(user, PASSWORD).expect("a SIP client");
        self.another_phone(user, hz, answers, &Security::default())
    }

    /// A registered phone of a user that there is.
    fn another_phone(
        &self,
        user: &str,
        hz: f64,
        answers: Answers,
        security: &Security<'_>,
    ) -> Baresip {
        let phone = Phone {
            user,
            password: PASSWORD,
            realm: &self.stage.tenant.realm,
            server: self.stage.server.sip(),
            transport: "udp",
            tones: &[(hz, LEVEL_DB)],
            codec: Codec::Pcmu,
        };
        let mut phone = Baresip::start_answering(&phone, security, answers).expect("baresip runs");
        phone.wait_registered(SOON).expect("registered");
        phone
    }

    /// Two phones that talk because the one has dialled the other.
    fn pair(&self, options: &Value) -> (Baresip, Baresip, Legs) {
        let bob = self.phone("bob", BOB_HZ);
        let mut alice = self.phone("alice", ALICE_HZ);
        self.connects("alice", &user("bob"), options);
        alice.dial(&self.stage.uri("1000"), SOON).expect("answered");
        ears::expect("A", &alice, &[BOB_HZ]);
        ears::expect("B", &bob, &[ALICE_HZ]);
        let legs = self.legs("alice");
        (alice, bob, legs)
    }

    /// The latest call from that user, and the latest it has dialled.
    fn legs(&self, from: &str) -> Legs {
        let parent = self.call_sid(from);
        let is_child = |body: &Value| body["parent_call_sid"] == parent.as_str();
        let told = self.told("/status", "a child", is_child);
        Legs { child: text(&told, "call_sid"), parent }
    }

    /// The latest call from that user.
    fn call_sid(&self, from: &str) -> String {
        text(&self.told("/call", "the first hook", |body| body["from"] == from), "call_sid")
    }

    /// A `sipp` that waits to be called and speaks with a tone.
    fn far(&self, scenario: &str, hz: f64) -> Far {
        let scenario = file(&format!("sipp/uas_{scenario}.xml"));
        Far::start(hz, |port| Sipp::called(&scenario, "u1", &arguments_of(port, &[])))
    }

    /// A `sipp` that refuses with that status line. (`sipp` wants the code in the scenario, not in a key.)
    fn refuses(&self, code: &str, reason: &str) -> Far {
        let busy = std::fs::read_to_string(file("sipp/uas_486.xml")).expect("a scenario");
        let dir = TempDir::new("refuses").expect("a folder");
        let path = dir.path().join("refuses.xml");
        let scenario = busy.replace("486 Busy Here", &format!("{code} {reason}"));
        std::fs::write(&path, scenario).expect("written");
        Far::start(BOB_HZ, |port| Sipp::called(&path, "u1", &arguments_of(port, &[])))
    }

    /// A `sipp` that calls a number of the account's and speaks with a tone.
    fn caller(&self, scenario: &str, number: &str, hz: f64, keys: &[(&str, &str)]) -> Far {
        let server = self.stage.server.sip();
        Far::start(hz, |port| {
            let mut arguments = vec!["-s", number];
            arguments.extend(arguments_of(port, keys));
            Sipp::caller(&file(&format!("sipp/uac_{scenario}.xml")), server, "u1", &arguments)
        })
    }

    /// A number that the application answers.
    fn number(&self, number: &str) {
        let sid = self.application(number, "/call");
        self.stage.tenant.number(number, &sid).expect("a number");
    }

    /// What the action hook was told, once; exactly these fields beside those of the caller's call.
    fn expect_done(&self, path: &str, legs: &Legs, status: &str, sip_status: u16) -> Value {
        let told = self.told(path, "the dial is over", |body| {
            body["call_sid"] == legs.parent.as_str() && body["dial_call_sid"] == legs.child.as_str()
        });
        assert_eq!(told["dial_call_status"], status, "{told}");
        assert_eq!(told["dial_sip_status"], sip_status, "{told}");
        told
    }
}

/// A `sipp` with a voice.
struct Far {
    sipp: Sipp,
    rtp: RtpPeer,
}

impl Far {
    fn start(hz: f64, start: impl FnOnce(&str) -> anyhow::Result<Sipp>) -> Self {
        let rtp = RtpPeer::start(Voice::tone(hz, LEVEL_DB));
        let sipp = start(&rtp.local_addr().port().to_string()).expect("sipp runs");
        Self { sipp, rtp }
    }

    /// As a target.
    fn target(&self) -> Value {
        json!({ "type": "sip", "sipUri": self.uri() })
    }

    fn uri(&self) -> String {
        format!("sip:far@{}", self.sipp.address())
    }

    /// The request that it gets.
    fn gets(&self, method: &str) -> Message {
        self.sipp.wait_received(method, SOON).expect("received")
    }

    /// Tells the scenario `told` to answer.
    fn answer(&self) {
        let invite = self.gets("INVITE");
        let word = Message::request("MESSAGE", &self.uri())
            .with("Via", "SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK-told")
            .with("From", "<sip:test@127.0.0.1>;tag=told")
            .with("To", format!("<{}>", self.uri()))
            .with("Call-ID", invite.call_id())
            .with("CSeq", "1 MESSAGE")
            .with("Content-Length", "0");
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        socket.send_to(&word.to_bytes(), self.sipp.address()).expect("sent");
    }

    /// Waits until the scenario has logged that.
    fn wait(&self, state: &str) {
        let logged = || self.sipp.logged("state").as_deref() == Some(state);
        let met = support::wait::until(SOON, || logged().then_some(()));
        assert!(met.is_some(), "not in state {state}\n{}", self.sipp.log());
    }

    /// When the scenario logged that.
    fn time(&self, name: &str) -> SystemTime {
        let text = self.sipp.wait_logged(name, SOON).expect("a time");
        let mut numbers = text.split_whitespace().map(|word| word.parse::<f64>());
        let (Some(Ok(seconds)), Some(Ok(micros))) = (numbers.next(), numbers.next()) else {
            panic!("{name}: no time in {text}");
        };
        SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds + micros / 1e6)
    }

    /// Connects its voice to where the server has said it wants sound.
    fn connect(&self) {
        let port = self.sipp.wait_logged("audio", SOON).expect("a description of the server's");
        self.rtp.connect(SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port"))));
    }

    /// The whole scenario went as it is written; what it received.
    fn ends_well(self) -> Vec<Message> {
        let outcome = self.sipp.outcome(SOON).expect("it ends");
        assert!(outcome.is_good(), "sipp ended with {:?}\n{}", outcome.code, outcome.log);
        outcome.received
    }
}

fn arguments_of<'a>(port: &'a str, keys: &[(&'a str, &'a str)]) -> Vec<&'a str> {
    let mut arguments = vec!["-key", "peer_rtp", port];
    for &(name, value) in keys {
        arguments.extend(["-key", name, value]);
    }
    arguments
}

/// A registered user as the only target.
fn user(name: &str) -> Value {
    json!([{ "type": "user", "name": name }])
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}
