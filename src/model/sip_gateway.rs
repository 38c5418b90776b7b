//! A gateway of a carrier: a network its calls come from, a host its calls go to, or both
//! (contract rest.md §2.8).

use std::net::Ipv4Addr;

use super::sip_text::is_host;
use super::word::words;
use super::{Fields, Invalid, Patch, SipGatewaySid, Timestamp, VoipCarrierSid};

words! {
    /// What a gateway speaks.
    Protocol {
        Udp = "udp",
        Tcp = "tcp",
        Tls = "tls",
        /// TLS, and no call without SRTP.
        TlsSrtp = "tls/srtp",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipGateway {
    pub sid: SipGatewaySid,
    pub voip_carrier_sid: VoipCarrierSid,
    /// The property is called `ipv4`. An IPv4 address if `inbound`, else an address or a DNS name.
    pub host: String,
    /// None: 5060 (TLS 5061), or what SRV says.
    pub port: Option<u16>,
    /// Bits of the network around `host` that calls may come from, 0 to 32.
    pub netmask: u8,
    pub inbound: bool,
    pub outbound: bool,
    pub is_active: bool,
    pub protocol: Protocol,
    pub send_options_ping: bool,
    pub use_sips_scheme: bool,
    pub pad_crypto: bool,
    pub remove_ice: bool,
    pub dtls_off: bool,
    /// Lower is tried first, then in order of creation. Ours, jambonz has nothing there.
    pub priority: u16,
    pub created_at: Timestamp,
}

const WHOLE: u8 = 32;
const DEFAULT_PRIORITY: u16 = 100;

impl SipGateway {
    /// What jambonz refuses of a whole gateway, whichever request made it so.
    fn check(&self) -> Result<(), Invalid> {
        if self.inbound && self.host.parse::<Ipv4Addr>().is_err() {
            return Err(Invalid::Rule("ipv4 must be an IPv4 address for an inbound gateway"));
        }
        if self.outbound && !self.inbound && self.netmask != WHOLE {
            return Err(Invalid::Rule("netmask must be 32 for an outbound gateway"));
        }
        Ok(())
    }
}

/// The body of a create or an update.
#[derive(Debug, Default)]
pub struct SipGatewayInput {
    pub voip_carrier_sid: Option<VoipCarrierSid>,
    host: Option<String>,
    port: Patch<u16>,
    netmask: Patch<u8>,
    inbound: Patch<bool>,
    outbound: Patch<bool>,
    is_active: Patch<bool>,
    protocol: Patch<Protocol>,
    send_options_ping: Patch<bool>,
    use_sips_scheme: Patch<bool>,
    pad_crypto: Patch<bool>,
    remove_ice: Patch<bool>,
    dtls_off: Patch<bool>,
    priority: Patch<u16>,
}

impl SipGatewayInput {
    pub fn create(mut fields: Fields) -> Result<Self, Invalid> {
        if !fields.has("voip_carrier_sid") {
            return Err(CARRIER_IS_MISSING);
        }
        fields.ignore(&["sip_gateway_sid"]);
        Self::create_with_carrier(fields)
    }

    /// A create whose carrier is made by the same request.
    pub fn create_with_carrier(fields: Fields) -> Result<Self, Invalid> {
        if !fields.has("ipv4") {
            return Err(Invalid::Missing("ipv4"));
        }
        Self::read(fields)
    }

    pub fn update(fields: Fields) -> Result<Self, Invalid> {
        fields.refuse("sip_gateway_sid", Invalid::PrimaryKey("sip_gateway_sid"))?;
        Self::read(fields)
    }

    fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let voip_carrier_sid = match fields.text("voip_carrier_sid", 36)? {
            Patch::Absent => None,
            Patch::Null => return Err(Invalid::Rule(MISSING_CARRIER)),
            Patch::Value(text) => {
                Some(VoipCarrierSid::parse(&text).ok_or(Invalid::Rule(INVALID_CARRIER))?)
            }
        };
        let host = fields.name("ipv4", 128)?;
        if host.as_deref().is_some_and(|host| !is_host(host)) {
            let expected = "an address or a DNS name without whitespace";
            return Err(Invalid::Wrong { name: "ipv4", expected });
        }
        let input = Self {
            voip_carrier_sid,
            host,
            port: fields.number("port", 1)?,
            netmask: fields.integer("netmask", 0..=i64::from(WHOLE))?.try_map(|bits| {
                u8::try_from(bits).map_err(|_| Invalid::Rule("netmask must be an integer in range"))
            })?,
            inbound: fields.flag("inbound")?,
            outbound: fields.flag("outbound")?,
            is_active: fields.flag("is_active")?,
            protocol: fields.one_of("protocol", Protocol::WORDS, Protocol::parse)?,
            send_options_ping: fields.flag("send_options_ping")?,
            use_sips_scheme: fields.flag("use_sips_scheme")?,
            pad_crypto: fields.flag("pad_crypto")?,
            remove_ice: fields.flag("remove_ice")?,
            dtls_off: fields.flag("dtls_off")?,
            priority: fields.number("priority", 0)?,
        };
        fields.ignore(&["created_at", "status"]);
        fields.finish()?;
        Ok(input)
    }

    /// # Errors
    /// When it names a network of fewer bits than `least`.
    pub fn check_netmask(&self, least: u8) -> Result<(), Invalid> {
        match self.netmask {
            Patch::Value(bits) if bits < least => {
                let reason = format!("must be at least {least}");
                Err(Invalid::Grammar { name: "netmask", reason })
            }
            Patch::Value(_) | Patch::Null | Patch::Absent => Ok(()),
        }
    }

    /// The record of a create; its carrier has been found to be within reach by then.
    pub fn into_record(mut self, carrier: VoipCarrierSid) -> Result<SipGateway, Invalid> {
        self.voip_carrier_sid = None;
        let mut record = SipGateway {
            sid: SipGatewaySid::random(),
            voip_carrier_sid: carrier,
            host: self.host.take().ok_or(Invalid::Missing("ipv4"))?,
            port: None,
            netmask: WHOLE,
            inbound: false,
            outbound: false,
            is_active: true,
            protocol: Protocol::Udp,
            send_options_ping: false,
            use_sips_scheme: false,
            pad_crypto: false,
            remove_ice: false,
            dtls_off: false,
            priority: DEFAULT_PRIORITY,
            created_at: Timestamp::now(),
        };
        self.apply(&mut record)?;
        Ok(record)
    }

    /// # Errors
    /// When the result is no gateway: a name that calls would come from, a network to call.
    pub fn apply(self, record: &mut SipGateway) -> Result<(), Invalid> {
        if let Some(carrier) = self.voip_carrier_sid {
            record.voip_carrier_sid = carrier;
        }
        if let Some(host) = self.host {
            record.host = host;
        }
        self.port.apply(&mut record.port);
        self.netmask.apply_or(|| WHOLE, &mut record.netmask);
        self.inbound.apply_or(|| false, &mut record.inbound);
        self.outbound.apply_or(|| false, &mut record.outbound);
        self.is_active.apply_or(|| true, &mut record.is_active);
        self.protocol.apply_or(|| Protocol::Udp, &mut record.protocol);
        self.send_options_ping.apply_or(|| false, &mut record.send_options_ping);
        self.use_sips_scheme.apply_or(|| false, &mut record.use_sips_scheme);
        self.pad_crypto.apply_or(|| false, &mut record.pad_crypto);
        self.remove_ice.apply_or(|| false, &mut record.remove_ice);
        self.dtls_off.apply_or(|| false, &mut record.dtls_off);
        self.priority.apply_or(|| DEFAULT_PRIORITY, &mut record.priority);
        record.check()
    }
}

const CARRIER_IS_MISSING: Invalid =
    Invalid::MissingAs { name: "voip_carrier_sid", text: MISSING_CARRIER };

pub const MISSING_CARRIER: &str = "missing voip_carrier_sid";
pub const INVALID_CARRIER: &str = "invalid voip_carrier_sid";

impl Fields {
    /// A 16-bit number of at least `min`.
    pub(super) fn number(&mut self, name: &'static str, min: u16) -> Result<Patch<u16>, Invalid> {
        self.integer(name, i64::from(min)..=i64::from(u16::MAX))?.try_map(|number| {
            u16::try_from(number)
                .map_err(|_| Invalid::Wrong { name, expected: "an integer in range" })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn fields(value: Value) -> Fields {
        let Value::Object(map) = value else { panic!("an object") };
        Fields::new(map)
    }

    fn gateway(mut body: Value) -> Result<SipGateway, String> {
        let carrier = VoipCarrierSid::random();
        body["voip_carrier_sid"] = json!(carrier);
        SipGatewayInput::create(fields(body))
            .and_then(|input| input.into_record(carrier))
            .map_err(|refused| refused.to_string())
    }

    #[test]
    fn what_calls_come_from_is_an_address_and_what_they_go_to_no_network() {
        let inbound = "ipv4 must be an IPv4 address for an inbound gateway";
        let outbound = "netmask must be 32 for an outbound gateway";
        for (body, refusal) in [
            (json!({"ipv4": "a.example.com", "inbound": 1}), inbound),
            (json!({"ipv4": "2001:db8::1", "inbound": 1, "outbound": 1}), inbound),
            (json!({"ipv4": "10.0.0.1", "outbound": 1, "netmask": 31}), outbound),
            (json!({"ipv4": "10.0.0.1", "netmask": 33}), "netmask must be an integer in range"),
            (json!({"ipv4": "10.0.0.1", "port": 0}), "port must be an integer in range"),
            (
                json!({"ipv4": "10.0.0.1 "}),
                "ipv4 must be an address or a DNS name without whitespace",
            ),
            (json!({"ipv4": ""}), "ipv4 must be a string that is not empty"),
        ] {
            assert_eq!(gateway(body.clone()), Err(refusal.to_owned()), "{body}");
        }
        for body in [
            json!({"ipv4": "10.0.0.0", "inbound": 1, "netmask": 24}),
            json!({"ipv4": "10.0.0.0", "inbound": 1, "outbound": 1, "netmask": "24"}),
            json!({"ipv4": "2001:db8::1", "outbound": 1}),
            json!({"ipv4": "a.example.com", "port": "5080"}),
        ] {
            assert!(gateway(body.clone()).is_ok(), "{body}");
        }
    }

    #[test]
    fn an_update_is_judged_with_what_was_there() {
        let mut record = gateway(json!({"ipv4": "a.example.com", "outbound": 1})).unwrap();
        let update = |body| SipGatewayInput::update(fields(body)).unwrap();
        assert!(update(json!({"inbound": 1})).apply(&mut record.clone()).is_err());
        update(json!({"ipv4": "10.0.0.1", "inbound": 1, "priority": 5, "status": {"state": "up"}}))
            .apply(&mut record)
            .unwrap();
        assert_eq!((record.host.as_str(), record.inbound, record.priority), ("10.0.0.1", true, 5));
        update(json!({"priority": null, "port": null})).apply(&mut record).unwrap();
        assert_eq!((record.priority, record.port), (DEFAULT_PRIORITY, None));
    }
}
