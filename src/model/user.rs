//! A person who logs in at the portal, and what a new password must be (contract rest.md §2.15).

use super::{
    AccountSid, Fields, Invalid, Patch, Scope, Secret, ServiceProviderSid, Timestamp, UserSid,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub sid: UserSid,
    pub name: String,
    pub email: String,
    pub scope: Scope,
    /// Of the account, for a user of one.
    pub account_name: Option<String>,
    /// The user's own, or that of its account.
    pub service_provider_sid: Option<ServiceProviderSid>,
    pub service_provider_name: Option<String>,
    /// False: cannot log in, and what it was logged in with is worth nothing.
    pub is_active: bool,
    /// The portal has it choose another password first.
    pub force_change: bool,
    pub is_view_only: bool,
    pub created_at: Timestamp,
}

impl User {
    pub fn permissions(&self) -> &'static [&'static str] {
        if self.is_view_only { &[VIEW_ONLY] } else { &["PROVISION_SERVICES", "PROVISION_USERS"] }
    }
}

/// Who has this permission and no other may only look.
pub const VIEW_ONLY: &str = "VIEW_ONLY";

/// In characters; of names and emails alike.
const MAX_NAME: usize = 255;
/// Longer ones are not even looked at.
pub const MAX_PASSWORD: usize = 255;

/// The body of a create or an update.
#[derive(Debug, Default)]
pub struct UserInput {
    pub name: Option<String>,
    pub email: Option<String>,
    /// A password that somebody else has thought of.
    pub initial_password: Option<Secret>,
    pub own_password: Option<PasswordChange>,
    pub is_active: Patch<bool>,
    pub force_change: Patch<bool>,
    pub is_view_only: Patch<bool>,
    pub account_sid: Patch<AccountSid>,
    pub service_provider_sid: Patch<ServiceProviderSid>,
}

/// The former password, and the one that takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordChange {
    pub old: Secret,
    pub new: Secret,
}

impl PasswordChange {
    /// The body of `POST /change-password`.
    pub fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let old = password(&mut fields, "old_password")?;
        let new = password(&mut fields, "new_password")?;
        fields.finish()?;
        Ok(Self {
            old: old.ok_or(Invalid::Missing("old_password"))?,
            new: new.ok_or(Invalid::Missing("new_password"))?,
        })
    }
}

/// What somebody types to come in. Other properties of the body do not matter.
#[derive(Debug)]
pub struct Login {
    /// A user's name or email.
    pub username: String,
    pub password: Secret,
}

impl Login {
    pub fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let username = fields.text_or_empty("username", MAX_NAME)?;
        let password = password(&mut fields, "password")?;
        Ok(Self {
            username: username.value().ok_or(Invalid::Missing("username"))?,
            password: password.ok_or(Invalid::Missing("password"))?,
        })
    }
}

/// As it is compared: nobody is refused for a capital letter.
pub fn folded(login: &str) -> String {
    login.trim().to_lowercase()
}

impl UserInput {
    pub fn create(mut fields: Fields) -> Result<Self, Invalid> {
        for name in ["name", "email", "initial_password"] {
            if !fields.has(name) {
                return Err(Invalid::Missing(name));
            }
        }
        let input = Self::read(&mut fields)?;
        if input.initial_password.is_none() {
            return Err(Invalid::Missing("initial_password"));
        }
        fields.ignore(&["user_sid"]);
        fields.finish()?;
        Ok(input)
    }

    pub fn update(mut fields: Fields) -> Result<Self, Invalid> {
        fields.refuse("user_sid", Invalid::PrimaryKey("user_sid"))?;
        let mut input = Self::read(&mut fields)?;
        let old = password(&mut fields, "old_password")?;
        let new = password(&mut fields, "new_password")?;
        input.own_password = match (old, new) {
            (Some(old), Some(new)) => Some(PasswordChange { old, new }),
            (None, None) => None,
            _ => return Err(Invalid::Rule("old_password and new_password go together")),
        };
        if input.own_password.is_some() && input.initial_password.is_some() {
            return Err(Invalid::Rule("initial_password and new_password exclude each other"));
        }
        fields.finish()?;
        Ok(input)
    }

    fn read(fields: &mut Fields) -> Result<Self, Invalid> {
        let input = Self {
            name: named(fields)?,
            email: email(fields)?,
            initial_password: password(fields, "initial_password")?,
            own_password: None,
            is_active: fields.flag("is_active")?,
            force_change: fields.flag("force_change")?,
            is_view_only: fields.flag("is_view_only")?,
            account_sid: fields.sid("account_sid", AccountSid::parse)?,
            service_provider_sid: fields.sid("service_provider_sid", ServiceProviderSid::parse)?,
        };
        fields.ignore(&["scope", "permissions", "account_name", "service_provider_name"]);
        fields.ignore(&["pending_email", "phone", "provider", "created_at"]);
        fields.ignore(&["email_validated", "phone_validated", "email_content_opt_out"]);
        Ok(input)
    }

