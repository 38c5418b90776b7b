//! A service provider: the owner of accounts (contract rest.md §2.6).

use super::{Fields, HookInput, Invalid, Patch, ServiceProviderSid, StoredHook, Timestamp};

#[derive(Clone, Debug, PartialEq)]
pub struct ServiceProvider {
    pub sid: ServiceProviderSid,
    pub name: String,
    pub description: Option<String>,
    pub root_domain: Option<String>,
    pub ms_teams_fqdn: Option<String>,
    pub registration_hook: Option<StoredHook>,
    pub created_at: Timestamp,
}

impl ServiceProvider {
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            sid: ServiceProviderSid::random(),
            name: name.into(),
            description: None,
            root_domain: None,
            ms_teams_fqdn: None,
            registration_hook: None,
            created_at: Timestamp::now(),
        }
    }
}

/// The body of a create or an update.
#[derive(Debug, Default)]
pub struct ServiceProviderInput {
    pub name: Option<String>,
    description: Patch<String>,
    root_domain: Patch<String>,
    ms_teams_fqdn: Patch<String>,
    registration_hook: Patch<HookInput>,
}

impl ServiceProviderInput {
    pub fn create(mut fields: Fields) -> Result<Self, Invalid> {
        if !fields.has("name") {
            return Err(Invalid::Missing("name"));
        }
        fields.ignore(&["service_provider_sid"]);
        Self::read(fields)
    }

    pub fn update(fields: Fields) -> Result<Self, Invalid> {
        fields.refuse("service_provider_sid", Invalid::PrimaryKey("service_provider_sid"))?;
        Self::read(fields)
    }

    fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let input = Self {
            name: fields.name("name", 64)?,
            description: fields.text("description", 255)?,
            root_domain: fields.text_or_empty("root_domain", 128)?,
            ms_teams_fqdn: fields.text_or_empty("ms_teams_fqdn", 255)?,
            registration_hook: fields.hook("registration_hook")?.empty_as_null(),
        };
        // Least-cost routing does not exist here yet; only its absence can be stored.
        if let Patch::Value(sid) = fields.text("lcr_sid", 36)? {
            return Err(Invalid::NoSuch { what: "lcr", sid });
        }
        fields.ignore(&["created_at"]);
        fields.finish()?;
        Ok(input)
    }

    /// Property and URL of the hook it brings.
    pub fn urls(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.registration_hook.as_ref().value().and_then(HookInput::named_url).into_iter()
    }

    pub fn apply(self, record: &mut ServiceProvider) -> Result<(), Invalid> {
        if let Some(name) = self.name {
            record.name = name;
        }
        self.description.apply(&mut record.description);
        self.root_domain.apply(&mut record.root_domain);
        self.ms_teams_fqdn.apply(&mut record.ms_teams_fqdn);
        self.registration_hook.resolve_into(&mut record.registration_hook)
    }
}
