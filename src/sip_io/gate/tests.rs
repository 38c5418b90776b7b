//! Who gets in: phones by digest, carriers by address or digest, strangers where anybody may call.

use std::path::PathBuf;

use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;
use crate::config;
use crate::model::{
    AccountInput, ApplicationInput, Client, ClientInput, ClientSid, Fields, PasswordTrace,
    PhoneNumberInput, Scope, Secret, ServiceProvider, ServiceProviderSid, SipGatewayInput,
    Timestamp, VoipCarrierInput, VoipCarrierSid, hex,
};

const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const NOBODY: &str = "00000000000000000000000000000000";

fn md5_hex(text: &str) -> String {
    hex(&Md5::digest(text))
}

fn sha_hex(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// Alice's REGISTER to `new.example.com`, answering with `ha1` to a challenge of `realm`.
fn register(ha1: &str, realm: &str, nonce: &str) -> Request {
    let uri = "sip:new.example.com";
    let ha2 = md5_hex(&format!("REGISTER:{uri}"));
    let response = md5_hex(&format!("{ha1}:{nonce}:00000001:c:auth:{ha2}"));
    let text = format!(
        "REGISTER {uri} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bK1\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:alice@new.example.com>;tag=1\r\n\
         To: <sip:alice@new.example.com>\r\n\
         Call-ID: 1\r\n\
         CSeq: 1 REGISTER\r\n\
         Contact: <sip:alice@127.0.0.1:5062>\r\n\
         Authorization: Digest username=\"alice\",realm=\"{realm}\",nonce=\"{nonce}\",\
         uri=\"{uri}\",response=\"{response}\",qop=auth,nc=00000001,cnonce=\"c\"\r\n\
         Content-Length: 0\r\n\r\n"
    );
    Request::parse(text.as_bytes()).unwrap()
}

/// Alice of an account whose realm was `old.example.com` when she was made.
fn alice(password: Option<&str>) -> ClientAuth {
    let mut account = Account::new(ServiceProviderSid::random(), "a");
    account.sip_realm = Some("new.example.com".to_owned());
    account.fixed_digest_realm = Some("old.example.com".to_owned());
    let trace =
        |text: &str| PasswordTrace::of("alice", "old.example.com", &Secret(text.to_owned()));
    let client = Client {
        sid: ClientSid::random(),
        account_sid: account.sid,
        username: "alice".to_owned(),
        password: password.map(trace),
        is_active: true,
        allow_direct_app_calling: true,
        allow_direct_queue_calling: true,
        allow_direct_user_calling: true,
        media_encryption: None,
        digest_algorithm: None,
        created_at: Timestamp::now(),
    };
    ClientAuth { client, account }
}

fn judge(claimed: Option<ClientAuth>, ha1: &str, realm: &str) -> Verdict<Registrant> {
    let now = Instant::now();
    let mut nonces = Nonces::new([1; 32]);
    let request = register(ha1, realm, &nonces.issue(now, SOURCE));
    let digest_realm = "old.example.com".to_owned();
    let proof = match claimed {
        Some(client) => Proof::of_client(digest_realm, None, client),
        None => Proof::of_nobody(digest_realm, None),
    };
    let user = User { realm: Some("new.example.com".to_owned()), proof, devices: None };
    user.on_register(&request, SOURCE, &mut nonces, now)
}

fn refused<T: std::fmt::Debug>(verdict: Verdict<T>) -> Reply {
    match verdict {
        Verdict::Refuse(reply) => reply,
        Verdict::Pass(passed) => panic!("{passed:?} got in"),
    }
}

#[test]
fn the_digest_realm_is_challenged_and_the_sip_realm_is_the_address() {
    let ha1 = md5_hex("alice:old.example.com:secret");
    let Verdict::Pass(registrant) = judge(Some(alice(Some("secret"))), &ha1, "old.example.com")
    else {
        panic!("refused");
    };
    assert_eq!(registrant.aor, "alice@new.example.com");

    let ha1 = md5_hex("alice:new.example.com:secret");
    let reply = refused(judge(Some(alice(Some("secret"))), &ha1, "new.example.com"));
    assert_eq!(reply.status, 401);
    assert!(format!("{reply:?}").contains("old.example.com"), "{reply:?}");
}

#[test]
fn a_client_without_password_is_refused_whatever_hash_is_answered_for() {
    for ha1 in [NOBODY, "", &md5_hex("alice:old.example.com:")] {
        let reply = refused(judge(Some(alice(None)), ha1, "old.example.com"));
        assert_eq!(reply.status, 403, "{ha1}");
    }
}

#[test]
fn an_unknown_user_is_refused_for_the_hash_of_nobody() {
    for ha1 in [NOBODY, &md5_hex("alice:old.example.com:")] {
        assert_eq!(refused(judge(None, ha1, "old.example.com")).status, 403);
    }
}

#[test]
fn a_guess_is_judged_only_with_a_nonce_that_was_sent_to_its_source() {
    let now = Instant::now();
    let mut nonces = Nonces::new([1; 32]);
    let elsewhere = nonces.issue(now, "192.0.2.9".parse().unwrap());
    for password in ["secret", "wrong"] {
        let ha1 = md5_hex(&format!("alice:old.example.com:{password}"));
        let request = register(&ha1, "old.example.com", &elsewhere);
        let proof = Proof::of_client("old.example.com".to_owned(), None, alice(Some("secret")));
        let user = User { realm: Some("new.example.com".to_owned()), proof, devices: None };
        let reply = refused(user.on_register(&request, SOURCE, &mut nonces, now));
        assert_eq!(reply.status, 401, "{password}");
    }
}

#[test]
fn who_is_switched_off_is_refused_with_the_right_password() {
    let ha1 = md5_hex("alice:old.example.com:secret");
    let mut off = alice(Some("secret"));
    off.client.is_active = false;
    assert_eq!(refused(judge(Some(off), &ha1, "old.example.com")).status, 403);
    let mut closed = alice(Some("secret"));
    closed.account.is_active = false;
    assert_eq!(refused(judge(Some(closed), &ha1, "old.example.com")).status, 403);
}

fn fields(value: Value) -> Fields {
    let Value::Object(map) = value else { panic!("an object") };
    Fields::new(map)
}

/// A store with an account `sip.example.com`; its directory goes away with it.
struct Scene {
    store: Store,
    account: Account,
    gate: Gate,
    dir: PathBuf,
    nonces: Nonces,
}

impl Scene {
    async fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("trunkline-gate-{}", uuid::Uuid::new_v4()));
        let config = config::Store { data_dir: dir.clone(), ..config::Store::default() };
        let store = Store::open(&config).await.unwrap();
        let provider = ServiceProvider::new("p");
        store.service_providers().create(&provider).await.unwrap();
        let mut account = Account::new(provider.sid, "a");
        account.sip_realm = Some("sip.example.com".to_owned());
        store.accounts().create(&account).await.unwrap();
        let trunks = Arc::new(Trunks::new(store.clone()));
        let gate = Gate::new(store.clone(), trunks, Some("sip.example.com".to_owned()));
        Self { store, account, gate, dir, nonces: Nonces::new([1; 32]) }
    }

    async fn end(self) {
        self.store.close().await;
        std::fs::remove_dir_all(&self.dir).unwrap();
    }

    async fn application(&self, name: &str) -> Application {
        let body = json!({"name": name, "call_hook": {"url": "http://a"}});
        let input = ApplicationInput::create(fields(body), |_| Ok(())).unwrap();
        let app = input.into_record(self.account.sid).unwrap();
        self.store.applications().create(Scope::Admin, &app).await.unwrap();
        app
    }

    /// A carrier of the account with one inbound gateway, if `network` says which.
    async fn carrier(&self, body: Value, network: Option<Value>) -> VoipCarrierSid {
        self.carrier_of(self.account.sid, body, network).await
    }

    async fn carrier_of(
        &self,
        account: AccountSid,
        mut body: Value,
        network: Option<Value>,
    ) -> VoipCarrierSid {
        body["account_sid"] = json!(account);
        let input = VoipCarrierInput::create(fields(body)).unwrap();
        let carrier = self.store.voip_carriers().create(Scope::Admin, input).await.unwrap();
        if let Some(mut gateway) = network {
            gateway["voip_carrier_sid"] = json!(carrier.sid);
            gateway["inbound"] = json!(1);
            let input = SipGatewayInput::create(fields(gateway)).unwrap();
            self.store.sip_gateways().create(Scope::Admin, input).await.unwrap();
        }
        self.gate.trunks.changed();
        carrier.sid
    }

    async fn number(&self, mut body: Value) {
        body["account_sid"] = json!(self.account.sid);
        let input = PhoneNumberInput::create(fields(body)).unwrap();
        self.store.phone_numbers().create(Scope::Admin, input).await.unwrap();
    }

    async fn judge(&mut self, request: &Request, from: &str) -> Result<Admitted, Reply> {
        let local = "192.0.2.200:5060".parse().unwrap();
        let flow = Flow::udp(local, from.parse().unwrap());
        let identity = self.gate.identify(request, &flow).await.unwrap();
        let source = flow.peer.ip();
        let known = identity.prove(request, source, &mut self.nonces, Instant::now())?;
        match self.gate.answer(known).await.unwrap() {
            Verdict::Pass(admitted) => Ok(admitted),
            Verdict::Refuse(reply) => Err(reply),
        }
    }

    /// Who answers a call (`application via trunk`), or the status of the refusal.
    async fn call(&mut self, dialled: &str, from: &str) -> Result<(String, String), u16> {
        self.call_as(dialled, "sip:+4930123@carrier.example", from).await
    }

    async fn call_as(
        &mut self,
        dialled: &str,
        caller: &str,
        from: &str,
    ) -> Result<(String, String), u16> {
        let verdict = self.judge(&invite(dialled, caller, ""), from).await;
        verdict.map(outcome).map_err(|reply| reply.status)
    }
}

