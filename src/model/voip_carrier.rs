//! A carrier: whom calls to and from the telephone network go through (contract rest.md §2.7).
//!
//! Its passwords are kept readable, sealed: the one to register with must be sent, and callers are
//! challenged for the realm they address, which for a carrier shared by accounts is any of theirs,
//! so no single HA1 would do. Neither leaves through REST: it shows them obscured, and an obscured
//! one sent back keeps what is stored.

mod input;

pub use input::{UNKNOWN_ACCOUNT, UNKNOWN_APPLICATION, VoipCarrierInput};

use super::word::words;
use super::{
    AccountSid, ApplicationSid, DigestAlgorithm, Encryption, Invalid, PasswordTrace, Scope, Secret,
    ServiceProviderSid, Timestamp, VoipCarrierSid,
};

words! {
    /// How both sides trust each other; this server goes by what the other properties say.
    TrunkType {
        StaticIp = "static_ip",
        Auth = "auth",
        Reg = "reg",
    }

    /// How keys are sent to a carrier.
    DtmfType {
        Rfc2833 = "rfc2833",
        Tones = "tones",
        Info = "info",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoipCarrier {
    pub sid: VoipCarrierSid,
    pub name: String,
    pub description: Option<String>,
    /// None: shared by all accounts of its service provider.
    pub account_sid: Option<AccountSid>,
    /// That of its account, if it has one. None: the administrator's, nobody can use it.
    pub service_provider_sid: Option<ServiceProviderSid>,
    /// Answers calls to numbers that have no application of their own.
    pub application_sid: Option<ApplicationSid>,
    pub trunk_type: TrunkType,
    pub is_active: bool,
    /// Numbers are dialled with a `+`.
    pub e164_leading_plus: bool,
    /// Goes before the number that is dialled.
    pub tech_prefix: Option<String>,
    /// User part of the Diversion header of calls to it.
    pub diversion: Option<String>,
    /// Where its requests go first: `host`, `host:port` or a URI of them.
    pub outbound_sip_proxy: Option<String>,
    pub dtmf_type: DtmfType,
    pub register: Register,
    pub inbound_auth: InboundAuth,
    pub smpp: Smpp,
    /// None: as the server's configuration says. Ours, jambonz has nothing there.
    pub media_encryption: Option<Encryption>,
    /// What its calls are challenged with. None: MD5. Ours, too.
    pub digest_algorithm: Option<DigestAlgorithm>,
    pub created_at: Timestamp,
}

/// How this server registers with a carrier, and who it is when the carrier challenges a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// The property is called `requires_register`. True: user name and password are there.
    pub required: bool,
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// None: `username`.
    pub from_user: Option<String>,
    /// None: the host of the gateway.
    pub sip_realm: Option<String>,
    /// None: `sip_realm`.
    pub from_domain: Option<String>,
    /// Stored, and without effect: our Contact names the listener's public address in any case.
    pub public_ip_in_contact: bool,
    pub use_tls: bool,
}

/// What a carrier proves itself with when its calls come from no network of its gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InboundAuth {
    pub username: Option<String>,
    pub password: Option<Secret>,
}

impl InboundAuth {
    /// The hashes to check an answer with to a challenge of `realm`. None: it cannot authenticate.
    pub fn trace(&self, realm: &str) -> Option<PasswordTrace> {
        let (username, password) = (self.username.as_ref()?, self.password.as_ref()?);
        Some(PasswordTrace::of(username, realm, password))
    }
}

/// Stored for clients that read and write it; nothing here speaks SMPP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Smpp {
    pub system_id: Option<String>,
    pub password: Option<Secret>,
    /// Seconds.
    pub enquire_link_interval: i64,
    pub inbound_system_id: Option<String>,
    pub inbound_password: Option<Secret>,
}

impl VoipCarrier {
    /// Whether `scope` may change it. An account uses its provider's shared carriers, which are not
    /// its own.
    pub fn is_reached_by(&self, scope: Scope) -> bool {
        scope.reaches(self.account_sid, self.service_provider_sid)
    }

    /// Whether an account, of this service provider, may place and take calls through it.
    pub fn serves(&self, account: AccountSid, provider: ServiceProviderSid) -> bool {
        match self.account_sid {
            Some(owner) => owner == account,
            None => self.service_provider_sid == Some(provider),
        }
    }

    /// What cannot be told from one property alone, whichever request made it so.
    fn check(&self) -> Result<(), Invalid> {
        if self.register.required && self.register.username.is_none() {
            return Err(Invalid::Rule(
                "register_username is required when requires_register is true",
            ));
        }
        if self.register.required && self.register.password.is_none() {
            return Err(Invalid::Rule(
                "register_password is required when requires_register is true",
            ));
        }
        if self.application_sid.is_some() && self.account_sid.is_none() {
            return Err(Invalid::Rule("account_sid missing"));
        }
        Ok(())
    }
}
