//! How model types stand in columns: sids as text, moments as milliseconds, hooks as JSON text with
//! a sealed password. SQL types stop here.

use serde_json::{Value, json};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::{Database, Decode, Encode, Row as _, Type};

use super::{Error, Row, Seal};
use crate::model::{
    AccountSid, AlertType, ApiKeySid, ApplicationSid, CallSid, ClientSid, ConferenceSid,
    DigestAlgorithm, Direction, DtmfType, Encryption, Hook, HookMethod, LimitCategory, LimitSid,
    PhoneNumberSid, PlanType, Protocol, QueueSid, RecordFormat, RecordingSid, RecordingState,
    SbcAddressSid, Secret, ServiceProviderSid, SipGatewaySid, SoundFormat, StoredHook, Timestamp,
    TrunkType, UserSid, VoipCarrierSid, WebhookSid,
};

macro_rules! text_columns {
    ($($type:ty: $print:expr),+ $(,)?) => {$(
        impl<DB: Database> Type<DB> for $type
        where
            str: Type<DB>,
        {
            fn type_info() -> DB::TypeInfo {
                <str as Type<DB>>::type_info()
            }

            fn compatible(ty: &DB::TypeInfo) -> bool {
                <str as Type<DB>>::compatible(ty)
            }
        }

        impl<'q, DB: Database> Encode<'q, DB> for $type
        where
            String: Encode<'q, DB>,
        {
            fn encode_by_ref(
                &self,
                buf: &mut <DB as Database>::ArgumentBuffer,
            ) -> Result<IsNull, BoxDynError> {
                let print: fn(&Self) -> String = $print;
                print(self).encode(buf)
            }
        }

        impl<'r, DB: Database> Decode<'r, DB> for $type
        where
            &'r str: Decode<'r, DB>,
        {
            fn decode(value: <DB as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
                let text = <&str as Decode<DB>>::decode(value)?;
                Self::parse(text).ok_or_else(|| concat!("not a ", stringify!($type)).into())
            }
        }
    )+};
}

text_columns! {
    AccountSid: |v| v.to_string(),
    ServiceProviderSid: |v| v.to_string(),
    ApiKeySid: |v| v.to_string(),
    ApplicationSid: |v| v.to_string(),
    PhoneNumberSid: |v| v.to_string(),
    ClientSid: |v| v.to_string(),
    CallSid: |v| v.to_string(),
    RecordFormat: |v| v.as_str().to_owned(),
    PlanType: |v| v.as_str().to_owned(),
    Direction: |v| v.as_str().to_owned(),
    AlertType: |v| v.as_str().to_owned(),
    VoipCarrierSid: |v| v.to_string(),
    SipGatewaySid: |v| v.to_string(),
    LimitSid: |v| v.to_string(),
    LimitCategory: |v| v.as_str().to_owned(),
    SbcAddressSid: |v| v.to_string(),
    TrunkType: |v| v.as_str().to_owned(),
    DtmfType: |v| v.as_str().to_owned(),
    Protocol: |v| v.as_str().to_owned(),
    ConferenceSid: |v| v.to_string(),
    QueueSid: |v| v.to_string(),
    Encryption: |v| v.as_str().to_owned(),
    DigestAlgorithm: |v| v.as_str().to_owned(),
    UserSid: |v| v.to_string(),
    RecordingSid: |v| v.to_string(),
    RecordingState: |v| v.as_str().to_owned(),
    SoundFormat: |v| v.as_str().to_owned(),
}

impl<DB: Database> Type<DB> for Timestamp
where
    i64: Type<DB>,
{
    fn type_info() -> DB::TypeInfo {
        <i64 as Type<DB>>::type_info()
    }

    fn compatible(ty: &DB::TypeInfo) -> bool {
        <i64 as Type<DB>>::compatible(ty)
    }
}

impl<'q, DB: Database> Encode<'q, DB> for Timestamp
where
    i64: Encode<'q, DB>,
{
    fn encode_by_ref(
        &self,
        buf: &mut <DB as Database>::ArgumentBuffer,
    ) -> Result<IsNull, BoxDynError> {
        self.as_millis().encode(buf)
    }
}

impl<'r, DB: Database> Decode<'r, DB> for Timestamp
where
    i64: Decode<'r, DB>,
{
    fn decode(value: <DB as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
        let ms = <i64 as Decode<DB>>::decode(value)?;
        Self::from_millis(ms).ok_or_else(|| "not a moment".into())
    }
}

/// Columns that need more than a conversion.
pub(super) trait Columns {
    fn flag(&self, column: &'static str) -> Result<bool, Error>;
    fn optional_flag(&self, column: &'static str) -> Result<Option<bool>, Error>;
    /// A number that is not negative.
    fn optional_count(&self, column: &'static str) -> Result<Option<u32>, Error>;
    fn hook(&self, column: &'static str, seal: &Seal) -> Result<Option<StoredHook>, Error>;
    fn object(&self, column: &'static str) -> Result<Option<Value>, Error>;
}

impl Columns for Row {
    fn flag(&self, column: &'static str) -> Result<bool, Error> {
        Ok(self.try_get::<i64, _>(column)? != 0)
    }

    fn optional_flag(&self, column: &'static str) -> Result<Option<bool>, Error> {
        Ok(self.try_get::<Option<i64>, _>(column)?.map(|value| value != 0))
    }

    fn optional_count(&self, column: &'static str) -> Result<Option<u32>, Error> {
        let value = self.try_get::<Option<i64>, _>(column)?;
        value.map(|value| u32::try_from(value).map_err(|_| Error::Corrupt { column })).transpose()
    }

    fn hook(&self, column: &'static str, seal: &Seal) -> Result<Option<StoredHook>, Error> {
        let Some(value) = self.object(column)? else { return Ok(None) };
        read_hook(&value, seal)?.ok_or(Error::Corrupt { column }).map(Some)
    }

    fn object(&self, column: &'static str) -> Result<Option<Value>, Error> {
        let text = self.try_get::<Option<&str>, _>(column)?;
        text.map(|text| serde_json::from_str(text).map_err(|_| Error::Corrupt { column }))
            .transpose()
    }
}

/// A boolean as the columns hold it.
pub(super) fn flag(value: bool) -> i64 {
    i64::from(value)
}

/// A hook as its column holds it.
pub(super) fn hook(stored: &StoredHook, seal: &Seal) -> Result<String, Error> {
    let StoredHook { sid, hook } = stored;
    let password = hook.password.as_ref().map(|p| seal.seal(sid, &p.0)).transpose()?;
    Ok(json!({
        "sid": sid.to_string(),
        "url": hook.url,
        "method": hook.method.as_str(),
        "username": hook.username,
        "password_sealed": password,
    })
    .to_string())
}

pub(super) fn optional_hook(
    stored: Option<&StoredHook>,
    seal: &Seal,
) -> Result<Option<String>, Error> {
    stored.map(|stored| hook(stored, seal)).transpose()
}

/// `None` when the JSON is not what [`hook`] writes.
fn read_hook(value: &Value, seal: &Seal) -> Result<Option<StoredHook>, Error> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let (Some(sid), Some(url), Some(method)) = (
        text("sid").and_then(WebhookSid::parse),
        text("url"),
        text("method").and_then(HookMethod::parse),
    ) else {
        return Ok(None);
    };
    let password = text("password_sealed").map(|sealed| seal.unseal(sid, sealed)).transpose()?;
    let hook = Hook {
        url: url.to_owned(),
        method,
        username: text("username").map(str::to_owned),
        password: password.map(Secret),
    };
    Ok(Some(StoredHook { sid, hook }))
}
