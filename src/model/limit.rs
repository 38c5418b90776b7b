//! How much an account or a service provider may have at once (contract rest.md §2.14).

use super::word::words;
use super::{AccountSid, Fields, Invalid, LimitSid, ServiceProviderSid};

words! {
    /// What is limited. Calls and devices the server holds to their limits; the other categories it
    /// keeps for those who bill by them.
    LimitCategory {
        ApiRate = "api_rate",
        /// Calls at once, whichever way they go.
        VoiceCallSession = "voice_call_session",
        /// Users registered at once.
        Device = "device",
        VoiceCallMinutes = "voice_call_minutes",
        VoiceCallSessionLicense = "voice_call_session_license",
        VoiceCallMinutesLicense = "voice_call_minutes_license",
    }
}

/// Whose limits they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitOwner {
    Account(AccountSid),
    ServiceProvider(ServiceProviderSid),
}

/// One category's limit. Without one there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub sid: LimitSid,
    pub category: LimitCategory,
    /// 0: none at all.
    pub quantity: u32,
}

/// The body that sets a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitInput {
    pub category: LimitCategory,
    pub quantity: u32,
}

impl LimitInput {
    /// # Errors
    /// What is missing or wrong; both properties are required.
    pub fn create(mut fields: Fields) -> Result<Self, Invalid> {
        let category = fields.one_of("category", LimitCategory::WORDS, LimitCategory::parse)?;
        let category = category.value().ok_or(Invalid::Missing("category"))?;
        let quantity = fields.integer("quantity", 0..=i64::from(i32::MAX))?;
        let quantity = quantity.value().ok_or(Invalid::Missing("quantity"))?;
        fields.ignore(&[
            "account_limits_sid",
            "account_sid",
            "service_provider_limits_sid",
            "service_provider_sid",
        ]);
        fields.finish()?;
        Ok(Self { category, quantity: u32::try_from(quantity).unwrap_or(u32::MAX) })
    }
}

/// The calls that may be up at once where one more is to begin; `None`: as many as come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallLimits {
    pub account: Option<u32>,
    pub service_provider: Option<u32>,
}
