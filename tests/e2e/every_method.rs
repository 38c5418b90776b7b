//! Every REST method of the public clients, unmodified: the scripts `every_method` call all that they
//! find in their library. They stand in `tests/e2e/node` and `tests/e2e/python`.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::wait;

use crate::phones_at_rest::PhonesAtRest;
use crate::stage::{SOON, Stage, file};

/// Longest run of one script: it makes half a dozen calls.
const SCRIPT_LIMIT: Duration = Duration::from_secs(120);

/// Runs a script to its end; the lines it has printed.
fn run(program: &str, arguments: &[&str], stage: &Stage, phones: &PhonesAtRest) -> Vec<Value> {
    let key = json!({ "account_sid": stage.tenant.account_sid });
    let key = stage.tenant.rest.post("/v1/ApiKeys", &key).expect("an answer");
    let mut child = Command::new(program)
        .args(arguments)
        .env("BASE_URL", stage.tenant.rest.base())
        .env("ACCOUNT_SID", &stage.tenant.account_sid)
        .env("API_KEY", key.json["token"].as_str().expect("a token"))
        .env("APPLICATION_SID", &stage.application_sid)
        .env("APP_URL", stage.hooks.url(""))
        .env("TARGET", phones.uri("far"))
        .env("RINGING", phones.uri("ringing"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; `make test-tools` installs it"));
    let mut output = child.stdout.take().expect("piped");
    let reader = thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let ended = wait::until(SCRIPT_LIMIT, || child.try_wait().ok().flatten());
    if ended.is_none() {
        child.kill().expect("killed");
        child.wait().expect("ended");
    }
    let text = reader.join().expect("the reader ends").expect("text");
    assert!(ended.is_some_and(|status| status.success()), "{arguments:?} ended so:\n{text}");
    text.lines().map(|line| serde_json::from_str(line).expect("lines of JSON")).collect()
}

fn every_method_works(program: &str, arguments: &[&str]) {
    let stage = Stage::new();
    let wait_long = json!([{ "verb": "pause", "length": 120 }]);
    stage.hooks.on_json("/call", wait_long.clone());
    stage.hooks.on_json("/pause", wait_long);
    stage.hooks.on_json("/room", json!([{ "verb": "conference", "name": "room" }]));
    let phones = PhonesAtRest::start(&stage.server);
    let lines = run(program, arguments, &stage, &phones);
    assert!(lines.iter().any(|line| line["tried"].as_u64() > Some(0)), "{lines:?}");

    let without_effect: Vec<&Value> =
        lines.iter().filter(|line| line["no_effect"].is_string()).collect();
    assert!(!without_effect.is_empty(), "{lines:?}");
    let is_told = |alerts: &Value, line: &Value| {
        alerts["data"].as_array().into_iter().flatten().any(|alert| {
            let command = line["no_effect"].as_str().unwrap_or_default();
            alert["target_sid"] == line["call_sid"]
                && alert["message"].as_str().is_some_and(|text| text.starts_with(command))
        })
    };
    let told = wait::until(SOON, || {
        let alerts = stage.get("/Alerts?page=1&count=500&alert_type=error-updating-call");
        without_effect.iter().all(|line| is_told(&alerts, line)).then_some(())
    });
    let alerts = stage.get("/Alerts?page=1&count=500");
    assert!(told.is_some(), "each of {without_effect:?} leaves an alert: {alerts}");
}

#[test]
fn of_node_client() {
    let script = file("node/every_method.js");
    every_method_works("node", &[&script.to_string_lossy(), "node-client"]);
}

#[test]
fn of_the_node_sdk() {
    let script = file("node/every_method.js");
    every_method_works("node", &[&script.to_string_lossy(), "sdk"]);
}

#[test]
fn of_the_python_sdk() {
    let python = file("python/.venv/bin/python");
    let script = file("python/every_method.py");
    every_method_works(&python.to_string_lossy(), &[&script.to_string_lossy()]);
}
