//! A SIP client: the user of a phone (contract rest.md §2.10).

use md5::{Digest, Md5};
use sha2::Sha256;

use super::word::words;
use super::{
    Account, AccountSid, ClientSid, Encryption, Fields, Invalid, Patch, Secret, Timestamp, hex,
};

words! {
    /// What a peer is challenged with (RFC 8760).
    DigestAlgorithm {
        Md5 = "MD5",
        Sha256 = "SHA-256",
    }
}

impl Fields {
    /// The property of clients and carriers.
    pub(super) fn digest_algorithm(&mut self) -> Result<Patch<DigestAlgorithm>, Invalid> {
        self.one_of("digest_algorithm", DigestAlgorithm::WORDS, DigestAlgorithm::parse)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub sid: ClientSid,
    pub account_sid: AccountSid,
    pub username: String,
    /// None: it cannot authenticate.
    pub password: Option<PasswordTrace>,
    pub is_active: bool,
    pub allow_direct_app_calling: bool,
    pub allow_direct_queue_calling: bool,
    pub allow_direct_user_calling: bool,
    /// None: as the server's configuration says. Ours, jambonz has nothing there.
    pub media_encryption: Option<Encryption>,
    /// What it is challenged with. None: MD5, which every phone knows. Ours, too.
    pub digest_algorithm: Option<DigestAlgorithm>,
    pub created_at: Timestamp,
}

/// What is kept of a password: enough to judge an answer to a challenge and to show that there is
/// one. The password itself cannot be read back from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordTrace {
    /// MD5(username:realm:password) in lower-case hex (RFC 2617 §3.2.2.2).
    pub ha1_md5: Secret,
    /// The same with SHA-256 (RFC 8760 §2.4).
    pub ha1_sha256: Secret,
    /// First character, then `X` to the same length: what REST shows.
    pub obscured: Secret,
}

impl PasswordTrace {
    /// `realm` is the [`Account::digest_realm`] of the client's account.
    pub fn of(username: &str, realm: &str, password: &Secret) -> Self {
        let text = format!("{username}:{realm}:{}", password.0);
        Self {
            ha1_md5: Secret(hex(&Md5::digest(&text))),
            ha1_sha256: Secret(hex(&Sha256::digest(&text))),
            obscured: password.obscured(),
        }
    }
}

/// What the SIP side needs to challenge a user of [`Account::digest_realm`].
#[derive(Clone, Debug)]
pub struct ClientAuth {
    pub client: Client,
    pub account: Account,
}

impl ClientAuth {
    /// HA1 for an algorithm. None: no password is set, so every answer to a challenge is wrong.
    pub fn ha1(&self, algorithm: DigestAlgorithm) -> Option<&Secret> {
        let password = self.client.password.as_ref()?;
        Some(match algorithm {
            DigestAlgorithm::Md5 => &password.ha1_md5,
            DigestAlgorithm::Sha256 => &password.ha1_sha256,
        })
    }
}

/// A client as it was before it changed or went, and the realm its address stood in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerClient {
    pub client: Client,
    pub sip_realm: Option<String>,
}

/// The body of a create or an update.
#[derive(Debug, Default)]
pub struct ClientInput {
    pub username: Option<String>,
    pub account_sid: Option<AccountSid>,
    password: Patch<Secret>,
    is_active: Patch<bool>,
    allow_direct_app_calling: Patch<bool>,
    allow_direct_queue_calling: Patch<bool>,
    allow_direct_user_calling: Patch<bool>,
    media_encryption: Patch<Encryption>,
    digest_algorithm: Patch<DigestAlgorithm>,
}

impl ClientInput {
    /// A create that did not come as JSON.
    pub fn new(username: &str, password: Secret) -> Self {
        Self {
            username: Some(username.to_owned()),
            password: Patch::Value(password),
            ..Self::default()
        }
    }

    pub fn create(mut fields: Fields) -> Result<Self, Invalid> {
        if !fields.has("username") {
            return Err(Invalid::Missing("username"));
        }
        fields.ignore(&["client_sid"]);
        Self::read(fields)
    }

