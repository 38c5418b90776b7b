//! How far a token reaches (contract rest.md §1.3). Every repository takes one.

use super::{AccountSid, ServiceProviderSid};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everything.
    Admin,
    /// One service provider and its accounts.
    ServiceProvider(ServiceProviderSid),
    /// One account.
    Account(AccountSid),
}

impl Scope {
    /// Whether an object owned by this account (of this service provider) is within reach.
    pub fn reaches(
        self,
        account: Option<AccountSid>,
        provider: Option<ServiceProviderSid>,
    ) -> bool {
        match self {
            Self::Admin => true,
            Self::ServiceProvider(own) => provider == Some(own),
            Self::Account(own) => account == Some(own),
        }
    }

    /// The token's account, for account tokens.
    pub fn account(self) -> Option<AccountSid> {
        match self {
            Self::Account(sid) => Some(sid),
            Self::Admin | Self::ServiceProvider(_) => None,
        }
    }

    /// The token's service provider, for service provider tokens.
    pub fn service_provider(self) -> Option<ServiceProviderSid> {
        match self {
            Self::ServiceProvider(sid) => Some(sid),
            Self::Admin | Self::Account(_) => None,
        }
    }
}
