//! People who log in at the portal. Passwords are kept as hashes; whatever takes rights away from a
//! user ends its sessions in the same transaction.

use sqlx::Row as _;

use super::column::{Columns, flag};
use super::page::push_scope;
use super::sessions::SessionId;
use super::sql::QueryBuilder;
use super::{Error, Found, Row, Store, Tx, accounts};
use crate::model::user::folded;
use crate::model::{
    AccountSid, Invalid, PasswordChange, PasswordSettings, PasswordSettingsInput, Patch, Scope,
    Secret, ServiceProviderSid, Timestamp, User, UserInput, UserSid,
};

const SELECT: &str = "SELECT u.*, a.name AS account_name, p.service_provider_sid AS owner_provider, \
     p.name AS provider_name FROM users u \
     LEFT JOIN accounts a ON a.account_sid = u.account_sid \
     LEFT JOIN service_providers p ON p.service_provider_sid = \
     COALESCE(u.service_provider_sid, a.service_provider_sid) WHERE ";

const TAKEN: Error = Error::Duplicate("invalid username or email");
const PROMOTION: Invalid = Invalid::Rule("a user cannot be promoted to a wider scope");
const NOTHING: Invalid = Invalid::Rule("no updates requested");
/// The contract wants no more than this said.
const LAST_ADMIN: Invalid = Invalid::Rule("Bad request");
const OTHER_PROVIDER: Invalid =
    Invalid::Rule("account_sid does not belong to the service_provider_sid");

const ADMIN_NAME: &str = "admin";
const ADMIN_EMAIL: &str = "admin@localhost";
const ADMIN_MADE: &str = "admin_user_made";

#[derive(Clone, Copy, Debug)]
pub struct Users<'s> {
    pub(super) store: &'s Store,
}

/// A user whose password was right, and the hash it was held against.
#[derive(Clone, Debug)]
pub struct Opened {
    pub user: User,
    pub password_hash: Secret,
}

