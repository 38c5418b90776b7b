//! Where the URLs of tenants may lead: asked again when they are connected, past no proxy.

use serde_json::{Value, json};
use support::rtp_peer::Voice;
use support::{HookServer, Reply, RtpPeer, Server, SipPeer, Tenant, wait};

use crate::stage::{PASSWORD, SOON, Stage};

#[test]
fn what_a_verb_names_is_checked_when_it_is_connected() {
    let env = [("TRUNKLINE__HOOK__ALLOWED_NETWORKS", "")];
    let server = Server::spawn_with(env!("CARGO_BIN_EXE_trunkline"), &env);
    let inside = HookServer::start();
    inside.on_json("/next", json!([{"verb": "hangup"}]));
    let tenant = Tenant::provision(&server.admin(), "strict").expect("a tenant");
    let hook = inside.url("/call");
    let refused = tenant.application("inside", &hook, &hook).expect_err("the save is refused");
    assert!(format!("{refused:#}").contains("hook.allowed_networks"), "{refused:#}");

    let verbs = json!([
        {"verb": "play", "url": inside.url("/welcome.wav")},
        {"verb": "redirect", "actionHook": inside.url("/next")},
    ]);
    let body = json!({
        "name": "outside",
        "account_sid": tenant.account_sid,
        "call_hook": {"url": "https://1.1.1.1/"},
        "app_json": verbs.to_string(),
    });
    let application = tenant.rest.post("/v1/Applications", &body).and_then(|made| made.sid());
    tenant.answer_devices_with(&application.expect("an application")).expect("phones have one");
    tenant.client("alice", PASSWORD).expect("a SIP client");
    let mut alice = SipPeer::udp(server.sip()).as_client("alice", PASSWORD, &tenant.realm);
    let rtp = RtpPeer::start(Voice::Silence);
    alice.call(&format!("sip:1000@{}", tenant.realm), &rtp).expect("answered");

    let alerts = || {
        let path = tenant.path("/Alerts?page=1&count=50");
        let listed = tenant.rest.get(&path).expect("an answer").json["data"].clone();
        let listed = listed.as_array().cloned().unwrap_or_default();
        (listed.len() >= 2).then_some(listed)
    };
    let alerts = wait::until(SOON, alerts).expect("both are told of");
    for kind in ["play-url-notfound", "webhook-connection-failure"] {
        let alert = alerts.iter().find(|alert| alert["alert_type"] == kind);
        let text = alert.map(Value::to_string).unwrap_or_default();
        assert!(text.contains("hook.allowed_networks"), "{kind}: {alerts:?}");
    }
    assert!(inside.all_requests().is_empty());
    // The operator learns which address it was.
    let log = server.log();
    assert!(log.contains("address 127.0.0.1 is not allowed"), "{log}");
}

#[test]
fn a_proxy_of_the_environment_does_not_stand_between_the_check_and_the_connection() {
    let proxy = HookServer::start();
    proxy.on("/call", Reply::Status(500));
    let url = proxy.url("");
    let env: Vec<(&str, &str)> =
        ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
            .into_iter()
            .map(|name| (name, url.as_str()))
            .chain([("no_proxy", ""), ("NO_PROXY", "")])
            .collect();
    let stage = Stage::with_env(&env);
    stage.answer_with_conference("direct");
    let mut alice = stage.caller("alice", 440.0);
    assert_eq!(stage.hooks.requests("/call").len(), 1);
    alice.hang_up();
    stage.statuses(&alice.call_sid);
    assert!(proxy.all_requests().is_empty());
}
