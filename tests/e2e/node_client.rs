//! The public Node clients, unmodified: an application written with them answers a call, and scripts
//! written with them make, change, list and end one. The programs stand in `tests/e2e/node`.

use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::json;
use support::rtp_peer::Voice;
use support::{RtpPeer, SipPeer, wait};

use crate::node_app::NodeApp;
use crate::stage::{LEVEL_DB, SOON, Stage, file};

/// Longest run of one script: it makes a call, waits for its answer and ends it.
const SCRIPT_LIMIT: Duration = Duration::from_secs(40);

/// Runs `rest.js` against a target that answers.
fn run_script(stage: &Stage, app: &NodeApp, target: &str, library: &str) -> Output {
    let key =
        stage.tenant.rest.post("/v1/ApiKeys", &json!({ "account_sid": stage.tenant.account_sid }));
    let key = key.expect("an answer").json["token"].as_str().expect("a token").to_owned();
    let mut child = Command::new("node")
        .arg(file("node/rest.js"))
        .args([target, library])
        .env("BASE_URL", stage.tenant.rest.base())
        .env("ACCOUNT_SID", &stage.tenant.account_sid)
        .env("API_KEY", key)
        .env("APP_URL", &app.url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node runs (Debian package nodejs)");
    let ended = wait::until(SCRIPT_LIMIT, || child.try_wait().ok().flatten());
    if ended.is_none() {
        child.kill().expect("killed");
    }
    child.wait_with_output().expect("its output")
}

/// A phone answers the script's call and is hung up by it.
fn script_makes_a_call(library: &str, phone: impl FnOnce(&Stage) -> (SipPeer, String)) {
    let stage = Stage::new();
    let app = NodeApp::start("node/app.js", &stage.tenant.webhook_secret().expect("a secret"));
    let (mut phone, target) = phone(&stage);
    let answering = thread::spawn(move || {
        let rtp = RtpPeer::start(Voice::tone(450.0, LEVEL_DB));
        let invite = phone.expect_request("INVITE", SOON);
        phone.reply(&invite, 180, "Ringing");
        phone.accept(&invite, &rtp);
        phone.expect_bye(SCRIPT_LIMIT);
        rtp.heard().frames.len()
    });
    let output = run_script(&stage, &app, &target, library);
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "rest.js with {library} ended so:\n{out}{err}");
    assert!(answering.join().expect("the phone is content") > 0, "the phone heard nothing");
    assert_eq!(app.statuses_to_the_end(), ["trying", "ringing", "in-progress", "completed"]);
    assert_eq!(app.requests("/hello-conference").len(), 1);
    assert_eq!(app.requests("/hello-pause").len(), 1);
    app.assert_all_signed();
}

#[test]
fn node_client_calls_a_registered_user_and_controls_the_call() {
    script_makes_a_call("node-client", |stage| {
        let mut phone = stage.phone("alice");
        assert_eq!(phone.register(300).code(), Some(200), "{}", phone.history());
        (phone, format!("alice@{}", stage.tenant.realm))
    });
}

#[test]
fn the_node_sdk_calls_a_sip_uri_and_controls_the_call() {
    script_makes_a_call("sdk", |stage| {
        let phone = SipPeer::udp(stage.server.sip());
        let target = format!("sip:far@{}", phone.local_addr());
        (phone, target)
    });
}

#[test]
fn an_application_written_with_node_client_answers_a_call() {
    let stage = Stage::new();
    let app = NodeApp::start("node/app.js", &stage.tenant.webhook_secret().expect("a secret"));
    let call_hook = format!("{}/hello-conference?name=node", app.url);
    let status_hook = format!("{}/status", app.url);
    let application = stage.tenant.application("node", &call_hook, &status_hook);
    stage.tenant.answer_devices_with(&application.expect("an application")).expect("set");
    let mut phone = stage.phone("alice");
    let rtp = RtpPeer::start(Voice::tone(450.0, LEVEL_DB));
    let mut call = phone
        .call(&stage.uri("1000"), &rtp)
        .unwrap_or_else(|refused| panic!("refused: {refused}\n{}", phone.history()));
    wait::expect("the conference in the list", SOON, || {
        stage.get("/Conferences") == json!(["node"])
    });
    assert_eq!(phone.hang_up(&mut call).code(), Some(200));
    assert_eq!(app.statuses_to_the_end(), ["trying", "in-progress", "completed"]);
    wait::expect("the end of the conference at app.js", SOON, || {
        app.requests("/conference-status").iter().any(|told| told["body"]["event"] == "end")
    });
    app.assert_all_signed();
}