    pub fn update(fields: Fields) -> Result<Self, Invalid> {
        fields.refuse("client_sid", Invalid::PrimaryKey("client_sid"))?;
        Self::read(fields)
    }

    fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let username = fields.name("username", 64)?;
        if username.as_deref().is_some_and(|name| !is_username(name)) {
            let expected = "free of blanks, quotes, @ and :";
            return Err(Invalid::Wrong { name: "username", expected });
        }
        let input = Self {
            username,
            account_sid: fields.sid("account_sid", AccountSid::parse)?.value(),
            password: match fields.secret("password", 255)? {
                Patch::Value(password) if password.0.is_empty() => Patch::Null,
                other => other,
            },
            is_active: fields.flag("is_active")?,
            allow_direct_app_calling: fields.flag("allow_direct_app_calling")?,
            allow_direct_queue_calling: fields.flag("allow_direct_queue_calling")?,
            allow_direct_user_calling: fields.flag("allow_direct_user_calling")?,
            media_encryption: fields.media_encryption()?,
            digest_algorithm: fields.digest_algorithm()?,
        };
        fields.ignore(&["created_at"]);
        fields.finish()?;
        Ok(input)
    }

    /// The record of a create; the account and its digest realm have been decided by then.
    pub fn into_record(
        mut self,
        account_sid: AccountSid,
        digest_realm: &str,
    ) -> Result<Client, Invalid> {
        let mut record = Client {
            sid: ClientSid::random(),
            account_sid,
            username: self.username.take().ok_or(Invalid::Missing("username"))?,
            password: None,
            is_active: true,
            allow_direct_app_calling: true,
            allow_direct_queue_calling: true,
            allow_direct_user_calling: true,
            media_encryption: None,
            digest_algorithm: None,
            created_at: Timestamp::now(),
        };
        self.account_sid = None;
        self.apply(&mut record, digest_realm)?;
        Ok(record)
    }

    /// `digest_realm` is the one of the account that the client belongs to afterwards.
    ///
    /// # Errors
    /// For another user name or account while the password is to stay: HA1 contains both.
    pub fn apply(self, record: &mut Client, digest_realm: &str) -> Result<(), Invalid> {
        let username = self.username.filter(|name| *name != record.username);
        let account_sid = self.account_sid.filter(|sid| *sid != record.account_sid);
        let password = match (self.password, &record.password) {
            // A form that was filled from a listing sends the obscured password back.
            (Patch::Value(new), Some(old)) if new == old.obscured => Patch::Absent,
            (patch, _) => patch,
        };
        if record.password.is_some() && password.is_absent() {
            if username.is_some() {
                return Err(Invalid::Rule("password is required to change username"));
            }
            if account_sid.is_some() {
                return Err(Invalid::Rule("password is required to change account_sid"));
            }
        }
        if let Some(username) = username {
            record.username = username;
        }
        if let Some(account_sid) = account_sid {
            record.account_sid = account_sid;
        }
        match password {
            Patch::Absent => {}
            Patch::Null => record.password = None,
            Patch::Value(new) => {
                record.password = Some(PasswordTrace::of(&record.username, digest_realm, &new));
            }
        }
        self.is_active.apply_or(|| true, &mut record.is_active);
        self.allow_direct_app_calling.apply_or(|| true, &mut record.allow_direct_app_calling);
        self.allow_direct_queue_calling.apply_or(|| true, &mut record.allow_direct_queue_calling);
        self.allow_direct_user_calling.apply_or(|| true, &mut record.allow_direct_user_calling);
        self.media_encryption.apply(&mut record.media_encryption);
        self.digest_algorithm.apply(&mut record.digest_algorithm);
        Ok(())
    }
}

