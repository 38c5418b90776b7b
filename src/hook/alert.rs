//! What went wrong with an application, for its owner to read (contract verbs.md §1.11,
//! rest.md §2.13).

/// The record's text; time, account and call are added by who stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub kind: AlertKind,
    pub message: String,
    pub detail: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlertKind {
    WebhookFailure,
    WebhookConnectionFailure,
    InvalidAppPayload,
    PlayUrlNotFound,
    NoTts,
    TtsFailure,
    ErrorUpdatingCall,
}

impl AlertKind {
    /// The `alert_type` of the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebhookFailure => "webhook-failure",
            Self::WebhookConnectionFailure => "webhook-connection-failure",
            Self::InvalidAppPayload => "invalid-app-payload",
            Self::PlayUrlNotFound => "play-url-notfound",
            Self::NoTts => "no-tts",
            Self::TtsFailure => "tts-failure",
            Self::ErrorUpdatingCall => "error-updating-call",
        }
    }
}

impl Alert {
    pub fn new(kind: AlertKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), detail: None }
    }

    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}
