//! An account: one tenant, the owner of everything a call needs (contract rest.md §2.5).

use ring::rand::{SecureRandom, SystemRandom};

use super::{
    AccountSid, ApplicationSid, BucketCredential, Fields, HookInput, Invalid, Patch, Secret,
    ServiceProviderSid, StoredHook, Timestamp,
};

#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    pub sid: AccountSid,
    pub service_provider_sid: ServiceProviderSid,
    pub name: String,
    /// Lower-case domain of its SIP users, unique on the server.
    pub sip_realm: Option<String>,
    /// See [`Account::digest_realm`]. Fixed by the store with the first client.
    pub fixed_digest_realm: Option<String>,
    pub registration_hook: Option<StoredHook>,
    pub queue_event_hook: Option<StoredHook>,
    pub device_calling_application_sid: Option<ApplicationSid>,
    pub siprec_hook_sid: Option<ApplicationSid>,
    /// Signs its webhooks.
    pub webhook_secret: Secret,
    /// False: its calls and registrations are refused.
    pub is_active: bool,
    pub disable_cdrs: bool,
    pub record_all_calls: bool,
    pub record_format: RecordFormat,
    pub bucket_credential: Option<BucketCredential>,
    pub enable_debug_log: bool,
    pub commercial: Commercial,
    pub created_at: Timestamp,
}

/// Columns that clients of hosted installations read and write; this server only keeps them.
#[derive(Clone, Debug, PartialEq)]
pub struct Commercial {
    pub plan_type: PlanType,
    pub stripe_customer_id: Option<String>,
    pub trial_end_date: Option<Timestamp>,
    pub deactivated_reason: Option<String>,
    pub device_to_call_ratio: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordFormat {
    #[default]
    Mp3,
    Wav,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlanType {
    #[default]
    Trial,
    Free,
    Paid,
}

impl RecordFormat {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "mp3" => Self::Mp3,
            "wav" => Self::Wav,
            _ => return None,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Wav => "wav",
        }
    }
}

impl PlanType {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "trial" => Self::Trial,
            "free" => Self::Free,
            "paid" => Self::Paid,
            _ => return None,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Free => "free",
            Self::Paid => "paid",
        }
    }
}

impl Account {
    pub fn new(service_provider_sid: ServiceProviderSid, name: impl Into<String>) -> Self {
        Self {
            sid: AccountSid::random(),
            service_provider_sid,
            name: name.into(),
            sip_realm: None,
            fixed_digest_realm: None,
            registration_hook: None,
            queue_event_hook: None,
            device_calling_application_sid: None,
            siprec_hook_sid: None,
            webhook_secret: new_webhook_secret(),
            is_active: true,
            disable_cdrs: false,
            record_all_calls: false,
            record_format: RecordFormat::default(),
            bucket_credential: None,
            enable_debug_log: false,
            commercial: Commercial {
                plan_type: PlanType::default(),
                stripe_customer_id: None,
                trial_end_date: None,
                deactivated_reason: None,
                device_to_call_ratio: DEVICE_TO_CALL_RATIO,
            },
            created_at: Timestamp::now(),
        }
    }

    /// The realm its clients are challenged with and their HA1 are made for (RFC 3261 §22.1).
    ///
    /// From the first client on it never changes, whatever becomes of `sip_realm`: the passwords are
    /// not kept, so no HA1 could follow. Before that, the realm it would get: `sip_realm`, or the sid.
    pub fn digest_realm(&self) -> String {
        let realm = self.fixed_digest_realm.as_ref().or(self.sip_realm.as_ref());
        realm.cloned().unwrap_or_else(|| self.sid.to_string())
    }
}

const DEVICE_TO_CALL_RATIO: i64 = 5;

/// `wh_secret_` and 22 random characters (110 bits).
pub fn new_webhook_secret() -> Secret {
    Secret(format!("wh_secret_{}", random_text(22)))
}

/// Random text of letters and digits that nobody confuses when reading aloud (5 bits each), from
/// the system's generator.
pub fn random_text(length: usize) -> String {
    const ALPHABET: [char; 32] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't',
        'u', 'v', 'w', 'x', 'y', 'z', '2', '3', '4', '5', '6', '7', '8', '9',
    ];
    let mut bytes = vec![0u8; length];
    SystemRandom::new().fill(&mut bytes).expect("the system's random generator works");
    bytes.into_iter().map(|b| ALPHABET[usize::from(b & 31)]).collect()
}

