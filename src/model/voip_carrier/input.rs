//! The body of a carrier's create or update.

use super::{DtmfType, InboundAuth, Register, Smpp, TrunkType, VoipCarrier};
use crate::model::sip_text::{is_host, is_proxy, is_user};
use crate::model::{
    AccountSid, ApplicationSid, DigestAlgorithm, Encryption, Fields, Invalid, Patch, Secret,
    ServiceProviderSid, Timestamp, VoipCarrierSid,
};

#[derive(Debug, Default)]
pub struct VoipCarrierInput {
    name: Option<String>,
    description: Patch<String>,
    pub account_sid: Patch<AccountSid>,
    pub service_provider_sid: Patch<ServiceProviderSid>,
    pub application_sid: Patch<ApplicationSid>,
    trunk_type: Patch<TrunkType>,
    is_active: Patch<bool>,
    e164_leading_plus: Patch<bool>,
    tech_prefix: Patch<String>,
    diversion: Patch<String>,
    outbound_sip_proxy: Patch<String>,
    dtmf_type: Patch<DtmfType>,
    register: RegisterInput,
    inbound_auth_username: Patch<String>,
    inbound_auth_password: Patch<Secret>,
    smpp: SmppInput,
    media_encryption: Patch<Encryption>,
    digest_algorithm: Patch<DigestAlgorithm>,
}

#[derive(Debug, Default)]
struct RegisterInput {
    required: Patch<bool>,
    username: Patch<String>,
    password: Patch<Secret>,
    from_user: Patch<String>,
    sip_realm: Patch<String>,
    from_domain: Patch<String>,
    public_ip_in_contact: Patch<bool>,
    use_tls: Patch<bool>,
}

#[derive(Debug, Default)]
struct SmppInput {
    system_id: Patch<String>,
    password: Patch<Secret>,
    enquire_link_interval: Patch<i64>,
    inbound_system_id: Patch<String>,
    inbound_password: Patch<Secret>,
}

const USER: &str = "a number or name without whitespace, @, : and quotes";
const PROXY: &str = "host, host:port or a SIP URI of them without whitespace";
const LONGEST: usize = 128;
pub const UNKNOWN_ACCOUNT: &str = "unknown account_sid";
pub const UNKNOWN_APPLICATION: &str = "unknown application_sid";

impl VoipCarrierInput {
    pub fn create(mut fields: Fields) -> Result<Self, Invalid> {
        if !fields.has("name") {
            return Err(Invalid::Missing("name"));
        }
        fields.ignore(&["voip_carrier_sid"]);
        Self::read(fields)
    }

    pub fn update(fields: Fields) -> Result<Self, Invalid> {
        fields.refuse("voip_carrier_sid", Invalid::PrimaryKey("voip_carrier_sid"))?;
        Self::read(fields)
    }

    fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let fields = &mut fields;
        let name = fields.name("name", 64)?;
        if name.as_deref().is_some_and(|name| name.chars().any(char::is_control)) {
            return Err(Invalid::Wrong { name: "name", expected: "free of control characters" });
        }
        let input = Self {
            name,
            description: fields.text_or_empty("description", 255)?,
            account_sid: fields
                .text("account_sid", LONGEST)?
                .try_map(|text| AccountSid::parse(&text).ok_or(Invalid::Rule(UNKNOWN_ACCOUNT)))?,
            service_provider_sid: fields.sid("service_provider_sid", ServiceProviderSid::parse)?,
            application_sid: fields.text_or_empty("application_sid", LONGEST)?.try_map(|text| {
                ApplicationSid::parse(&text).ok_or(Invalid::Rule(UNKNOWN_APPLICATION))
            })?,
            trunk_type: fields.one_of("trunk_type", TrunkType::WORDS, TrunkType::parse)?,
            is_active: fields.flag("is_active")?,
            e164_leading_plus: fields.flag("e164_leading_plus")?,
            tech_prefix: fields.sip_text("tech_prefix", 16, USER, is_user)?,
            diversion: fields.sip_text("diversion", 32, USER, is_user)?,
            outbound_sip_proxy: fields.sip_text("outbound_sip_proxy", 255, PROXY, is_proxy)?,
            dtmf_type: fields.one_of("dtmf_type", DtmfType::WORDS, DtmfType::parse)?,
            register: RegisterInput::read(fields)?,
            inbound_auth_username: fields.login_name("inbound_auth_username")?,
            inbound_auth_password: fields.password("inbound_auth_password")?,
            smpp: SmppInput::read(fields)?,
            media_encryption: fields.media_encryption()?,
            digest_algorithm: fields.digest_algorithm()?,
        };
        fields.ignore(&["created_at", "register_status"]);
        std::mem::take(fields).finish()?;
        Ok(input)
    }

    /// The record of a create. Whose it is was decided by then.
    pub fn into_record(mut self) -> Result<VoipCarrier, Invalid> {
        let mut record = VoipCarrier {
            sid: VoipCarrierSid::random(),
            name: self.name.take().ok_or(Invalid::Missing("name"))?,
            description: None,
            account_sid: None,
            service_provider_sid: None,
            application_sid: None,
            trunk_type: TrunkType::StaticIp,
            is_active: true,
            e164_leading_plus: false,
            tech_prefix: None,
            diversion: None,
            outbound_sip_proxy: None,
            dtmf_type: DtmfType::Rfc2833,
            register: Register::default(),
            inbound_auth: InboundAuth::default(),
            smpp: Smpp::default(),
            media_encryption: None,
            digest_algorithm: None,
            created_at: Timestamp::now(),
        };
        self.apply(&mut record)?;
        Ok(record)
    }

    /// # Errors
    /// When the result does not hang together: a registration without a user, an application
    /// without an account.
    pub fn apply(self, record: &mut VoipCarrier) -> Result<(), Invalid> {
        if let Some(name) = self.name {
            record.name = name;
        }
        self.description.apply(&mut record.description);
        self.account_sid.apply(&mut record.account_sid);
        self.service_provider_sid.apply(&mut record.service_provider_sid);
        self.application_sid.apply(&mut record.application_sid);
        self.trunk_type.apply_or(|| TrunkType::StaticIp, &mut record.trunk_type);
        self.is_active.apply_or(|| true, &mut record.is_active);
        self.e164_leading_plus.apply_or(|| false, &mut record.e164_leading_plus);
        self.tech_prefix.apply(&mut record.tech_prefix);
        self.diversion.apply(&mut record.diversion);
        self.outbound_sip_proxy.apply(&mut record.outbound_sip_proxy);
        self.dtmf_type.apply_or(|| DtmfType::Rfc2833, &mut record.dtmf_type);
        self.register.apply(&mut record.register);
        self.inbound_auth_username.apply(&mut record.inbound_auth.username);
        keep_obscured(self.inbound_auth_password, &mut record.inbound_auth.password);
        self.smpp.apply(&mut record.smpp);
        self.media_encryption.apply(&mut record.media_encryption);
        self.digest_algorithm.apply(&mut record.digest_algorithm);
        record.check()
    }
}

impl RegisterInput {
    fn read(fields: &mut Fields) -> Result<Self, Invalid> {
        Ok(Self {
            required: fields.flag("requires_register")?,
            username: fields.login_name("register_username")?,
            password: fields.password("register_password")?,
            from_user: fields.sip_text("register_from_user", LONGEST, USER, is_user)?,
            sip_realm: match fields.text("register_sip_realm", LONGEST)? {
                Patch::Value(text) if text.is_empty() => {
                    let expected = "null or a domain, it must not be empty string";
                    return Err(Invalid::Wrong { name: "register_sip_realm", expected });
                }
                other => other.try_map(|text| domain("register_sip_realm", text))?,
            },
            from_domain: fields
                .text_or_empty("register_from_domain", LONGEST)?
                .try_map(|text| domain("register_from_domain", text))?,
            public_ip_in_contact: fields.flag("register_public_ip_in_contact")?,
            use_tls: fields.flag("register_use_tls")?,
        })
    }

    fn apply(self, record: &mut Register) {
        self.required.apply_or(|| false, &mut record.required);
        self.username.apply(&mut record.username);
        keep_obscured(self.password, &mut record.password);
        self.from_user.apply(&mut record.from_user);
        self.sip_realm.apply(&mut record.sip_realm);
        self.from_domain.apply(&mut record.from_domain);
        self.public_ip_in_contact.apply_or(|| false, &mut record.public_ip_in_contact);
        self.use_tls.apply_or(|| false, &mut record.use_tls);
    }
}

