//! SIP as `sipp` plays it, as caller and as the called: what both sides say of the same call.
//!
//! A scenario file (`sipp/uac_*.xml`, `sipp/uas_*.xml`) asserts on every message the server sends;
//! here stands what REST and webhooks must say of it, and what is heard meanwhile. Sound comes from an
//! RTP peer of ours whose port the scenario writes into its descriptions. Most scenarios share one
//! server and run side by side; each is an account's number or target of its own.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use support::rtp_peer::Voice;
use support::sipp::Sipp;
use support::tone::Tone;
use support::{Reply, RtpPeer, wav};

use crate::stage::{LEVEL_DB, SOON, Stage, file};

mod called;
mod caller;
mod timers;

/// A scenario ends by itself, the longest after a minute; this is for machines that are busy.
const LIMIT: Duration = Duration::from_secs(120);
/// What the application plays, and what the peer says.
const PLAYED_HZ: f64 = 650.0;
const SPOKEN_HZ: f64 = 450.0;

type Run = fn(&Scene<'_>);

/// Runs them side by side on one server; every failure is told, with the name of its scenario.
fn side_by_side(stage: &Stage, scenarios: &[(&str, Run)]) {
    let failed: Vec<&str> = thread::scope(|scope| {
        let running: Vec<_> = scenarios
            .iter()
            .enumerate()
            .map(|(number, &(name, run))| {
                let name_of_thread = thread::Builder::new().name(name.to_owned());
                let spawned =
                    name_of_thread.spawn_scoped(scope, move || run(&Scene { stage, name, number }));
                (name, spawned.expect("a thread"))
            })
            .collect();
        running.into_iter().filter_map(|(name, run)| run.join().is_err().then_some(name)).collect()
    });
    assert!(failed.is_empty(), "failed: {failed:?}; each has said why above");
}

/// One scenario on a server that it shares.
struct Scene<'a> {
    stage: &'a Stage,
    name: &'a str,
    number: usize,
}

impl Scene<'_> {
    fn hook(&self) -> String {
        format!("/call-{}", self.name)
    }

    /// The number that this scenario's caller dials; its application answers with `verbs`.
    fn line(&self, verbs: Value) -> String {
        self.line_replying(Reply::Json(verbs))
    }

    fn line_replying(&self, reply: Reply) -> String {
        self.stage.hooks.on(&self.hook(), reply);
        let hooks = &self.stage.hooks;
        let (call, status) = (hooks.url(&self.hook()), hooks.url("/status"));
        let tenant = &self.stage.tenant;
        let application = tenant.application(self.name, &call, &status).expect("an application");
        let number = format!("1555{:07}", self.number);
        tenant.number(&number, &application).expect("a number");
        number
    }

    /// `sipp` calls that number; `more` are further arguments.
    fn calls(&self, transport: &str, number: &str, rtp: &RtpPeer, more: &[&str]) -> Playing<'_> {
        let port = rtp.local_addr().port().to_string();
        let mut arguments = vec!["-s", number, "-key", "caller", self.name];
        arguments.extend(["-key", "peer_rtp", &port]);
        arguments.extend(more);
        let scenario = file(&format!("sipp/uac_{}.xml", self.name.trim_end_matches("-tcp")));
        let sipp = Sipp::caller(&scenario, self.stage.server.sip(), transport, &arguments);
        Playing { scene: self, sipp: sipp.expect("sipp runs") }
    }

    /// `sipp` waits for a call.
    fn waits(&self, transport: &str, rtp: &RtpPeer, more: &[&str]) -> Playing<'_> {
        self.waits_as(self.name, transport, rtp, more)
    }

    fn waits_as(
        &self,
        scenario: &str,
        transport: &str,
        rtp: &RtpPeer,
        more: &[&str],
    ) -> Playing<'_> {
        let port = rtp.local_addr().port().to_string();
        let mut arguments = vec!["-key", "peer_rtp", &port];
        arguments.extend(more);
        let scenario = file(&format!("sipp/uas_{}.xml", scenario.trim_end_matches("-tcp")));
        let sipp = Sipp::called(&scenario, transport, &arguments).expect("sipp runs");
        Playing { scene: self, sipp }
    }

    /// REST calls `uri`; `change` what it asks for.
    fn order(&self, uri: &str, verbs: &Value, change: impl FnOnce(&mut Value)) -> String {
        self.stage.hooks.on_json(&self.hook(), verbs.clone());
        let mut body = json!({
            "from": self.name,
            "to": { "type": "sip", "sipUri": uri },
            "call_hook": self.stage.hooks.url(&self.hook()),
            "call_status_hook": self.stage.hooks.url("/status"),
        });
        change(&mut body);
        self.stage.create_call(&body)
    }

    /// Sid of the call whose application has been asked.
    fn call_sid(&self) -> String {
        let asked = self.stage.hooks.wait_for(&self.hook(), SOON, |asked| !asked.is_empty());
        asked[0].text("call_sid").to_owned()
    }

    /// Waits until the call has that status.
    fn wait_status(&self, call_sid: &str, status: &str) {
        self.stage.hooks.wait_for("/status", SOON, |events| {
            events.iter().any(|event| {
                event.text("call_sid") == call_sid && event.text("call_status") == status
            })
        });
    }

    /// The last event of a call that has ended.
    fn last_event(&self, call_sid: &str) -> Value {
        self.stage.statuses(call_sid);
        let event = self.stage.hooks.events("/status", call_sid).pop();
        event.expect("a final event").json
    }

    /// A verb that plays a tone of so many seconds.
    fn play(&self, seconds: f64, early: bool) -> Value {
        let path = format!("/tone-{}.wav", self.name);
        let bytes =
            wav::bytes(8_000, &Tone::render(PLAYED_HZ, LEVEL_DB, seconds)).expect("short enough");
        let wave = Reply::Body { status: 200, content_type: "audio/wav", bytes };
        self.stage.hooks.on(&path, wave);
        json!({ "verb": "play", "url": self.stage.hooks.url(&path), "earlyMedia": early })
    }

    fn ends(&self, call_sid: &str, statuses: &[&str]) {
        assert_eq!(self.stage.statuses(call_sid), statuses, "{}", self.name);
    }
}

