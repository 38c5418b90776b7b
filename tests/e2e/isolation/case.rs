//! One request that names something out of its token's reach, and what may come of it.

use serde_json::{Map, Value, json};
use support::Answer;

use super::Dice;
use super::routes::Route;
use super::world::{Token, World};

#[derive(Debug)]
pub(crate) struct Case<'r> {
    pub(crate) route: &'r str,
    method: &'r str,
    path: String,
    body: Option<Value>,
    /// What it names of others, each with a stand-in that nobody has.
    foreign: Vec<(String, String)>,
    is_in_path: bool,
    is_flat: bool,
    token: usize,
}

/// References that a body of that route can hold, as `property` or `object.property`.
pub(crate) fn references(route: &Route) -> &'static [&'static str] {
    if !matches!(route.method.as_str(), "POST" | "PUT") {
        return &[];
    }
    match (route.collection(), route.path.ends_with('}')) {
        ("Accounts", true) => {
            &["device_calling_application_sid", "siprec_hook_sid", "service_provider_sid"]
        }
        ("Accounts", false) => &["service_provider_sid", "device_calling_application_sid"],
        ("ApiKeys" | "Users", _) => &["account_sid", "service_provider_sid"],
        ("Applications", true) => {
            &["account_sid", "call_hook.webhook_sid", "call_status_hook.webhook_sid"]
        }
        ("Applications", false) | ("Clients", _) => &["account_sid"],
        ("PhoneNumbers", false) => {
            &["account_sid", "voip_carrier_sid", "application_sid", "service_provider_sid"]
        }
        ("PhoneNumbers", true) | ("VoipCarriers", _) => {
            &["account_sid", "application_sid", "service_provider_sid"]
        }
        ("SipGateways", _) => &["voip_carrier_sid"],
        ("Calls", false) if route.path.contains("/Queues/") => &["call_sid"],
        ("Calls", true) if route.path.contains("/Queues/") => &["dequeue_to.call_sid"],
        ("Calls", false) => &["application_sid"],
        ("Participants", false) => &["call_sid"],
        _ => &[],
    }
}

/// The kind of object that a reference or a query argument names.
fn kind_of(reference: &str) -> &'static str {
    match reference.rsplit('.').next().unwrap_or_default() {
        "account_sid" => "Accounts",
        "service_provider_sid" => "ServiceProviders",
        "voip_carrier_sid" => "VoipCarriers",
        "webhook_sid" => "Webhooks",
        "call_sid" => "Calls",
        _ => "Applications",
    }
}

/// Draws the parts of one case.
struct Draw<'a, 'd> {
    world: &'a World,
    token: &'a Token,
    dice: &'d mut Dice,
    foreign: Vec<(String, String)>,
}

impl Draw<'_, '_> {
    /// An id of others, noted with its stand-in.
    fn foreign(&mut self, kind: &str) -> String {
        let others = self.world.others(self.token);
        let objects = others.iter().flat_map(|&p| &self.world.parties[p].objects);
        let ids: Vec<&str> =
            objects.clone().filter(|o| o.kind == kind).map(|object| object.id.as_str()).collect();
        let any: Vec<&str> = objects.map(|object| object.id.as_str()).collect();
        let id = (*self.dice.pick(if ids.is_empty() { &any } else { &ids })).to_owned();
        let is_sid = id.len() == 36 && id.matches('-').count() == 4;
        let nobody = self.dice.nobody();
        let stand_in = if is_sid { nobody } else { format!("nobody{}", &nobody[..8]) };
        self.foreign.push((id.clone(), stand_in));
        id
    }

    /// An id within reach, or of nobody when there is none.
    fn own(&mut self, kind: &str) -> String {
        let parties = match kind {
            "ServiceProviders" => self.world.lineage(self.token),
            _ => self.world.reach(self.token),
        };
        let objects = parties.iter().flat_map(|&p| &self.world.parties[p].objects);
        let ids: Vec<&str> =
            objects.filter(|o| o.kind == kind).map(|object| object.id.as_str()).collect();
        if ids.is_empty() { self.dice.nobody() } else { (*self.dice.pick(&ids)).to_owned() }
    }

