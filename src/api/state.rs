//! What handlers work with.

use std::fmt;
use std::sync::Arc;

use super::reply::Wire;
use super::system::Metrics;
use crate::config::Config;
use crate::model::application::VerbCheck;
use crate::model::{Account, Client};
use crate::store::Store;

/// Cheap to clone; every HTTP worker has one.
#[derive(Clone)]
pub struct AppState {
    pub store: Store,
    pub config: Arc<Config>,
    pub wire: Wire,
    pub metrics: Metrics,
    /// Checks the verbs of an `app_json`.
    pub check_verbs: VerbCheck,
    on_change: Arc<dyn Fn(Change) + Send + Sync>,
}

/// Something was changed over REST that live calls and registrations must follow.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change {
    /// After `None` the account is gone: hang up its calls, drop its registrations. Otherwise look
    /// at `sip_realm` and `is_active`.
    Account { before: Box<Account>, after: Option<Box<Account>> },
    /// After `None` the client is gone. Otherwise look at `account_sid`, `username`, `is_active`.
    Client { before: Box<Client>, after: Option<Box<Client>> },
}

impl AppState {
    pub fn new(store: Store, config: Arc<Config>, check_verbs: VerbCheck) -> Self {
        let wire = Wire(config.api.wire);
        let metrics = Metrics::install();
        Self { store, config, wire, metrics, check_verbs, on_change: Arc::new(|_| {}) }
    }

    /// Who is told of a [`Change`], after it is committed. Must not block.
    pub fn with_on_change(mut self, listener: impl Fn(Change) + Send + Sync + 'static) -> Self {
        self.on_change = Arc::new(listener);
        self
    }

    pub(super) fn announce(&self, change: Change) {
        (self.on_change)(change);
    }
}

impl fmt::Debug for AppState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppState").field("store", &self.store).finish_non_exhaustive()
    }
}
