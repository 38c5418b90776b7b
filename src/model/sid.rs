//! Public identifiers: lower-case UUIDs, one type per resource so that they cannot be swapped.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

macro_rules! sid {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh random sid (UUID version 4).
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }

            /// Reads the canonical 36-character form; anything else is `None`.
            pub fn parse(text: &str) -> Option<Self> {
                if text.len() != 36 {
                    return None;
                }
                Uuid::try_parse(text).ok().map(Self)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
                let uuid = SchemaFormat::KnownFormat(KnownFormat::Uuid);
                ObjectBuilder::new().schema_type(Type::String).format(Some(uuid)).into()
            }
        }

        impl utoipa::ToSchema for $name {}

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

sid! {
    /// One call: one SIP dialog, one application, one verb list.
    CallSid,
    AccountSid,
    ServiceProviderSid,
    ApplicationSid,
    ApiKeySid,
    UserSid,
    ClientSid,
    PhoneNumberSid,
    VoipCarrierSid,
    SipGatewaySid,
    ConferenceSid,
    QueueSid,
    RecordingSid,
    LimitSid,
    WebhookSid,
    PredefinedCarrierSid,
    SbcAddressSid,
}

impl SbcAddressSid {
    /// The sid of an address of our own: the same at every start.
    pub fn of_own(ip: IpAddr, place: usize) -> Self {
        let digest: [u8; 32] = Sha256::digest(format!("own sbc {ip} {place}")).into();
        let (head, _) = digest.as_chunks::<16>();
        Self(
            head.first()
                .map_or_else(Uuid::nil, |head| uuid::Builder::from_custom_bytes(*head).into_uuid()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sid_reads_what_it_prints_and_nothing_else() {
        let sid = CallSid::random();
        assert_eq!(CallSid::parse(&sid.to_string()), Some(sid));
        assert_eq!(CallSid::parse("undefined"), None);
        assert_eq!(CallSid::parse("67e5504410b1426f9247bb680e5fe0c8"), None);
    }
}
