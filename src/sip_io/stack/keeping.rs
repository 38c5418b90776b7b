//! Registrations on their way to the store, and back after a restart.

use std::time::{Duration, Instant};

use sip::registrar::Saved;

use super::StackActor;
use crate::model::{Registration, Timestamp};
use crate::store::Registered;

impl StackActor {
    /// Hands over what a user's contacts are now; never waits for it.
    pub(super) fn keep(&self, now: Instant, aor: &str) {
        let Some((username, realm)) = aor.rsplit_once('@') else { return };
        let wall = Timestamp::now();
        let contacts = self.bindings.saved(now, aor).into_iter();
        self.parts.store.registrations().keep(Registered {
            username: username.to_owned(),
            realm: realm.to_owned(),
            contacts: contacts.map(|saved| row(saved, wall)).collect(),
        });
    }

    /// Puts back who was registered before the restart and can still be reached.
    pub(super) fn put_back(&mut self) {
        let (now, wall) = (Instant::now(), Timestamp::now());
        let mut count = 0;
        for Registered { username, realm, contacts } in std::mem::take(&mut self.parts.registered) {
            let aor = format!("{username}@{realm}");
            let saved: Vec<_> = contacts.into_iter().map(|row| saved(row, wall)).collect();
            // Who was registered has proved itself before the restart.
            saved.iter().for_each(|one| self.parts.defence.proved(now, one.peer.ip()));
            count += self.bindings.restore(now, &aor, saved, &self.parts.registrar);
            self.show(now, &aor);
        }
        if count > 0 {
            tracing::info!(contacts = count, "registrations were put back");
        }
    }
}

fn row(saved: Saved, wall: Timestamp) -> Registration {
    Registration {
        contact: saved.contact,
        transport: saved.transport,
        local: saved.local,
        peer: saved.peer,
        expires_at: wall.plus(saved.expires_in),
        registered_at: wall.minus(saved.age),
        user_agent: saved.user_agent,
        path: saved.path,
        call_id: saved.call_id,
        cseq: saved.cseq,
    }
}

fn saved(row: Registration, wall: Timestamp) -> Saved {
    Saved {
        contact: row.contact,
        transport: row.transport,
        local: row.local,
        peer: row.peer,
        expires_in: span(wall, row.expires_at),
        age: span(row.registered_at, wall),
        user_agent: row.user_agent,
        path: row.path,
        call_id: row.call_id,
        cseq: row.cseq,
    }
}

/// From one moment to a later one; zero if it is not later.
fn span(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(to.as_millis() - from.as_millis()).unwrap_or(0))
}
