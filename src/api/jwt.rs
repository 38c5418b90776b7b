//! JSON Web Tokens (RFC 7519) of people who log in: HMAC with SHA-256 over the server's secret, and
//! nothing else.
//!
//! Written out here: the libraries for it bring RSA, three curves and their own choice of algorithm
//! by the token's header, of which all that is wanted is one MAC. The header is written by us and, on
//! the way in, must name this one algorithm after the signature has been found right by it; so no
//! token can choose how it is checked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::user::VIEW_ONLY;
use crate::model::{AccountSid, Scope, Secret, ServiceProviderSid, Timestamp, User, UserSid};

/// Makes tokens and reads them.
pub(super) struct Signer(hmac::Key);

/// What a token says of its holder, its signature and its time found right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claimed {
    pub(super) scope: Scope,
    /// None: made by a tool that shares the secret. Such a token needs no session.
    pub(super) user_sid: Option<UserSid>,
    pub(super) is_view_only: bool,
}

/// The claims of contract rest.md §1.2, and one more that keeps two tokens of one second apart.
#[derive(Serialize)]
struct Claims<'u> {
    scope: &'static str,
    user_sid: UserSid,
    name: &'u str,
    permissions: &'static [&'static str],
    is_view_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_provider_sid: Option<ServiceProviderSid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_provider_name: Option<&'u str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_sid: Option<AccountSid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_name: Option<&'u str>,
    /// Seconds since 1970, as `exp`.
    iat: i64,
    exp: i64,
    jti: uuid::Uuid,
}

/// The same, as somebody else may have written them.
#[derive(Deserialize)]
struct Read {
    scope: String,
    user_sid: Option<String>,
    service_provider_sid: Option<String>,
    account_sid: Option<String>,
    permissions: Option<Vec<String>>,
    is_view_only: Option<bool>,
    exp: f64,
    nbf: Option<f64>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    /// Extensions that must be understood: none is.
    crit: Option<Value>,
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// As claims and answers name it.
pub(super) fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Admin => "admin",
        Scope::ServiceProvider(_) => "service_provider",
        Scope::Account(_) => "account",
    }
}

impl Signer {
    pub(super) fn new(secret: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.0.as_bytes()))
    }

    /// A token for this user, good from `now` to `end`.
    pub(super) fn token(&self, user: &User, now: Timestamp, end: Timestamp) -> Option<Secret> {
        let claims = Claims {
            scope: scope_name(user.scope),
            user_sid: user.sid,
            name: &user.name,
            permissions: user.permissions(),
            is_view_only: user.is_view_only,
            service_provider_sid: user.service_provider_sid,
            service_provider_name: user.service_provider_name.as_deref(),
            account_sid: user.scope.account(),
            account_name: user.account_name.as_deref(),
            iat: now.as_millis() / 1000,
            exp: end.as_millis() / 1000,
            jti: uuid::Uuid::new_v4(),
        };
        Some(self.sign(HEADER, &serde_json::to_string(&claims).ok()?))
    }

    fn sign(&self, header: &str, claims: &str) -> Secret {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        let signed = format!("{header}.{claims}");
        let mac = URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, signed.as_bytes()));
        Secret(format!("{signed}.{mac}"))
    }

    /// Who holds a token; `None` for anything that is not ours and good at `now`.
    pub(super) fn read(&self, token: &str, now: Timestamp) -> Option<Claimed> {
        let (signed, mac) = token.rsplit_once('.')?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        hmac::verify(&self.0, signed.as_bytes(), &mac).ok()?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = part(header)?;
        let is_typed = header.typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
        if header.alg != "HS256" || !is_typed || header.crit.is_some() {
            return None;
        }
        part::<Read>(claims)?.claimed(now)
    }
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

