//! Two service providers with two accounts each, every kind of object in each of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::{HookServer, Reply, Rest, Server, SipPeer, wait};

use super::routes::Route;
use crate::phones_at_rest::PhonesAtRest;
use crate::stage::SOON;

pub(crate) struct World {
    pub(crate) server: Server,
    admin: Rest,
    /// Accounts after their service provider.
    pub(crate) parties: Vec<Party>,
    pub(crate) tokens: Vec<Token>,
    /// Sid of a carrier template, which is everybody's.
    pub(crate) template: String,
    hooks: HookServer,
    phones: PhonesAtRest,
}

/// A service provider or an account.
pub(crate) struct Party {
    sid: String,
    /// Stands in every name that it gives.
    mark: String,
    /// An account's provider, as an index; `None` for a provider.
    provider: Option<usize>,
    pub(crate) objects: Vec<Object>,
    /// Texts of a provider that its accounts may see: shared carriers, its name.
    shown: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Object {
    /// The segment before its sid in paths: `Applications`.
    pub(crate) kind: &'static str,
    /// Sid, or name where a name will do.
    pub(crate) id: String,
    /// Where the admin reads it.
    read: Option<String>,
}

pub(crate) struct Token {
    pub(crate) rest: Rest,
    pub(crate) name: String,
    /// Whose it is, as an index of parties.
    party: usize,
}

impl World {
    pub(crate) fn new() -> Self {
        let server = Server::spawn(env!("CARGO_BIN_EXE_trunkline"));
        let hooks = HookServer::start();
        hooks.on_fn("/room", |request| {
            let name = format!("room-{}", request.text("from"));
            Reply::Json(
                json!([{"verb": "conference", "name": name, "startConferenceOnEnter": true}]),
            )
        });
        hooks.on("/status", Reply::Status(204));
        let phones = PhonesAtRest::start(&server);
        let templates = server.admin().get("/v1/PredefinedCarriers").expect("an answer").json;
        let template = templates[0]["predefined_carrier_sid"].as_str().expect("a template");
        let mut world = Self {
            admin: server.admin(),
            template: template.to_owned(),
            server,
            parties: Vec::new(),
            tokens: Vec::new(),
            hooks,
            phones,
        };
        for mark in ["qx1", "qx2"] {
            world.add_provider(mark);
            let provider = world.parties.len() - 1;
            for letter in ["a", "b"] {
                world.add_account(&format!("{mark}{letter}z"), provider);
            }
        }
        world
    }

    /// Indices of the parties that a token's may see and change all of.
    pub(crate) fn reach(&self, token: &Token) -> Vec<usize> {
        let own = token.party;
        let belongs = |party: &Party| party.provider == Some(own);
        (0..self.parties.len()).filter(|&p| p == own || belongs(&self.parties[p])).collect()
    }

    /// Its own party and the one above.
    pub(crate) fn lineage(&self, token: &Token) -> Vec<usize> {
        std::iter::once(token.party).chain(self.parties[token.party].provider).collect()
    }

    pub(crate) fn is_provider(&self, token: &Token) -> bool {
        self.parties[token.party].provider.is_none()
    }

    /// The parties out of its reach: their objects are foreign to it. Its own provider is none of them.
    pub(crate) fn others(&self, token: &Token) -> Vec<usize> {
        let reach = self.reach(token);
        let above = self.parties[token.party].provider;
        (0..self.parties.len()).filter(|p| !reach.contains(p) && above != Some(*p)).collect()
    }

    /// What must not be in any answer to that token.
    pub(crate) fn secrets_from(&self, token: &Token) -> impl Iterator<Item = &str> {
        let others = self.others(token);
        let above = self.parties[token.party].provider;
        let theirs = others.into_iter().flat_map(|p| self.parties[p].texts());
        let hidden = above.into_iter().flat_map(|p| {
            let party = &self.parties[p];
            party.texts().filter(|text| !party.shown.iter().any(|shown| shown == text))
        });
        theirs.chain(hidden)
    }

    /// Everything of everybody, as the admin reads it.
    pub(crate) fn photograph(&self) -> BTreeMap<String, Value> {
        let objects = self.parties.iter().flat_map(|party| &party.objects);
        let mut photograph: BTreeMap<String, Value> = objects
            .filter_map(|object| object.read.clone())
            .map(|path| {
                let answer = self.admin.get(&format!("/v1{path}")).expect("an answer");
                assert_eq!(answer.status, 200, "{path}: {}", answer.text);
                (path, answer.json)
            })
            .collect();
        photograph.values_mut().for_each(forget_what_moves);
        photograph
    }

