//! A webhook: where an application is asked, and with which credentials (contract rest.md §2.0).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::{Fields, Invalid, Patch, WebhookSid};

/// A string that must never reach a log: `Debug` prints `***`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl Secret {
    /// First character, then `X` to the same length: what REST shows of a password.
    pub fn obscured(&self) -> Self {
        Self(self.0.chars().enumerate().map(|(at, c)| if at == 0 { c } else { 'X' }).collect())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum HookMethod {
    Get,
    #[default]
    Post,
}

impl HookMethod {
    /// Reads `GET` or `POST` in any case.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            t if t.eq_ignore_ascii_case("GET") => Some(Self::Get),
            t if t.eq_ignore_ascii_case("POST") => Some(Self::Post),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// A webhook as applications, calls and verbs name it. The URL may be relative inside a session;
/// who stores a hook checks that it is absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    pub url: String,
    pub method: HookMethod,
    pub username: Option<String>,
    pub password: Option<Secret>,
}

impl Hook {
    /// A hook given as a plain string is always POST (contract verbs.md §1.2).
    pub fn post(url: impl Into<String>) -> Self {
        Self { url: url.into(), method: HookMethod::Post, username: None, password: None }
    }

    /// User name and password, when both are there.
    pub fn credentials(&self) -> Option<(&str, &str)> {
        Some((self.username.as_deref()?, self.password.as_ref()?.0.as_str()))
    }
}

/// On the wire: a string, or `{url, method?, username?, password?, basicAuth?:{username,password}}`.
impl<'de> Deserialize<'de> for Hook {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;

        #[derive(Deserialize)]
        struct Basic {
            username: Option<String>,
            password: Option<Secret>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Object {
            url: String,
            method: Option<String>,
            username: Option<String>,
            password: Option<Secret>,
            basic_auth: Option<Basic>,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire {
            Url(String),
            Object(Object),
        }

        match Wire::deserialize(deserializer)
            .map_err(|_| D::Error::custom("a hook is a URL or an object with a url"))?
        {
            Wire::Url(url) => Ok(Self::post(url)),
            Wire::Object(o) => {
                let method = match o.method.as_deref() {
                    None => HookMethod::Post,
                    Some(m) => HookMethod::parse(m)
                        .ok_or_else(|| D::Error::custom("hook method must be GET or POST"))?,
                };
                let (username, password) = match o.basic_auth {
                    Some(b) => (b.username, b.password),
                    None => (o.username, o.password),
                };
                Ok(Self { url: o.url, method, username, password })
            }
        }
    }
}

/// A hook as part of a stored object: the same, with the sid that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHook {
    pub sid: WebhookSid,
    pub hook: Hook,
}

/// A hook in a create or update body. With a `webhook_sid` it changes that hook in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookInput {
    name: &'static str,
    webhook_sid: Option<WebhookSid>,
    url: Option<String>,
    method: Patch<HookMethod>,
    username: Patch<String>,
    password: Patch<Secret>,
}

impl HookInput {
    /// Reads the hook of property `name`; its own properties are checked for type and length.
    pub fn read(name: &'static str, map: Map<String, Value>) -> Result<Self, Invalid> {
        Self::from_fields(name, Fields::new(map))
    }

    /// For [`probe`](super::shape::probe): which properties a hook has.
    pub fn probe(fields: Fields) -> Result<Self, Invalid> {
        if !fields.has("url") {
            return Err(Invalid::Missing("url"));
        }
        Self::from_fields("hook", fields)
    }

    fn from_fields(name: &'static str, mut fields: Fields) -> Result<Self, Invalid> {
        let wrong = |reason| Invalid::Hook { name, reason };
        let input = Self {
            name,
            webhook_sid: fields
                .sid("webhook_sid", WebhookSid::parse)
                .map_err(|_| wrong("webhook_sid must be a sid"))?
                .value(),
            url: fields
                .text("url", 1024)
                .map_err(|_| wrong("url must be a string of at most 1024 characters"))?
                .value(),
            method: fields
                .one_of("method", &["GET", "POST"], HookMethod::parse)
                .map_err(|_| wrong("method must be GET or POST"))?,
            username: fields
                .text("username", 255)
                .map_err(|_| wrong("username must be a string of at most 255 characters"))?,
            password: fields
                .secret("password", 255)
                .map_err(|_| wrong("password must be a string of at most 255 characters"))?,
        };
        fields.finish().map_err(|_| wrong("has an unknown property"))?;
        if input.url.is_none() && input.webhook_sid.is_none() {
            return Err(wrong("url is missing"));
        }
        Ok(input)
    }

    /// Refuses a URL that no application could be asked at.
    pub fn check_url(&self) -> Result<(), Invalid> {
        let wrong = |reason| Err(Invalid::Hook { name: self.name, reason });
        let Some(text) = &self.url else { return Ok(()) };
        if text.trim() != text {
            return wrong("url has surrounding blanks");
        }
        match Url::parse(text) {
            Err(_) => wrong("url is not an absolute URL"),
            Ok(url) if !matches!(url.scheme(), "http" | "https" | "ws" | "wss") => {
                wrong("url must be http, https, ws or wss")
            }
            Ok(url) if url.host_str().is_none_or(str::is_empty) => wrong("url has no host"),
            Ok(_) => Ok(()),
        }
    }

    /// Its property and the URL it brings, for the check of where that leads.
    pub fn named_url(&self) -> Option<(&'static str, &str)> {
        Some((self.name, self.url.as_deref()?))
    }