impl Read {
    fn claimed(self, now: Timestamp) -> Option<Claimed> {
        #[allow(clippy::cast_precision_loss, reason = "exact until the year 287396")]
        let now = now.as_millis() as f64 / 1000.0;
        if self.exp <= now || self.nbf.is_some_and(|start| start > now) {
            return None;
        }
        let scope = match self.scope.as_str() {
            "admin" => Scope::Admin,
            "service_provider" => {
                let sid = self.service_provider_sid.as_deref()?;
                Scope::ServiceProvider(ServiceProviderSid::parse(sid)?)
            }
            "account" => Scope::Account(AccountSid::parse(self.account_sid.as_deref()?)?),
            _ => return None,
        };
        let user_sid = match self.user_sid {
            Some(sid) => Some(UserSid::parse(&sid)?),
            None => None,
        };
        let sole = self.permissions.is_some_and(|all| all == [VIEW_ONLY]);
        Some(Claimed { scope, user_sid, is_view_only: sole || self.is_view_only == Some(true) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SECRET: &str = "a secret of more than thirty-two bytes";

    fn signer() -> Signer {
        Signer::new(&Secret(SECRET.to_owned()))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000).unwrap()
    }

    fn user(scope: Scope) -> User {
        User {
            sid: UserSid::random(),
            name: "ada".to_owned(),
            email: "ada@example.com".to_owned(),
            scope,
            account_name: scope.account().map(|_| "acme".to_owned()),
            service_provider_sid: Some(ServiceProviderSid::random()),
            service_provider_name: Some("carrier".to_owned()),
            is_active: true,
            force_change: false,
            is_view_only: false,
            created_at: at(0),
        }
    }

    /// The example of RFC 7515, appendix A.1: its octets, its key.
    #[test]
    fn the_example_of_the_rfc_verifies() {
        let key = URL_SAFE_NO_PAD
            .decode(
                "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75\
                 aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
            )
            .unwrap();
        let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                      eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
                      cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes());
        let expected = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(URL_SAFE_NO_PAD.encode(mac), expected);
        let (header, _) = signed.split_once('.').unwrap();
        assert_eq!(part::<Header>(header).unwrap().alg, "HS256");
    }

    #[test]
    fn a_token_is_read_back_until_it_ends() {
        let (provider, account) = (ServiceProviderSid::random(), AccountSid::random());
        for scope in [Scope::Admin, Scope::ServiceProvider(provider), Scope::Account(account)] {
            let mut user = user(scope);
            if let Scope::ServiceProvider(sid) = scope {
                user.service_provider_sid = Some(sid);
            }
            let token = signer().token(&user, at(100), at(200)).unwrap().0;
            let holder = Claimed { scope, user_sid: Some(user.sid), is_view_only: false };
            assert_eq!(token.split('.').count(), 3);
            assert_eq!(signer().read(&token, at(199)), Some(holder));
            assert_eq!(signer().read(&token, at(200)), None);
            let other = Signer::new(&Secret("another secret of thirty-two bytes!".to_owned()));
            assert_eq!(other.read(&token, at(199)), None);
        }
    }

    #[test]
    fn the_claims_are_those_of_the_contract() {
        let user = user(Scope::Account(AccountSid::random()));
        let token = signer().token(&user, at(100), at(3700)).unwrap().0;
        let claims: Value = part(token.split('.').nth(1).unwrap()).unwrap();
        let expected = json!({
            "scope": "account", "user_sid": user.sid, "name": "ada",
            "permissions": ["PROVISION_SERVICES", "PROVISION_USERS"], "is_view_only": false,
            "service_provider_sid": user.service_provider_sid,
            "service_provider_name": "carrier",
            "account_sid": user.scope.account(), "account_name": "acme",
            "iat": 100, "exp": 3700, "jti": claims["jti"],
        });
        assert_eq!(claims, expected);
        let again = signer().token(&user, at(100), at(3700)).unwrap().0;
        assert_ne!(again, token);
        assert!(!claims.to_string().contains('@'));
    }

    #[test]
    fn tokens_of_tools_that_share_the_secret_are_read() {
        let account = AccountSid::random();
        let read =
            |claims: Value| signer().read(&signer().sign(HEADER, &claims.to_string()).0, at(100));
        let holder = |scope, is_view_only| Some(Claimed { scope, user_sid: None, is_view_only });
        for (claims, expected) in [
            (json!({"scope": "admin", "exp": 101}), holder(Scope::Admin, false)),
            (
                json!({"scope": "admin", "exp": 100.5, "user_sid": null}),
                holder(Scope::Admin, false),
            ),
            (
                json!({"scope": "account", "account_sid": account, "exp": 101}),
                holder(Scope::Account(account), false),
            ),
            (
                json!({"scope": "admin", "exp": 101, "permissions": ["VIEW_ONLY"]}),
                holder(Scope::Admin, true),
            ),
            (
                json!({"scope": "admin", "exp": 101, "permissions": ["VIEW_ONLY", "X"]}),
                holder(Scope::Admin, false),
            ),
            (
                json!({"scope": "admin", "exp": 101, "is_view_only": true}),
                holder(Scope::Admin, true),
            ),
            (json!({"scope": "admin", "exp": 100}), None),
            (json!({"scope": "admin", "exp": 1e300, "nbf": 101}), None),
            (json!({"scope": "admin", "exp": "101"}), None),
            (json!({"scope": "admin"}), None),
            (json!({"exp": 101}), None),
            (json!({"scope": "root", "exp": 101}), None),
            (json!({"scope": "Admin", "exp": 101}), None),
            (json!({"scope": "account", "exp": 101}), None),
            (json!({"scope": "account", "account_sid": "undefined", "exp": 101}), None),
            (json!({"scope": "service_provider", "account_sid": account, "exp": 101}), None),
            (json!({"scope": "admin", "exp": 101, "user_sid": "me"}), None),
            (json!([{"scope": "admin", "exp": 101}]), None),
        ] {
            assert_eq!(read(claims.clone()), expected, "{claims}");
        }
        let twice = r#"{"scope":"account","exp":101,"scope":"admin"}"#;
        assert_eq!(signer().read(&signer().sign(HEADER, twice).0, at(100)), None);
    }

    #[test]
    fn no_token_chooses_how_it_is_checked() {
        let claims = r#"{"scope":"admin","exp":200}"#;
        assert!(signer().read(&signer().sign(HEADER, claims).0, at(100)).is_some());
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"None","typ":"JWT"}"#,
            r#"{"alg":"hs256","typ":"JWT"}"#,
            r#"{"alg":"HS512","typ":"JWT"}"#,
            r#"{"alg":"RS256","typ":"JWT"}"#,
            r#"{"alg":"HS256","typ":"JWE"}"#,
            r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
            r#"{"alg":"HS256","alg":"none"}"#,
            r#"{"typ":"JWT"}"#,
            "",
        ] {
            assert_eq!(signer().read(&signer().sign(header, claims).0, at(100)), None, "{header}");
        }
    }

    #[test]
    fn whatever_is_changed_in_a_token_ends_it() {
        let token = signer().sign(HEADER, r#"{"scope":"admin","exp":200}"#).0;
        let parts: Vec<&str> = token.split('.').collect();
        let (header, claims, mac) = (parts[0], parts[1], parts[2]);
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        for forged in [
            format!("{none}.{claims}."),
            format!("{none}.{claims}"),
            format!("{header}.{claims}."),
            format!("{header}.{claims}"),
            format!("{header}.{claims}.{mac}="),
            format!("{header}.{claims}.{mac}."),
            format!(".{header}.{claims}.{mac}"),
            format!("{header}.{claims}.{}", &mac[..mac.len() - 1]),
            format!("{claims}.{header}.{mac}"),
            format!("{header}..{mac}"),
            "..".to_owned(),
            String::new(),
        ] {
            assert_eq!(signer().read(&forged, at(100)), None, "{forged}");
        }
        for at_byte in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at_byte] = if bytes[at_byte] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(bytes).unwrap();
            assert_eq!(signer().read(&forged, at(100)), None, "{at_byte}");
        }
    }
}