    /// Nothing that can be made is missing here: a new kind of object belongs into this world.
    pub(crate) fn assert_all_made(&self, routes: &[Route]) {
        // Made by other means: calls and their members by calling; or nobody's.
        const EXEMPT: [&str; 3] = ["PredefinedCarriers", "RegisteredSipUsers", "Participants"];
        let kinds: Vec<&str> =
            self.parties.iter().flat_map(|p| &p.objects).map(|object| object.kind).collect();
        let makes = |route: &&Route| {
            route.method == "POST"
                && !route.path.ends_with('}')
                && routes.iter().any(|r| r.path.starts_with(&format!("{}/{{", route.path)))
        };
        for route in routes.iter().filter(makes) {
            let kind = route.collection();
            assert!(kinds.contains(&kind) || EXEMPT.contains(&kind), "nobody has {kind}");
        }
    }

    fn make(&mut self, path: &str, body: &Value) -> String {
        let answer = self.admin.post(&format!("/v1{path}"), body).expect("an answer");
        answer.sid().unwrap_or_else(|refused| panic!("POST {path}: {refused}"))
    }

    /// Makes an object of the last party by `POST /{kind}`.
    fn add(&mut self, kind: &'static str, body: &Value) -> String {
        let sid = self.make(&format!("/{kind}"), body);
        let read = (kind != "ApiKeys").then(|| format!("/{kind}/{sid}"));
        self.note(kind, &sid, read);
        sid
    }

    fn note(&mut self, kind: &'static str, id: &str, read: Option<String>) {
        let party = self.parties.last_mut().expect("a party");
        party.objects.push(Object { kind, id: id.to_owned(), read });
    }

    fn add_key(&mut self, whose: &Value, mark: &str) {
        let key = self.admin.post("/v1/ApiKeys", whose).expect("an answer");
        self.note("ApiKeys", &key.sid().expect("a key"), None);
        let rest = self.admin.with_token(key.json["token"].as_str().expect("a token"));
        let party = self.parties.len() - 1;
        self.tokens.push(Token { rest, name: format!("key of {mark}"), party });
    }

    /// Somebody of the last party, who is logged in.
    fn add_user(&mut self, whose: &Value, mark: &str) {
        const PASSWORD: &str = "Pa55-word-of-user";
        let mut body = whose.clone();
        for (name, value) in [
            ("name", json!(format!("user {mark}"))),
            ("email", json!(format!("{mark}@example.com"))),
            ("initial_password", json!(PASSWORD)),
            ("is_active", json!(true)),
            ("force_change", json!(false)),
        ] {
            body[name] = value;
        }
        let made = self.admin.post("/v1/Users", &body).expect("an answer");
        let sid = made.json["user_sid"].as_str().unwrap_or_else(|| panic!("{}", made.text));
        self.note("Users", sid, Some(format!("/Users/{sid}")));
        let login = json!({"username": format!("{mark}@example.com"), "password": PASSWORD});
        let session = self.admin.post("/v1/login", &login).expect("an answer");
        let rest = self.admin.with_token(session.json["token"].as_str().expect("a token"));
        let party = self.parties.len() - 1;
        self.tokens.push(Token { rest, name: format!("user of {mark}"), party });
    }

    fn add_limit(&mut self, under: &str) {
        let path = format!("{under}/Limits");
        let sid = self.make(&path, &json!({"category": "device", "quantity": 100}));
        self.note("Limits", &sid, Some(path));
    }

    fn add_provider(&mut self, mark: &str) {
        let mark = format!("{mark}zzp");
        let sid = self.make("/ServiceProviders", &json!({"name": format!("provider {mark}")}));
        let (mark, provider) = (mark.as_str(), sid.as_str());
        self.parties.push(Party {
            sid: sid.clone(),
            mark: mark.to_owned(),
            provider: None,
            objects: Vec::new(),
            shown: Vec::new(),
        });
        self.note("ServiceProviders", provider, Some(format!("/ServiceProviders/{sid}")));
        let body = json!({"name": format!("shared {mark}"), "service_provider_sid": provider});
        let carrier = self.add("VoipCarriers", &body);
        let gateway = self.add("SipGateways", &gateway(&carrier));
        let address = json!({"ipv4": "192.0.2.9", "service_provider_sid": provider});
        let address = self.make("/Sbcs", &address);
        self.note("Sbcs", &address, None);
        let shown = vec![sid.clone(), mark.to_owned(), carrier, gateway, address];
        self.parties.last_mut().expect("a party").shown = shown;
        let whose = json!({"service_provider_sid": provider});
        self.add_key(&whose, mark);
        self.add_user(&whose, mark);
        self.add_limit(&format!("/ServiceProviders/{provider}"));
    }

