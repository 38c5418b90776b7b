//! A SIP client: the user of a phone (contract rest.md §2.10).

use md5::{Digest, Md5};

use super::{Account, AccountSid, ClientSid, Fields, Invalid, Patch, Secret, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub sid: ClientSid,
    pub account_sid: AccountSid,
    pub username: String,
    /// None: it cannot authenticate.
    pub password: Option<Secret>,
    pub is_active: bool,
    pub allow_direct_app_calling: bool,
    pub allow_direct_queue_calling: bool,
    pub allow_direct_user_calling: bool,
    pub created_at: Timestamp,
}

/// What the SIP side needs to challenge a user.
#[derive(Clone, Debug)]
pub struct ClientAuth {
    pub client: Client,
    pub account: Account,
    /// MD5(username:realm:password) in lower-case hex (RFC 2617 §3.2.2.2) for the realm asked for.
    /// None: no password is set, so every answer to a challenge is wrong.
    pub ha1: Option<Secret>,
}

/// MD5(username:realm:password) in lower-case hex.
pub fn ha1(username: &str, realm: &str, password: &Secret) -> Secret {
    let digest = Md5::digest(format!("{username}:{realm}:{}", password.0));
    Secret(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// First character, then `X` to the same length.
pub fn obscured(password: &str) -> String {
    password.chars().enumerate().map(|(at, c)| if at == 0 { c } else { 'X' }).collect()
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
}

impl ClientInput {
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
        };
        fields.ignore(&["created_at"]);
        fields.finish()?;
        Ok(input)
    }

    /// The record of a create; the account has been decided by then.
    pub fn into_record(mut self, account_sid: AccountSid) -> Result<Client, Invalid> {
        let mut record = Client {
            sid: ClientSid::random(),
            account_sid,
            username: self.username.take().ok_or(Invalid::Missing("username"))?,
            password: None,
            is_active: true,
            allow_direct_app_calling: true,
            allow_direct_queue_calling: true,
            allow_direct_user_calling: true,
            created_at: Timestamp::now(),
        };
        self.account_sid = None;
        self.apply(&mut record);
        Ok(record)
    }

    pub fn apply(self, record: &mut Client) {
        if let Some(username) = self.username {
            record.username = username;
        }
        if let Some(account_sid) = self.account_sid {
            record.account_sid = account_sid;
        }
        match (self.password, &record.password) {
            // A form that was filled from a listing sends the obscured password back.
            (Patch::Value(new), Some(old)) if new.0 == obscured(&old.0) => {}
            (patch, _) => patch.apply(&mut record.password),
        }
        self.is_active.apply_or(|| true, &mut record.is_active);
        self.allow_direct_app_calling.apply_or(|| true, &mut record.allow_direct_app_calling);
        self.allow_direct_queue_calling.apply_or(|| true, &mut record.allow_direct_queue_calling);
        self.allow_direct_user_calling.apply_or(|| true, &mut record.allow_direct_user_calling);
    }
}

/// `:` would make MD5(username:realm:password) ambiguous, the others cannot stand in an address.
fn is_username(text: &str) -> bool {
    !text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | ':' | '@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obscured_passwords_keep_their_length() {
        assert_eq!(obscured("secret"), "sXXXXX");
        assert_eq!(obscured(""), "");
    }

    #[test]
    fn ha1_is_the_one_of_the_rfc() {
        // RFC 2617 §3.5.
        let password = Secret("Circle Of Life".to_owned());
        let expected = "939e7578ed9e3c518a452acee763bce9";
        assert_eq!(ha1("Mufasa", "testrealm@host.com", &password).0, expected);
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