/// A scenario that is being played.
struct Playing<'a> {
    scene: &'a Scene<'a>,
    sipp: Sipp,
}

impl Playing<'_> {
    fn address(&self) -> SocketAddr {
        self.sipp.address()
    }

    fn uri(&self) -> String {
        format!("sip:far@{}", self.address())
    }

    /// Waits until the scenario has logged that.
    fn wait(&self, name: &str, value: &str) {
        let met = support::wait::until(LIMIT, || {
            (self.sipp.logged(name).as_deref() == Some(value)).then_some(())
        });
        assert!(met.is_some(), "{}: not {name}={value}\n{}", self.scene.name, self.sipp.log());
    }

    /// When the scenario logged that.
    fn time(&self, name: &str) -> SystemTime {
        let text = self.sipp.wait_logged(name, LIMIT).expect("a time");
        let mut numbers = text.split_whitespace().map(|word| word.parse::<f64>());
        let (Some(Ok(seconds)), Some(Ok(micros))) = (numbers.next(), numbers.next()) else {
            panic!("{name}: no time in {text}");
        };
        SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds + micros / 1e6)
    }

    /// Connects the peer to where the server has said it wants sound.
    fn connect(&self, rtp: &RtpPeer) {
        let port = self.sipp.wait_logged("audio", LIMIT).expect("a description of the server's");
        rtp.connect(SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port"))));
    }

    /// The whole scenario went as it is written.
    fn ends_well(self) {
        let outcome = self.sipp.outcome(LIMIT).expect("it ends");
        assert!(
            outcome.is_good(),
            "{}: sipp ended with {:?}\n{}",
            self.scene.name,
            outcome.code,
            outcome.log
        );
    }
}

/// A peer that says a tone.
fn speaker() -> RtpPeer {
    RtpPeer::start(Voice::tone(SPOKEN_HZ, LEVEL_DB))
}

/// Nothing arrived but what was on its way when the hold was agreed.
fn silent_between(rtp: &RtpPeer, start: SystemTime, end: SystemTime) {
    let heard = rtp.heard().since(start + Duration::from_millis(200)).until(end);
    let frames = heard.frames.len();
    // The last may have been sent on the unhold, before the scenario could say so.
    let late = heard.length();
    assert!(late < Duration::from_millis(200), "{frames} frames over {late:?} on hold");
}

/// The tone that the application plays arrives at its level.
fn hears_the_application(rtp: &RtpPeer) {
    support::wait::expect("the application is heard", SOON, || {
        (rtp.listen(Duration::from_millis(240)).level_db(PLAYED_HZ) - LEVEL_DB).abs() < 1.0
    });
}