/// `:` would make HA1 (username:realm:password) ambiguous, the others cannot stand in an address.
fn is_username(text: &str) -> bool {
    !text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | ':' | '@'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn fields(value: Value) -> Fields {
        let Value::Object(map) = value else { panic!("an object") };
        Fields::new(map)
    }

    fn record(body: Value) -> Client {
        let input = ClientInput::create(fields(body)).unwrap();
        input.into_record(AccountSid::random(), "realm").unwrap()
    }

    fn update(body: Value) -> ClientInput {
        ClientInput::update(fields(body)).unwrap()
    }

    fn trace(username: &str, realm: &str, password: &str) -> PasswordTrace {
        PasswordTrace::of(username, realm, &Secret(password.to_owned()))
    }

    #[test]
    fn obscured_passwords_keep_their_length() {
        for (password, shown) in [("secret", "sXXXXX"), ("", "")] {
            assert_eq!(Secret(password.to_owned()).obscured().0, shown);
        }
    }

    #[test]
    fn ha1_is_the_one_of_the_rfcs() {
        let secret = |text: &str| Secret(text.to_owned());
        // RFC 2617 §3.5.
        let trace = PasswordTrace::of("Mufasa", "testrealm@host.com", &secret("Circle Of Life"));
        assert_eq!(trace.ha1_md5, secret("939e7578ed9e3c518a452acee763bce9"));
        // RFC 7616 §3.9.1.
        let trace = PasswordTrace::of("Mufasa", "http-auth@example.org", &secret("Circle of Life"));
        assert_eq!(trace.ha1_md5, secret("3d78807defe7de2157e2b0b6573a855f"));
        let sha256 = "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232";
        assert_eq!(trace.ha1_sha256, secret(sha256));
    }

    #[test]
    fn nothing_of_a_password_prints() {
        let client = record(json!({"username": "alice", "password": "quite-secret"}));
        let printed = format!("{client:?}");
        assert!(!printed.contains("qX") && !printed.contains("quite"), "{printed}");
        let trace = client.password.unwrap();
        assert!(!printed.contains(&trace.ha1_md5.0) && !printed.contains(&trace.ha1_sha256.0));
    }

    #[test]
    fn another_name_or_account_needs_the_password() {
        let alice = record(json!({"username": "alice", "password": "secret"}));
        let elsewhere = AccountSid::random();
        for (body, name) in [
            (json!({"username": "bob"}), "username"),
            (json!({"username": "bob", "password": "sXXXXX"}), "username"),
            (json!({"account_sid": elsewhere}), "account_sid"),
        ] {
            let mut changed = alice.clone();
            let refused = update(body).apply(&mut changed, "realm").unwrap_err();
            assert_eq!(refused.to_string(), format!("password is required to change {name}"));
            assert_eq!(changed, alice);
        }
        for (body, password) in [
            (
                json!({"username": "alice", "account_sid": alice.account_sid}),
                alice.password.clone(),
            ),
            (json!({"username": "bob", "password": null}), None),
            (json!({"username": "bob", "password": "new"}), Some(trace("bob", "realm", "new"))),
            (
                json!({"account_sid": elsewhere, "password": "secret"}),
                Some(trace("alice", "realm", "secret")),
            ),
        ] {
            let mut changed = alice.clone();
            update(body).apply(&mut changed, "realm").unwrap();
            assert_eq!(changed.password, password);
        }
    }

    #[test]
    fn a_client_without_password_may_be_renamed() {
        let mut client = record(json!({"username": "alice"}));
        update(json!({"username": "bob"})).apply(&mut client, "realm").unwrap();
        assert_eq!((client.username.as_str(), client.password), ("bob", None));
    }

    #[test]
    fn the_obscured_password_sent_back_keeps_it() {
        let alice = record(json!({"username": "alice", "password": "secret"}));
        for (password, is_kept) in [("sXXXXX", true), ("sXXXX", false), ("secret2", false)] {
            let mut changed = alice.clone();
            update(json!({"password": password})).apply(&mut changed, "realm").unwrap();
            assert_eq!(changed == alice, is_kept, "{password}");
        }
    }

    #[test]
    fn usernames_can_stand_in_a_digest_and_an_address() {
        for name in ["alice", "1001", "alice.b-c_d", "zoë"] {
            assert!(is_username(name), "{name}");
        }
        for name in ["a b", "a:b", "a@b", "a\"b", "a\u{7}"] {
            assert!(!is_username(name), "{name}");
        }
    }
}
