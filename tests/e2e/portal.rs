//! The portal, page by page: every request it makes, as it makes it (contract rest.md §4).

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};
use support::{Rest, Server};

use crate::browser::{
    ACCOUNT, APPLICATION, CARRIER, CLIENT, GATEWAY, HOOK, KEY, NUMBER, Portal, assert_shape,
    expect, row, rows,
};

/// A server with one service provider, and a portal for who manages it.
struct Desk {
    server: Server,
    admin: Portal,
    provider: Portal,
    sp: String,
}

const FIRST_PASSWORD: &str = "first-Passw0rd";
const PASSWORD: &str = "own-Passw0rd";

impl Desk {
    fn new() -> Self {
        let server = Server::spawn(env!("CARGO_BIN_EXE_trunkline"));
        let admin = logged_in(&server.admin(), "/v1", "admin", "admin");
        let sp = admin.make("/ServiceProviders", &json!({"name": "acme"}));
        let whose = json!({"service_provider_sid": sp, "account_sid": null});
        let provider = new_user(&server.admin(), &admin, "/api/v1", "provider", &whose);
        Self { server, admin, provider, sp }
    }

    /// An account and its own portal.
    fn account(&self) -> (String, Portal) {
        let body = json!({
            "name": "sales", "sip_realm": null, "queue_event_hook": null, "registration_hook": null,
            "service_provider_sid": self.sp, "record_all_calls": 0,
        });
        let a = self.admin.make("/Accounts", &body);
        let whose = json!({"service_provider_sid": self.sp, "account_sid": a});
        let portal = new_user(&self.server.admin(), &self.admin, "/v1", "account", &whose);
        (a, portal)
    }
}

/// Somebody new, who has been given a password and has chosen another.
fn new_user(
    anyone: &Rest,
    admin: &Portal,
    base: &'static str,
    name: &str,
    whose: &Value,
) -> Portal {
    let mut body = json!({
        "name": name, "email": format!("{name}@acme.example"), "initial_password": FIRST_PASSWORD,
        "is_active": true, "force_change": true,
    });
    for (sid, value) in whose.as_object().into_iter().flatten() {
        body[sid] = value.clone();
    }
    let made = expect(admin.send("POST", "/Users", Some(&body)), 201);
    assert_shape(&made, "user_sid:s");
    logged_in(anyone, base, name, FIRST_PASSWORD)
}

/// Logs in, and chooses another password, since the first one is not the user's own.
fn logged_in(anyone: &Rest, base: &'static str, name: &str, password: &str) -> Portal {
    let nobody = Portal::new(anyone.with_token(""), base);
    let login = json!({"username": name, "password": password});
    let session = expect(nobody.send("POST", "/login", Some(&login)), 200);
    assert_shape(&session, "token:s user_sid:s scope:s force_change:b permissions:a");
    assert_eq!(session["force_change"], true);
    let token = session["token"].as_str().expect("a token");
    let claims = claims(token);
    assert_shape(&claims, "scope:s user_sid:s name:s permissions:a is_view_only:b iat:n exp:n");
    for claim in ["scope", "user_sid", "account_sid", "service_provider_sid"] {
        assert_eq!(claims.get(claim), session.get(claim), "{claim}");
    }
    let portal = Portal::new(anyone.with_token(token), base);
    let own = format!("/Users/{}", session["user_sid"].as_str().expect("a sid"));
    portal.put(&own, &json!({"old_password": password, "new_password": PASSWORD}));
    let me = portal.get("/Users/me");
    assert_shape(&me, "user:o account:o sp:o");
    assert_shape(&me["user"], "user_sid:s name:s email:s scope:s force_change:b email_validated:b");
    assert_eq!(me["user"]["force_change"], false);
    portal
}

/// What the portal reads from a token, without asking.
fn claims(token: &str) -> Value {
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "{token}");
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(parts[1]).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn hook(url: &str) -> Value {
    json!({"url": url, "method": "POST", "username": "user", "password": "pass word"})
}

fn without_realm() -> Value {
    json!({"msg": "account does not have sip_realm configuration"})
}

