//! Who is registered where: published by the stack, read by REST and by calls to users.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
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

/// Contacts by `user@realm`.
#[derive(Default)]
pub struct Registrations(RwLock<HashMap<String, Vec<Contact>>>);

impl Registrations {
    /// Replaces the contacts of a user; none forgets it.
    pub fn publish(&self, aor: &str, contacts: Vec<Contact>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if contacts.is_empty() {
            all.remove(aor);
        } else {
            all.insert(aor.to_owned(), contacts);
        }
    }

    /// The contacts of a user that have not expired.
    pub fn contacts(&self, aor: &str) -> Vec<Contact> {
        let now = Instant::now();
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(aor)
            .map(|c| c.iter().filter(|c| c.expires_at > now).cloned().collect())
            .unwrap_or_default()
    }

    /// Every registered `user@realm` of a realm, with its contacts, by name.
    pub fn of_realm(&self, realm: &str) -> Vec<(String, Vec<Contact>)> {
        let now = Instant::now();
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<_> = all
            .iter()
            .filter(|(aor, _)| aor.rsplit_once('@').is_some_and(|(_, host)| host == realm))
            .map(|(aor, contacts)| {
                let live = contacts.iter().filter(|c| c.expires_at > now).cloned().collect();
                (aor.clone(), live)
            })
            .filter(|(_, live): &(String, Vec<Contact>)| !live.is_empty())
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    /// How many users are registered.
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
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
        table.publish("c@y", Vec::new());
        assert!(table.of_realm("y").is_empty());
    }
}