    /// Whether it is sent only to say "none": an empty URL.
    pub fn is_empty(&self) -> bool {
        self.url.as_deref() == Some("")
    }

    /// The hook that results, given the one stored so far.
    ///
    /// # Errors
    /// [`Invalid::Hook`] when `webhook_sid` names another hook than the stored one.
    pub fn resolve(self, stored: Option<StoredHook>) -> Result<StoredHook, Invalid> {
        let mut result = match (self.webhook_sid, stored) {
            (None, _) => StoredHook { sid: WebhookSid::random(), hook: Hook::post("") },
            (Some(sid), Some(stored)) if stored.sid == sid => stored,
            (Some(_), _) => {
                let reason = "webhook_sid does not belong to this object";
                return Err(Invalid::Hook { name: self.name, reason });
            }
        };
        if let Some(url) = self.url {
            result.hook.url = url;
        }
        self.method.apply_or(HookMethod::default, &mut result.hook.method);
        self.username.apply(&mut result.hook.username);
        self.password.apply(&mut result.hook.password);
        Ok(result)
    }
}

impl Patch<HookInput> {
    /// Refuses a URL that cannot be asked; see [`HookInput::check_url`].
    pub fn with_usable_url(self) -> Result<Self, Invalid> {
        if let Self::Value(input) = &self {
            input.check_url()?;
        }
        Ok(self)
    }

    /// An empty URL means the same as `null`.
    pub fn empty_as_null(self) -> Self {
        match self {
            Self::Value(input) if input.is_empty() => Self::Null,
            other => other,
        }
    }

    /// Writes the hook into its place in a record.
    pub fn resolve_into(self, place: &mut Option<StoredHook>) -> Result<(), Invalid> {
        match self {
            Self::Absent => {}
            Self::Null => *place = None,
            Self::Value(input) => *place = Some(input.resolve(place.take())?),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn input(value: Value) -> Result<HookInput, Invalid> {
        let Value::Object(map) = value else { panic!("an object") };
        HookInput::read("call_hook", map)
    }

    #[test]
    fn refused_hooks_are_named_first_in_the_text() {
        for value in [
            json!({}),
            json!({"url": 7}),
            json!({"url": "http://a", "method": "PATCH"}),
            json!({"url": "http://a", "username": "u".repeat(256)}),
            json!({"url": "http://a", "colour": "red"}),
            json!({"url": "x".repeat(1025)}),
            json!({"webhook_sid": "nope", "url": "http://a"}),
        ] {
            let refused = input(value).unwrap_err().to_string();
            assert!(refused.starts_with("call_hook"), "{refused}");
        }
        for url in ["", "/relative", "ftp://a/b", " http://a", "http://", "http://[::1", "a b"] {
            let refused = input(json!({"url": url})).unwrap().check_url().unwrap_err().to_string();
            assert!(refused.starts_with("call_hook"), "{refused}");
        }
        for url in ["http://a", "https://a.b/c?d", "ws://a:1/x", "wss://10.0.0.1/"] {
            assert_eq!(input(json!({"url": url})).unwrap().check_url(), Ok(()));
        }
    }

    #[test]
    fn webhook_sid_changes_in_place_and_its_absence_replaces() {
        let first = input(json!({"url": "http://a", "method": "get", "password": "p"}));
        let first = first.unwrap().resolve(None).unwrap();
        assert_eq!(first.hook.method, HookMethod::Get);

        let patch = input(json!({"webhook_sid": first.sid.to_string(), "url": "http://b"}));
        let kept = patch.unwrap().resolve(Some(first.clone())).unwrap();
        assert_eq!((kept.sid, kept.hook.method), (first.sid, HookMethod::Get));
        assert_eq!(kept.hook.url, "http://b");

        let replaced = input(json!({"url": "http://c"})).unwrap().resolve(Some(first.clone()));
        let replaced = replaced.unwrap();
        assert_ne!(replaced.sid, first.sid);
        assert_eq!(replaced.hook, Hook::post("http://c"));

        let foreign = input(json!({"webhook_sid": WebhookSid::random().to_string(), "url": "x"}));
        assert!(foreign.unwrap().resolve(Some(first)).is_err());
    }

    #[test]
    fn hook_reads_string_object_and_basic_auth() {
        let plain: Hook = serde_json::from_str(r#""/next""#).unwrap();
        assert_eq!(plain, Hook::post("/next"));
        let object: Hook = serde_json::from_str(
            r#"{"url":"http://a/b","method":"get","username":"u","password":"p"}"#,
        )
        .unwrap();
        assert_eq!(object.method, HookMethod::Get);
        assert_eq!(object.credentials(), Some(("u", "p")));
        let basic: Hook =
            serde_json::from_str(r#"{"url":"/x","basicAuth":{"username":"u","password":"p"}}"#)
                .unwrap();
        assert_eq!(basic.credentials(), Some(("u", "p")));
        assert!(serde_json::from_str::<Hook>(r#"{"method":"POST"}"#).is_err());
        assert!(serde_json::from_str::<Hook>(r#"{"url":"/x","method":"PATCH"}"#).is_err());
    }

    #[test]
    fn passwords_do_not_print() {
        let hook = Hook { password: Some(Secret("hunter2".into())), ..Hook::post("http://a") };
        assert!(!format!("{hook:?}").contains("hunter2"));
    }
}
