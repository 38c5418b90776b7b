//! Requests to the REST API that are wrong, one way each: every one is refused with its 4xx and a `msg`.

use serde_json::{Value, json};
use support::{Answer, Rest, Tenant};

use crate::stage::{PASSWORD, Stage};

/// A well-formed sid of nothing.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

struct Case {
    name: &'static str,
    status: u16,
    /// What `msg` must contain; literals of the contract.
    msg: &'static str,
    answer: Answer,
}

/// Sends bad requests and keeps what came back.
struct Cases {
    rest: Rest,
    cases: Vec<Case>,
}

impl Cases {
    fn get(&mut self, name: &'static str, status: u16, msg: &'static str, path: &str) {
        let answer = self.rest.get(path).expect(name);
        self.cases.push(Case { name, status, msg, answer });
    }

    fn delete(&mut self, name: &'static str, status: u16, msg: &'static str, path: &str) {
        let answer = self.rest.delete(path).expect(name);
        self.cases.push(Case { name, status, msg, answer });
    }

    fn post(
        &mut self,
        name: &'static str,
        expected: (u16, &'static str),
        path: &str,
        body: &Value,
    ) {
        self.text(name, expected, path, &body.to_string());
    }

    fn put(&mut self, name: &'static str, expected: (u16, &'static str), path: &str, body: &Value) {
        let answer = self.rest.put(path, body).expect(name);
        self.cases.push(Case { name, status: expected.0, msg: expected.1, answer });
    }

    fn text(&mut self, name: &'static str, expected: (u16, &'static str), path: &str, body: &str) {
        let answer = self.rest.post_text(path, body).expect(name);
        self.cases.push(Case { name, status: expected.0, msg: expected.1, answer });
    }
}

