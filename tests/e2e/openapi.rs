//! The served description and the server agree: `schemathesis` makes requests from the one, good and
//! bad, and compares the answers of the other. `make contract` has it try everything, which takes
//! minutes; by itself it takes a few requests per operation.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Rest, Server, wait};

use crate::stage::file;

/// Longest run, of all the requests there are.
const LIMIT: Duration = Duration::from_secs(1800);
/// What is generated is the same in every run.
const SEED: &str = "20261130";

/// What is there, by the names of `schemathesis.toml`.
fn make_all(admin: &Rest) -> Vec<(&'static str, String)> {
    let make = |path: &str, body: Value| {
        let answer = admin.post(&format!("/v1{path}"), &body).expect("an answer");
        let sid =
            answer.json.get("sid").or_else(|| answer.json.get("user_sid")).and_then(Value::as_str);
        sid.unwrap_or_else(|| panic!("POST {path}: {} {}", answer.status, answer.text)).to_owned()
    };
    let sp = make("/ServiceProviders", json!({"name": "acme"}));
    let account =
        json!({"name": "sales", "sip_realm": "sales.example", "service_provider_sid": sp});
    let a = make("/Accounts", account);
    let hook = json!({"url": "http://127.0.0.1:9/call"});
    let application = json!({"name": "desk", "account_sid": a, "call_hook": hook});
    let application = make("/Applications", application);
    let carrier = make("/VoipCarriers", json!({"name": "carrier", "account_sid": a}));
    let gateway = json!({"voip_carrier_sid": carrier, "ipv4": "203.0.113.7", "inbound": 1});
    let gateway = make("/SipGateways", gateway);
    let number = make("/PhoneNumbers", json!({"number": "15551230000", "account_sid": a}));
    let client = json!({"username": "alice", "password": "secret", "account_sid": a});
    let client = make("/Clients", client);
    let user = json!({"name": "bob", "email": "bob@example.com", "account_sid": a, "is_active": 1,
        "initial_password": "Pa55-word-of-bob", "force_change": 0});
    let user = make("/Users", user);
    let call =
        json!({"from": "1", "to": {"type": "phone", "number": "15559990000"}, "call_hook": hook});
    let call = make(&format!("/Accounts/{a}/Calls"), call);
    make(&format!("/Accounts/{a}/Conferences"), json!({"name": "room"}));
    make(&format!("/Accounts/{a}/Queues"), json!({"name": "support"}));
    let templates = admin.get("/v1/PredefinedCarriers").expect("an answer").json;
    let template = templates[0]["predefined_carrier_sid"].as_str().expect("a sid").to_owned();
    vec![
        ("SERVICE_PROVIDER_SID", sp),
        ("ACCOUNT_SID", a),
        ("APPLICATION_SID", application),
        ("VOIP_CARRIER_SID", carrier),
        ("SIP_GATEWAY_SID", gateway),
        ("PHONE_NUMBER_SID", number),
        ("CLIENT_SID", client),
        ("USER_SID", user),
        ("CALL_SID", call),
        ("PREDEFINED_CARRIER_SID", template),
    ]
}

/// Starts it with that token; what it prints comes through its output.
fn start(server: &Server, token: &str, sids: &[(&str, String)]) -> Child {
    let is_full = std::env::var_os("TRUNKLINE_CONTRACT").is_some_and(|extent| extent == "full");
    let (phases, examples) =
        if is_full { ("examples,coverage,fuzzing", "100") } else { ("examples,fuzzing", "5") };
    let base = format!("{}/v1", server.admin().base());
    let mut command = Command::new(file("python/.venv/bin/schemathesis"));
    command
        .arg("--config-file")
        .arg(file("python/schemathesis.toml"))
        .args(["run", &format!("{base}/openapi.json"), "--url", &base])
        .args(["-H", &format!("Authorization: Bearer {token}")])
        .args(["--seed", SEED, "--phases", phases, "--max-examples", examples])
        .args(["--no-color", "--warnings", "off"])
        // What it writes beside its report is nothing to keep.
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .envs(sids.iter().map(|(name, sid)| (*name, sid)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command.spawn().expect("schemathesis runs: `make test-tools` installs it")
}

/// Waits for its end; it must have found nothing.
fn expect_nothing_found(mut child: Child) {
    let mut output = child.stdout.take().expect("piped");
    let reader = thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let ended = wait::until(LIMIT, || child.try_wait().ok().flatten());
    if ended.is_none() {
        child.kill().expect("killed");
        child.wait().expect("ended");
    }
    let text = reader.join().expect("the reader ends").expect("text");
    assert!(ended.is_some_and(|status| status.success()), "schemathesis found:\n{text}");
    println!("{text}");
}

/// Each has a server of its own, since an administrator may change everything.
fn keeps_its_word(token: impl FnOnce(&Rest, &str) -> String) {
    let server = Server::spawn(env!("CARGO_BIN_EXE_trunkline"));
    let admin = server.admin();
    let sids = make_all(&admin);
    let account = sids.iter().find(|(name, _)| *name == "ACCOUNT_SID").map(|(_, sid)| sid);
    let token = token(&admin, account.expect("an account"));
    expect_nothing_found(start(&server, &token, &sids));
}

fn key(admin: &Rest, body: &Value) -> String {
    let key = admin.post("/v1/ApiKeys", body).expect("an answer");
    key.json["token"].as_str().expect("a token").to_owned()
}

#[test]
fn the_description_holds_for_an_administrator() {
    keeps_its_word(|admin, _| key(admin, &json!({})));
}

#[test]
fn the_description_holds_for_an_account() {
    keeps_its_word(|admin, account| key(admin, &json!({"account_sid": account})));
}