impl Users<'_> {
    pub async fn locate(&self, scope: Scope, sid: UserSid) -> Result<Found<User>, Error> {
        let row = by_sid(sid).build().fetch_optional(self.store.read()).await?;
        let Some(row) = row else { return Ok(Found::Nowhere) };
        let user = read(&row)?;
        Ok(if reaches(scope, &user) { Found::Here(user) } else { Found::Elsewhere })
    }

    /// Those within reach, by name.
    pub async fn list(&self, scope: Scope) -> Result<Vec<User>, Error> {
        let mut query = QueryBuilder::new(SELECT);
        query.push("1 = 1");
        push_scope(&mut query, scope, "u.account_sid", "p.service_provider_sid");
        query.push(" ORDER BY u.name, u.user_sid");
        let rows = query.build().fetch_all(self.store.read()).await?;
        rows.iter().map(read).collect()
    }

    /// Whether some user, whoever's, logs in by this name or email.
    pub async fn has_login(&self, login: &str) -> Result<bool, Error> {
        let row = sqlx::query("SELECT 1 FROM user_logins WHERE login = $1")
            .bind(folded(login))
            .fetch_optional(self.store.read())
            .await?;
        Ok(row.is_some())
    }

    /// The user with this name or email, if the password is right and the user may come in. To find
    /// out takes as long for a user that does not exist.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many are being asked for already.
    pub async fn check_login(
        &self,
        login: &str,
        password: &Secret,
    ) -> Result<Option<Opened>, Error> {
        let mut query = QueryBuilder::new(SELECT);
        query.push("u.user_sid = (SELECT user_sid FROM user_logins WHERE login = ");
        query.push_bind(folded(login)).push(")");
        let row = query.build().fetch_optional(self.store.read()).await?;
        let found = match row {
            Some(row) => Some(Opened { user: read(&row)?, password_hash: password_hash(&row)? }),
            None => None,
        };
        let hash = found.as_ref().map(|found| &found.password_hash);
        let fits = self.store.inner.hasher.verify(password, hash).await?;
        Ok(found.filter(|found| fits && found.user.is_active))
    }

    /// Makes a user within reach of `scope`; without sids, of the same scope.
    ///
    /// # Errors
    /// [`Error::OutOfReach`] beyond the scope, [`Error::Duplicate`] for a name or email that is
    /// taken, [`Error::Invalid`] for a password that will not do.
    pub async fn create(&self, scope: Scope, input: &UserInput) -> Result<UserSid, Error> {
        let password = input.initial_password.as_ref();
        let password = password.ok_or(Invalid::Missing("initial_password"))?;
        let hash = self.new_hash(password).await?;
        let mut tx = self.store.begin().await?;
        let (account, provider) = (&input.account_sid, &input.service_provider_sid);
        let (account, provider) = match (account.clone().value(), provider.clone().value()) {
            (None, None) => (scope.account(), scope.service_provider()),
            named => named,
        };
        let target = self.owner(&mut tx, scope, account, provider).await?;
        let mut user = new_user(target);
        input.apply(&mut user);
        insert(&mut tx, &user, &hash).await?;
        tx.commit().await?;
        Ok(user.sid)
    }

    /// `own_session` is that of the user who changes its own password: it goes on, all others end.
    ///
    /// # Errors
    /// [`Error::WrongPassword`] when the old password is wrong; else as [`Users::create`], and
    /// [`Error::Invalid`] for a promotion and for the last administrator.
    pub async fn update(
        &self,
        scope: Scope,
        sid: UserSid,
        input: &UserInput,
        own_session: Option<SessionId>,
    ) -> Result<(), Error> {
        self.locate(scope, sid).await?.ok()?;
        if input.is_empty() {
            return Err(NOTHING.into());
        }
        let (new_hash, old_hash) = match (&input.own_password, &input.initial_password) {
            (Some(change), _) => {
                let old = self.proved(sid, &change.old).await?;
                (Some(self.new_hash(&change.new).await?), Some(old))
            }
            (None, Some(password)) => (Some(self.new_hash(password).await?), None),
            (None, None) => (None, None),
        };
        let mut tx = self.store.begin().await?;
        hold_admins(&mut tx).await?;
        let row = by_sid(sid).build().fetch_optional(&mut *tx).await?.ok_or(Error::NotFound)?;
        let before = read(&row)?;
        if !reaches(scope, &before) {
            return Err(Error::OutOfReach);
        }
        // Somebody else may have changed it while it was checked.
        if old_hash.is_some_and(|old| password_hash(&row).is_ok_and(|now| now != old)) {
            return Err(Error::WrongPassword);
        }
        let mut after = before.clone();
        input.apply(&mut after);
        after.scope = self.moved(&mut tx, scope, &before, input).await?;
        if is_full_admin(&before) && !is_full_admin(&after) {
            keep_one_admin(&mut tx, sid).await?;
        }
        write(&mut tx, &after).await?;
        if let Some(hash) = &new_hash {
            sqlx::query("UPDATE users SET password_hash = $2 WHERE user_sid = $1")
                .bind(sid)
                .bind(&hash.0)
                .execute(&mut *tx)
                .await?;
        }
        if after.scope != before.scope || !after.is_active {
            end_sessions(&mut tx, sid, None).await?;
        } else if new_hash.is_some() {
            end_sessions(&mut tx, sid, own_session).await?;
        }
        tx.commit().await?;
        self.store.inner.sessions.clear();
        Ok(())
    }

    /// As [`Users::update`] with nothing but the two passwords.
    pub async fn change_password(
        &self,
        sid: UserSid,
        change: PasswordChange,
        own_session: SessionId,
    ) -> Result<(), Error> {
        let input = UserInput { own_password: Some(change), ..UserInput::default() };
        // Whoever is logged in reaches itself, whatever its scope.
        self.update(Scope::Admin, sid, &input, Some(own_session)).await
    }

    /// Its sessions end with it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for the last administrator.
    pub async fn delete(&self, scope: Scope, sid: UserSid) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        hold_admins(&mut tx).await?;
        let row = by_sid(sid).build().fetch_optional(&mut *tx).await?.ok_or(Error::NotFound)?;
        let user = read(&row)?;
        if !reaches(scope, &user) {
            return Err(Error::OutOfReach);
        }
        if is_full_admin(&user) {
            keep_one_admin(&mut tx, sid).await?;
        }
        sqlx::query("DELETE FROM users WHERE user_sid = $1").bind(sid).execute(&mut *tx).await?;
        tx.commit().await?;
        self.store.inner.sessions.clear();
        Ok(())
    }

    /// Makes the first administrator, once in the life of a database. Whether it was made now.
    pub async fn bootstrap(&self, password: &Secret) -> Result<bool, Error> {
        let is_made = "SELECT 1 FROM meta WHERE name = $1";
        let made = sqlx::query(is_made).bind(ADMIN_MADE).fetch_optional(self.store.read()).await?;
        if made.is_some() {
            return Ok(false);
        }
        let hash = self.store.inner.hasher.hash(password).await?;
        let mut tx = self.store.begin().await?;
        // Another server may be doing the same.
        let done = sqlx::query(
            "INSERT INTO meta (name, value) VALUES ($1, '1') ON CONFLICT (name) DO NOTHING",
        )
        .bind(ADMIN_MADE)
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let mut admin = new_user(Scope::Admin);
        admin.name = ADMIN_NAME.to_owned();
        admin.email = ADMIN_EMAIL.to_owned();
        admin.force_change = true;
        insert(&mut tx, &admin, &hash).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Whether the first administrator has not chosen a password yet.
    pub async fn has_first_password(&self) -> Result<bool, Error> {
        let row = sqlx::query(
            "SELECT 1 FROM users WHERE name = $1 AND account_sid IS NULL \
             AND service_provider_sid IS NULL AND is_active = 1 AND force_change = 1",
        )
        .bind(ADMIN_NAME)
        .fetch_optional(self.store.read())
        .await?;
        Ok(row.is_some())
    }

    /// What new passwords must be; `None` while nobody has said.
    pub async fn password_settings(&self) -> Result<Option<PasswordSettings>, Error> {
        let row = sqlx::query("SELECT * FROM password_settings WHERE only_row = 1")
            .fetch_optional(self.store.read())
            .await?;
        row.as_ref().map(read_settings).transpose()
    }

    pub async fn set_password_settings(&self, input: PasswordSettingsInput) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        let row = sqlx::query("SELECT * FROM password_settings WHERE only_row = 1")
            .fetch_optional(&mut *tx)
            .await?;
        let mut settings = row.as_ref().map(read_settings).transpose()?.unwrap_or_default();
        input.apply(&mut settings);
        sqlx::query(
            "INSERT INTO password_settings (only_row, min_password_length, require_digit, \
             require_special_character) VALUES (1, $1, $2, $3) ON CONFLICT (only_row) DO UPDATE \
             SET min_password_length = excluded.min_password_length, \
             require_digit = excluded.require_digit, \
             require_special_character = excluded.require_special_character",
        )
        .bind(i64::from(settings.min_length))
        .bind(flag(settings.require_digit))
        .bind(flag(settings.require_special_character))
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// The hash of a new password, if it will do.
    async fn new_hash(&self, password: &Secret) -> Result<Secret, Error> {
        PasswordSettings::check(self.password_settings().await?, password)?;
        self.store.inner.hasher.hash(password).await
    }

    /// The hash that the password of a user was held against with success.
    async fn proved(&self, sid: UserSid, password: &Secret) -> Result<Secret, Error> {
        let row = by_sid(sid).build().fetch_optional(self.store.read()).await?;
        let hash = password_hash(&row.ok_or(Error::NotFound)?)?;
        if self.store.inner.hasher.verify(password, Some(&hash)).await? {
            Ok(hash)
        } else {
            Err(Error::WrongPassword)
        }
    }

    /// The scope that these sids stand for, if it is not beyond `scope`.
    async fn owner(
        &self,
        tx: &mut Tx,
        scope: Scope,
        account: Option<AccountSid>,
        provider: Option<ServiceProviderSid>,
    ) -> Result<Scope, Error> {
        match (account, provider, scope) {
            (None, None, Scope::Admin) => Ok(Scope::Admin),
            (Some(account), provider, _) => {
                let account = accounts::owner(tx, scope, account, self.store.seal()).await?;
                if provider.is_some_and(|sid| sid != account.service_provider_sid) {
                    return Err(OTHER_PROVIDER.into());
                }
                Ok(Scope::Account(account.sid))
            }
            (None, Some(provider), _)
                if [Scope::Admin, Scope::ServiceProvider(provider)].contains(&scope) =>
            {
                let sql = "SELECT 1 FROM service_providers WHERE service_provider_sid = $1";
                match sqlx::query(sql).bind(provider).fetch_optional(&mut **tx).await? {
                    Some(_) => Ok(Scope::ServiceProvider(provider)),
                    None if scope == Scope::Admin => {
                        let sid = provider.to_string();
                        Err(Invalid::NoSuch { what: "service_provider", sid }.into())
                    }
                    // Deleted since, or a minted token's that never was.
                    None => Err(Error::OutOfReach),
                }
            }
            (None, _, _) => Err(Error::OutOfReach),
        }
    }

    /// The scope of a user after an update: another one of the same width, or a narrower one.
    async fn moved(
        &self,
        tx: &mut Tx,
        scope: Scope,
        user: &User,
        input: &UserInput,
    ) -> Result<Scope, Error> {
        let account = match input.account_sid {
            Patch::Absent => user.scope.account(),
            Patch::Null => None,
            Patch::Value(sid) => Some(sid),
        };
        let provider = match input.service_provider_sid {
            // An account brings its own.
            Patch::Absent => user.scope.service_provider().filter(|_| account.is_none()),
            Patch::Null => None,
            Patch::Value(sid) => Some(sid),
        };
        let width = |account: bool, provider: bool| match (account, provider) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        };
        let is = user.scope;
        let now = width(is.account().is_some(), is.service_provider().is_some());
        if width(account.is_some(), provider.is_some()) > now {
            return Err(PROMOTION.into());
        }
        if input.account_sid.is_absent() && input.service_provider_sid.is_absent() {
            return Ok(is);
        }
        self.owner(tx, scope, account, provider).await
    }
}

