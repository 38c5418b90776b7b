//! Who is logged in. A session is found by the hash of its token; without one a token that names a
//! user is worth nothing, however well it is signed (contract rest.md §1.2).

use std::fmt;

use sqlx::Row as _;

use super::column::Columns;
use super::key_cache::{TokenHash, hash};
use super::{Error, Store, users};
use crate::model::{Scope, Secret, Timestamp, User, UserSid, hex};

#[derive(Clone, Copy, Debug)]
pub struct Sessions<'s> {
    pub(super) store: &'s Store,
}

/// Names a session without giving its token away.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(TokenHash);

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId")
    }
}

impl SessionId {
    pub fn of(token: &str) -> Self {
        Self(hash(token))
    }

    /// As its column holds it.
    pub(super) fn column(self) -> String {
        hex(&self.0)
    }
}

/// What a user may do now, whatever the token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    pub user_sid: UserSid,
    pub scope: Scope,
    pub is_view_only: bool,
    expires_at: Timestamp,
}

impl Sessions<'_> {
    /// Opens a session for a user whose password has just been found right. `password_hash` is what
    /// it was held against: false when the user is gone, switched off or has another password by now.
    pub async fn open(
        &self,
        token: &Secret,
        user: &User,
        password_hash: &Secret,
        expires_at: Timestamp,
    ) -> Result<bool, Error> {
        let mut tx = self.store.begin().await?;
        sqlx::query("DELETE FROM sessions WHERE expires_at <= $1")
            .bind(Timestamp::now())
            .execute(&mut *tx)
            .await?;
        let done = sqlx::query(
            "INSERT INTO sessions (token_hash, user_sid, expires_at) \
             SELECT $1, user_sid, $3 FROM users \
             WHERE user_sid = $2 AND password_hash = $4 AND is_active = 1",
        )
        .bind(SessionId::of(&token.0).column())
        .bind(user.sid)
        .bind(expires_at)
        .bind(&password_hash.0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// The session of a token; `None` when there is none, or none any more at `now`.
    pub async fn find(&self, id: SessionId, now: Timestamp) -> Result<Option<Session>, Error> {
        Ok(self.look_up(id).await?.filter(|session| session.expires_at > now))
    }

    async fn look_up(&self, id: SessionId) -> Result<Option<Session>, Error> {
        let cache = &self.store.inner.sessions;
        if let Some(session) = cache.get(&id.0) {
            return Ok(Some(session));
        }
        let generation = cache.generation();
        let row = sqlx::query(
            "SELECT s.expires_at, u.user_sid, u.account_sid, u.service_provider_sid, \
             u.is_view_only FROM sessions s JOIN users u ON u.user_sid = s.user_sid \
             WHERE s.token_hash = $1 AND u.is_active = 1",
        )
        .bind(id.column())
        .fetch_optional(self.store.read())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let session = Session {
            user_sid: row.try_get("user_sid")?,
            scope: users::scope(&row)?,
            is_view_only: row.flag("is_view_only")?,
            expires_at: row.try_get("expires_at")?,
        };
        cache.put(generation, id.0, session);
        Ok(Some(session))
    }

    /// Ends one; not there is as good.
    pub async fn close(&self, id: SessionId) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        sqlx::query("DELETE FROM sessions WHERE token_hash = $1")
            .bind(id.column())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.store.inner.sessions.clear();
        Ok(())
    }
}