/// The body of a create or an update.
#[derive(Debug, Default)]
pub struct AccountInput {
    pub name: Option<String>,
    pub service_provider_sid: Option<ServiceProviderSid>,
    pub sip_realm: Patch<String>,
    registration_hook: Patch<HookInput>,
    queue_event_hook: Patch<HookInput>,
    pub device_calling_application_sid: Patch<ApplicationSid>,
    pub siprec_hook_sid: Patch<ApplicationSid>,
    webhook_secret: Option<Secret>,
    is_active: Patch<bool>,
    disable_cdrs: Patch<bool>,
    record_all_calls: Patch<bool>,
    record_format: Patch<RecordFormat>,
    bucket_credential: Patch<BucketCredential>,
    enable_debug_log: Patch<bool>,
    plan_type: Patch<PlanType>,
    stripe_customer_id: Patch<String>,
    trial_end_date: Patch<Timestamp>,
    deactivated_reason: Patch<String>,
    device_to_call_ratio: Patch<i64>,
}

impl AccountInput {
    pub fn create(mut fields: Fields) -> Result<Self, Invalid> {
        if !fields.has("name") {
            return Err(Invalid::Missing("name"));
        }
        fields.ignore(&["account_sid", "webhook_secret"]);
        let provider = fields.sid("service_provider_sid", ServiceProviderSid::parse)?.value();
        Ok(Self { service_provider_sid: provider, ..Self::read(fields)? })
    }

    pub fn update(mut fields: Fields) -> Result<Self, Invalid> {
        fields.refuse("account_sid", Invalid::PrimaryKey("account_sid"))?;
        fields.refuse("service_provider_sid", Invalid::Fixed("service_provider_sid"))?;
        let secret = match fields.secret("webhook_secret", 255)? {
            Patch::Value(secret) if secret.0.len() < 8 => {
                let expected = "at least 8 characters long";
                return Err(Invalid::Wrong { name: "webhook_secret", expected });
            }
            patch => patch.value(),
        };
        Ok(Self { webhook_secret: secret, ..Self::read(fields)? })
    }

    fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let input = Self {
            name: fields.name("name", 64)?,
            service_provider_sid: None,
            sip_realm: fields.text_or_empty("sip_realm", 132)?.try_map(|text| realm(&text))?,
            registration_hook: fields.hook("registration_hook")?.empty_as_null(),
            queue_event_hook: fields.hook("queue_event_hook")?.empty_as_null(),
            device_calling_application_sid: fields
                .sid("device_calling_application_sid", ApplicationSid::parse)?,
            siprec_hook_sid: fields.sid("siprec_hook_sid", ApplicationSid::parse)?,
            webhook_secret: None,
            is_active: fields.flag("is_active")?,
            disable_cdrs: fields.flag("disable_cdrs")?,
            record_all_calls: fields.flag("record_all_calls")?,
            record_format: fields.one_of("record_format", &["mp3", "wav"], RecordFormat::parse)?,
            bucket_credential: match fields.object("bucket_credential")? {
                Patch::Absent => Patch::Absent,
                Patch::Null => Patch::Null,
                Patch::Value(map) => BucketCredential::read(map)?.map_or(Patch::Null, Patch::Value),
            },
            enable_debug_log: fields.flag("enable_debug_log")?,
            plan_type: fields.one_of("plan_type", &["trial", "free", "paid"], PlanType::parse)?,
            stripe_customer_id: fields.text("stripe_customer_id", 56)?,
            trial_end_date: fields.date("trial_end_date")?,
            deactivated_reason: fields.text("deactivated_reason", 255)?,
            device_to_call_ratio: fields.integer("device_to_call_ratio", 0..=1_000_000)?,
        };
        fields.ignore(&[
            "created_at",
            "subspace_client_id",
            "subspace_client_secret",
            "subspace_sip_teleport_id",
            "subspace_sip_teleport_destinations",
        ]);
        fields.finish()?;
        Ok(input)
    }

    /// Property and URL of all it brings that the server will ask.
    pub fn urls(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let hooks = [&self.registration_hook, &self.queue_event_hook];
        let hooks = hooks.into_iter().filter_map(|hook| hook.as_ref().value()?.named_url());
        let bucket = self.bucket_credential.as_ref().value();
        let endpoint = bucket.and_then(|bucket| bucket.part("endpoint"));
        hooks.chain(endpoint.map(|url| ("bucket_credential", url)))
    }

    pub fn apply(self, record: &mut Account) -> Result<(), Invalid> {
        if let Some(name) = self.name {
            record.name = name;
        }
        self.sip_realm.apply(&mut record.sip_realm);
        self.registration_hook.resolve_into(&mut record.registration_hook)?;
        self.queue_event_hook.resolve_into(&mut record.queue_event_hook)?;
        self.device_calling_application_sid.apply(&mut record.device_calling_application_sid);
        self.siprec_hook_sid.apply(&mut record.siprec_hook_sid);
        if let Some(secret) = self.webhook_secret {
            record.webhook_secret = secret;
        }
        self.is_active.apply_or(|| true, &mut record.is_active);
        self.disable_cdrs.apply_or(|| false, &mut record.disable_cdrs);
        self.record_all_calls.apply_or(|| false, &mut record.record_all_calls);
        self.record_format.apply_or(RecordFormat::default, &mut record.record_format);
        match self.bucket_credential {
            Patch::Absent => {}
            Patch::Null => record.bucket_credential = None,
            Patch::Value(new) => {
                let kept = new.keep_obscured(record.bucket_credential.as_ref());
                record.bucket_credential = Some(kept);
            }
        }
        self.enable_debug_log.apply_or(|| false, &mut record.enable_debug_log);
        let commercial = &mut record.commercial;
        self.plan_type.apply_or(PlanType::default, &mut commercial.plan_type);
        self.stripe_customer_id.apply(&mut commercial.stripe_customer_id);
        self.trial_end_date.apply(&mut commercial.trial_end_date);
        self.deactivated_reason.apply(&mut commercial.deactivated_reason);
        self.device_to_call_ratio
            .apply_or(|| DEVICE_TO_CALL_RATIO, &mut commercial.device_to_call_ratio);
        Ok(())
    }
}