fn new_user(scope: Scope) -> User {
    User {
        sid: UserSid::random(),
        name: String::new(),
        email: String::new(),
        scope,
        account_name: None,
        service_provider_sid: None,
        service_provider_name: None,
        is_active: true,
        force_change: false,
        is_view_only: false,
        created_at: Timestamp::now(),
    }
}

fn reaches(scope: Scope, user: &User) -> bool {
    scope.reaches(user.scope.account(), user.service_provider_sid)
}

/// One who can put everything right again.
fn is_full_admin(user: &User) -> bool {
    user.scope == Scope::Admin && user.is_active && !user.is_view_only
}

/// From here to the end of the transaction nobody else changes who is an administrator: a row that
/// all who do so write to.
async fn hold_admins(tx: &mut Tx) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO meta (name, value) VALUES ('admins_held', '') \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn keep_one_admin(tx: &mut Tx, leaving: UserSid) -> Result<(), Error> {
    let other = sqlx::query(
        "SELECT 1 FROM users WHERE account_sid IS NULL AND service_provider_sid IS NULL \
         AND is_active = 1 AND is_view_only = 0 AND user_sid <> $1 LIMIT 1",
    )
    .bind(leaving)
    .fetch_optional(&mut **tx)
    .await?;
    if other.is_some() { Ok(()) } else { Err(LAST_ADMIN.into()) }
}