    /// Whether an update asks for nothing at all.
    pub fn is_empty(&self) -> bool {
        self.own_password.is_none() && self.changes_no_more()
    }

    /// The own password apart.
    fn changes_no_more(&self) -> bool {
        self.name.is_none()
            && self.email.is_none()
            && self.initial_password.is_none()
            && self.is_active.is_absent()
            && self.force_change.is_absent()
            && self.is_view_only.is_absent()
            && self.account_sid.is_absent()
            && self.service_provider_sid.is_absent()
    }

    /// A change of the own password and nothing else: what somebody may do who may only look.
    pub fn is_own_password_alone(&self) -> bool {
        self.own_password.is_some() && self.changes_no_more()
    }

    /// Names, flags; scope and passwords are the store's affair.
    pub fn apply(&self, user: &mut User) {
        if let Some(name) = &self.name {
            user.name.clone_from(name);
        }
        if let Some(email) = &self.email {
            user.email.clone_from(email);
        }
        self.is_active.clone().apply_or(|| true, &mut user.is_active);
        if self.own_password.is_some() {
            user.force_change = false;
        }
        self.force_change.clone().apply_or(|| false, &mut user.force_change);
        self.is_view_only.clone().apply_or(|| false, &mut user.is_view_only);
    }
}

fn named(fields: &mut Fields) -> Result<Option<String>, Invalid> {
    match fields.name("name", MAX_NAME)? {
        Some(text) if text.chars().any(char::is_control) => {
            Err(Invalid::Wrong { name: "name", expected: "text without control characters" })
        }
        other => Ok(other.map(|text| text.trim().to_owned())),
    }
}

fn email(fields: &mut Fields) -> Result<Option<String>, Invalid> {
    let is_address = |text: &str| {
        let parts = text.split_once('@');
        let is_part = |part: &str| {
            !part.is_empty()
                && !part.contains(|c: char| c == '@' || c.is_whitespace() || c.is_control())
        };
        parts.is_some_and(|(user, domain)| is_part(user) && is_part(domain))
    };
    match fields.name("email", MAX_NAME)? {
        Some(text) if !is_address(&text) => {
            Err(Invalid::Wrong { name: "email", expected: "an email address" })
        }
        other => Ok(other),
    }
}

/// A password; the empty one is none.
fn password(fields: &mut Fields, name: &'static str) -> Result<Option<Secret>, Invalid> {
    let given = fields.secret(name, MAX_PASSWORD)?.value();
    Ok(given.filter(|password| !password.0.is_empty()))
}

/// What the administrator demands of new passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordSettings {
    pub min_length: u8,
    pub require_digit: bool,
    pub require_special_character: bool,
}

impl Default for PasswordSettings {
    fn default() -> Self {
        Self { min_length: MIN_LENGTH, require_digit: false, require_special_character: false }
    }
}

const MIN_LENGTH: u8 = 8;
/// What the administrator may demand at most; without settings, the most a password may have.
const MAX_LENGTH: u8 = 20;

/// The body that sets them: what it leaves out stays.
#[derive(Debug)]
pub struct PasswordSettingsInput {
    min_length: Patch<i64>,
    require_digit: Patch<bool>,
    require_special_character: Patch<bool>,
}

impl PasswordSettingsInput {
    pub fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let range = i64::from(MIN_LENGTH)..=i64::from(MAX_LENGTH);
        let input = Self {
            min_length: fields.integer("min_password_length", range)?,
            require_digit: fields.flag("require_digit")?,
            require_special_character: fields.flag("require_special_character")?,
        };
        fields.finish()?;
        Ok(input)
    }

    pub fn apply(self, settings: &mut PasswordSettings) {
        match self.min_length {
            Patch::Absent => {}
            Patch::Null => settings.min_length = MIN_LENGTH,
            Patch::Value(n) => settings.min_length = u8::try_from(n).unwrap_or(MAX_LENGTH),
        }
        self.require_digit.apply_or(|| false, &mut settings.require_digit);
        self.require_special_character.apply_or(|| false, &mut settings.require_special_character);
    }
}

