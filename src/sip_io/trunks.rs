//! Trunks at work, as the rest of the server sees them: the table of carriers, the health of gateways,
//! our registrations.
//!
//! [`Trunks`] is shared: the gate asks it who calls, calls ask it for gateways and report how those
//! did, REST reads it. The [`keeper`] pings and registers, and writes here what comes of it.

pub mod health;
pub mod keeper;
mod plan;
pub mod registration;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

pub use self::health::Outcome;
use self::health::Watch;
use self::plan::is_pinged;
pub use self::registration::RegisterStatus;
use crate::model::{SipGatewaySid, VoipCarrierSid};
pub use crate::routing::outbound::Health;
use crate::routing::trunk::TrunkTable;
use crate::store::{self, Store};

/// What is known of carriers and gateways besides what is stored.
pub struct Trunks {
    store: Store,
    /// Counts the changes over REST: a table read before one is not used after it.
    changes: AtomicU64,
    table: RwLock<(u64, Arc<TrunkTable>)>,
    /// One reads the store at a time, the others wait for what it brings.
    reading: tokio::sync::Mutex<()>,
    watches: Mutex<HashMap<SipGatewaySid, Watch>>,
    registered: RwLock<HashMap<VoipCarrierSid, Registered>>,
}

/// A registration of ours, as others need it.
#[derive(Clone, Debug)]
pub struct Registered {
    pub status: Option<RegisterStatus>,
    /// The registrar holds our binding until then.
    pub bound_until: Option<Instant>,
    /// User part of our Contact: calls to it are the carrier's.
    pub contact_user: String,
    /// Where the registrar is: calls come from there. It answered at the first one; the others are
    /// what its owner's name servers say.
    pub addresses: Vec<IpAddr>,
}

/// A carrier we are registered with, as seen from a source of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Match {
    pub carrier: VoipCarrierSid,
    /// The user that is called is the one of our Contact.
    pub is_contact: bool,
    /// Its registrar answered at the source's very address.
    pub has_answered: bool,
}

impl Trunks {
    pub fn new(store: Store) -> Self {
        Self {
            store,
            changes: AtomicU64::new(1),
            table: RwLock::default(),
            reading: tokio::sync::Mutex::default(),
            watches: Mutex::default(),
            registered: RwLock::default(),
        }
    }

    /// A carrier, gateway or account has changed: the next [`Trunks::table`] is read anew.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// All carriers, as they are stored now. Reads the store only after a change.
    ///
    /// # Errors
    /// The store's.
    pub async fn table(&self) -> Result<Arc<TrunkTable>, store::Error> {
        if let Some(table) = self.current() {
            return Ok(table);
        }
        let _reading = self.reading.lock().await;
        if let Some(table) = self.current() {
            return Ok(table);
        }
        let changes = self.changes.load(Ordering::Acquire);
        let table = Arc::new(TrunkTable::new(self.store.routing().trunks().await?));
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = (changes, table.clone());
        self.watch(&table);
        Ok(table)
    }

    fn current(&self) -> Option<Arc<TrunkTable>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        (table.0 == self.changes.load(Ordering::Acquire)).then(|| table.1.clone())
    }

    /// Whether nothing has changed since this table was read.
    fn is_current(&self, table: &Arc<TrunkTable>) -> bool {
        self.current().is_some_and(|current| Arc::ptr_eq(&current, table))
    }

    /// Watches the gateways there are and forgets those that are gone.
    fn watch(&self, table: &TrunkTable) {
        let now = Instant::now();
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let mut former = std::mem::take(&mut *watches);
        for (trunk, gateway) in table.gateways() {
            let is_pinged = is_pinged(trunk, gateway);
            let mut watch = former.remove(&gateway.sid).unwrap_or_else(|| Watch::new(is_pinged));
            watch.set_pinged(now, is_pinged);
            watches.insert(gateway.sid, watch);
        }
    }

    /// How a request to a gateway ended. Of one that is gone meanwhile it says nothing.
    pub fn report(&self, gateway: SipGatewaySid, outcome: Outcome) {
        let now = Instant::now();
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(watch) = watches.get_mut(&gateway) else { return };
        let before = watch.health(now);
        watch.note(now, outcome);
        let after = watch.health(now);
        if before != after {
            tracing::info!(%gateway, health = after.as_str(), was = before.as_str(), "gateway");
        }
    }

    pub fn health(&self, gateway: SipGatewaySid) -> Health {
        let watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.get(&gateway).map_or(Health::Unknown, |watch| watch.health(Instant::now()))
    }

    /// Whether the last outcome spoke against what [`Trunks::health`] says.
    fn is_in_doubt(&self, gateway: SipGatewaySid) -> bool {
        let watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.get(&gateway).is_some_and(Watch::is_in_doubt)
    }

    /// What REST shows of a carrier's registration; `None` when there is none or none was answered.
    pub fn register_status(&self, carrier: VoipCarrierSid) -> Option<RegisterStatus> {
        let registered = self.registered.read().unwrap_or_else(PoisonError::into_inner);
        registered.get(&carrier)?.status.clone()
    }

    /// Replaces what is known of a carrier's registration; `None` forgets it.
    pub(super) fn publish(&self, carrier: VoipCarrierSid, news: Option<Registered>) {
        let mut registered = self.registered.write().unwrap_or_else(PoisonError::into_inner);
        match news {
            Some(news) => registered.insert(carrier, news),
            None => registered.remove(&carrier),
        };
    }

    /// The carriers we are registered with at this address, as calls from there to `user` see them.
    pub fn registered_at(&self, address: IpAddr, user: &str) -> Vec<Match> {
        let (now, address) = (Instant::now(), address.to_canonical());
        let registered = self.registered.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<_> = registered
            .iter()
            .filter(|(_, one)| one.bound_until.is_some_and(|until| now < until))
            .filter(|(_, one)| one.addresses.contains(&address))
            .map(|(sid, one)| Match {
                carrier: *sid,
                is_contact: one.contact_user == user,
                has_answered: one.addresses.first() == Some(&address),
            })
            .collect();
        found.sort_unstable();
        found
    }
}
