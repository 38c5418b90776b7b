//! Tables: what a carrier's settings make us do.

use serde_json::{Value, json};

use super::*;
use crate::model::{AccountSid, Fields, SipGatewayInput, VoipCarrierInput, VoipCarrierSid};

fn fields(value: Value) -> Fields {
    let Value::Object(map) = value else { panic!("an object") };
    Fields::new(map)
}

/// A carrier we register with as `acc`, changed by `more`.
fn trunk(more: Value, gateways: &[Value]) -> Trunk {
    let mut body = json!({"name": "c", "account_sid": AccountSid::random(), "requires_register": 1,
        "register_username": "acc", "register_password": "secret"});
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    let carrier = VoipCarrierInput::create(fields(body)).unwrap().into_record().unwrap();
    let gateway = |body: &Value| {
        let mut body = body.clone();
        body["voip_carrier_sid"] = json!(VoipCarrierSid::random());
        SipGatewayInput::create(fields(body)).unwrap().into_record(carrier.sid).unwrap()
    };
    let gateways = gateways.iter().map(gateway).collect();
    Trunk { carrier, gateways, is_closed: false }
}

/// Address of record, then each registrar's next hop and domain.
fn shape(trunk: &Trunk) -> Option<(String, Vec<(String, String)>)> {
    let plan = RegisterPlan::of(trunk)?;
    let hops = plan.hops.iter().map(|hop| (hop.next.to_string(), hop.domain.to_string()));
    Some((plan.aor.to_string(), hops.collect()))
}

fn one(aor: &str, next: &str, domain: &str) -> Option<(String, Vec<(String, String)>)> {
    Some((aor.to_owned(), vec![(next.to_owned(), domain.to_owned())]))
}

#[test]
fn registrars_are_the_outbound_gateways_of_the_realm() {
    let gateway = json!({"ipv4": "192.0.2.1", "port": 5080, "outbound": 1});
    for (more, expected) in [
        (json!({}), one("sip:acc@192.0.2.1", "sip:192.0.2.1:5080;transport=udp", "sip:192.0.2.1")),
        (
            json!({"register_sip_realm": "sip.example.com"}),
            one(
                "sip:acc@sip.example.com",
                "sip:192.0.2.1:5080;transport=udp",
                "sip:sip.example.com",
            ),
        ),
        (
            json!({"register_sip_realm": "sip.example.com", "register_from_user": "4930",
                "register_from_domain": "example.com"}),
            one("sip:4930@example.com", "sip:192.0.2.1:5080;transport=udp", "sip:sip.example.com"),
        ),
        (
            json!({"outbound_sip_proxy": "proxy.example.com"}),
            one("sip:acc@192.0.2.1", "sip:proxy.example.com;transport=udp", "sip:192.0.2.1"),
        ),
        (
            json!({"register_use_tls": 1}),
            one("sip:acc@192.0.2.1", "sip:192.0.2.1;transport=tls", "sip:192.0.2.1"),
        ),
        (json!({"requires_register": 0}), None),
        (json!({"is_active": 0}), None),
    ] {
        assert_eq!(shape(&trunk(more.clone(), std::slice::from_ref(&gateway))), expected, "{more}");
    }
    let closed = Trunk { is_closed: true, ..trunk(json!({}), &[gateway]) };
    assert_eq!(shape(&closed), None);
}

#[test]
fn without_a_gateway_the_realm_is_the_registrar() {
    let inbound = json!({"ipv4": "192.0.2.1", "inbound": 1});
    assert_eq!(shape(&trunk(json!({}), std::slice::from_ref(&inbound))), None);
    let more = json!({"register_sip_realm": "sip.example.com"});
    let expected =
        one("sip:acc@sip.example.com", "sip:sip.example.com;transport=udp", "sip:sip.example.com");
    assert_eq!(shape(&trunk(more, &[inbound])), expected);
}

#[test]
fn every_outbound_gateway_is_a_registrar_and_credentials_are_for_its_realm() {
    let gateways = [
        json!({"ipv4": "a.example", "outbound": 1, "protocol": "tls", "use_sips_scheme": 1}),
        json!({"ipv4": "b.example", "outbound": 1, "is_active": 0}),
        json!({"ipv4": "c.example", "outbound": 1, "protocol": "tcp"}),
    ];
    let plan = RegisterPlan::of(&trunk(json!({}), &gateways)).unwrap();
    let hops: Vec<_> =
        plan.hops.iter().map(|h| (h.next.to_string(), h.domain.to_string())).collect();
    let expected = [
        ("sip:a.example;transport=tls", "sips:a.example"),
        ("sip:c.example;transport=tcp", "sip:c.example"),
    ];
    assert_eq!(hops, expected.map(|(next, domain)| (next.to_owned(), domain.to_owned())));
    assert!(plan.credentials.are_for("whatever"));
    let more = json!({"register_sip_realm": "sip.example.com"});
    let plan = RegisterPlan::of(&trunk(more, &gateways)).unwrap();
    assert!(plan.credentials.are_for("SIP.example.com") && !plan.credentials.are_for("whatever"));
}

#[test]
fn single_hosts_are_pinged_and_narrow_networks_trusted() {
    for (gateway, target, network) in [
        (json!({"ipv4": "192.0.2.1", "inbound": 1}), None, Some("192.0.2.1")),
        (
            json!({"ipv4": "192.0.2.1", "outbound": 1, "port": 5080, "send_options_ping": 1}),
            Some("sip:192.0.2.1:5080"),
            Some("192.0.2.1"),
        ),
        (
            json!({"ipv4": "gw.example", "outbound": 1, "send_options_ping": 1}),
            Some("sip:gw.example"),
            None,
        ),
        (
            json!({"ipv4": "192.0.2.0", "netmask": 24, "inbound": 1, "send_options_ping": 1}),
            None,
            Some("192.0.2.0/24"),
        ),
        (json!({"ipv4": "10.0.0.0", "netmask": 8, "inbound": 1}), None, None),
        (
            json!({"ipv4": "192.0.2.1", "outbound": 1, "send_options_ping": 1, "is_active": 0}),
            None,
            None,
        ),
    ] {
        let trunk = trunk(json!({}), std::slice::from_ref(&gateway));
        let plan = PingPlan::of(&trunk, &trunk.gateways[0]).map(|plan| plan.target.to_string());
        assert_eq!(plan.as_deref(), target, "{gateway}");
        let expected = network.map(|text| text.parse::<Network>().unwrap());
        assert_eq!(trusted(&trunk, &trunk.gateways[0]), expected, "{gateway}");
    }
}
