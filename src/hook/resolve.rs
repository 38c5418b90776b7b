//! Where a hook really goes: relative URLs, and whose credentials travel with the request
//! (contract verbs.md §1.2, D-2).

use url::Url;

use super::HookError;
use crate::model::{Hook, HookMethod, Secret};

/// User name and password for Basic authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub username: String,
    pub password: Secret,
}

/// A hook that can be asked as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedHook {
    /// `http` or `https`, without user name and password; the fragment holds retry parameters.
    pub url: Url,
    pub method: HookMethod,
    pub auth: Option<Login>,
}

/// The origin that relative URLs of a session refer to, and the session's credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    url: Option<Url>,
    auth: Option<Login>,
}

impl Base {
    /// The base of a session that `hook` opens; a hook that cannot be used gives an empty base.
    pub fn of(hook: &Hook) -> Self {
        match Self::default().resolve(hook) {
            Ok(resolved) => Self::from_resolved(&resolved),
            Err(_) => Self::default(),
        }
    }

    /// Resolves a hook within the session. Its own credentials win; the session's are added only
    /// towards the session's own origin.
    ///
    /// # Errors
    /// [`HookError::BadUrl`] or [`HookError::WebSocket`].
    pub fn resolve(&self, hook: &Hook) -> Result<ResolvedHook, HookError> {
        let mut url = self.absolute(&hook.url)?;
        let own = hook
            .credentials()
            .map(|(username, password)| login(username, password))
            .or_else(|| login_in_url(&url));
        // The setters fail only for URLs without a host, which `absolute` refuses.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let auth = own.or_else(|| self.auth.clone().filter(|_| self.is_origin_of(&url)));
        Ok(ResolvedHook { url, method: hook.method, auth })
    }

    /// Resolves the URL of a media file; schemes that are not HTTP stay as they are.
    pub fn resolve_media(&self, url: &str) -> String {
        if !url.starts_with('/') {
            return url.to_owned();
        }
        match self.absolute(url) {
            Ok(absolute) => absolute.into(),
            Err(_) => url.to_owned(),
        }
    }

    /// A redirect succeeded: a different origin becomes the base of the rest of the session.
    pub fn follow(&mut self, target: &ResolvedHook) {
        if !self.is_origin_of(&target.url) {
            *self = Self::from_resolved(target);
        }
    }

    fn from_resolved(target: &ResolvedHook) -> Self {
        Self { url: Some(target.url.clone()), auth: target.auth.clone() }
    }

    fn is_origin_of(&self, url: &Url) -> bool {
        self.url.as_ref().is_some_and(|base| base.origin() == url.origin())
    }

    fn absolute(&self, text: &str) -> Result<Url, HookError> {
        let bad = || HookError::BadUrl { url: text.to_owned() };
        let url = if text.starts_with('/') {
            // The path of the initial hook does not matter, only scheme, host and port.
            self.url.as_ref().ok_or_else(bad)?.join(text).map_err(|_| bad())?
        } else {
            Url::parse(text).map_err(|_| bad())?
        };
        match url.scheme() {
            "http" | "https" if url.has_host() => Ok(url),
            "ws" | "wss" => Err(HookError::WebSocket { url: text.to_owned() }),
            _ => Err(bad()),
        }
    }
}

fn login(username: &str, password: &str) -> Login {
    Login { username: username.to_owned(), password: Secret(password.to_owned()) }
}

fn login_in_url(url: &Url) -> Option<Login> {
    let decode = |text: &str| percent_decode(text);
    match (url.username(), url.password()) {
        ("", _) | (_, None) => None,
        (username, Some(password)) => Some(login(&decode(username), &decode(password))),
    }
}

fn percent_decode(text: &str) -> String {
    let query = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(query.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}
