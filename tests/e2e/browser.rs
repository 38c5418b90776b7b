//! Foreign clients of the REST API with their habits: the portal (contract rest.md §4) and the
//! smoke tester, and what they check in an answer.

use serde_json::Value;
use support::{Answer, Rest};

/// The portal in a browser. It says `application/json` on every request, wants JSON on every 200 and
/// 201 and a `msg` on every refusal, and logs out on 401.
pub(crate) struct Portal {
    rest: Rest,
    base: &'static str,
}

impl Portal {
    /// `base` is what its paths are added to: `/v1`, or `/api/v1` when it is served from one host.
    pub(crate) fn new(rest: Rest, base: &'static str) -> Self {
        Self { rest, base }
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let path = format!("{}{path}", self.base);
        let text = body.map(Value::to_string);
        let headers = [("Content-Type", "application/json"), ("Origin", "http://portal.example")];
        let answer = self.rest.send(method, &path, &headers, text.as_deref());
        let answer = answer.expect("an answer: without one it logs out");
        let what = format!("{method} {path}: {} {}", answer.status, answer.text);
        assert_ne!(answer.status, 401, "{what}");
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"), "{what}");
        match answer.status {
            200 | 201 => assert!(!answer.json.is_null(), "no JSON: {what}"),
            400..=500 => assert!(answer.json["msg"].is_string(), "no msg: {what}"),
            _ => {}
        }
        answer
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        expect(self.send("GET", path, None), 200)
    }

    /// A POST that makes something; its sid.
    pub(crate) fn make(&self, path: &str, body: &Value) -> String {
        sid(&expect(self.send("POST", path, Some(body)), 201))
    }

    pub(crate) fn put(&self, path: &str, body: &Value) {
        expect(self.send("PUT", path, Some(body)), 204);
    }

    pub(crate) fn delete(&self, path: &str) {
        expect(self.send("DELETE", path, None), 204);
    }

    /// The list on a page, from its envelope.
    pub(crate) fn page(&self, path: &str) -> Vec<Value> {
        let page = self.get(path);
        assert_shape(&page, "total:n page:n page_size:n data:a");
        rows(&page["data"])
    }
}

/// The smoke tester: no content type without a body, and exactly the status it expects.
pub(crate) struct SmokeTester {
    rest: Rest,
}

impl SmokeTester {
    pub(crate) fn new(rest: Rest) -> Self {
        Self { rest }
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let path = format!("/api/v1{path}");
        let text = body.map(Value::to_string);
        let mut headers = vec![("Accept", "application/json")];
        headers.extend(body.map(|_| ("Content-Type", "application/json")));
        self.rest.send(method, &path, &headers, text.as_deref()).expect("an answer")
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        expect(self.send("GET", path, None), 200)
    }

    /// A POST that makes something; its sid.
    pub(crate) fn make(&self, path: &str, body: &Value) -> String {
        sid(&expect(self.send("POST", path, Some(body)), 201))
    }

    pub(crate) fn put(&self, path: &str, body: &Value) {
        expect(self.send("PUT", path, Some(body)), 204);
    }

    pub(crate) fn delete(&self, path: &str) {
        expect(self.send("DELETE", path, None), 204);
    }
}

/// The answer's JSON, when its status is that one.
pub(crate) fn expect(answer: Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text);
    answer.json
}

fn sid(made: &Value) -> String {
    made["sid"].as_str().unwrap_or_else(|| panic!("no sid: {made}")).to_owned()
}

pub(crate) fn rows(list: &Value) -> Vec<Value> {
    list.as_array().unwrap_or_else(|| panic!("no list: {list}")).clone()
}

/// The row with that value.
pub(crate) fn row(list: &[Value], name: &str, value: &str) -> Value {
    let found = list.iter().find(|row| row[name] == value);
    found.unwrap_or_else(|| panic!("no {name} {value} in {list:?}")).clone()
}

/// Properties and their types, as `name:s`: `s` text, `n` number, `f` flag as 0 or 1, `b` true or
/// false, `o` object, `a` array; with `?` also null.
pub(crate) fn assert_shape(value: &Value, shape: &str) {
    for property in shape.split_whitespace() {
        let (name, kind) = property.split_once(':').expect("name:kind");
        let found = value.get(name);
        let is_kind = found.is_some_and(|found| {
            kind.ends_with('?') && found.is_null()
                || match kind.trim_end_matches('?') {
                    "s" => found.is_string(),
                    "n" => found.is_number(),
                    "f" => matches!(found.as_i64(), Some(0 | 1)),
                    "b" => found.is_boolean(),
                    "o" => found.is_object(),
                    "a" => found.is_array(),
                    _ => false,
                }
        });
        assert!(is_kind, "{name} is no {kind}: {value}");
    }
}

pub(crate) const HOOK: &str = "url:s method:s username:s? password:s?";

pub(crate) const ACCOUNT: &str = "account_sid:s name:s service_provider_sid:s sip_realm:s? \
    registration_hook:o? queue_event_hook:o? device_calling_application_sid:s? siprec_hook_sid:s? \
    webhook_secret:s is_active:f disable_cdrs:f record_all_calls:f record_format:s? \
    bucket_credential:o? plan_type:s device_to_call_ratio:n trial_end_date:s? created_at:s";

pub(crate) const APPLICATION: &str = "application_sid:s name:s account_sid:s call_hook:o \
    call_status_hook:o? messaging_hook:o? app_json:s? speech_synthesis_vendor:s? \
    speech_synthesis_language:s? speech_synthesis_voice:s? speech_synthesis_label:s? \
    speech_recognizer_vendor:s? speech_recognizer_language:s? speech_recognizer_label:s? \
    use_for_fallback_speech:f record_all_calls:f env_vars:o?";

pub(crate) const CARRIER: &str = "voip_carrier_sid:s name:s description:s? is_active:f account_sid:s? \
    service_provider_sid:s? application_sid:s? e164_leading_plus:f requires_register:f \
    register_username:s? register_password:s? register_sip_realm:s? register_from_user:s? \
    register_from_domain:s? register_public_ip_in_contact:f register_use_tls:f register_status:o \
    tech_prefix:s? diversion:s? inbound_auth_username:s? inbound_auth_password:s? smpp_system_id:s? \
    smpp_password:s? smpp_inbound_system_id:s? smpp_inbound_password:s? \
    smpp_enquire_link_interval:n?";

pub(crate) const GATEWAY: &str = "sip_gateway_sid:s voip_carrier_sid:s ipv4:s port:n? netmask:n \
    inbound:f outbound:f is_active:f protocol:s send_options_ping:f use_sips_scheme:f pad_crypto:f";

pub(crate) const NUMBER: &str =
    "phone_number_sid:s number:s voip_carrier_sid:s? account_sid:s? application_sid:s?";

pub(crate) const CLIENT: &str = "client_sid:s account_sid:s username:s password:s? is_active:f \
    allow_direct_app_calling:f allow_direct_queue_calling:f allow_direct_user_calling:f";

pub(crate) const KEY: &str = "api_key_sid:s token:s account_sid:s? service_provider_sid:s? \
    expires_at:s? last_used:s? created_at:s";