impl SmppInput {
    fn read(fields: &mut Fields) -> Result<Self, Invalid> {
        Ok(Self {
            system_id: fields.text_or_empty("smpp_system_id", 255)?,
            password: fields.password("smpp_password")?,
            enquire_link_interval: fields.integer("smpp_enquire_link_interval", 0..=86_400)?,
            inbound_system_id: fields.text_or_empty("smpp_inbound_system_id", 255)?,
            inbound_password: fields.password("smpp_inbound_password")?,
        })
    }

    fn apply(self, record: &mut Smpp) {
        self.system_id.apply(&mut record.system_id);
        keep_obscured(self.password, &mut record.password);
        self.enquire_link_interval.apply_or(|| 0, &mut record.enquire_link_interval);
        self.inbound_system_id.apply(&mut record.inbound_system_id);
        keep_obscured(self.inbound_password, &mut record.inbound_password);
    }
}

/// A form that was filled from a listing sends the obscured password back.
fn keep_obscured(given: Patch<Secret>, place: &mut Option<Secret>) {
    match (given, place.as_ref()) {
        (Patch::Value(new), Some(old)) if new == old.obscured() => {}
        (patch, _) => patch.apply(place),
    }
}

fn domain(name: &'static str, text: String) -> Result<String, Invalid> {
    let scheme =
        |prefix: &str| text.get(..prefix.len()).is_some_and(|t| t.eq_ignore_ascii_case(prefix));
    if scheme("sip:") || scheme("sips:") {
        let expected = "a valid domain or IP address (no sip: prefix)";
        return Err(Invalid::Wrong { name, expected });
    }
    // A single label is more often a mistake than a host.
    if !is_host(&text) || !text.contains(['.', ':']) {
        return Err(Invalid::Wrong { name, expected: "a valid domain or IP address" });
    }
    Ok(text)
}

