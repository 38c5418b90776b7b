//! What handlers work with.

use std::fmt;
use std::sync::Arc;

use actix::Addr;

use super::error::ApiError;
use super::reply::Wire;
use super::system::Metrics;
use crate::call::desk::Desk;
use crate::config::Config;
use crate::directory::Live;
use crate::model::application::VerbCheck;
use crate::model::{Account, AccountSid, Client, FormerClient, SipGateway, VoipCarrier};
use crate::sip_io::registrations::Registrations;
use crate::sip_io::stack::StackActor;
use crate::sip_io::trunks::Trunks;
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
    doors: Option<Arc<Doors>>,
    on_change: Arc<dyn Fn(Change) + Send + Sync>,
}

/// Where the facade reaches calls, rooms and registrations.
pub struct Doors {
    pub live: Arc<Live>,
    pub registrations: Arc<Registrations>,
    pub desk: Desk,
    pub stack: Addr<StackActor>,
    pub trunks: Arc<Trunks>,
}

/// Something was changed over REST that live calls and registrations must follow.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change {
    /// After `None` the account is gone: hang up its calls, drop its registrations. Otherwise look
    /// at `sip_realm` and `is_active`.
    Account { before: Box<Account>, after: Option<Box<Account>> },
    /// After `None` the client is gone. Otherwise look at `account_sid`, `username`, `is_active`.
    Client { before: Box<FormerClient>, after: Option<Box<Client>> },
    /// Before `None` the carrier is new, after `None` it is gone and its gateways with it.
    Carrier { before: Option<Box<VoipCarrier>>, after: Option<Box<VoipCarrier>> },
    /// The same of a gateway. Those that are made with their carrier are not told of one by one.
    Gateway { before: Option<Box<SipGateway>>, after: Option<Box<SipGateway>> },
    /// Something else is laid down for a conference: look into the store.
    Conference { account: AccountSid, name: String },
}

impl AppState {
    pub fn new(store: Store, config: Arc<Config>, check_verbs: VerbCheck) -> Self {
        let wire = Wire(config.api.wire);
        let metrics = Metrics::install();
        Self { store, config, wire, metrics, check_verbs, doors: None, on_change: Arc::new(|_| {}) }
    }

    /// Opens the way to calls; until then every request about them is answered 480.
    pub fn with_doors(mut self, doors: Doors) -> Self {
        self.doors = Some(Arc::new(doors));
        self
    }

    pub(super) fn doors(&self) -> Result<&Doors, ApiError> {
        self.doors.as_deref().ok_or(ApiError::Unavailable)
    }

    /// What is live; nothing is where no calls can be placed.
    pub(super) fn live(&self) -> Option<&Live> {
        Some(&self.doors.as_deref()?.live)
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
