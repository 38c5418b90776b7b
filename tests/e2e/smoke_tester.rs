//! The public smoke-test suite, request by request, in its order: it has a service provider's key and
//! makes an account of its own (contract rest.md §4).

use serde_json::{Value, json};
use support::Server;

use crate::browser::{
    ACCOUNT, APPLICATION, CARRIER, GATEWAY, HOOK, KEY, NUMBER, SmokeTester, assert_shape, expect,
    row, rows,
};

/// Its two tokens, and whose they are.
struct Suite {
    provider: SmokeTester,
    account: SmokeTester,
    sp: String,
    a: String,
    key: String,
    _server: Server,
}

impl Suite {
    fn new() -> Self {
        let server = Server::spawn(env!("CARGO_BIN_EXE_trunkline"));
        let admin = server.admin();
        let sp = admin.post("/v1/ServiceProviders", &json!({"name": "acme"}));
        let sp = sp.expect("an answer").sid().expect("a service provider");
        let key = admin.post("/v1/ApiKeys", &json!({"service_provider_sid": sp}));
        let key = key.expect("an answer");
        let token = |key: &Value| key["token"].as_str().expect("a token").to_owned();
        let provider = SmokeTester::new(admin.with_token(&token(&key.json)));

        let body = json!({"name": "it-verbs", "service_provider_sid": sp});
        let a = provider.make("/Accounts", &body);
        let key = provider.send("POST", "/ApiKeys", Some(&json!({"account_sid": a})));
        let key = expect(key, 201);
        assert_shape(&key, "sid:s token:s");
        let account = SmokeTester::new(admin.with_token(&token(&key)));
        let key = key["sid"].as_str().expect("a sid").to_owned();
        Self { provider, account, sp, a, key, _server: server }
    }
}

fn webhook(path: &str) -> Value {
    json!({"url": format!("http://127.0.0.1:9{path}"), "method": "POST"})
}

#[test]
fn accounts_and_keys() {
    let Suite { provider, account, sp, a, key, .. } = &Suite::new();
    for tester in [provider, account] {
        assert_shape(&row(&rows(&tester.get("/Accounts")), "account_sid", a), ACCOUNT);
        assert_shape(&tester.get(&format!("/Accounts/{a}")), ACCOUNT);
        let secret = tester.get(&format!("/Accounts/{a}/WebhookSecret"));
        assert_shape(&secret, "webhook_secret:s");
        let keys = rows(&tester.get(&format!("/Accounts/{a}/ApiKeys")));
        assert_shape(&row(&keys, "api_key_sid", key), KEY);
    }
    for page in [format!("/Accounts/{a}/RecentCalls"), format!("/Accounts/{a}/Alerts")] {
        assert_shape(&account.get(&format!("{page}?page=1&count=25")), "total:n page:n data:a");
    }
    let calls = format!("/ServiceProviders/{sp}/RecentCalls?page=1&count=25");
    assert_shape(&provider.get(&calls), "total:n page:n data:a");
    provider.get("/ServiceProviders");
    assert_shape(
        &provider.get(&format!("/ServiceProviders/{sp}")),
        "service_provider_sid:s name:s description:s? root_domain:s? registration_hook:o?",
    );

    for (query, available) in
        [("type=subdomain&value=free.smoke.test", true), ("type=email&value=a@b.example", true)]
    {
        assert_eq!(
            provider.get(&format!("/Availability?{query}")),
            json!({"available": available})
        );
    }
    let sbcs = rows(&provider.get("/Sbcs"));
    assert_shape(sbcs.first().expect("an address"), "sbc_address_sid:s ipv4:s port:n?");
    for list in ["/Lcrs", "/MicrosoftTeamsTenants"] {
        assert_eq!(provider.get(list), json!([]), "{list}");
    }

    let hooks = json!({
        "name": "it-more", "service_provider_sid": sp, "registration_hook": webhook("/r"),
        "queue_event_hook": webhook("/q"),
    });
    let other = provider.make("/Accounts", &hooks);
    let path = format!("/Accounts/{other}");
    let read = provider.get(&path);
    assert_shape(&read["registration_hook"], HOOK);
    assert_shape(&read["queue_event_hook"], HOOK);
    provider.put(&path, &json!({"name": "it-less", "sip_realm": "it-less.smoke.test"}));
    assert_eq!(provider.get(&path)["sip_realm"], "it-less.smoke.test");
    provider.delete(&path);
    // It takes a 403 for "gone", when the account cannot be read either.
    expect(provider.send("DELETE", &path, None), 403);
    expect(provider.send("GET", &path, None), 403);
}