fn outcome(admitted: Admitted) -> (String, String) {
    let Answer::Application(found) = admitted.answer else { panic!("an application") };
    (found.name, admitted.trunk.unwrap_or_default())
}

fn invite(dialled: &str, from: &str, more: &str) -> Request {
    let text = format!(
        "INVITE sip:{dialled}@192.0.2.200 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <{from}>;tag=1\r\nTo: <sip:{dialled}@192.0.2.200>\r\nCall-ID: 1\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:x@192.0.2.1>\r\n{more}Content-Length: 0\r\n\r\n"
    );
    Request::parse(text.as_bytes()).unwrap()
}

fn ok(application: &str, trunk: &str) -> Result<(String, String), u16> {
    Ok((application.to_owned(), trunk.to_owned()))
}

#[tokio::test]
async fn carriers_come_in_by_their_networks_and_reach_their_numbers() {
    let mut scene = Scene::new().await;
    let (own, default) = (scene.application("own").await, scene.application("default").await);
    let open = scene.application("open").await;
    let network = json!({"ipv4": "198.51.100.0", "netmask": 24});
    let carrier = json!({"name": "acme", "application_sid": default.sid});
    let acme = scene.carrier(carrier, Some(network)).await;
    let bare = scene.carrier(json!({"name": "bare"}), Some(json!({"ipv4": "203.0.113.7"}))).await;
    for body in [
        json!({"number": "100", "voip_carrier_sid": acme, "application_sid": own.sid}),
        json!({"number": "100", "voip_carrier_sid": bare, "application_sid": open.sid}),
        json!({"number": "200", "voip_carrier_sid": bare}),
        json!({"number": "300", "application_sid": open.sid}),
    ] {
        scene.number(body).await;
    }
    let (acme, bare, stranger) = ("198.51.100.9:5060", "203.0.113.7:9", "192.0.2.66:5060");
    for (dialled, from, expected) in [
        ("100", acme, ok("own", "acme")),
        ("+100", acme, ok("own", "acme")),
        ("100", bare, ok("open", "bare")),
        ("200", acme, ok("default", "acme")),
        ("200", bare, Err(480)),
        ("999", acme, ok("default", "acme")),
        ("999", bare, Err(480)),
        ("300", acme, ok("open", "acme")),
        ("300", stranger, ok("open", "")),
        ("100", stranger, Err(403)),
        ("200", stranger, Err(403)),
        ("999", stranger, Err(403)),
        ("100", "203.0.113.8:5060", Err(403)),
        ("100", "[2001:db8::1]:5060", Err(403)),
    ] {
        assert_eq!(scene.call(dialled, from).await, expected, "{dialled} from {from}");
    }
    // A client's name from a carrier's network is a client's claim; our bare address is not.
    let alice = ClientInput::new("alice", Secret("secret".to_owned()));
    let sid = scene.account.sid;
    scene.store.clients().create(Scope::Admin, sid, alice).await.unwrap();
    assert_eq!(scene.call_as("100", "sip:alice@sip.example.com", acme).await, Err(401));
    assert_eq!(scene.call_as("100", "sip:alice@192.0.2.200", acme).await, ok("own", "acme"));
    assert_eq!(scene.call_as("100", "sip:alice@192.0.2.200", stranger).await, Err(401));

    // A closed account's calls are refused, whoever brings them.
    let closed = AccountInput::update(fields(json!({"is_active": 0}))).unwrap();
    scene.store.accounts().update(Scope::Admin, sid, closed).await.unwrap();
    scene.gate.trunks.changed();
    for (dialled, from) in [("100", acme), ("999", bare), ("300", stranger)] {
        assert_eq!(scene.call(dialled, from).await, Err(503), "{dialled} from {from}");
    }
    scene.end().await;
}

