//! An alert: something the owner of an account should know (contract rest.md §2.13).

use serde::{Deserialize, Serialize};

use crate::hook::AlertKind;

use super::{AccountSid, CallSid, ServiceProviderSid, Timestamp};

/// As JSON it stands in the store's spill file, not in the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    pub account_sid: AccountSid,
    pub alert_type: AlertType,
    pub message: String,
    pub detail: Option<String>,
    /// What it is about: usually a call_sid.
    pub target_sid: Option<String>,
}

impl Alert {
    /// What a hook has to say, stored for its account and call.
    pub fn of_hook(
        account_sid: AccountSid,
        call: Option<CallSid>,
        alert: crate::hook::Alert,
    ) -> Self {
        Self {
            account_sid,
            alert_type: alert.kind.into(),
            message: alert.message,
            detail: alert.detail,
            target_sid: call.map(|sid| sid.to_string()),
        }
    }
}

/// An alert as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRow {
    pub time: Timestamp,
    pub service_provider_sid: Option<ServiceProviderSid>,
    pub alert: Alert,
}

macro_rules! alert_types {
    ($($variant:ident = $text:literal),+ $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum AlertType { $(#[serde(rename = $text)] $variant),+ }

        impl AlertType {
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

alert_types! {
    WebhookFailure = "webhook-failure",
    WebhookConnectionFailure = "webhook-connection-failure",
    WebhookUrlNotfound = "webhook-url-notfound",
    WebhookAuthFailure = "webhook-auth-failure",
    InvalidAppPayload = "invalid-app-payload",
    NoTts = "no-tts",
    NoStt = "no-stt",
    TtsFailure = "tts-failure",
    SttFailure = "stt-failure",
    NoCarrier = "no-carrier",
    AccountCallLimit = "account-call-limit",
    AccountDeviceLimit = "account-device-limit",
    ServiceProviderCallLimit = "service-provider-call-limit",
    PlayUrlNotfound = "play-url-notfound",
    ErrorUpdatingCall = "error-updating-call",
    AlertFromApplication = "alert-from-application",
}

impl From<AlertKind> for AlertType {
    fn from(kind: AlertKind) -> Self {
        match kind {
            AlertKind::WebhookFailure => Self::WebhookFailure,
            AlertKind::WebhookConnectionFailure => Self::WebhookConnectionFailure,
            AlertKind::InvalidAppPayload => Self::InvalidAppPayload,
            AlertKind::PlayUrlNotFound => Self::PlayUrlNotfound,
            AlertKind::NoTts => Self::NoTts,
            AlertKind::TtsFailure => Self::TtsFailure,
            AlertKind::ErrorUpdatingCall => Self::ErrorUpdatingCall,
        }
    }
}
