//! Registrations: written behind the stack's back, read once at start.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use super::journal::Record;
use super::sql::storable;
use super::{Error, Row, Store, Tx};
use crate::model::{Registration, Timestamp};

#[derive(Clone, Copy, Debug)]
pub struct Registrations<'s> {
    pub(super) store: &'s Store,
}

/// All contacts of one user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    pub username: String,
    pub realm: String,
    pub contacts: Vec<Registration>,
}

impl Registrations<'_> {
    /// Hands over what a user's contacts are now; none forgets it. Returns at once.
    pub fn keep(&self, user: Registered) {
        self.store.inner.journal.write(Record::Registered(Box::new(user)));
    }

    /// What has not expired, of the users that still may register, by name. The rest is deleted.
    ///
    /// # Errors
    /// The database's.
    pub async fn take_live(&self) -> Result<Vec<Registered>, Error> {
        let mut tx = self.store.begin().await?;
        sqlx::query(
            "DELETE FROM registrations WHERE expires_at <= $1 OR NOT EXISTS (SELECT 1 FROM \
             accounts JOIN clients ON clients.account_sid = accounts.account_sid WHERE \
             accounts.sip_realm = registrations.realm AND accounts.is_active <> 0 AND \
             clients.username = registrations.username AND clients.is_active <> 0)",
        )
        .bind(Timestamp::now())
        .execute(&mut *tx)
        .await?;
        let rows = sqlx::query("SELECT * FROM registrations ORDER BY realm, username, position")
            .fetch_all(&mut *tx)
            .await?;
        tx.commit().await?;
        let mut users: BTreeMap<(String, String), Vec<Registration>> = BTreeMap::new();
        for row in &rows {
            let user = (row.try_get("realm")?, row.try_get("username")?);
            // What cannot be read any more is passed over: the phone will register again.
            if let Some(contact) = read(row)? {
                users.entry(user).or_default().push(contact);
            }
        }
        let registered = |((realm, username), contacts)| Registered { username, realm, contacts };
        Ok(users.into_iter().map(registered).collect())
    }
}

pub(super) async fn replace(tx: &mut Tx, user: &Registered) -> Result<(), Error> {
    sqlx::query("DELETE FROM registrations WHERE realm = $1 AND username = $2")
        .bind(storable(&user.realm))
        .bind(storable(&user.username))
        .execute(&mut **tx)
        .await?;
    for (position, contact) in (0i32..).zip(&user.contacts) {
        sqlx::query(
            "INSERT INTO registrations (username, realm, position, contact, transport, local, \
             peer, expires_at, registered_at, user_agent, path, call_id, cseq) VALUES \
             ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(storable(&user.username))
        .bind(storable(&user.realm))
        .bind(position)
        .bind(storable(&contact.contact))
        .bind(storable(&contact.transport))
        .bind(contact.local.to_string())
        .bind(contact.peer.to_string())
        .bind(contact.expires_at)
        .bind(contact.registered_at)
        .bind(contact.user_agent.as_deref().map(storable))
        .bind(storable(&contact.path.join("\n")))
        .bind(storable(&contact.call_id))
        .bind(i64::from(contact.cseq))
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

fn read(row: &Row) -> Result<Option<Registration>, Error> {
    let address = |name| -> Result<Option<SocketAddr>, Error> {
        Ok(row.try_get::<&str, _>(name)?.parse().ok())
    };
    let path: &str = row.try_get("path")?;
    let (Some(local), Some(peer)) = (address("local")?, address("peer")?) else { return Ok(None) };
    let Ok(cseq) = u32::try_from(row.try_get::<i64, _>("cseq")?) else { return Ok(None) };
    Ok(Some(Registration {
        contact: row.try_get("contact")?,
        transport: row.try_get("transport")?,
        local,
        peer,
        expires_at: row.try_get("expires_at")?,
        registered_at: row.try_get("registered_at")?,
        user_agent: row.try_get("user_agent")?,
        path: path.lines().map(str::to_owned).collect(),
        call_id: row.try_get("call_id")?,
        cseq,
    }))
}