#[test]
fn every_page_asks_for_providers_accounts_and_alerts() {
    let desk = Desk::new();
    let (a, account) = desk.account();
    for portal in [&desk.admin, &desk.provider, &account] {
        let providers = rows(&portal.get("/ServiceProviders"));
        let own = row(&providers, "service_provider_sid", &desk.sp);
        assert_shape(&own, "name:s service_provider_sid:s ms_teams_fqdn:s? lcr_sid:s?");
        let accounts = rows(&portal.get(&format!("/ServiceProviders/{}/Accounts", desk.sp)));
        assert_shape(&row(&accounts, "account_sid", &a), ACCOUNT);
        assert!(portal.page(&format!("/Accounts/{a}/Alerts?page=1&count=25&days=1")).is_empty());
        let calls = format!("/Accounts/{a}/RecentCalls?page=1&count=25");
        for narrow in
            ["&days=7", "&start=2026-11-23T00:00:00.000Z", "&direction=inbound&answered=true"]
        {
            assert!(portal.page(&format!("{calls}{narrow}&filter=")).is_empty());
        }
        let trace = format!("/Accounts/{a}/RecentCalls/{}", "1234-abcd@host");
        expect(portal.send("GET", &trace, None), 404);
    }
    // Another origin asks first.
    let preflight = desk.server.admin().with_token("").send(
        "OPTIONS",
        "/v1/Accounts",
        &[
            ("Origin", "http://portal.example"),
            ("Access-Control-Request-Method", "PUT"),
            ("Access-Control-Request-Headers", "authorization,content-type"),
        ],
        None,
    );
    let preflight = preflight.expect("an answer");
    assert_eq!(preflight.status, 204);
    for (name, value) in [
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Headers", "authorization,content-type"),
        ("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE"),
    ] {
        assert_eq!(preflight.header(name), Some(value));
    }
}

#[test]
fn paths_are_sent_with_slashes_too_many_and_sids_too_few() {
    let desk = Desk::new();
    let (a, account) = desk.account();
    for portal in [&desk.admin, &desk.provider, &account] {
        assert_shape(&portal.get(&format!("//Accounts/{a}")), ACCOUNT);
        portal.get(&format!("//Accounts//{a}/Applications/"));
        portal.get("/Applications/");
        for path in [
            "/ServiceProviders/undefined/Accounts",
            "/ServiceProviders/undefined/ApiKeys",
            "/ServiceProviders/undefined/VoipCarriers",
            "/Accounts/undefined",
            "/Accounts/undefined/Alerts?page=1&count=25",
            "/Accounts/undefined/Applications",
            "/Accounts/undefined/RecentCalls?page=1&count=25",
            "/Accounts/undefined/WebhookSecret?regenerate=true",
            "/Applications/undefined",
            "/Clients/undefined",
            "/PhoneNumbers/undefined",
            "/SipGateways/undefined",
            "/Users/undefined",
            "/VoipCarriers/undefined",
        ] {
            let refused = expect(portal.send("GET", path, None), 400);
            assert_eq!(refused["msg"], "Bad request", "{path}");
        }
    }
}