async fn end_sessions(tx: &mut Tx, sid: UserSid, but: Option<SessionId>) -> Result<(), Error> {
    sqlx::query("DELETE FROM sessions WHERE user_sid = $1 AND token_hash <> $2")
        .bind(sid)
        .bind(but.map(SessionId::column).unwrap_or_default())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn insert(tx: &mut Tx, user: &User, hash: &Secret) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO users (user_sid, name, email, password_hash, is_active, force_change, \
         is_view_only, created_at) VALUES ($1, '', '', $2, 1, 0, 0, $3)",
    )
    .bind(user.sid)
    .bind(&hash.0)
    .bind(user.created_at)
    .execute(&mut **tx)
    .await?;
    write(tx, user).await
}

/// Writes every column that can change, the password apart.
async fn write(tx: &mut Tx, user: &User) -> Result<(), Error> {
    sqlx::query(
        "UPDATE users SET name = $2, email = $3, account_sid = $4, service_provider_sid = $5, \
         is_active = $6, force_change = $7, is_view_only = $8 WHERE user_sid = $1",
    )
    .bind(user.sid)
    .bind(&user.name)
    .bind(&user.email)
    .bind(user.scope.account())
    .bind(user.scope.service_provider())
    .bind(flag(user.is_active))
    .bind(flag(user.force_change))
    .bind(flag(user.is_view_only))
    .execute(&mut **tx)
    .await?;
    sqlx::query("DELETE FROM user_logins WHERE user_sid = $1")
        .bind(user.sid)
        .execute(&mut **tx)
        .await?;
    let mut logins = vec![folded(&user.name), folded(&user.email)];
    logins.dedup();
    for login in logins {
        let done = sqlx::query(
            "INSERT INTO user_logins (login, user_sid) VALUES ($1, $2) \
             ON CONFLICT (login) DO NOTHING",
        )
        .bind(login)
        .bind(user.sid)
        .execute(&mut **tx)
        .await?;
        if done.rows_affected() == 0 {
            return Err(TAKEN);
        }
    }
    Ok(())
}

