//! A webhook: where an application is asked, and with which credentials (contract rest.md §2.0).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// A string that must never reach a log: `Debug` prints `***`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

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

#[cfg(test)]
mod tests {
    use super::*;

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