impl PasswordSettings {
    /// Whether a new password will do. `stored` is `None` while nobody has set anything.
    pub fn check(stored: Option<Self>, password: &Secret) -> Result<(), Invalid> {
        let settings = stored.unwrap_or_default();
        let length = password.0.chars().count();
        let refused = |reason: String| Err(Invalid::Grammar { name: "password", reason });
        if stored.is_none()
            && !(usize::from(MIN_LENGTH)..=usize::from(MAX_LENGTH)).contains(&length)
        {
            return refused(format!("must have {MIN_LENGTH} to {MAX_LENGTH} characters"));
        }
        if length < usize::from(settings.min_length) {
            return refused(format!("must have at least {} characters", settings.min_length));
        }
        if settings.require_digit && !password.0.chars().any(|c| c.is_ascii_digit()) {
            return refused("must contain a digit".to_owned());
        }
        let is_special = |c: char| !c.is_alphanumeric() && !c.is_whitespace();
        if settings.require_special_character && !password.0.chars().any(is_special) {
            return refused("must contain a special character".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn fields(value: Value) -> Fields {
        let Value::Object(map) = value else { panic!("an object") };
        Fields::new(map)
    }

    fn body(change: &Value) -> Fields {
        let mut body =
            json!({"name": "ada", "email": "ada@example.com", "initial_password": "sesame-42"});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        fields(body)
    }

    #[test]
    fn a_new_user_has_name_email_and_password() {
        for name in ["name", "email", "initial_password"] {
            let Value::Object(mut map) =
                json!({"name": "a", "email": "a@b", "initial_password": "p"})
            else {
                panic!("an object")
            };
            map.shift_remove(name);
            let refused = UserInput::create(Fields::new(map)).unwrap_err();
            assert_eq!(refused, Invalid::Missing(name));
        }
        for (change, text) in [
            (json!({"initial_password": null}), "missing field initial_password"),
            (json!({"initial_password": ""}), "missing field initial_password"),
            (json!({"name": " "}), "name must be a string that is not empty"),
            (json!({"name": "a\nb"}), "name must be text without control characters"),
            (json!({"email": "ada"}), "email must be an email address"),
            (json!({"email": "a@b@c"}), "email must be an email address"),
            (json!({"email": "a b@c"}), "email must be an email address"),
            (json!({"email": "@c"}), "email must be an email address"),
            (json!({"is_active": "maybe"}), "is_active must be a boolean"),
            (json!({"old_password": "x"}), "unknown property old_password"),
        ] {
            let refused = UserInput::create(body(&change)).unwrap_err();
            assert_eq!(refused.to_string(), text, "{change}");
        }
        assert!(UserInput::create(body(&json!({}))).is_ok());
    }

    #[test]
    fn old_and_new_password_go_together() {
        for half in [json!({"old_password": "a"}), json!({"new_password": "a"})] {
            assert!(UserInput::update(fields(half)).is_err());
        }
        let both = json!({"old_password": "a", "new_password": "b"});
        let input = UserInput::update(fields(both)).unwrap();
        assert!(input.is_own_password_alone() && !input.is_empty());
        for more in ["is_view_only", "is_active", "force_change"] {
            let both = json!({"old_password": "a", "new_password": "b", more: 0});
            assert!(!UserInput::update(fields(both)).unwrap().is_own_password_alone(), "{more}");
        }
        assert!(UserInput::update(fields(json!({}))).unwrap().is_empty());
        assert!(UserInput::update(fields(json!({"initial_password": null}))).unwrap().is_empty());
    }

    #[test]
    fn passwords_do_not_print() {
        let input = UserInput::create(body(&json!({}))).unwrap();
        assert!(!format!("{input:?}").contains("sesame"));
        let login = Login::read(fields(json!({"username": "a", "password": "sesame"}))).unwrap();
        assert!(!format!("{login:?}").contains("sesame"));
    }

    #[test]
    fn new_passwords_are_as_the_administrator_demands() {
        let strict = PasswordSettings {
            min_length: 10,
            require_digit: true,
            require_special_character: true,
        };
        let long = "a".repeat(21);
        for (settings, password, is_good) in [
            (None, "1234567", false),
            (None, "12345678", true),
            (None, "ääääääää", true),
            (None, &long[..20], true),
            (None, &long[..], false),
            (Some(PasswordSettings::default()), "1234567", false),
            (Some(PasswordSettings::default()), &long, true),
            (Some(strict), "abcdefg1!", false),
            (Some(strict), "abcdefgh1!", true),
            (Some(strict), "abcdefghi1", false),
            (Some(strict), "abcdefghi!", false),
            (Some(strict), "abcdefgh 1", false),
        ] {
            let checked = PasswordSettings::check(settings, &Secret(password.to_owned()));
            assert_eq!(checked.is_ok(), is_good, "{settings:?} {password}");
        }
    }

    #[test]
    fn the_length_demanded_is_8_to_20() {
        for n in [json!(7), json!(21), json!("x"), json!(8.5)] {
            let body = fields(json!({"min_password_length": n}));
            assert!(PasswordSettingsInput::read(body).is_err(), "{n}");
        }
        let mut settings = PasswordSettings::default();
        let body = fields(json!({"min_password_length": "20", "require_digit": "1"}));
        PasswordSettingsInput::read(body).unwrap().apply(&mut settings);
        assert_eq!((settings.min_length, settings.require_digit), (20, true));
    }
}
