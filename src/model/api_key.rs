//! An API key (contract rest.md §2.2). Only its hash and its first characters are ever stored.

use std::time::Duration;

use super::{AccountSid, ApiKeySid, Fields, Invalid, Patch, Scope, ServiceProviderSid, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub sid: ApiKeySid,
    /// The first 8 characters of the token, to recognise it by.
    pub prefix: String,
    pub scope: Scope,
    pub expires_at: Option<Timestamp>,
    pub last_used: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// The body of a create. Whom the key may be for is decided by the token that asks.
#[derive(Debug, Default)]
pub struct ApiKeyInput {
    pub account_sid: Option<AccountSid>,
    pub service_provider_sid: Option<ServiceProviderSid>,
    pub expires_at: Option<Timestamp>,
}

impl ApiKeyInput {
    pub fn create(mut fields: Fields) -> Result<Self, Invalid> {
        fields.ignore(&["api_key_sid", "token", "last_used", "created_at"]);
        let expires_at = fields.date("expires_at")?.value();
        let expiry_secs = fields.integer("expiry_secs", 1..=3_153_600_000)?;
        let input = Self {
            account_sid: fields.sid("account_sid", AccountSid::parse)?.value(),
            service_provider_sid: fields
                .sid("service_provider_sid", ServiceProviderSid::parse)?
                .value(),
            expires_at: match expiry_secs {
                Patch::Value(secs) => {
                    Some(Timestamp::now().plus(Duration::from_secs(secs.unsigned_abs())))
                }
                Patch::Absent | Patch::Null => expires_at,
            },
        };
        fields.finish()?;
        Ok(input)
    }
}
