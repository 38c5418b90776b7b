//! Tables: who is asked, in what order, and what it is told.

use serde_json::{Value, json};

use super::*;
use crate::routing::fixtures::trunk;

struct Scene {
    account: AccountSid,
    provider: ServiceProviderSid,
    trunks: TrunkTable,
}

/// `own` are the account's carriers, `shared` its provider's.
fn scene(own: &[(Value, Vec<Value>)], shared: &[(Value, Vec<Value>)]) -> Scene {
    let (account, provider) = (AccountSid::random(), ServiceProviderSid::random());
    let mut all = Vec::new();
    for (carrier, gateways) in own {
        let mut carrier = carrier.clone();
        carrier["account_sid"] = json!(account);
        all.push(trunk(carrier, gateways));
    }
    for (carrier, gateways) in shared {
        let mut carrier = carrier.clone();
        carrier["service_provider_sid"] = json!(provider);
        all.push(trunk(carrier, gateways));
    }
    Scene { account, provider, trunks: TrunkTable::new(all) }
}

impl Scene {
    fn wanted<'a>(&self, trunk: Option<&'a str>) -> Wanted<'a> {
        let (account, provider) = (self.account, self.provider);
        Wanted { account, provider, trunk, owner_of_caller: None }
    }

    fn hosts(&self, wanted: Wanted<'_>, health: impl Fn(&SipGateway) -> Health) -> Vec<&str> {
        let choices = choose(&self.trunks, wanted, health);
        choices.into_iter().map(|choice| choice.gateway.host.as_str()).collect()
    }

    fn named(&self, name: &str) -> &Trunk {
        self.trunks.all().iter().find(|trunk| trunk.carrier.name == name).unwrap()
    }
}

fn out(host: &str) -> Value {
    json!({"ipv4": host, "outbound": 1})
}

fn fine(_: &SipGateway) -> Health {
    Health::Up
}

#[test]
fn a_named_carrier_alone_counts_and_only_where_the_account_may_use_it() {
    let mut scene = scene(
        &[
            (json!({"name": "a"}), vec![out("a.example")]),
            (json!({"name": "off", "is_active": 0}), vec![out("off.example")]),
            (json!({"name": "mute"}), vec![json!({"ipv4": "10.0.0.1", "inbound": 1})]),
        ],
        &[(json!({"name": "s"}), vec![out("s.example")])],
    );
    let foreign = trunk(
        json!({"name": "foreign", "account_sid": AccountSid::random()}),
        &[out("foreign.example")],
    );
    let foreign_sid = foreign.carrier.sid.to_string();
    let mut all = scene.trunks.all().to_vec();
    all.push(foreign);
    scene.trunks = TrunkTable::new(all);
    let sid = scene.named("s").carrier.sid.to_string();
    for (named, hosts) in [
        ("a", vec!["a.example"]),
        ("s", vec!["s.example"]),
        (sid.as_str(), vec!["s.example"]),
        ("A", vec![]),
        ("off", vec![]),
        ("mute", vec![]),
        ("foreign", vec![]),
        (foreign_sid.as_str(), vec![]),
        ("", vec![]),
    ] {
        assert_eq!(scene.hosts(scene.wanted(Some(named)), fine), hosts, "{named}");
    }
}

#[test]
fn the_owner_of_the_callers_number_then_the_account_then_its_provider() {
    let full = scene(
        &[
            (json!({"name": "first"}), vec![out("1.example")]),
            (json!({"name": "second"}), vec![out("2.example")]),
        ],
        &[(json!({"name": "s"}), vec![out("s.example")])],
    );
    let with_owner = |sid| Wanted { owner_of_caller: Some(sid), ..full.wanted(None) };
    for name in ["second", "s"] {
        let carrier = &full.named(name).carrier;
        let hosts = full.hosts(with_owner(carrier.sid), fine);
        assert_eq!(hosts, [full.named(name).gateways[0].host.as_str()]);
    }
    assert_eq!(full.hosts(full.wanted(None), fine), ["1.example", "2.example"]);
    assert_eq!(full.hosts(with_owner(VoipCarrierSid::random()), fine), ["1.example", "2.example"]);

    let bare = scene(
        &[(json!({"name": "off", "is_active": 0}), vec![out("off.example")])],
        &[(json!({"name": "s"}), vec![out("s.example")])],
    );
    let owner = bare.named("off").carrier.sid;
    let wanted = Wanted { owner_of_caller: Some(owner), ..bare.wanted(None) };
    assert_eq!(bare.hosts(wanted, fine), ["s.example"]);
    assert!(scene(&[], &[]).hosts(bare.wanted(None), fine).is_empty());
}

#[test]
fn a_closed_account_has_no_trunk() {
    let mut scene = scene(&[(json!({"name": "a"}), vec![out("a.example")])], &[]);
    let mut all = scene.trunks.all().to_vec();
    all[0].is_closed = true;
    scene.trunks = TrunkTable::new(all);
    assert!(scene.hosts(scene.wanted(None), fine).is_empty());
}

#[test]
fn gateways_come_by_health_and_then_as_stored() {
    let off = json!({"ipv4": "off.example", "outbound": 1, "is_active": 0});
    let pinged = |host: &str| json!({"ipv4": host, "outbound": 1, "send_options_ping": 1});
    let gateways =
        vec![out("down"), pinged("silent"), out("quiet"), off, out("up"), pinged("good")];
    let scene = scene(&[(json!({"name": "a"}), gateways)], &[]);
    let health = |gateway: &SipGateway| match gateway.host.as_str() {
        "down" => Health::Down,
        "silent" | "quiet" => Health::Unknown,
        _ => Health::Up,
    };
    let hosts = scene.hosts(scene.wanted(None), health);
    assert_eq!(hosts, ["quiet", "up", "good", "silent", "down"]);
    let all_down = scene.hosts(scene.wanted(None), |_| Health::Down);
    assert_eq!(all_down, ["down", "silent", "quiet", "up", "good"]);
}

