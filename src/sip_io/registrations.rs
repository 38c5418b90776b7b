//! Who is registered where: published by the stack, read by REST and by calls to users.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sip::{Flow, NameAddr, Uri};

/// One contact of a user, with the flow that leads to it.
#[derive(Clone, Debug)]
pub struct Contact {
    pub uri: Uri,
    /// The way the REGISTER came: the only one that passes the phone's NAT.
    pub flow: Flow,
    pub expires_at: Instant,
    /// Preference in thousandths.
    pub q: u16,
    /// The proxies on the way, as a Route set (RFC 3327).
    pub path: Vec<NameAddr>,
    /// The phone this is, whatever flows lead to it (RFC 5626 §4.1).
    pub instance: Option<String>,
}

impl Contact {
    /// Epoch milliseconds, as REST says it.
    pub fn expiry_time(&self) -> u64 {
        let left = self.expires_at.saturating_duration_since(Instant::now());
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from((since_epoch + left).as_millis()).unwrap_or(u64::MAX)
    }

    pub fn protocol(&self) -> &'static str {
        self.flow.transport.name()
    }
}

/// Contacts by realm, and there by `user@realm`.
#[derive(Default)]
pub struct Registrations(RwLock<HashMap<String, HashMap<String, Vec<Contact>>>>);

impl Registrations {
    /// Replaces the contacts of a user; none forgets it.
    pub fn publish(&self, aor: &str, contacts: Vec<Contact>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let realm = realm(aor);
        if !contacts.is_empty() {
            all.entry(realm.to_owned()).or_default().insert(aor.to_owned(), contacts);
        } else if let Some(users) = all.get_mut(realm) {
            users.remove(aor);
            if users.is_empty() {
                all.remove(realm);
            }
        }
    }

    /// The contacts of a user that have not expired.
    pub fn contacts(&self, aor: &str) -> Vec<Contact> {
        let now = Instant::now();
        let all = self.read();
        let contacts = all.get(realm(aor)).and_then(|users| users.get(aor));
        contacts.map(|c| live(c, now).cloned().collect()).unwrap_or_default()
    }

    /// Whether a user is registered, or its realm has fewer who are than `most`.
    pub fn has_room_for(&self, aor: &str, most: usize) -> bool {
        let now = Instant::now();
        let all = self.read();
        let Some(users) = all.get(realm(aor)) else { return most > 0 };
        let is_registered = |contacts: &Vec<Contact>| live(contacts, now).next().is_some();
        users.get(aor).is_some_and(is_registered)
            || users.len() < most
            || users.values().filter(|contacts| is_registered(contacts)).count() < most
    }

    /// Every registered `user@realm` of a realm, with its contacts, by name.
    pub fn of_realm(&self, realm: &str) -> Vec<(String, Vec<Contact>)> {
        let now = Instant::now();
        let all = self.read();
        let mut found: Vec<_> = all
            .get(realm)
            .into_iter()
            .flatten()
            .map(|(aor, contacts)| (aor.clone(), live(contacts, now).cloned().collect()))
            .filter(|(_, live): &(String, Vec<Contact>)| !live.is_empty())
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    /// How many users are registered.
    pub fn len(&self) -> usize {
        self.read().values().map(HashMap::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, HashMap<String, Vec<Contact>>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn realm(aor: &str) -> &str {
    aor.rsplit_once('@').map_or("", |(_, realm)| realm)
}

fn live(contacts: &[Contact], now: Instant) -> impl Iterator<Item = &Contact> {
    contacts.iter().filter(move |contact| contact.expires_at > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expired_contacts_are_not_shown() {
        let table = Registrations::default();
        let local = "127.0.0.1:5060".parse().unwrap();
        let contact = |ahead| Contact {
            uri: Uri::of_addr(Some("a"), local),
            flow: Flow::udp(local, local),
            q: 1000,
            path: Vec::new(),
            instance: None,
            expires_at: Instant::now() + Duration::from_secs(ahead),
        };
        table.publish("a@x", vec![contact(0), contact(60)]);
        table.publish("b@x", vec![contact(0)]);
        table.publish("c@y", vec![contact(60)]);
        assert_eq!(table.contacts("a@x").len(), 1);
        assert!(table.contacts("b@x").is_empty());
        let names: Vec<_> = table.of_realm("x").into_iter().map(|(aor, _)| aor).collect();
        assert_eq!(names, ["a@x"]);
        let has_room = |aor| table.has_room_for(aor, 1);
        assert_eq!(["a@x", "b@x", "c@y", "d@z"].map(has_room), [true, false, true, true]);
        assert!(table.has_room_for("b@x", 2) && !table.has_room_for("d@z", 0));
        table.publish("c@y", Vec::new());
        assert!(table.of_realm("y").is_empty());
        assert!(table.has_room_for("d@y", 1));
        assert_eq!(table.len(), 2);
    }
}
