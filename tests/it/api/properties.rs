//! Each property of each stored resource: good, of the wrong type, too long, missing (contract rest.md
//! §1.4, §1.8, §2.1–§2.10). What there is to try is read from the API document, so that a property
//! nobody thought of here is a failure.

use std::collections::BTreeSet;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Map, Value, json};
use trunkline::api::openapi;
use trunkline::config::WireStyle;

use crate::support::{Tenant, TestApi};

/// One of each kind, of one account.
struct Tenancy {
    api: TestApi,
    provider: Tenant,
    account: Tenant,
    application: String,
    number: String,
    carrier: String,
    gateway: String,
    client: String,
}

impl Tenancy {
    async fn start(wire: WireStyle) -> Self {
        let api = TestApi::start_with(|config| config.api.wire = wire).await;
        let provider = api.new_provider("p").await;
        let account = api.new_account(&provider, "a").await;
        let application = api.new_application(&account, "app").await;
        let key = &account.key;
        let carrier = api.post(key, "/VoipCarriers", json!({"name": "c"})).await.sid();
        let number = json!({"number": "15551230000", "voip_carrier_sid": carrier});
        let number = api.post(key, "/PhoneNumbers", number).await.sid();
        let gateway = json!({"voip_carrier_sid": carrier, "ipv4": "192.0.2.1"});
        let gateway = api.post(key, "/SipGateways", gateway).await.sid();
        let client = json!({"username": "u", "password": "secret"});
        let client = api.post(key, "/Clients", client).await.sid();
        Self { api, provider, account, application, number, carrier, gateway, client }
    }