    fn add_account(&mut self, mark: &str, provider: usize) {
        let realm = format!("{mark}.example");
        let hook = |path: &str| json!({"url": format!("http://127.0.0.1:9/{mark}{path}")});
        let body = json!({
            "name": format!("account {mark}"), "service_provider_sid": self.parties[provider].sid,
            "sip_realm": realm, "registration_hook": hook("/registration"),
            "queue_event_hook": hook("/queue"),
        });
        let sid = self.make("/Accounts", &body);
        let a = sid.as_str();
        self.parties.push(Party {
            sid: sid.clone(),
            mark: mark.to_owned(),
            provider: Some(provider),
            objects: Vec::new(),
            shown: Vec::new(),
        });
        self.note("Accounts", a, Some(format!("/Accounts/{a}")));
        self.note("WebhookSecret", a, Some(format!("/Accounts/{a}/WebhookSecret")));
        let whose = json!({"account_sid": a});
        self.add_key(&whose, mark);
        self.add_user(&whose, mark);
        self.add_limit(&format!("/Accounts/{a}"));
        let application = self.add(
            "Applications",
            &json!({
                "name": format!("app {mark}"), "account_sid": a, "call_hook": hook("/call"),
                "call_status_hook": hook("/status"), "env_vars": {"secret": mark},
            }),
        );
        let read = self.admin.get(&format!("/v1/Applications/{application}")).expect("an answer");
        let call_hook = read.json["call_hook"]["webhook_sid"].as_str().expect("a sid");
        self.note("Webhooks", call_hook, None);
        let name = format!("carrier {mark}");
        let carrier = self.add("VoipCarriers", &json!({"name": name, "account_sid": a}));
        self.add("SipGateways", &gateway(&carrier));
        let number = format!("1555{:07}", self.parties.len());
        let number = json!({
            "number": number, "account_sid": a, "voip_carrier_sid": carrier,
            "application_sid": application,
        });
        self.add("PhoneNumbers", &number);
        let user = format!("user-{mark}");
        let client = json!({"username": user, "password": "secret", "account_sid": a});
        self.add("Clients", &client);
        self.register(&user, &realm);
        self.add_calls(a, mark);
        for kind in ["Queues", "Conferences"] {
            let name = format!("planned-{mark}");
            let path = format!("/Accounts/{a}/{kind}");
            let sid = self.make(&path, &json!({"name": name}));
            self.note(kind, &sid, Some(format!("{path}/{sid}")));
            self.note(kind, &name, None);
        }
    }

    /// A registration outlives the phone's socket.
    fn register(&mut self, user: &str, realm: &str) {
        let mut phone = SipPeer::udp(self.server.sip()).as_client(user, "secret", realm);
        assert_eq!(phone.register(3600).code(), Some(200), "{}", phone.history());
        self.note("RegisteredSipUsers", user, None);
    }

    /// A member of a conference, and a call that has failed and left a record and an alert.
    fn add_calls(&mut self, a: &str, mark: &str) {
        let calls = format!("/Accounts/{a}/Calls");
        let call = |to: Value, room: &str| {
            json!({"from": mark, "to": to, "call_hook": room, "call_status_hook": room,
                "tag": {"mark": mark}, "timeLimit": 3600})
        };
        let room = self.hooks.url("/room");
        let to_phone = json!({"type": "sip", "sipUri": self.phones.uri("far")});
        let member = self.make(&calls, &call(to_phone, &room));
        let lost = json!({"type": "phone", "number": "15559990000"});
        let failed = self.make(&calls, &call(lost, &room));
        let name = format!("room-{mark}");
        let path = format!("/Accounts/{a}/Conferences/{name}");
        let found = wait::until(SOON, || {
            let found = self.admin.get(&format!("/v1{path}/Participants/{member}")).ok()?;
            (found.status == 200).then_some(())
        });
        assert!(found.is_some(), "no member of {name}");
        let conference = self.admin.get(&format!("/v1{path}")).expect("an answer");
        let conference_sid = conference.json["conference_sid"].as_str().expect("a sid");
        self.note("Conferences", conference_sid, Some(path.clone()));
        self.note("Conferences", &name, None);
        self.note("Participants", &member, Some(format!("{path}/Participants/{member}")));
        for sid in [&member, &failed] {
            self.note("Calls", sid, Some(format!("{calls}/{sid}")));
        }
        for list in ["RecentCalls", "Alerts"] {
            let path = format!("/Accounts/{a}/{list}?page=1&count=100");
            let written = wait::until(SOON, || {
                let list = self.admin.get(&format!("/v1{path}")).ok()?;
                (list.json["total"].as_u64() > Some(0)).then_some(())
            });
            assert!(written.is_some(), "nothing in {path}");
            self.note(list, &failed, Some(path));
        }
    }
}

impl Party {
    /// What gives this party away.
    fn texts(&self) -> impl Iterator<Item = &str> {
        let ids = self.objects.iter().map(|object| object.id.as_str());
        ids.chain([self.mark.as_str()])
    }
}

fn gateway(carrier: &str) -> Value {
    json!({"voip_carrier_sid": carrier, "ipv4": "203.0.113.7", "inbound": true})
}

/// What goes on by itself.
fn forget_what_moves(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !matches!(name.as_str(), "media" | "talking" | "duration"));
            fields.values_mut().for_each(forget_what_moves);
        }
        Value::Array(list) => list.iter_mut().for_each(forget_what_moves),
        _ => {}
    }
}