impl Fields {
    /// A user name of a digest: it stands between quotes, and before a colon in what is hashed
    /// (RFC 7616 §3.4.2). It may have an `@`, as carriers' often do.
    fn login_name(&mut self, name: &'static str) -> Result<Patch<String>, Invalid> {
        self.text_or_empty(name, LONGEST)?.try_map(|text| {
            if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
                let expected = "one word, it must not contain whitespace";
                return Err(Invalid::Wrong { name, expected });
            }
            if text.contains(['"', '\\', ':']) {
                return Err(Invalid::Wrong { name, expected: "free of quotes, \\ and :" });
            }
            Ok(text)
        })
    }

    fn password(&mut self, name: &'static str) -> Result<Patch<Secret>, Invalid> {
        self.text_or_empty(name, 255)?.try_map(|text| {
            if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
                let expected = "one word, it must not contain whitespace";
                return Err(Invalid::Wrong { name, expected });
            }
            Ok(Secret(text))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PasswordTrace;
    use serde_json::{Value, json};

    fn fields(value: Value) -> Fields {
        let Value::Object(map) = value else { panic!("an object") };
        Fields::new(map)
    }

    fn carrier(mut body: Value) -> Result<VoipCarrier, String> {
        body["name"] = json!("carrier");
        VoipCarrierInput::create(fields(body))
            .and_then(VoipCarrierInput::into_record)
            .map_err(|refused| refused.to_string())
    }

    fn update(record: &mut VoipCarrier, body: Value) -> Result<(), String> {
        VoipCarrierInput::update(fields(body))
            .and_then(|input| input.apply(record))
            .map_err(|refused| refused.to_string())
    }

    #[test]
    fn a_name_makes_a_carrier() {
        let made = carrier(json!({})).unwrap();
        assert_eq!((made.trunk_type, made.dtmf_type), (TrunkType::StaticIp, DtmfType::Rfc2833));
        assert!(made.is_active && !made.register.required);
        assert_eq!(
            VoipCarrierInput::create(fields(json!({}))).unwrap_err().to_string(),
            "missing field name"
        );
    }

    #[test]
    fn nothing_that_breaks_a_header_is_stored() {
        for name in [
            "name",
            "tech_prefix",
            "diversion",
            "outbound_sip_proxy",
            "register_username",
            "register_password",
            "register_from_user",
            "register_sip_realm",
            "register_from_domain",
            "inbound_auth_username",
            "inbound_auth_password",
        ] {
            for bad in ["a\r\nVia: x", "a\nb", "a\rb", "a\0b"] {
                let refused = update(&mut carrier(json!({})).unwrap(), json!({name: bad}));
                assert!(refused.unwrap_err().starts_with(name), "{name} {bad:?}");
            }
            if name != "name" {
                let refused = update(&mut carrier(json!({})).unwrap(), json!({name: "a b"}));
                assert!(refused.unwrap_err().starts_with(name), "{name}");
            }
        }
        for name in ["tech_prefix", "diversion", "register_from_user"] {
            for bad in ["<sip:a@b>", "a@b", "a;b", "a\"b", "a,b", "ä"] {
                assert!(carrier(json!({name: bad})).unwrap_err().starts_with(name), "{name} {bad}");
            }
        }
    }

    #[test]
    fn registering_needs_a_user_and_a_password_then_and_later() {
        let (no_user, no_password) = (
            "register_username is required when requires_register is true",
            "register_password is required when requires_register is true",
        );
        for (body, refusal) in [
            (json!({"requires_register": 1}), no_user),
            (json!({"requires_register": true, "register_username": ""}), no_user),
            (json!({"requires_register": "1", "register_username": "u"}), no_password),
        ] {
            assert_eq!(carrier(body).unwrap_err(), refusal);
        }
        let mut plain = carrier(json!({})).unwrap();
        assert_eq!(update(&mut plain, json!({"requires_register": 1})).unwrap_err(), no_user);
        let body =
            json!({"requires_register": 1, "register_username": "u", "register_password": "p"});
        let mut registering = carrier(body).unwrap();
        let refused = update(&mut registering.clone(), json!({"register_password": null}));
        assert_eq!(refused.unwrap_err(), no_password);
        update(&mut registering, json!({"requires_register": 0, "register_password": null}))
            .unwrap();
    }

    #[test]
    fn realms_are_domains_or_addresses() {
        for (realm, why) in [
            ("", "must not be empty string"),
            ("sip:example.com", "no sip: prefix"),
            ("SIPS:example.com", "no sip: prefix"),
            ("example..com", "valid domain or IP"),
            ("10.0.0.300", "valid domain or IP"),
            ("Switch", "valid domain or IP"),
        ] {
            let refused = carrier(json!({"register_sip_realm": realm})).unwrap_err();
            assert!(
                refused.starts_with("register_sip_realm") && refused.contains(why),
                "{refused}"
            );
        }
        for realm in ["sip.example.com", "10.0.0.1"] {
            assert!(carrier(json!({"register_sip_realm": realm})).is_ok());
        }
        let refused = carrier(json!({"register_from_domain": "sip:a.example"})).unwrap_err();
        assert!(refused.contains("no sip: prefix"), "{refused}");
    }

    #[test]
    fn passwords_do_not_print_and_stay_when_sent_back_obscured() {
        let body = json!({"register_username": "u@example.com", "register_password": "first-secret",
            "inbound_auth_username": "i", "inbound_auth_password": "second-secret",
            "smpp_password": "third-secret", "smpp_inbound_password": "fourth-secret"});
        let stored = carrier(body).unwrap();
        assert!(!format!("{stored:?}").contains("secret"));
        let mut changed = stored.clone();
        let shown = |secret: &Option<Secret>| secret.as_ref().unwrap().obscured().0;
        let back = json!({"register_password": shown(&stored.register.password),
            "inbound_auth_password": shown(&stored.inbound_auth.password),
            "smpp_password": shown(&stored.smpp.password),
            "smpp_inbound_password": shown(&stored.smpp.inbound_password)});
        update(&mut changed, back).unwrap();
        assert_eq!(changed, stored);
        update(&mut changed, json!({"register_password": "fXX", "inbound_auth_password": null}))
            .unwrap();
        assert_eq!(changed.register.password, Some(Secret("fXX".to_owned())));
        assert_eq!(changed.inbound_auth.password, None);
    }

    #[test]
    fn a_callers_proof_is_made_for_the_realm_it_was_asked_in() {
        let body =
            json!({"inbound_auth_username": "Mufasa", "inbound_auth_password": "Circle0fLife"});
        let carrier = carrier(body).unwrap();
        let trace = carrier.inbound_auth.trace("example.com").unwrap();
        let secret = Secret("Circle0fLife".to_owned());
        assert_eq!(trace, PasswordTrace::of("Mufasa", "example.com", &secret));
        assert_ne!(Some(trace), carrier.inbound_auth.trace("example.org"));
        assert_eq!(InboundAuth { password: None, ..carrier.inbound_auth }.trace("a"), None);
    }
}