    /// Pattern in the API document and path.
    fn all(&self) -> [(&'static str, String); 7] {
        [
            ("/ServiceProviders/{sp}", format!("/ServiceProviders/{}", self.provider.sid)),
            ("/Accounts/{a}", format!("/Accounts/{}", self.account.sid)),
            ("/Applications/{sid}", format!("/Applications/{}", self.application)),
            ("/PhoneNumbers/{sid}", format!("/PhoneNumbers/{}", self.number)),
            ("/VoipCarriers/{sid}", format!("/VoipCarriers/{}", self.carrier)),
            ("/SipGateways/{sid}", format!("/SipGateways/{}", self.gateway)),
            ("/Clients/{sid}", format!("/Clients/{}", self.client)),
        ]
    }

    /// What each property may be set to, in this order, and what is read then.
    fn good(&self, pattern: &str) -> Vec<(&'static str, Value, Value)> {
        let hook = json!({"url": "https://app.example.com/a", "method": "get", "username": "u",
            "password": "p"});
        let read_hook = json!({"url": "https://app.example.com/a", "method": "GET",
            "username": "u", "password": "p"});
        let hook = |name| (name, hook.clone(), read_hook.clone());
        let same = |name, value: Value| (name, value.clone(), value);
        match pattern {
            "/ServiceProviders/{sp}" => vec![
                same("name", json!("other")),
                same("description", json!("text")),
                same("root_domain", json!("example.com")),
                same("ms_teams_fqdn", json!("teams.example.com")),
                hook("registration_hook"),
                same("lcr_sid", json!(null)),
            ],
            "/Accounts/{a}" => vec![
                same("name", json!("other")),
                ("sip_realm", json!("SIP.example.com"), json!("sip.example.com")),
                hook("registration_hook"),
                hook("queue_event_hook"),
                same("device_calling_application_sid", json!(self.application)),
                same("siprec_hook_sid", json!(self.application)),
                same("webhook_secret", json!("wh_secret_0123456789")),
                ("is_active", json!("0"), json!(0)),
                ("disable_cdrs", json!(true), json!(1)),
                ("record_all_calls", json!("true"), json!(1)),
                same("record_format", json!("wav")),
                (
                    "bucket_credential",
                    json!({"vendor": "google", "name": "bucket", "service_key": "{}"}),
                    json!({"vendor": "google", "name": "bucket"}),
                ),
                same("enable_debug_log", json!(1)),
                same("plan_type", json!("paid")),
                same("stripe_customer_id", json!("cus_1")),
                (
                    "trial_end_date",
                    json!("2026-11-23T19:28:12.000Z"),
                    json!("Mon, 23 Nov 2026 19:28:12 +0000"),
                ),
                same("deactivated_reason", json!("because")),
                ("device_to_call_ratio", json!("7"), json!(7)),
            ],
            "/Applications/{sid}" => {
                let mut rows = vec![
                    same("name", json!("other")),
                    same("account_sid", json!(self.account.sid)),
                    hook("call_hook"),
                    hook("call_status_hook"),
                    hook("messaging_hook"),
                    same("app_json", json!("[{\"verb\":\"hangup\"}]")),
                    ("use_for_fallback_speech", json!(true), json!(1)),
                    same("env_vars", json!({"COLOUR": "red"})),
                    ("record_all_calls", json!("1"), json!(1)),
                ];
                for name in [
                    "speech_synthesis_vendor",
                    "speech_synthesis_language",
                    "speech_synthesis_voice",
                    "speech_synthesis_label",
                    "speech_recognizer_vendor",
                    "speech_recognizer_language",
                    "speech_recognizer_label",
                    "fallback_speech_synthesis_vendor",
                    "fallback_speech_synthesis_language",
                    "fallback_speech_synthesis_voice",
                    "fallback_speech_synthesis_label",
                    "fallback_speech_recognizer_vendor",
                    "fallback_speech_recognizer_language",
                    "fallback_speech_recognizer_label",
                ] {
                    rows.push(same(name, json!("de-DE")));
                }
                rows
            }
            "/PhoneNumbers/{sid}" => vec![
                same("application_sid", json!(self.application)),
                same("account_sid", json!(self.account.sid)),
                same("service_provider_sid", json!(self.provider.sid)),
            ],
            "/VoipCarriers/{sid}" => vec![
                same("name", json!("other")),
                same("description", json!("text")),
                same("account_sid", json!(self.account.sid)),
                same("service_provider_sid", json!(self.provider.sid)),
                same("application_sid", json!(self.application)),
                ("is_active", json!(false), json!(0)),
                ("e164_leading_plus", json!("true"), json!(1)),
                same("tech_prefix", json!("123")),
                same("diversion", json!("15551230000")),
                same("outbound_sip_proxy", json!("proxy.example.com")),
                same("dtmf_type", json!("info")),
                same("register_username", json!("u")),
                same("register_password", json!("p")),
                same("register_from_user", json!("f")),
                same("register_sip_realm", json!("sip.example.com")),
                same("register_from_domain", json!("example.com")),
                ("register_public_ip_in_contact", json!(true), json!(1)),
                ("register_use_tls", json!(1), json!(1)),
                ("requires_register", json!("1"), json!(1)),
                same("inbound_auth_username", json!("in")),
                same("inbound_auth_password", json!("p")),
                same("trunk_type", json!("reg")),
                same("smpp_system_id", json!("s")),
                same("smpp_password", json!("p")),
                ("smpp_enquire_link_interval", json!("15"), json!(15)),
                same("smpp_inbound_system_id", json!("s")),
                same("smpp_inbound_password", json!("p")),
                same("media_encryption", json!("required")),
                same("digest_algorithm", json!("SHA-256")),
            ],
            "/SipGateways/{sid}" => vec![
                same("voip_carrier_sid", json!(self.carrier)),
                same("ipv4", json!("192.0.2.0")),
                ("port", json!("5070"), json!(5070)),
                ("inbound", json!(true), json!(1)),
                ("outbound", json!("1"), json!(1)),
                same("netmask", json!(24)),
                ("is_active", json!(false), json!(0)),
                same("protocol", json!("tls")),
                ("send_options_ping", json!(true), json!(1)),
                ("use_sips_scheme", json!(true), json!(1)),
                ("pad_crypto", json!(true), json!(1)),
                ("remove_ice", json!(true), json!(1)),
                ("dtls_off", json!(true), json!(1)),
                same("priority", json!(3)),
            ],
            _ => vec![
                same("username", json!("u")),
                same("account_sid", json!(self.account.sid)),
                ("password", json!("other1"), json!("oXXXXX")),
                ("is_active", json!(false), json!(0)),
                ("allow_direct_app_calling", json!("0"), json!(0)),
                ("allow_direct_queue_calling", json!("false"), json!(0)),
                ("allow_direct_user_calling", json!(0), json!(0)),
                same("media_encryption", json!("off")),
                same("digest_algorithm", json!("SHA-256")),
            ],
        }
    }
}

/// The schema of the body of an operation, looked up.
pub(super) fn body_schema(document: &Value, pattern: &str, method: &str) -> Value {
    let body = &document["paths"][pattern][method]["requestBody"];
    resolve(document, &body["content"]["application/json"]["schema"]).clone()
}

fn resolve<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str() {
        Some(name) => document.pointer(name.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// The properties that are looked at.
pub(super) fn writable(schema: &Value) -> Map<String, Value> {
    let properties = schema["properties"].as_object().unwrap().clone();
    let is_output = |property: &Value| {
        property["description"].as_str().is_some_and(|text| text.starts_with("output"))
    };
    properties.into_iter().filter(|(_, property)| !is_output(property)).collect()
}

/// Values that no property of this schema may have.
pub(super) fn wrong(schema: &Value) -> Vec<Value> {
    if schema["$ref"].is_string() {
        return vec![json!(7), json!("http://a"), json!([]), json!({"method": "GET"})];
    }
    if let Some(either) = schema["anyOf"].as_array() {
        return match either[0]["type"].as_str() {
            Some("boolean") => vec![json!(2), json!("maybe"), json!([]), json!({}), json!(1.5)],
            _ => wrong(&either[0]),
        };
    }
    if schema["enum"].is_array() {
        return vec![json!("none of these"), json!(5), json!({})];
    }
    match schema["type"].as_str() {
        Some("integer") => {
            let mut values = vec![json!("x"), json!(1.5), json!([]), json!(true)];
            let below = schema["minimum"].as_i64().and_then(|least| least.checked_sub(1));
            let above = schema["maximum"].as_i64().and_then(|most| most.checked_add(1));
            values.extend([below, above].into_iter().flatten().map(Value::from));
            values
        }
        Some("object") => vec![json!("x"), json!(5), json!([])],
        Some("string") => {
            let mut values = vec![json!(5), json!({}), json!([]), json!(true)];
            match schema["maxLength"].as_u64() {
                Some(most) => values.push(json!("x".repeat(most as usize + 1))),
                // A sid or a date.
                None => values.push(json!("soon")),
            }
            values
        }
        _ => Vec::new(),
    }
}

/// Whether what was read is what was expected, members that nobody asked for apart.
fn holds(read: &Value, expected: &Value) -> bool {
    match (read, expected) {
        (Value::Object(read), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| read.get(name) == Some(value))
        }
        _ => read == expected,
    }
}

#[actix_web::test]
async fn each_property_takes_what_is_good_and_shows_it() {
    let t = Tenancy::start(WireStyle::Trunkline).await;
    let document = openapi::description();
    for (pattern, path) in t.all() {
        let rows = t.good(pattern);
        let tried: BTreeSet<String> = rows.iter().map(|(name, ..)| (*name).to_owned()).collect();
        let known: BTreeSet<String> =
            writable(&body_schema(&document, pattern, "put")).keys().cloned().collect();
        assert_eq!(tried, known, "{pattern}");
        for (property, value, expected) in rows {
            let answer = t.api.put(&t.api.admin, &path, json!({property: value.clone()})).await;
            assert_eq!(answer.status, 204, "{pattern} {property} = {value}: {}", answer.text);
            let read = t.api.get(&t.api.admin, &path).await.expect(200).json();
            assert!(holds(&read[property], &expected), "{pattern} {property}: {}", read[property]);
        }
        let before = t.api.get(&t.api.admin, &path).await.json();
        t.api.put(&t.api.admin, &path, json!({})).await.expect(204);
        assert_eq!(t.api.get(&t.api.admin, &path).await.json(), before, "{{}} changes nothing");
    }
    t.api.stop().await;
}

#[actix_web::test]
async fn each_property_refuses_what_is_wrong_and_says_which_it_is() {
    let t = Tenancy::start(WireStyle::Trunkline).await;
    let document = openapi::description();
    let mut tried = 0;
    for (pattern, path) in t.all() {
        let before = t.api.get(&t.api.admin, &path).await.json();
        let mut cases: Vec<(String, Value)> = Vec::new();
        for (property, schema) in writable(&body_schema(&document, pattern, "put")) {
            cases.extend(wrong(&schema).into_iter().map(|value| (property.clone(), value)));
        }
        cases.push(("colour".to_owned(), json!("red")));
        for (property, value) in cases {
            let shown: String = value.to_string().chars().take(40).collect();
            let refused = t.api.put(&t.api.admin, &path, json!({property.as_str(): value})).await;
            assert_eq!(refused.status, 400, "{pattern} {property} = {shown}: {}", refused.text);
            assert!(refused.msg().contains(&property), "{property} = {shown}: {}", refused.msg());
            tried += 1;
        }
        let (id, _) = before
            .as_object()
            .unwrap()
            .iter()
            .find(|(_, sid)| path.ends_with(sid.as_str().unwrap_or("none")))
            .unwrap();
        let refused = t.api.put(&t.api.admin, &path, json!({id.as_str(): before[id]})).await;
        assert_eq!(refused.expect(400).msg(), format!("primary key {id} is immutable"));
        assert_eq!(t.api.get(&t.api.admin, &path).await.json(), before, "{pattern}: unchanged");
    }
    assert!(tried > 400, "{tried}");
    t.api.stop().await;
}

#[actix_web::test]
async fn what_is_required_is_missed_by_name() {
    let t = Tenancy::start(WireStyle::Trunkline).await;
    let document = openapi::description();
    let hook = json!({"url": "https://app.example.com/a"});
    for (pattern, body) in [
        ("/ServiceProviders", json!({"name": "n"})),
        ("/Accounts", json!({"name": "n", "service_provider_sid": t.provider.sid})),
        ("/Applications", json!({"name": "n", "call_hook": hook, "account_sid": t.account.sid})),
        ("/PhoneNumbers", json!({"number": "1"})),
        ("/VoipCarriers", json!({"name": "n"})),
        ("/SipGateways", json!({"voip_carrier_sid": t.carrier, "ipv4": "192.0.2.3"})),
        ("/Clients", json!({"username": "n", "account_sid": t.account.sid})),
        ("/Sbcs", json!({"ipv4": "192.0.2.1"})),
    ] {
        let schema = body_schema(&document, pattern, "post");
        let required: Vec<&str> =
            schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(!required.is_empty(), "{pattern}");
        for (property, _) in body.as_object().unwrap() {
            let mut without = body.clone();
            without.as_object_mut().unwrap().shift_remove(property);
            let refused = t.api.post(&t.api.admin, pattern, without).await.expect(400);
            assert!(refused.msg().contains(property), "{pattern} {property}: {}", refused.msg());
        }
        for property in required {
            let mut with = body.clone();
            with[property] = json!(null);
            let refused = t.api.post(&t.api.admin, pattern, with).await.expect(400);
            assert!(refused.msg().contains(property), "{pattern} {property}: {}", refused.msg());
        }
        t.api.post(&t.api.admin, pattern, body).await.expect(201);
    }
    t.api.stop().await;
}

#[actix_web::test]
async fn forms_change_flags_and_numbers_too() {
    let t = Tenancy::start(WireStyle::Trunkline).await;
    for (path, form, property, shown) in [
        (format!("/Clients/{}", t.client), "is_active=0", "is_active", 0),
        (format!("/SipGateways/{}", t.gateway), "port=5071", "port", 5071),
        (format!("/Accounts/{}", t.account.sid), "disable_cdrs=true", "disable_cdrs", 1),
    ] {
        let request = t
            .api
            .request(Method::PUT, &format!("/v1{path}"))
            .header(AUTHORIZATION, format!("Bearer {}", t.api.admin))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        t.api.send(request).await.expect(204);
        assert_eq!(t.api.get(&t.api.admin, &path).await.json()[property], shown, "{path}");
    }
    t.api.stop().await;
}

/// Dates of an answer, wherever they stand in it.
fn dates(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let is_date = name.ends_with("_at")
                    || matches!(name.as_str(), "last_used" | "last_updated" | "time");
                match value.as_str() {
                    Some(text) if is_date => found.push((name.clone(), text.to_owned())),
                    _ => dates(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| dates(item, found)),
        _ => {}
    }
}

#[actix_web::test]
async fn dates_and_numbers_follow_the_wire_in_every_resource() {
    for wire in [WireStyle::Trunkline, WireStyle::Jambonz] {
        let t = Tenancy::start(wire).await;
        let account = &t.account.sid;
        let mut found = Vec::new();
        t.api.post(&t.api.admin, "/Sbcs", json!({"ipv4": "192.0.2.1"})).await.expect(201);
        let lists = [
            format!("/Accounts/{account}/ApiKeys"),
            format!("/ServiceProviders/{}/ApiKeys", t.provider.sid),
            format!("/ServiceProviders/{}/Accounts", t.provider.sid),
            format!("/Accounts/{account}/Applications?page=1"),
            format!("/Accounts/{account}/VoipCarriers?page=1"),
            "/Sbcs".to_owned(),
        ];
        for path in t.all().into_iter().map(|(_, path)| path).chain(lists) {
            let read = t.api.get(&t.api.admin, &path).await.expect(200).json();
            dates(&read, &mut found);
        }
        assert!(found.len() >= 8, "{found:?}");
        for (name, date) in found {
            let iso = date.len() == 24 && date.ends_with('Z') && date.contains('T');
            let rfc = date.ends_with(" +0000");
            assert_eq!(
                (iso, rfc),
                (wire == WireStyle::Jambonz, wire == WireStyle::Trunkline),
                "{name}: {date}"
            );
        }
        let number = t.api.get(&t.api.admin, &format!("/PhoneNumbers/{}", t.number)).await.json();
        let shown = if wire == WireStyle::Jambonz { "15551230000" } else { "+15551230000" };
        assert_eq!(number["number"], shown);
        t.api.stop().await;
    }
}