#[test]
fn accounts_are_made_edited_and_deleted() {
    let desk = Desk::new();
    for portal in [&desk.admin, &desk.provider] {
        let mut body = json!({
            "name": "sales", "sip_realm": "sales.acme.example", "queue_event_hook": null,
            "registration_hook": hook("http://127.0.0.1:9/register"),
            "service_provider_sid": desk.sp, "record_all_calls": 0,
        });
        let a = portal.make("/Accounts", &body);
        let path = format!("/Accounts/{a}");
        let read = portal.get(&path);
        assert_shape(&read, ACCOUNT);
        assert_shape(&read["registration_hook"], HOOK);
        assert_eq!(read["registration_hook"], body["registration_hook"]);

        // The form sends back what it has read.
        body = json!({
            "name": "counter", "sip_realm": read["sip_realm"], "webhook_secret": read["webhook_secret"],
            "siprec_hook_sid": null, "device_calling_application_sid": null,
            "queue_event_hook": hook("http://127.0.0.1:9/queue"),
            "registration_hook": read["registration_hook"], "record_all_calls": 1,
            "record_format": "wav",
            "bucket_credential": {
                "vendor": "aws_s3", "region": "us-east-1", "name": "bucket",
                "access_key_id": "AKIAKEY", "secret_access_key": "secretsecret",
                "tags": [{"Key": "a", "Value": "b"}],
            },
        });
        portal.put(&path, &body);
        let read = portal.get(&path);
        for name in ["name", "queue_event_hook", "record_all_calls", "record_format"] {
            assert_eq!(read[name], body[name], "{name}");
        }
        let bucket = &read["bucket_credential"];
        assert_eq!(bucket["secret_access_key"], "secretXXXXXX", "{bucket}");
        portal.put(
            &path,
            &json!({"bucket_credential": {"vendor": "none"}, "queue_event_hook": {"url": ""}}),
        );
        let read = portal.get(&path);
        assert!(
            read["bucket_credential"].is_null() && read["queue_event_hook"].is_null(),
            "{read}"
        );

        let secret = portal.get(&format!("{path}/WebhookSecret?regenerate=true"));
        assert_shape(&secret, "webhook_secret:s");
        assert_eq!(portal.get(&path)["webhook_secret"], secret["webhook_secret"]);

        for whose in [json!({"account_sid": a}), json!({"service_provider_sid": desk.sp})] {
            let key = expect(portal.send("POST", "/ApiKeys", Some(&whose)), 201);
            assert_shape(&key, "sid:s token:s");
            let list = match whose.get("account_sid") {
                Some(_) => format!("{path}/ApiKeys"),
                None => format!("/ServiceProviders/{}/ApiKeys", desk.sp),
            };
            let sid = key["sid"].as_str().expect("a sid");
            assert_shape(&row(&rows(&portal.get(&list)), "api_key_sid", sid), KEY);
            portal.delete(&format!("/ApiKeys/{sid}"));
        }
        assert_eq!(
            expect(portal.send("GET", &format!("{path}/Missing"), None), 404),
            json!({"msg": "not found"})
        );
        portal.delete(&path);
    }
}

#[test]
fn the_provider_is_edited_and_users_without_realm_are_asked_for() {
    let desk = Desk::new();
    let (a, account) = desk.account();
    let path = format!("/ServiceProviders/{}", desk.sp);
    for portal in [&desk.admin, &desk.provider] {
        portal.put(&path, &json!({"name": "acme two", "ms_teams_fqdn": null}));
        assert_eq!(portal.get(&path)["name"], "acme two");
    }
    let users = format!("/Accounts/{a}/RegisteredSipUsers");
    for portal in [&desk.admin, &desk.provider, &account] {
        assert_eq!(expect(portal.send("GET", &users, None), 400), without_realm());
    }
    desk.admin.put(&format!("/Accounts/{a}"), &json!({"sip_realm": "sales.acme.example"}));
    for portal in [&desk.admin, &desk.provider, &account] {
        assert_eq!(portal.get(&users), json!([]));
        assert_eq!(expect(portal.send("POST", &users, None), 200), json!([]));
    }
}

#[test]
fn applications_are_made_paged_edited_and_deleted() {
    let desk = Desk::new();
    let (a, account) = desk.account();
    for portal in [&desk.admin, &desk.provider, &account] {
        let body = json!({
            "name": "desk", "account_sid": a, "app_json": null,
            "call_hook": hook("http://127.0.0.1:9/call"), "messaging_hook": null,
            "call_status_hook": hook("http://127.0.0.1:9/status"),
            "speech_synthesis_vendor": "google", "speech_synthesis_language": "en-US",
            "speech_synthesis_voice": "en-US-Standard-C", "speech_synthesis_label": null,
            "speech_recognizer_vendor": "google", "speech_recognizer_language": "en-US",
            "speech_recognizer_label": null, "record_all_calls": 0, "use_for_fallback_speech": 0,
            "fallback_speech_synthesis_vendor": null, "fallback_speech_synthesis_language": null,
            "fallback_speech_synthesis_voice": null, "fallback_speech_synthesis_label": null,
            "fallback_speech_recognizer_vendor": null, "fallback_speech_recognizer_language": null,
            "fallback_speech_recognizer_label": null, "env_vars": null,
        });
        let sid = portal.make("/Applications", &body);
        let path = format!("/Applications/{sid}");
        let read = portal.get(&path);
        assert_shape(&read, APPLICATION);
        assert_shape(&read["call_hook"], &format!("webhook_sid:s {HOOK}"));
        for list in [
            "/Applications".to_owned(),
            format!("/Accounts/{a}/Applications"),
            format!("/ServiceProviders/{}/Applications", desk.sp),
        ] {
            assert_shape(&row(&rows(&portal.get(&list)), "application_sid", &sid), APPLICATION);
        }
        let paged = format!("/Accounts/{a}/Applications?page=1&page_size=25&name=");
        assert_eq!(portal.page(&format!("{paged}es")).len(), 1);
        assert!(portal.page(&format!("{paged}other")).is_empty());

        // The form sends back what it has read, but not the sid nor when it was made.
        let mut edited = read.clone();
        edited["name"] = json!("counter");
        edited["record_all_calls"] = json!(1);
        edited["call_hook"]["url"] = json!("http://127.0.0.1:9/other");
        edited["call_status_hook"]["password"] = json!(null);
        let fields = edited.as_object_mut().expect("an object");
        fields.retain(|name, _| body.get(name).is_some());
        portal.put(&path, &edited);
        let read = portal.get(&path);
        for (name, value) in edited.as_object().into_iter().flatten() {
            assert_eq!(&read[name], value, "{name}");
        }
        portal.delete(&path);
        expect(portal.send("GET", &path, None), 404);
    }
}