#[test]
fn applications_and_numbers() {
    let Suite { account, a, .. } = &Suite::new();
    let body = json!({
        "name": "it-app", "account_sid": a, "call_hook": webhook("/call"),
        "call_status_hook": webhook("/status"),
    });
    let application = account.make("/Applications", &body);
    let path = format!("/Applications/{application}");
    let read = account.get(&path);
    assert_shape(&read, APPLICATION);
    assert_shape(&read["call_hook"], HOOK);
    let list = rows(&account.get("/Applications"));
    assert_shape(&row(&list, "application_sid", &application), APPLICATION);
    account.put(&path, &json!({"name": "it-app-2", "call_hook": webhook("/other")}));

    let carrier = account.make("/VoipCarriers", &json!({"name": "it-carrier", "account_sid": a}));
    let number = json!({
        "number": "15551230001", "voip_carrier_sid": carrier, "account_sid": a,
        "application_sid": application,
    });
    let number = account.make("/PhoneNumbers", &number);
    let number_path = format!("/PhoneNumbers/{number}");
    assert_shape(&account.get(&number_path), NUMBER);
    let list = rows(&account.get("/PhoneNumbers"));
    assert_shape(&row(&list, "phone_number_sid", &number), NUMBER);
    account.put(&number_path, &json!({"application_sid": application}));
    let refused = expect(account.send("DELETE", &path, None), 422);
    assert_eq!(refused["msg"], "cannot delete application with phone numbers");
    account.delete(&number_path);
    account.delete(&path);
    expect(account.send("DELETE", &path, None), 404);
}

#[test]
fn carriers_and_gateways() {
    let Suite { provider, account, sp, a, .. } = &Suite::new();
    let body = json!({
        "name": "it-carrier", "description": "made by a test", "account_sid": a,
        "e164_leading_plus": true, "requires_register": false, "tech_prefix": "9", "is_active": true,
    });
    let carrier = account.make("/VoipCarriers", &body);
    let path = format!("/VoipCarriers/{carrier}");
    let read = account.get(&path);
    assert_shape(&read, CARRIER);
    assert_eq!(read["e164_leading_plus"], 1);
    assert_shape(&row(&rows(&account.get("/VoipCarriers")), "voip_carrier_sid", &carrier), CARRIER);
    account.put(&path, &json!({"description": "changed", "e164_leading_plus": false}));

    let gateway = json!({
        "voip_carrier_sid": carrier, "ipv4": "203.0.113.10", "port": 5060, "netmask": 32,
        "inbound": true, "outbound": true, "is_active": true, "protocol": "udp",
    });
    let gateway = account.make("/SipGateways", &gateway);
    let gateway_path = format!("/SipGateways/{gateway}");
    assert_shape(&account.get(&gateway_path), GATEWAY);
    let list = rows(&account.get(&format!("/SipGateways?voip_carrier_sid={carrier}")));
    assert_shape(&row(&list, "sip_gateway_sid", &gateway), GATEWAY);
    account.delete(&gateway_path);
    account.delete(&path);

    let nested = format!("/ServiceProviders/{sp}/VoipCarriers");
    let shared = provider.make(&nested, &json!({"name": "it-shared"}));
    for list in [nested.as_str(), "/VoipCarriers"] {
        let list = rows(&provider.get(list));
        assert_shape(&row(&list, "voip_carrier_sid", &shared), CARRIER);
    }
    provider.delete(&format!("/VoipCarriers/{shared}"));
}

#[test]
fn clients_calls_and_the_end() {
    let Suite { provider, account, a, key, .. } = &Suite::new();
    // A POST without a body and without a content type.
    let realm = format!("/Accounts/{a}/SipRealms/it-verbs.smoke.test");
    expect(account.send("POST", &realm, None), 204);
    assert_eq!(provider.get(&format!("/Accounts/{a}"))["sip_realm"], "it-verbs.smoke.test");
    let body = json!({
        "account_sid": a, "username": "it-uas", "password": "0123456789abcdef", "is_active": "1",
    });
    let client = account.make("/Clients", &body);
    let read = row(&rows(&provider.get("/Clients")), "client_sid", &client);
    assert_eq!((&read["account_sid"], &read["is_active"]), (&json!(a), &json!(1)));
    assert_eq!(account.get(&format!("/Accounts/{a}/RegisteredSipUsers")), json!([]));

    let calls = format!("/Accounts/{a}/Calls");
    let call = json!({
        "from": "15551230000", "to": {"type": "user", "name": "it-uas@it-verbs.smoke.test"},
        "app_json": "[{\"verb\":\"hangup\"}]", "timeout": 20, "tag": {"run": "1"},
    });
    let call = account.make(&calls, &call);
    let list = rows(&account.get(&calls));
    let shape = "call_sid:s account_sid:s call_status:s direction:s from:s to:s sip_status:n";
    assert_shape(&row(&list, "call_sid", &call), shape);
    let path = format!("{calls}/{call}");
    account.delete(&path);
    expect(account.send("DELETE", &path, None), 404);

    provider.delete(&format!("/Clients/{client}"));
    provider.delete(&format!("/ApiKeys/{key}"));
    provider.delete(&format!("/Accounts/{a}"));
}
