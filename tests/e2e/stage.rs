//! What every scenario stands on: a server of its own, a tenant, a voice application.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use support::baresip::{Codec, Phone};
use support::rtp_peer::Voice;
use support::sip_peer::SipCall;
use support::{Baresip, HookServer, Reply, RtpFormat, RtpPeer, Server, SipPeer, Tenant};

/// Longest wait for anything that should happen at once, generous for a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Password of every client made here.
pub(crate) const PASSWORD: &str = "pa55-word";

/// Level of the tones of RTP peers, in dB.
pub(crate) const LEVEL_DB: f64 = -16.0;

static NUMBER: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) tenant: Tenant,
    pub(crate) hooks: HookServer,
    pub(crate) application_sid: String,
}

impl Stage {
    /// A server with default settings. The account's phones are answered by an application whose
    /// `/call` the scenario scripts; its events go to `/status`.
    pub(crate) fn new() -> Self {
        Self::with_env(&[])
    }

    pub(crate) fn with_env(env: &[(&str, &str)]) -> Self {
        let server = Server::spawn_with(env!("CARGO_BIN_EXE_trunkline"), env);
        let hooks = HookServer::start();
        hooks.on("/status", Reply::Status(204));
        let name = format!("stage{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let tenant = Tenant::provision(&server.admin(), &name).expect("a tenant");
        let application_sid = tenant
            .application("stage", &hooks.url("/call"), &hooks.url("/status"))
            .expect("an application");
        tenant.answer_devices_with(&application_sid).expect("phones have an application");
        Self { server, tenant, hooks, application_sid }
    }

    /// Every caller is put into that conference; its events go to `/conference`.
    pub(crate) fn answer_with_conference(&self, name: &str) {
        self.answer_with_conference_telling(name, &["start", "end", "join", "leave"]);
    }

    pub(crate) fn answer_with_conference_telling(&self, name: &str, events: &[&str]) {
        self.hooks.on("/conference", Reply::Status(204));
        self.hooks.on_json(
            "/call",
            json!([{
                "verb": "conference",
                "name": name,
                "statusHook": self.hooks.url("/conference"),
                "statusEvents": events,
            }]),
        );
    }

    /// A URI inside the account's realm.
    pub(crate) fn uri(&self, user: &str) -> String {
        format!("sip:{user}@{}", self.tenant.realm)
    }

    /// A peer over UDP that is a new SIP client of the account.
    pub(crate) fn phone(&self, user: &str) -> SipPeer {
        self.tenant.client(user, PASSWORD).expect("a SIP client");
        SipPeer::udp(self.server.sip()).as_client(user, PASSWORD, &self.tenant.realm)
    }

    /// A registered foreign phone (G.711, UDP) that is a new SIP client of the account and sends a tone.
    pub(crate) fn baresip(&self, user: &str, hz: f64) -> Baresip {
        self.tenant.client(user, PASSWORD).expect("a SIP client");
        let phone = Phone {
            user,
            password: PASSWORD,
            realm: &self.tenant.realm,
            server: self.server.sip(),
            transport: "udp",
            tones: &[(hz, LEVEL_DB)],
            codec: Codec::Pcmu,
        };
        let mut phone = Baresip::start(&phone).expect("baresip runs");
        phone.wait_registered(SOON).expect("registered");
        phone
    }

    /// A new client that has called and been answered, sending a tone.
    pub(crate) fn caller(&self, user: &str, hz: f64) -> Caller {
        self.caller_speaking(user, RtpFormat::PCMU, Voice::tone(hz, LEVEL_DB))
    }

    /// The same in another format, saying something else.
    pub(crate) fn caller_speaking(&self, user: &str, format: RtpFormat, voice: Voice) -> Caller {
        let mut sip = self.phone(user);
        let rtp = RtpPeer::speaking(format, voice);
        let call = sip
            .call(&self.uri("1000"), &rtp)
            .unwrap_or_else(|refused| panic!("refused: {refused}\n{}", sip.history()));
        let call_sid = self.call_sid_from(user);
        Caller { sip, rtp, call, call_sid }
    }

    /// Sid of the latest call from that user, as the application was told.
    pub(crate) fn call_sid_from(&self, user: &str) -> String {
        let asked = self.hooks.wait_for("/call", SOON, |requests| {
            requests.iter().any(|request| request.text("from") == user)
        });
        let latest = asked.iter().rev().find(|request| request.text("from") == user);
        latest.map(|request| request.text("call_sid").to_owned()).unwrap_or_default()
    }

    /// Statuses of all events of a call, once it has had its final one.
    pub(crate) fn statuses(&self, call_sid: &str) -> Vec<String> {
        self.hooks.statuses_to_the_end("/status", call_sid, SOON)
    }

    /// `POST …/Calls`; panics unless 201.
    pub(crate) fn create_call(&self, body: &Value) -> String {
        let answer = self.tenant.rest.post(&self.tenant.path("/Calls"), body).expect("an answer");
        answer.sid().expect("201")
    }

    /// PUT on something below the account; gives the status.
    pub(crate) fn put(&self, path: &str, body: &Value) -> u16 {
        self.tenant.rest.put(&self.tenant.path(path), body).expect("an answer").status
    }

    pub(crate) fn delete(&self, path: &str) -> u16 {
        self.tenant.rest.delete(&self.tenant.path(path)).expect("an answer").status
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.tenant.rest.get(&self.tenant.path(path)).expect("an answer");
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text);
        answer.json
    }
}

/// A peer inside a call.
pub(crate) struct Caller {
    pub(crate) sip: SipPeer,
    pub(crate) rtp: RtpPeer,
    pub(crate) call: SipCall,
    pub(crate) call_sid: String,
}

impl Caller {
    /// Hangs up and checks that the server agrees.
    pub(crate) fn hang_up(&mut self) {
        let response = self.sip.hang_up(&mut self.call);
        assert_eq!(response.code(), Some(200), "{}", self.sip.history());
    }
}

/// Path of a file beside these scenarios.
pub(crate) fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/e2e").join(name)
}
