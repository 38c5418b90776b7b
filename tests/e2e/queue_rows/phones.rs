//! Foreign phones: `baresip`, which hears and speaks by itself, and `sipp` with an ear of ours where the
//! signalling is the point.

use std::time::Duration;

use serde_json::Value;
use support::rtp_peer::Voice;
use support::sipp::Sipp;
use support::{Baresip, RtpPeer};

use super::Queues;
use crate::stage::{LEVEL_DB, PASSWORD, SOON, file};

/// A `baresip` in a call.
pub(super) struct Phone {
    pub(super) baresip: Baresip,
    pub(super) call_sid: String,
}

/// A `sipp` in a call, with a voice and an ear.
pub(super) struct Line {
    pub(super) sipp: Sipp,
    pub(super) rtp: RtpPeer,
    pub(super) call_sid: String,
}

impl Queues {
    /// A phone of a new user calls and is answered.
    pub(super) fn dial(&self, user: &str, hz: f64) -> Phone {
        let mut baresip = self.stage.baresip(user, hz);
        baresip.dial(&self.stage.uri("1000"), SOON).expect("answered");
        Phone { baresip, call_sid: self.call_sid(user) }
    }

    /// `sipp` calls as a new user.
    pub(super) fn line_of(&self, user: &str, hz: f64) -> Line {
        self.sipp("uac_user", user, hz, Duration::ZERO)
    }

    /// The same by that scenario, with its pause.
    pub(super) fn sipp(&self, scenario: &str, user: &str, hz: f64, pause: Duration) -> Line {
        let (tenant, server) = (&self.stage.tenant, self.stage.server.sip());
        tenant.client(user, PASSWORD).expect("a SIP client");
        let rtp = RtpPeer::start(Voice::tone(hz, LEVEL_DB));
        let (port, pause) = (rtp.local_addr().port().to_string(), pause.as_millis().to_string());
        let mut arguments = vec!["-s", "1000", "-au", user, "-ap", PASSWORD, "-d", &pause];
        for (name, value) in [("caller", user), ("realm", &*tenant.realm), ("peer_rtp", &*port)] {
            arguments.extend(["-key", name, value]);
        }
        let scenario = file(&format!("sipp/{scenario}.xml"));
        let sipp = Sipp::caller(&scenario, server, "u1", &arguments).expect("sipp runs");
        let audio = sipp.wait_logged("audio", SOON).expect("answered");
        rtp.connect(([127, 0, 0, 1], audio.parse().expect("a port")).into());
        Line { sipp, rtp, call_sid: self.call_sid(user) }
    }

    /// The latest call from that user.
    pub(super) fn call_sid(&self, user: &str) -> String {
        let told = self.told("/call", "the first hook", |body| body["from"] == user);
        told["call_sid"].as_str().unwrap_or_default().to_owned()
    }

    /// Statuses of a call that has ended, as its application was told.
    pub(super) fn last_status(&self, call_sid: &str) -> Value {
        self.statuses(call_sid);
        self.told("/status", "the last event", |body| body["call_sid"] == call_sid)
    }
}

impl Line {
    /// All went as the scenario says.
    pub(super) fn ends_well(self) {
        let outcome = self.sipp.outcome(SOON).expect("it ends");
        assert!(outcome.is_good(), "sipp ended with {:?}\n{}", outcome.code, outcome.log);
    }
}

impl Phone {
    pub(super) fn hang_up(&mut self) {
        self.baresip.hang_up().expect("hung up");
    }
}