fn by_sid(sid: UserSid) -> QueryBuilder {
    let mut query = QueryBuilder::new(SELECT);
    query.push("u.user_sid = ").push_bind(sid);
    query
}

fn password_hash(row: &Row) -> Result<Secret, Error> {
    Ok(Secret(row.try_get("password_hash")?))
}

pub(super) fn scope(row: &Row) -> Result<Scope, Error> {
    Ok(match (row.try_get("account_sid")?, row.try_get("service_provider_sid")?) {
        (Some(account), _) => Scope::Account(account),
        (None, Some(provider)) => Scope::ServiceProvider(provider),
        (None, None) => Scope::Admin,
    })
}

fn read(row: &Row) -> Result<User, Error> {
    Ok(User {
        sid: row.try_get("user_sid")?,
        name: row.try_get("name")?,
        email: row.try_get("email")?,
        scope: scope(row)?,
        account_name: row.try_get("account_name")?,
        service_provider_sid: row.try_get("owner_provider")?,
        service_provider_name: row.try_get("provider_name")?,
        is_active: row.flag("is_active")?,
        force_change: row.flag("force_change")?,
        is_view_only: row.flag("is_view_only")?,
        created_at: row.try_get("created_at")?,
    })
}

fn read_settings(row: &Row) -> Result<PasswordSettings, Error> {
    let length = row.try_get::<i64, _>("min_password_length")?;
    Ok(PasswordSettings {
        min_length: u8::try_from(length)
            .map_err(|_| Error::Corrupt { column: "min_password_length" })?,
        require_digit: row.flag("require_digit")?,
        require_special_character: row.flag("require_special_character")?,
    })
}