#[tokio::test]
async fn no_tenant_takes_anothers_calls_by_the_networks_it_names() {
    let mut scene = Scene::new().await;
    let (own, open) = (scene.application("own").await, scene.application("open").await);
    let network = json!({"ipv4": "198.51.100.0", "netmask": 24});
    let acme = scene.carrier(json!({"name": "acme"}), Some(network)).await;
    scene
        .number(json!({"number": "100", "voip_carrier_sid": acme, "application_sid": own.sid}))
        .await;
    scene.number(json!({"number": "300", "application_sid": open.sid})).await;

    let other = Account::new(scene.account.service_provider_sid, "b");
    scene.store.accounts().create(&other).await.unwrap();
    let body = json!({"name": "trap", "call_hook": {"url": "http://b"}});
    let trap = ApplicationInput::create(fields(body), |_| Ok(())).unwrap();
    let trap = trap.into_record(other.sid).unwrap();
    scene.store.applications().create(Scope::Admin, &trap).await.unwrap();
    let carrier = |name: &str| json!({"name": name, "application_sid": trap.sid});
    // A smaller network around another's carrier, and one around everybody.
    let small = json!({"ipv4": "198.51.100.9"});
    scene.carrier_of(other.sid, carrier("small"), Some(small)).await;
    let mut password = carrier("password");
    password["inbound_auth_username"] = json!("b");
    password["inbound_auth_password"] = json!("b");
    let small = json!({"ipv4": "198.51.100.8"});
    scene.carrier_of(other.sid, password, Some(small)).await;
    let wide = json!({"ipv4": "0.0.0.0", "netmask": 0});
    scene.carrier_of(other.sid, carrier("wide"), Some(wide)).await;

    for (dialled, from, expected) in [
        ("100", "198.51.100.9:5060", ok("own", "acme")),
        ("100", "198.51.100.8:5060", ok("own", "acme")),
        ("100", "198.51.100.7:5060", ok("own", "acme")),
        ("300", "192.0.2.66:5060", ok("open", "")),
        // What is nobody's goes to who asked for it.
        ("999", "198.51.100.9:5060", ok("trap", "small")),
        ("999", "198.51.100.7:5060", Err(480)),
        ("999", "192.0.2.66:5060", ok("trap", "wide")),
    ] {
        assert_eq!(scene.call(dialled, from).await, expected, "{dialled} from {from}");
    }
    scene.end().await;
}