#[test]
fn every_bad_request_is_refused_with_its_code_and_a_message() {
    let stage = Stage::new();
    let other = Tenant::provision(&stage.server.admin(), "other").expect("another tenant");
    stage.tenant.client("taken", PASSWORD).expect("a client");
    let mut cases = Cases { rest: stage.tenant.rest.clone(), cases: Vec::new() };
    wrong_tokens(&mut cases, &stage);
    wrong_paths(&mut cases, &stage, &other);
    wrong_resources(&mut cases, &stage, &other);
    wrong_calls(&mut cases, &stage);
    wrong_conferences(&mut cases, &stage);

    assert!(cases.cases.len() >= 30, "only {} cases", cases.cases.len());
    let wrong: Vec<String> = cases
        .cases
        .iter()
        .filter(|case| {
            let msg = case.answer.json["msg"].as_str();
            case.answer.status != case.status || msg.is_none_or(|msg| !msg.contains(case.msg))
        })
        .map(|case| {
            let Case { name, status, msg, answer } = case;
            format!("{name}: {} {}, expected {status} {msg}", answer.status, answer.text)
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn wrong_tokens(cases: &mut Cases, stage: &Stage) {
    let account = stage.tenant.rest.clone();
    for (name, token) in [("no token", ""), ("a foreign token", NOBODY), ("no uuid", "x y")] {
        cases.rest = account.with_token(token);
        cases.get(name, 401, "Unauthorized", "/v1/Applications");
    }
    cases.rest = account;
    cases.post(
        "an account makes an account",
        (403, "insufficient permissions"),
        "/v1/Accounts",
        &json!({ "name": "x", "service_provider_sid": stage.tenant.service_provider_sid }),
    );
    cases.post(
        "an account makes a key for all",
        (400, "an account level token can only be used to create account level tokens"),
        "/v1/ApiKeys",
        &json!({}),
    );
}

fn wrong_paths(cases: &mut Cases, stage: &Stage, other: &Tenant) {
    cases.get("an unknown path", 404, "not found", "/v1/Nonsense");
    cases.delete("a method that is not offered", 405, "", "/v1/Applications");
    cases.get("a malformed sid", 400, "", "/v1/Applications/nonsense");
    cases.get("an unknown sid", 404, "", &format!("/v1/Applications/{NOBODY}"));
    cases.delete("deleting an unknown sid", 404, "", &format!("/v1/Applications/{NOBODY}"));
    cases.get("another tenant", 403, "insufficient permissions", &other.path("/Calls"));
    cases.get("call records without page", 400, "page", &stage.tenant.path("/RecentCalls"));
}

fn wrong_resources(cases: &mut Cases, stage: &Stage, other: &Tenant) {
    let applications = "/v1/Applications";
    let account_sid = &stage.tenant.account_sid;
    let hook = json!({ "url": "http://127.0.0.1:1/" });
    cases.text("no JSON", (400, ""), applications, "{\"name\":");
    cases.text("an array", (400, ""), applications, "[{}]");
    cases.post("no name", (400, "missing field name"), applications, &json!({ "call_hook": hook }));
    cases.post("no hook", (400, "call_hook"), applications, &json!({ "name": "a" }));
    let application = |change: Value| {
        let mut body = json!({ "name": "a", "account_sid": account_sid, "call_hook": hook });
        if let (Some(body), Some(change)) = (body.as_object_mut(), change.as_object()) {
            body.extend(change.clone());
        }
        body
    };
    for (name, msg, change) in [
        ("a hook that is text", "call_hook", json!({ "call_hook": "http://127.0.0.1:1/" })),
        ("a hook without host", "call_hook", json!({ "call_hook": { "url": "http://" } })),
        ("a hook of another scheme", "call_hook", json!({ "call_hook": { "url": "ftp://a/" } })),
        ("a name that is no text", "name", json!({ "name": [1] })),
        ("a name too long", "name", json!({ "name": "n".repeat(65) })),
        ("an unknown property", "colour", json!({ "colour": "blue" })),
        ("verbs that do not exist", "", json!({ "app_json": "[{\"verb\":\"fly\"}]" })),
    ] {
        cases.post(name, (400, msg), applications, &application(change));
    }
    cases.post("a name taken", (422, ""), applications, &application(json!({ "name": "stage" })));
    let huge = application(json!({ "name": "n".repeat(1_100_000) }));
    cases.post("too large", (413, "request entity too large"), applications, &huge);
    cases.put(
        "another sid for the same thing",
        (400, "primary key application_sid is immutable"),
        &format!("{applications}/{}", stage.application_sid),
        &json!({ "application_sid": NOBODY }),
    );
    let numbers = "/v1/PhoneNumbers";
    cases.post("no number", (400, "number is required"), numbers, &json!({}));
    let blank = json!({ "number": "1508 308" });
    cases.post("a number with a blank", (400, "number cannot contain whitespace"), numbers, &blank);
    let clients = "/v1/Clients";
    cases.post("no user name", (400, "username"), clients, &json!({ "password": "x" }));
    let taken = json!({ "username": "taken", "password": "x", "account_sid": account_sid });
    cases.post("a user twice", (400, "the client's username already exists"), clients, &taken);
    let foreign = json!({ "username": "x", "password": "x", "account_sid": other.account_sid });
    cases.post("a client elsewhere", (403, "insufficient"), clients, &foreign);
}

fn wrong_calls(cases: &mut Cases, stage: &Stage) {
    let calls = stage.tenant.path("/Calls");
    let to = json!({ "type": "sip", "sipUri": "sip:a@127.0.0.1:9" });
    let hook = "http://127.0.0.1:1/";
    for (name, msg, body) in [
        ("nobody calls", "missing from parameter", json!({ "to": to, "call_hook": hook })),
        ("nobody is called", "to property", json!({ "from": "1", "call_hook": hook })),
        (
            "an unknown kind of target",
            "to property",
            json!({ "from": "1", "to": { "type": "pigeon" }, "call_hook": hook }),
        ),
        (
            "a sip target without URI",
            "to property",
            json!({ "from": "1", "to": { "type": "sip" }, "call_hook": hook }),
        ),
        ("no application", "", json!({ "from": "1", "to": to })),
        (
            "an unknown application",
            "application_sid not found",
            json!({ "from": "1", "to": to, "application_sid": NOBODY }),
        ),
        ("a relative hook", "", json!({ "from": "1", "to": to, "call_hook": "/x" })),
        (
            "a tag that is no object",
            "tag",
            json!({ "from": "1", "to": to, "call_hook": hook, "tag": "x" }),
        ),
        (
            "a timeout that is no number",
            "timeout",
            json!({ "from": "1", "to": to, "call_hook": hook, "timeout": {} }),
        ),
    ] {
        cases.post(name, (400, msg), &calls, &body);
    }
    let nobody = format!("{calls}/{NOBODY}");
    cases.get("a malformed call sid", 400, "", &format!("{calls}/nonsense"));
    cases.get("an unknown call", 404, "", &nobody);
    cases.delete("hanging up an unknown call", 404, "", &nobody);
    let nothing = "no valid options supplied to updateCall";
    cases.put("an update of nothing", (400, nothing), &nobody, &json!({}));
    let multiple = "multiple options are not allowed in updateCall";
    let both = json!({ "mute_status": "mute", "call_status": "completed" });
    cases.put("two updates at once", (400, multiple), &nobody, &both);
    let half = json!({ "mute_status": "half" });
    cases.put("half a mute", (400, "invalid mute_status"), &nobody, &half);
    cases.put("muting an unknown call", (404, ""), &nobody, &json!({ "mute_status": "mute" }));
}

fn wrong_conferences(cases: &mut Cases, stage: &Stage) {
    let conferences = stage.tenant.path("/Conferences");
    cases.get("an unknown conference", 404, "", &format!("{conferences}/nowhere"));
    cases.get("nobody in it", 404, "", &format!("{conferences}/nowhere/Participants"));
    cases.put(
        "muting in an unknown conference",
        (404, ""),
        &format!("{conferences}/nowhere/Participants/{NOBODY}"),
        &json!({ "mute_status": "mute" }),
    );
}