#[test]
fn carriers_gateways_and_numbers_are_made_edited_and_deleted() {
    let desk = Desk::new();
    let (a, account) = desk.account();
    let application = json!({"name": "desk", "call_hook": hook("http://127.0.0.1:9/call")});
    let application = account.make("/Applications", &application);
    let of_account = format!("/Accounts/{a}");
    let of_provider = format!("/ServiceProviders/{}", desk.sp);
    for (portal, under) in
        [(&desk.admin, &of_provider), (&desk.provider, &of_provider), (&account, &of_account)]
    {
        let mut body = json!({
            "name": "trunk", "is_active": true, "e164_leading_plus": false, "account_sid": a,
            "application_sid": null, "requires_register": false, "register_username": null,
            "register_password": null, "register_sip_realm": null, "register_from_user": null,
            "register_from_domain": null, "register_public_ip_in_contact": false,
            "tech_prefix": null, "diversion": null, "inbound_auth_username": "",
            "inbound_auth_password": "", "smpp_system_id": null, "smpp_password": null,
            "smpp_inbound_system_id": null, "smpp_inbound_password": null,
        });
        // To this one it adds a slash.
        let sid = portal.make(&format!("{under}/VoipCarriers/"), &body);
        let read = portal.get(&format!("/VoipCarriers/{sid}"));
        assert_shape(&read, CARRIER);
        let paged = format!("{under}/VoipCarriers?page=1&page_size=25&name=tru&account_sid={a}");
        assert_shape(&row(&portal.page(&paged), "voip_carrier_sid", &sid), CARRIER);
        body["requires_register"] = json!(true);
        body["register_username"] = json!("user");
        body["register_password"] = json!("secret");
        body["register_sip_realm"] = json!("sip.example.com");
        portal.put(&format!("{under}/VoipCarriers/{sid}"), &body);
        let read = portal.get(&format!("/VoipCarriers/{sid}"));
        assert_eq!(read["requires_register"], 1);
        assert_eq!(read["register_sip_realm"], "sip.example.com");

        let gateways = format!("/SipGateways?voip_carrier_sid={sid}");
        assert_eq!(portal.get(&gateways), json!([]));
        let gateway = json!({
            "voip_carrier_sid": sid, "ipv4": "203.0.113.7", "port": 5060, "netmask": 32, "inbound": 1,
            "outbound": 0, "is_active": true, "protocol": "udp", "send_options_ping": 0,
        });
        let gateway_sid = portal.make("/SipGateways", &gateway);
        let gateway_path = format!("/SipGateways/{gateway_sid}");
        let listed = row(&rows(&portal.get(&gateways)), "sip_gateway_sid", &gateway_sid);
        assert_shape(&listed, GATEWAY);
        portal.put(
            &gateway_path,
            &json!({"voip_carrier_sid": sid, "ipv4": "203.0.113.8", "port": null, "inbound": 0,
                "outbound": 1, "is_active": false, "protocol": "tls"}),
        );
        let read = portal.get(&gateway_path);
        assert_shape(&read, GATEWAY);
        assert_eq!((&read["ipv4"], &read["is_active"]), (&json!("203.0.113.8"), &json!(0)));
        assert_eq!(portal.get(&format!("/SmppGateways?voip_carrier_sid={sid}")), json!([]));

        let number = json!({
            "number": "15083084809", "voip_carrier_sid": sid, "account_sid": a, "application_sid": null,
        });
        let number_sid = portal.make("/PhoneNumbers", &number);
        let number_path = format!("/PhoneNumbers/{number_sid}");
        portal.put(&number_path, &json!({"account_sid": a, "application_sid": application}));
        let read = portal.get(&number_path);
        assert_shape(&read, NUMBER);
        assert_eq!(read["application_sid"], application);
        // It compares numbers without the plus, whichever way they come.
        let plain = read["number"].as_str().map(|number| number.trim_start_matches('+'));
        assert_eq!(plain, Some("15083084809"));
        let paged = format!(
            "/PhoneNumbers?page=1&page_size=25&service_provider_sid={}&account_sid={a}&filter=5083",
            desk.sp
        );
        assert_shape(&row(&portal.page(&paged), "phone_number_sid", &number_sid), NUMBER);
        let all = rows(&portal.get(&format!("{of_provider}/PhoneNumbers")));
        row(&all, "phone_number_sid", &number_sid);
        let carrier_path = format!("/VoipCarriers/{sid}");
        let refused = expect(portal.send("DELETE", &carrier_path, None), 422);
        assert_eq!(refused["msg"], "cannot delete voip carrier with active phone numbers");
        portal.delete(&number_path);
        portal.delete(&gateway_path);
        portal.delete(&carrier_path);
    }
    let templates = rows(&desk.admin.get("/PredefinedCarriers"));
    let template = templates.first().expect("a template");
    assert_shape(
        template,
        "predefined_carrier_sid:s name:s requires_static_ip:f requires_register:f",
    );
    let template = template["predefined_carrier_sid"].as_str().expect("a sid");
    for (portal, under) in
        [(&desk.admin, &of_provider), (&desk.provider, &of_provider), (&account, &of_account)]
    {
        // A POST that says JSON and has no body.
        let made = portal.send("POST", &format!("{under}/PredefinedCarriers/{template}"), None);
        let made = expect(made, 201);
        let sid = made["sid"].as_str().expect("a sid");
        assert_shape(&portal.get(&format!("/VoipCarriers/{sid}")), CARRIER);
    }
}