/// The value of a challenge's parameter.
fn param(challenge: &str, name: &str) -> String {
    let start = challenge.find(&format!("{name}=")).expect(name) + name.len() + 1;
    let rest = challenge[start..].trim_start_matches('"');
    rest[..rest.find(['"', ',']).unwrap_or(rest.len())].to_owned()
}

#[tokio::test]
async fn a_carrier_with_a_password_proves_itself_from_anywhere() {
    let mut scene = Scene::new().await;
    let app = scene.application("own").await;
    let carrier = json!({"name": "acme", "inbound_auth_username": "acme-in",
        "inbound_auth_password": "s3cret", "digest_algorithm": "SHA-256"});
    let network = json!({"ipv4": "198.51.100.9"});
    let acme = scene.carrier(carrier, Some(network)).await;
    let number = json!({"number": "100", "voip_carrier_sid": acme, "application_sid": app.sid});
    scene.number(number).await;
    let caller = "sip:+4930123@carrier.example";
    for from in ["198.51.100.9:5060", "203.0.113.7:5060"] {
        let reply = scene.judge(&invite("100", caller, ""), from).await.unwrap_err();
        assert_eq!(reply.status, 401, "{from}");
        let challenge = reply.headers[0].1.clone();
        assert!(challenge.contains("algorithm=SHA-256"), "{challenge}");
        let (realm, nonce) = (param(&challenge, "realm"), param(&challenge, "nonce"));
        let uri = "sip:100@192.0.2.200";
        let answer = |user: &str, password: &str, nc: &str| {
            let ha1 = sha_hex(&format!("{user}:{realm}:{password}"));
            let ha2 = sha_hex(&format!("INVITE:{uri}"));
            let response = sha_hex(&format!("{ha1}:{nonce}:{nc}:c:auth:{ha2}"));
            let header = format!(
                "Authorization: Digest username=\"{user}\",realm=\"{realm}\",nonce=\"{nonce}\",\
                 uri=\"{uri}\",response=\"{response}\",qop=auth,nc={nc},cnonce=\"c\",\
                 algorithm=SHA-256\r\n"
            );
            invite("100", caller, &header)
        };
        for (user, password) in [("acme-in", "wrong"), ("nobody", "s3cret"), ("nobody", "")] {
            let reply = scene.judge(&answer(user, password, "00000001"), from).await.unwrap_err();
            assert_eq!((reply.status, reply.headers.len()), (403, 0), "{user} {password}");
        }
        let right = answer("acme-in", "s3cret", "00000001");
        assert_eq!(
            outcome(scene.judge(&right, from).await.unwrap()),
            ("own".into(), "acme".into())
        );
        // What was sent once proves nothing twice.
        assert_eq!(scene.judge(&right, from).await.unwrap_err().status, 401);
    }
    scene.end().await;
}