    fn path(&mut self, route: &Route, is_foreign: bool) -> String {
        let segments = route.segments();
        let is_owned = |at: usize| {
            let kind = at.checked_sub(1).map_or("", |before| segments[before]);
            segments[at].starts_with('{') && !matches!(kind, "PredefinedCarriers" | "SipRealms")
        };
        let owned: Vec<usize> = (0..segments.len()).filter(|&at| is_owned(at)).collect();
        let forced = *self.dice.pick(&owned);
        let mut path = String::new();
        for (at, segment) in segments.iter().enumerate() {
            let kind = at.checked_sub(1).map_or("", |before| segments[before]);
            let part = match kind {
                _ if !segment.starts_with('{') => (*segment).to_owned(),
                "PredefinedCarriers" => self.world.template.clone(),
                "SipRealms" => format!("r{}.of.example", self.dice.below(1 << 30)),
                _ if is_foreign && (at == forced || self.dice.below(2) == 0) => self.foreign(kind),
                _ => self.own(kind),
            };
            path = format!("{path}/{part}");
        }
        path
    }

    /// A body that is good in itself, for whoever may send it.
    fn body(&mut self, route: &Route) -> Map<String, Value> {
        let name = format!("case-{}", self.dice.below(1 << 30));
        let is_change = route.path.ends_with('}');
        let mut body = match route.collection() {
            "Calls" if is_change && route.path.contains("/Queues/") => json!({"priority": 1}),
            "Calls" | "Participants" if is_change => json!({"mute_status": "mute"}),
            _ if is_change && self.dice.below(2) == 0 => json!({}),
            "Applications" => json!({"name": name, "call_hook": {"url": "http://127.0.0.1:9/"}}),
            "PhoneNumbers" => json!({"number": format!("1{}", self.dice.below(1 << 30))}),
            "SipGateways" => json!({"ipv4": "203.0.113.9", "outbound": 1}),
            "Clients" => json!({"username": name, "password": "pa55word"}),
            "Users" => json!({"name": name, "email": format!("{name}@example.com"),
                "initial_password": "Pa55-word-of-case", "is_active": 1, "force_change": 0}),
            "Limits" => json!({"category": "device", "quantity": 1}),
            "Calls" => json!({"from": "1", "to": {"type": "phone", "number": "15559990000"},
                "call_hook": "http://127.0.0.1:9/"}),
            "Accounts" | "ServiceProviders" | "VoipCarriers" | "Conferences" | "Queues" => {
                json!({"name": name})
            }
            _ => json!({}),
        };
        if !is_change && route.is_plain() && self.world.is_provider(self.token) {
            match route.collection() {
                "Applications" | "PhoneNumbers" | "Clients" => {
                    body["account_sid"] = self.own("Accounts").into();
                }
                _ => {}
            }
        }
        if !is_change && route.collection() == "SipGateways" {
            body["voip_carrier_sid"] = self.own("VoipCarriers").into();
        }
        match body {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    /// Puts a reference to others into a body.
    fn refer(&mut self, body: &mut Map<String, Value>, reference: &str) {
        let id = self.foreign(kind_of(reference));
        match reference.split_once('.') {
            None => body.insert(reference.to_owned(), id.into()),
            Some((object, name)) => {
                let mut inner = Map::from_iter([(name.to_owned(), id.into())]);
                if name == "webhook_sid" {
                    inner.insert("url".to_owned(), "http://127.0.0.1:9/changed".into());
                }
                body.insert(object.to_owned(), inner.into())
            }
        };
    }
}

impl<'r> Case<'r> {
    pub(crate) fn random(world: &World, routes: &'r [Route], dice: &mut Dice) -> Self {
        let route = dice.pick(routes);
        let token = dice.below(world.tokens.len());
        let references = references(route);
        let in_query = if route.method == "GET" { route.sids.as_slice() } else { &[] };
        let elsewhere = !references.is_empty() || !in_query.is_empty();
        let is_in_path = route.has_parameters() && !(elsewhere && dice.below(3) == 0);
        let mut draw = Draw { world, token: &world.tokens[token], dice, foreign: Vec::new() };
        let mut path = match route.has_parameters() {
            true => draw.path(route, is_in_path),
            false => route.path.clone(),
        };
        if matches!(route.collection(), "RecentCalls" | "Alerts") && !route.path.ends_with('}') {
            path.push_str("?page=1&count=100");
        }
        if !is_in_path && !in_query.is_empty() {
            let name = draw.dice.pick(in_query).clone();
            let id = draw.foreign(kind_of(&name));
            path = format!("{path}{}{name}={id}", if path.contains('?') { '&' } else { '?' });
        }
        let mut body = None;
        if matches!(route.method.as_str(), "POST" | "PUT") {
            let is_change = !is_in_path && route.method == "PUT";
            let mut fields = if is_change { Map::new() } else { draw.body(route) };
            if !is_in_path && !references.is_empty() {
                let reference = *draw.dice.pick(references);
                draw.refer(&mut fields, reference);
            }
            body = Some(Value::Object(fields));
        }
        Self {
            route: &route.name,
            method: &route.method,
            path: format!("/v1{path}"),
            body,
            foreign: draw.foreign,
            is_in_path,
            is_flat: route.is_flat(),
            token,
        }
    }

    /// Sends it and its double.
    ///
    /// # Errors
    /// What is wrong with the answer.
    pub(crate) fn check(&self, world: &World) -> Result<(), String> {
        let token = &world.tokens[self.token];
        let body = self.body.as_ref().map(Value::to_string);
        let answer = self.send(world, &self.path, body.as_deref());
        let shown = format!("{} {} to the {}", answer.status, answer.text, token.name);
        let sent = format!("{} {}", self.path, body.as_deref().unwrap_or_default());
        let told = |text: &&str| answer.text.contains(text) && !sent.contains(text);
        if let Some(text) = world.secrets_from(token).find(told) {
            return Err(format!("tells {text}: {shown}"));
        }
        if answer.status >= 500 && answer.status != 480 {
            return Err(format!("fails: {shown}"));
        }
        if self.is_in_path && self.method != "GET" && answer.status < 400 {
            return Err(format!("does it: {shown}"));
        }
        if self.foreign.is_empty() {
            return Ok(());
        }
        let double = |text: &str| {
            self.foreign.iter().fold(text.to_owned(), |text, (id, nobody)| text.replace(id, nobody))
        };
        let control = self.send(world, &double(&self.path), body.as_deref().map(double).as_deref());
        let is_same = control.status == answer.status && control.text == double(&answer.text);
        let is_made = control.status == 201 && answer.status == 201;
        if is_same || is_made || self.may_differ(&answer, &control) {
            return Ok(());
        }
        let expected = format!("{} {}", control.status, control.text);
        Err(format!("knows the difference: {shown}, and for nobody's {expected}"))
    }

    /// Where §1.3 has other words for what is another's and for what is nobody's.
    fn may_differ(&self, answer: &Answer, control: &Answer) -> bool {
        let msg = answer.json["msg"].as_str().unwrap_or_default();
        let is_refused = matches!(
            (answer.status, msg),
            (403, "insufficient privileges" | "insufficient permissions")
                | (422, "carrier belongs to a different user" | "insufficient permissions")
        );
        let is_unknown = matches!(control.status, 400 | 404);
        match self.method {
            // PUT and DELETE of a flat resource of another tenant, keys with words of their own; of a
            // carrier under its account or service provider as well
            "PUT" | "DELETE" if self.is_in_path && (self.is_flat || self.is_of_carrier()) => {
                let is_key = self.route.contains("/ApiKeys") && answer.status == 400;
                (is_refused || is_key) && is_unknown
            }
            // A create for another tenant's account
            "POST" if !self.is_in_path => {
                let for_others = self.body.as_ref().is_some_and(|body| {
                    let named =
                        body.get("account_sid").or_else(|| body.get("service_provider_sid"));
                    named.is_some_and(|named| self.foreign.iter().any(|(id, _)| named == id))
                });
                for_others && is_refused && is_unknown
            }
            _ => false,
        }
    }

    fn is_of_carrier(&self) -> bool {
        self.route.contains("/VoipCarriers/")
    }

    /// Sends it; what it makes is deleted at once, so that its double finds the same.
    fn send(&self, world: &World, path: &str, body: Option<&str>) -> Answer {
        let rest = &world.tokens[self.token].rest;
        let headers: &[(&str, &str)] = match body {
            Some(_) => &[("Content-Type", "application/json")],
            None => &[],
        };
        let answer = rest.send(self.method, path, headers, body).expect("an answer");
        let sid =
            answer.json.get("sid").or_else(|| answer.json.get("user_sid")).and_then(Value::as_str);
        if let (201, Some(sid)) = (answer.status, sid) {
            let collection = path.trim_start_matches("/v1").split('?').next().unwrap_or_default();
            let last = collection.rsplit('/').next().unwrap_or_default();
            let admin = world.server.admin();
            let flat = admin.delete(&format!("/v1/{last}/{sid}")).expect("an answer");
            if flat.status != 204 {
                admin.delete(&format!("/v1{collection}/{sid}")).expect("an answer");
            }
        }
        answer
    }
}