#[test]
fn clients_are_made_edited_and_deleted() {
    let desk = Desk::new();
    let (a, account) = desk.account();
    for portal in [&desk.admin, &desk.provider, &account] {
        let body = json!({
            "account_sid": a, "username": "alice", "password": "pa55word", "is_active": true,
            "allow_direct_app_calling": true, "allow_direct_queue_calling": false,
            "allow_direct_user_calling": true,
        });
        let sid = portal.make("/Clients", &body);
        let path = format!("/Clients/{sid}");
        let taken = expect(portal.send("POST", "/Clients", Some(&body)), 400);
        assert_eq!(taken["msg"], "the client's username already exists");
        let read = portal.get(&path);
        assert_shape(&read, CLIENT);
        assert_eq!(read["allow_direct_queue_calling"], 0);
        assert_shape(&row(&rows(&portal.get("/Clients")), "client_sid", &sid), CLIENT);
        portal.put(&path, &json!({"is_active": false, "allow_direct_queue_calling": true}));
        let read = portal.get(&path);
        assert_eq!(
            (&read["is_active"], &read["allow_direct_queue_calling"]),
            (&json!(0), &json!(1))
        );
        portal.delete(&path);
    }
}

#[test]
fn users_are_made_edited_and_deleted() {
    let desk = Desk::new();
    let (a, account) = desk.account();
    for portal in [&desk.admin, &desk.provider, &account] {
        let mut body = json!({
            "name": "bob", "email": "bob@acme.example", "initial_password": FIRST_PASSWORD,
            "is_active": true, "force_change": true, "service_provider_sid": desk.sp,
            "account_sid": a,
        });
        let made = expect(portal.send("POST", "/Users", Some(&body)), 201);
        let sid = made["user_sid"].as_str().expect("a sid");
        let taken = expect(portal.send("POST", "/Users", Some(&body)), 422);
        assert_eq!(taken["msg"], "invalid username or email");
        let path = format!("/Users/{sid}");
        let user = "user_sid:s name:s email:s scope:s is_active:f force_change:f";
        let read = portal.get(&path);
        assert_shape(&read, user);
        assert_shape(&read, "account_sid:s? service_provider_sid:s? is_view_only:b");
        let listed = row(&rows(&portal.get("/Users")), "user_sid", sid);
        assert_shape(&listed, &format!("{user} account_name:s service_provider_name:s"));
        // The form sends all its fields, the password as null when it was not touched.
        body["initial_password"] = json!(null);
        body["name"] = json!("bobby");
        body["is_active"] = json!(false);
        portal.put(&path, &body);
        let read = portal.get(&path);
        assert_eq!((&read["name"], &read["is_active"]), (&json!("bobby"), &json!(0)));
        portal.delete(&path);
        expect(portal.send("GET", &path, None), 404);
    }
    let settings = account.get("/PasswordSettings");
    assert_shape(&settings, "min_password_length:n require_digit:f require_special_character:f");
    for portal in [&account, &desk.provider, &desk.admin] {
        expect(portal.send("POST", "/logout", None), 204);
    }
}