#[tokio::test]
async fn a_registration_brings_calls_from_its_registrar() {
    let mut scene = Scene::new().await;
    let (own, default) = (scene.application("own").await, scene.application("default").await);
    let register = json!({"name": "acme", "application_sid": default.sid, "requires_register": 1,
        "register_username": "acc", "register_password": "s3cret"});
    let acme = scene.carrier(register, None).await;
    let number = json!({"number": "100", "voip_carrier_sid": acme, "application_sid": own.sid});
    scene.number(number).await;
    let registrar = "198.51.100.9:5080";
    assert_eq!(scene.call("100", registrar).await, Err(403));
    let registered = super::super::trunks::Registered {
        status: None,
        bound_until: Some(Instant::now() + std::time::Duration::from_secs(60)),
        contact_user: "acc".to_owned(),
        addresses: vec!["198.51.100.9".parse().unwrap()],
    };
    scene.gate.trunks.publish(acme, Some(registered.clone()));
    assert_eq!(scene.call("100", registrar).await, ok("own", "acme"));
    assert_eq!(scene.call("999", registrar).await, ok("default", "acme"));
    assert_eq!(scene.call("acc", registrar).await, ok("default", "acme"));
    assert_eq!(scene.call("acc", "192.0.2.66:5060").await, Err(403));
    // Called by our Contact, the number is in To.
    let text =
        String::from_utf8_lossy(&invite("100", "sip:x@y", "").raw_text().into_owned().into_bytes())
            .replace("INVITE sip:100@", "INVITE sip:acc@");
    let request = Request::parse(text.as_bytes()).unwrap();
    let admitted = scene.judge(&request, registrar).await.unwrap();
    assert_eq!(outcome(admitted), ("own".into(), "acme".into()));
    scene
        .gate
        .trunks
        .publish(acme, Some(super::super::trunks::Registered { bound_until: None, ..registered }));
    assert_eq!(scene.call("100", registrar).await, Err(403));
    scene.end().await;
}

