//! Carriers that many use, as templates: a copy of one is an ordinary carrier (contract rest.md §2.14).
//!
//! Addresses are those that the carriers publish for signalling, as of 2026. What only the customer
//! knows (the name of a trunk, a login) is left out or a placeholder, and a gateway with a placeholder
//! is inactive until somebody edits it.

use serde_json::{Map, Value, json};

use super::{Fields, Invalid, PredefinedCarrierSid, SipGatewayInput, VoipCarrierInput};

#[derive(Clone, Copy, Debug)]
pub struct PredefinedCarrier {
    pub sid: &'static str,
    pub name: &'static str,
    /// The carrier knows its customers by their address.
    pub requires_static_ip: bool,
    pub e164_leading_plus: bool,
    /// Networks that its calls come from: address and netmask.
    inbound: &'static [(&'static str, u8)],
    outbound: Outbound,
}

/// Where its calls go.
#[derive(Clone, Copy, Debug)]
enum Outbound {
    Host(&'static str),
    /// A host that has the customer's name in it.
    Placeholder(&'static str),
}

pub const PREDEFINED_CARRIERS: [PredefinedCarrier; 4] = [
    PredefinedCarrier {
        sid: "5f0a5c2e-0b0e-4e53-9d0b-6c1f5a2f7a01",
        name: "Simwood",
        requires_static_ip: false,
        e164_leading_plus: true,
        inbound: &[],
        outbound: Outbound::Host("out.simwood.com"),
    },
    PredefinedCarrier {
        sid: "5f0a5c2e-0b0e-4e53-9d0b-6c1f5a2f7a02",
        name: "Telnyx",
        requires_static_ip: false,
        e164_leading_plus: true,
        inbound: &[
            // United States, Europe, Australia, Canada: two each.
            ("192.76.120.10", 32),
            ("64.16.250.10", 32),
            ("185.246.41.140", 32),
            ("185.246.41.141", 32),
            ("103.115.244.145", 32),
            ("103.115.244.146", 32),
            ("192.76.120.31", 32),
            ("64.16.250.13", 32),
        ],
        outbound: Outbound::Host("sip.telnyx.com"),
    },
    PredefinedCarrier {
        sid: "5f0a5c2e-0b0e-4e53-9d0b-6c1f5a2f7a03",
        name: "Twilio",
        requires_static_ip: false,
        e164_leading_plus: true,
        inbound: &[
            // Virginia, Oregon, Ireland, Frankfurt, Tokyo, Singapore, Sydney, São Paulo.
            ("54.172.60.0", 30),
            ("54.244.51.0", 30),
            ("54.171.127.192", 30),
            ("35.156.191.128", 30),
            ("54.65.63.192", 30),
            ("54.169.127.128", 30),
            ("54.252.254.64", 30),
            ("177.71.206.192", 30),
        ],
        outbound: Outbound::Placeholder("your-trunk.pstn.twilio.com"),
    },
    PredefinedCarrier {
        sid: "5f0a5c2e-0b0e-4e53-9d0b-6c1f5a2f7a04",
        name: "Voxbone",
        requires_static_ip: false,
        e164_leading_plus: true,
        inbound: &[],
        outbound: Outbound::Host("outbound.voxbone.com"),
    },
];

impl PredefinedCarrier {
    pub fn find(sid: PredefinedCarrierSid) -> Option<&'static Self> {
        let sid = sid.to_string();
        PREDEFINED_CARRIERS.iter().find(|carrier| carrier.sid == sid)
    }

    /// The body of the copy's create.
    ///
    /// # Errors
    /// None, for the templates that there are: a test makes a copy of each.
    pub fn carrier(&self) -> Result<VoipCarrierInput, Invalid> {
        let body = json!({"name": self.name, "e164_leading_plus": self.e164_leading_plus});
        VoipCarrierInput::create(fields(body))
    }

    /// Those of its gateways.
    ///
    /// # Errors
    /// As [`PredefinedCarrier::carrier`].
    pub fn gateways(&self) -> Result<Vec<SipGatewayInput>, Invalid> {
        let inbound = self.inbound.iter().map(
            |(address, netmask)| json!({"ipv4": address, "netmask": netmask, "inbound": true}),
        );
        let (host, is_active) = match self.outbound {
            Outbound::Host(host) => (host, true),
            Outbound::Placeholder(host) => (host, false),
        };
        let outbound = json!({"ipv4": host, "outbound": true, "is_active": is_active});
        inbound
            .chain([outbound])
            .map(|body| SipGatewayInput::create_with_carrier(fields(body)))
            .collect()
    }

    /// A name that is not among `taken`: its own, else with the first free number behind it.
    pub fn free_name(&self, taken: &[String]) -> String {
        let is_taken = |name: &str| taken.iter().any(|other| other.eq_ignore_ascii_case(name));
        if !is_taken(self.name) {
            return self.name.to_owned();
        }
        let numbered = (2..).map(|n: usize| format!("{}-{n}", self.name));
        // One of the first `taken.len() + 1` names is free.
        numbered.take(taken.len() + 1).find(|name| !is_taken(name)).unwrap_or_default()
    }
}

fn fields(body: Value) -> Fields {
    match body {
        Value::Object(map) => Fields::new(map),
        _ => Fields::new(Map::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::VoipCarrierSid;

    #[test]
    fn every_template_makes_a_carrier_with_gateways() {
        for template in &PREDEFINED_CARRIERS {
            let sid = PredefinedCarrierSid::parse(template.sid).unwrap();
            assert_eq!(PredefinedCarrier::find(sid).map(|found| found.name), Some(template.name));
            let carrier = template.carrier().unwrap().into_record().unwrap();
            assert_eq!(carrier.name, template.name);
            let gateways = template.gateways().unwrap();
            assert!(!gateways.is_empty());
            for gateway in gateways {
                let gateway = gateway.into_record(VoipCarrierSid::random()).unwrap();
                assert_eq!(gateway.is_active, !gateway.host.starts_with("your-"));
                assert!(gateway.inbound != gateway.outbound);
            }
        }
        assert!(PredefinedCarrier::find(PredefinedCarrierSid::random()).is_none());
    }

    #[test]
    fn a_taken_name_gets_a_number() {
        let twilio = PREDEFINED_CARRIERS.iter().find(|c| c.name == "Twilio").unwrap();
        let taken =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(twilio.free_name(&[]), "Twilio");
        assert_eq!(twilio.free_name(&taken(&["twilio"])), "Twilio-2");
        assert_eq!(twilio.free_name(&taken(&["Twilio", "Twilio-3"])), "Twilio-2");
        assert_eq!(twilio.free_name(&taken(&["Twilio", "Twilio-2"])), "Twilio-3");
    }
}
