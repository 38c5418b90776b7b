//! A server whose calls are answered by `node/rooms_app.js`, which each scenario tells what to answer.

use serde_json::{Value, json};
use support::{Answer, wait};

use crate::node_app::NodeApp;
use crate::stage::{SOON, Stage};

pub(crate) struct Scripted {
    pub(crate) stage: Stage,
    pub(crate) app: NodeApp,
}

impl Scripted {
    /// First hook `/call`, events to `/status`, which alone has an answer yet.
    pub(crate) fn new() -> Self {
        Self::with_env(&[])
    }

    pub(crate) fn with_env(env: &[(&str, &str)]) -> Self {
        let stage = Stage::with_env(env);
        let secret = stage.tenant.webhook_secret().expect("a secret");
        let app = NodeApp::start("node/rooms_app.js", &secret);
        let scripted = Self { stage, app };
        let sid = scripted.application("scripted", "/call");
        scripted.stage.tenant.answer_devices_with(&sid).expect("phones have an application");
        scripted.script(&json!({ "/status": 204 }));
        scripted
    }

    /// An application of the account whose first hook is that path; gives its sid.
    pub(crate) fn application(&self, name: &str, path: &str) -> String {
        let hooks = [format!("{}{path}", self.app.url), format!("{}/status", self.app.url)];
        self.stage.tenant.application(name, &hooks[0], &hooks[1]).expect("an application")
    }

    /// What the application answers from now on.
    pub(crate) fn script(&self, answers: &Value) {
        let answer = support::Rest::new(&self.app.url, "").put("/script", answers);
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    pub(crate) fn tone(&self, hz: f64, ms: u32) -> String {
        format!("{}/tone/{hz}/{ms}.wav", self.app.url)
    }

    pub(crate) fn plays(&self, hz: f64, ms: u32) -> Value {
        json!({ "verb": "play", "url": self.tone(hz, ms) })
    }

    /// Everything the application was told at a path, in order.
    pub(crate) fn bodies(&self, path: &str) -> Vec<Value> {
        self.app.requests(path).into_iter().map(|request| request["body"].clone()).collect()
    }

    /// Waits until the application is told something at a path, and gives it.
    pub(crate) fn told(&self, path: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let found = wait::until(SOON, || self.bodies(path).into_iter().rev().find(&is));
        found.unwrap_or_else(|| panic!("not told: {what}\n{:#?}", self.bodies(path)))
    }

    /// Statuses of all events of a call, once it has had its final one.
    pub(crate) fn statuses(&self, call_sid: &str) -> Vec<String> {
        let last = ["completed", "failed", "busy", "no-answer"];
        self.told("/status", "the call is over", |body| {
            body["call_sid"] == call_sid && last.iter().any(|last| body["call_status"] == *last)
        });
        let events = self.bodies("/status").into_iter().filter(|body| body["call_sid"] == call_sid);
        events.map(|body| body["call_status"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// What REST shows below the account, once that is so.
    pub(crate) fn expect_shown(
        &self,
        path: &str,
        what: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        let met = wait::until(SOON, || {
            let answer = self.stage.tenant.rest.get(&self.stage.tenant.path(path)).ok()?;
            last = answer.json;
            (answer.status == 200 && is(&last)).then_some(())
        });
        assert!(met.is_some(), "not shown: {what}\n{last:#}");
        last
    }

    pub(crate) fn expect_gone(&self, path: &str) {
        wait::expect(&format!("404 for {path}"), SOON, || {
            let answer = self.stage.tenant.rest.get(&self.stage.tenant.path(path));
            answer.is_ok_and(|answer| answer.status == 404)
        });
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.stage.tenant.rest.post(&self.stage.tenant.path(path), body).expect("an answer")
    }

    /// PUT; the answer must have that status.
    pub(crate) fn put(&self, path: &str, body: &Value, status: u16) {
        let path = self.stage.tenant.path(path);
        let answer = self.stage.tenant.rest.put(&path, body).expect("an answer");
        assert_eq!(answer.status, status, "PUT {path} {body}: {}", answer.text);
    }

    pub(crate) fn delete(&self, path: &str, status: u16) {
        assert_eq!(self.stage.delete(path), status, "DELETE {path}");
    }
}