#[tokio::test]
async fn a_registrar_s_name_servers_do_not_draw_the_calls_of_other_carriers() {
    let mut scene = Scene::new().await;
    let (own, theirs) = (scene.application("own").await, scene.application("theirs").await);
    let network = json!({"ipv4": "198.51.100.9", "inbound": true, "outbound": false});
    let acme = scene.carrier(json!({"name": "acme"}), Some(network)).await;
    let number = json!({"number": "100", "voip_carrier_sid": acme, "application_sid": own.sid});
    scene.number(number).await;
    let register = json!({"name": "evil", "application_sid": theirs.sid, "requires_register": 1,
        "register_username": "100", "register_password": "s3cret"});
    let evil = scene.carrier(register, None).await;
    let registered = super::super::trunks::Registered {
        status: None,
        bound_until: Some(Instant::now() + std::time::Duration::from_secs(60)),
        contact_user: "100".to_owned(),
        addresses: ["203.0.113.1", "198.51.100.9"].map(|ip| ip.parse().unwrap()).to_vec(),
    };
    scene.gate.trunks.publish(evil, Some(registered));
    assert_eq!(scene.call("100", "198.51.100.9:5060").await, ok("own", "acme"));
    assert_eq!(scene.call("100", "203.0.113.1:5060").await, ok("theirs", "evil"));
    scene.end().await;
}

#[tokio::test]
async fn one_address_of_another_s_network_does_not_draw_its_calls() {
    let mut scene = Scene::new().await;
    let (own, theirs) = (scene.application("own").await, scene.application("theirs").await);
    let network = json!({"ipv4": "198.51.100.0", "netmask": 24});
    let acme = scene.carrier(json!({"name": "acme"}), Some(network)).await;
    let number = json!({"number": "100", "voip_carrier_sid": acme, "application_sid": own.sid});
    scene.number(number).await;
    let evil = json!({"name": "evil", "application_sid": theirs.sid});
    scene.carrier(evil, Some(json!({"ipv4": "198.51.100.9"}))).await;
    assert_eq!(scene.call("100", "198.51.100.9:5060").await, ok("own", "acme"));
    assert_eq!(scene.call("999", "198.51.100.9:5060").await, ok("theirs", "evil"));
    scene.end().await;
}