/// Lower-cases a realm and refuses what cannot be the host part of a SIP address.
fn realm(text: &str) -> Result<String, Invalid> {
    let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if !text.bytes().all(is_host) || text.starts_with(['.', '-']) || text.ends_with('.') {
        return Err(Invalid::Wrong { name: "sip_realm", expected: "a domain name" });
    }
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn fields(value: Value) -> Fields {
        let Value::Object(map) = value else { panic!("an object") };
        Fields::new(map)
    }

    #[test]
    fn realms_are_lower_cased_host_names() {
        let input = AccountInput::update(fields(json!({"sip_realm": "SIP.Example.COM"}))).unwrap();
        assert_eq!(input.sip_realm, Patch::Value("sip.example.com".to_owned()));
        for realm in ["a b", "a@b", "a:5060", "\"", ".a", "a.", "ä.de"] {
            assert!(AccountInput::update(fields(json!({"sip_realm": realm}))).is_err(), "{realm}");
        }
    }

    #[test]
    fn update_changes_only_what_it_names() {
        let mut account = Account::new(ServiceProviderSid::random(), "a");
        let before = account.clone();
        AccountInput::update(fields(json!({}))).unwrap().apply(&mut account).unwrap();
        assert_eq!(account, before);
        let body = json!({"record_format": "wav", "is_active": "0", "device_to_call_ratio": null});
        AccountInput::update(fields(body)).unwrap().apply(&mut account).unwrap();
        assert_eq!(account.record_format, RecordFormat::Wav);
        assert!(!account.is_active);
        assert_eq!(account.commercial.device_to_call_ratio, 5);
        assert_eq!(account.webhook_secret, before.webhook_secret);
    }

    #[test]
    fn the_digest_realm_is_the_fixed_one_else_the_realm_else_the_sid() {
        let mut account = Account::new(ServiceProviderSid::random(), "a");
        assert_eq!(account.digest_realm(), account.sid.to_string());
        account.sip_realm = Some("now.example.com".to_owned());
        assert_eq!(account.digest_realm(), "now.example.com");
        account.fixed_digest_realm = Some("then.example.com".to_owned());
        assert_eq!(account.digest_realm(), "then.example.com");
    }

    #[test]
    fn webhook_secrets_are_random_and_prefixed() {
        let (one, two) = (new_webhook_secret(), new_webhook_secret());
        assert!(one.0.starts_with("wh_secret_"));
        assert_ne!(one, two);
    }
}