#[test]
fn the_settings_of_the_server_are_read_and_changed() {
    let desk = Desk::new();
    let (a, account) = desk.account();
    let body =
        json!({"min_password_length": 10, "require_digit": 1, "require_special_character": 0});
    assert_eq!(expect(desk.admin.send("POST", "/PasswordSettings", Some(&body)), 201), json!({}));
    assert_eq!(desk.admin.get("/PasswordSettings"), body);
    let information = json!({
        "domain_name": "acme.example", "sip_domain_name": "sip.acme.example",
        "monitoring_domain_name": null,
    });
    let made = expect(desk.admin.send("POST", "/SystemInformation", Some(&information)), 201);
    let read = desk.admin.get("/SystemInformation");
    assert_eq!(made, read);
    assert_shape(&read, "domain_name:s? sip_domain_name:s? monitoring_domain_name:s?");
    for (name, value) in information.as_object().into_iter().flatten() {
        assert_eq!(&read[name], value, "{name}");
    }

    for (portal, under) in [
        (&desk.admin, format!("/ServiceProviders/{}", desk.sp)),
        (&desk.provider, format!("/ServiceProviders/{}", desk.sp)),
        (&desk.provider, format!("/Accounts/{a}")),
        (&account, format!("/Accounts/{a}")),
    ] {
        let path = format!("{under}/Limits");
        portal.make(&path, &json!({"category": "voice_call_session", "quantity": 5}));
        let limits = rows(&portal.get(&path));
        assert_shape(&row(&limits, "category", "voice_call_session"), "category:s quantity:n");
        portal.delete(&format!("{path}?category=voice_call_session"));
        assert_eq!(portal.get(&path), json!([]));
    }

    let languages = "SpeechCredentials/speech/supportedLanguagesAndVoices?vendor=google";
    for portal in [&desk.admin, &desk.provider, &account] {
        for under in [format!("/Accounts/{a}"), format!("/ServiceProviders/{}", desk.sp)] {
            assert_eq!(portal.get(&format!("{under}/SpeechCredentials")), json!([]));
            assert_shape(
                &portal.get(&format!("{under}/{languages}")),
                "tts:a stt:a models:a sttModels:a",
            );
        }
        for path in ["/TtsCache".to_owned(), format!("/Accounts/{a}/TtsCache")] {
            assert_eq!(portal.get(&path), json!({"size": 0}));
            portal.delete(&path);
        }
        for path in ["/GoogleCustomVoices", "/MicrosoftTeamsTenants", "/Smpps", "/Lcrs"] {
            assert_eq!(portal.get(path), json!([]), "{path}");
        }
        let sbcs = rows(&portal.get(&format!("/Sbcs?service_provider_sid={}", desk.sp)));
        let sbc = sbcs.first().expect("the server's own address");
        assert_shape(sbc, "sbc_address_sid:s ipv4:s port:n service_provider_sid:s?");
        let asked = portal.send("GET", "/AppEnv?url=http://127.0.0.1:9/none", None);
        assert_eq!(asked.status, 204, "{}", asked.text);
        let free = portal.get("/Availability?type=subdomain&value=new.acme.example");
        assert_shape(&free, "available:b");
        let bucket = json!({"vendor": "none"});
        let test = format!("/Accounts/{a}/BucketCredentialTest");
        portal.send("POST", &test, Some(&bucket));
    }
}