#[test]
fn numbers_are_dialled_as_the_carrier_wants_them() {
    for (text, plus, prefix, expected) in [
        ("15551234567", false, None, "15551234567"),
        ("+15551234567", false, None, "15551234567"),
        ("15551234567", true, None, "+15551234567"),
        ("+15551234567", true, None, "+15551234567"),
        ("15551234567", false, Some("99#"), "99#15551234567"),
        ("15551234567", true, Some("99"), "99+15551234567"),
        // No country code begins with 0, and a short code or name is no international number.
        ("0049301234", true, None, "0049301234"),
        ("*67", true, None, "*67"),
        ("alice", true, None, "alice"),
    ] {
        assert_eq!(dialled(text, plus, prefix), expected, "{text}");
    }
}

fn dialling(carrier: Value, gateway: Value) -> Dialling {
    let mut carrier = carrier;
    carrier["name"] = json!("c");
    let scene = scene(&[(carrier, vec![gateway])], &[]);
    choose(&scene.trunks, scene.wanted(None), fine)[0].dialling("15551234567")
}

#[test]
fn what_a_plain_gateway_is_told() {
    assert_eq!(
        dialling(json!({}), json!({"ipv4": "192.0.2.1", "port": 5080, "outbound": 1})),
        Dialling {
            number: "15551234567".to_owned(),
            host: "192.0.2.1".to_owned(),
            port: Some(5080),
            is_sips: false,
            transport: Wire::Udp,
            next_hop: "sip:192.0.2.1:5080;transport=udp".to_owned(),
            from_host: None,
            contact_user: None,
            diversion: None,
            encryption: None,
        }
    );
}

#[test]
fn a_carrier_we_register_with_is_addressed_by_its_realm() {
    let register = json!({
        "requires_register": 1, "register_username": "acc", "register_password": "secret",
        "register_sip_realm": "sip.example.com", "diversion": "15550000",
    });
    let said = dialling(register.clone(), out("192.0.2.1"));
    assert_eq!((said.host.as_str(), said.port), ("sip.example.com", None));
    assert_eq!(said.next_hop, "sip:192.0.2.1;transport=udp");
    assert_eq!(said.from_host.as_deref(), Some("sip.example.com"));
    assert_eq!(said.contact_user.as_deref(), Some("acc"));
    assert_eq!(said.diversion.as_deref(), Some("+15550000"));

    let mut with_domain = register;
    with_domain["register_from_domain"] = json!("us.example.com");
    with_domain["requires_register"] = json!(0);
    let said = dialling(with_domain, out("192.0.2.1"));
    assert_eq!(said.host, "192.0.2.1");
    assert_eq!(said.from_host.as_deref(), Some("us.example.com"));
}

#[test]
fn transports_schemes_and_encryption_follow_the_gateway() {
    let gateway = |protocol: &str, sips: u8| json!({"ipv4": "gw.example", "outbound": 1, "protocol": protocol, "use_sips_scheme": sips});
    for (protocol, sips, wire, is_sips, encryption) in [
        ("udp", 1, Wire::Udp, false, None),
        ("tcp", 0, Wire::Tcp, false, None),
        ("tls", 0, Wire::Tls, false, None),
        ("tls", 1, Wire::Tls, true, None),
        ("tls/srtp", 1, Wire::Tls, true, Some(Encryption::Required)),
    ] {
        let said = dialling(json!({}), gateway(protocol, sips));
        assert_eq!((said.transport, said.is_sips), (wire, is_sips), "{protocol}");
        assert_eq!(said.encryption, encryption, "{protocol}");
    }
    let off = json!({"media_encryption": "off"});
    assert_eq!(dialling(off.clone(), gateway("tls", 0)).encryption, Some(Encryption::Off));
    assert_eq!(dialling(off, gateway("tls/srtp", 0)).encryption, Some(Encryption::Required));
}

#[test]
fn an_outbound_proxy_is_the_next_hop() {
    for (proxy, hop) in [
        ("proxy.example", "sip:proxy.example;transport=tcp"),
        ("192.0.2.9:5070", "sip:192.0.2.9:5070;transport=tcp"),
        ("sip:proxy.example;transport=udp", "sip:proxy.example;transport=udp"),
        ("sip:proxy.example;lr", "sip:proxy.example;lr;transport=tcp"),
        ("sips:proxy.example", "sips:proxy.example"),
        ("[2001:db8::1]", "sip:[2001:db8::1];transport=tcp"),
    ] {
        let gateway = json!({"ipv4": "gw.example", "outbound": 1, "protocol": "tcp"});
        let said = dialling(json!({"outbound_sip_proxy": proxy}), gateway);
        assert_eq!((said.next_hop.as_str(), said.host.as_str()), (hop, "gw.example"), "{proxy}");
    }
    let v6 = dialling(json!({}), json!({"ipv4": "2001:db8::1", "port": 5062, "outbound": 1}));
    assert_eq!(v6.next_hop, "sip:[2001:db8::1]:5062;transport=udp");
    assert_eq!(v6.host, "2001:db8::1");
}
