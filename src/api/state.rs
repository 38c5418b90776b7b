//! What handlers work with.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use futures_util::future::try_join_all;

use super::attempts::Attempts;
use super::error::ApiError;
use super::idempotency::Running;
use super::jwt::Signer;
use super::reply::Wire;
use super::snapshot::Snapshots;
use super::system::Metrics;
use super::throttle::Throttle;
use crate::call::actor::Hangup;
use crate::call::desk::Desk;
use crate::config::Config;
use crate::directory::{Live, Shown};
use crate::hook::HookClient;
use crate::model::account::random_text;
use crate::model::application::VerbCheck;
use crate::model::{
    Account, AccountSid, CallSid, Client, FormerClient, Sbc, Secret, SipGateway, VoipCarrier,
};
use crate::recording::Archive;
use crate::sip_io::registrations::Registrations;
use crate::sip_io::stack::StackActor;
use crate::sip_io::trunks::Trunks;
use crate::store::Store;

/// Cheap to clone; every HTTP worker has one.
#[derive(Clone)]
pub struct AppState {
    pub store: Store,
    pub config: Arc<Config>,
    /// Where recordings lie.
    pub archive: Archive,
    pub wire: Wire,
    pub metrics: Metrics,
    /// Checks the verbs of an `app_json`.
    pub check_verbs: VerbCheck,
    pub(super) door: Arc<FrontDoor>,
    /// The addresses SIP is spoken at here.
    pub own_sbcs: Arc<[Sbc]>,
    pub(super) throttle: Arc<Throttle>,
    pub(super) running: Arc<Running>,
    pub(super) snapshots: Arc<Snapshots>,
    /// Sends what handlers ask of applications and object stores, and checks URLs.
    pub hooks: HookClient,
    doors: Option<Arc<Doors>>,
    on_change: Arc<dyn Fn(Change) + Send + Sync>,
}

/// Where people come in.
pub(super) struct FrontDoor {
    pub(super) signer: Signer,
    pub(super) attempts: Attempts,
    /// How long an answer to a login is held back: something between the two.
    pub(super) delay: RangeInclusive<Duration>,
}

const LOGIN_DELAY: RangeInclusive<Duration> =
    Duration::from_millis(200)..=Duration::from_millis(1000);

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
    /// The same of a queue.
    Queue { account: AccountSid, name: String },
}

impl AppState {
    pub fn new(
        store: Store,
        config: Arc<Config>,
        check_verbs: VerbCheck,
        hooks: HookClient,
    ) -> Self {
        Self {
            wire: Wire(config.api.wire),
            archive: Archive::new(config.recording_dir()),
            metrics: Metrics::install(),
            check_verbs,
            hooks,
            door: Arc::new(FrontDoor::new(&config, LOGIN_DELAY)),
            own_sbcs: Arc::new([]),
            throttle: Arc::new(Throttle::new(&config.http)),
            running: Arc::default(),
            snapshots: Arc::default(),
            doors: None,
            on_change: Arc::new(|_| {}),
            store,
            config,
        }
    }

    /// Answers to a login are held back this long instead.
    pub fn with_login_delay(mut self, delay: RangeInclusive<Duration>) -> Self {
        self.door = Arc::new(FrontDoor::new(&self.config, delay));
        self
    }

    /// Tells which addresses SIP is spoken at here.
    pub fn with_own_sbcs(mut self, sbcs: Vec<Sbc>) -> Self {
        self.own_sbcs = sbcs.into();
        self
    }

    /// Refuses URLs that lead to where this server may not go: 400, beginning with the property. To
    /// be asked before anything is saved.
    pub(super) async fn admit_urls<U: AsRef<str>>(
        &self,
        urls: impl IntoIterator<Item = (&'static str, U)>,
    ) -> Result<(), ApiError> {
        let checks = urls.into_iter().map(|(property, url)| async move {
            let checked = self.hooks.check_address(url.as_ref()).await;
            checked.map_err(|refused| ApiError::bad_request(format!("{property} {refused}")))
        });
        try_join_all(checks).await.map(drop)
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
    /// Waits until reads show what actors were ordered before.
    pub(super) async fn shown(&self) {
        if let Some(doors) = &self.doors {
            // A directory that is gone shows nothing any more.
            let _ = doors.desk.directory.send(Shown).await;
        }
    }

    pub(super) fn live(&self) -> Option<&Live> {
        Some(&self.doors.as_deref()?.live)
    }

    /// Hangs up a call of the account, if it is live.
    pub(super) fn hang_up(&self, account: AccountSid, call: CallSid) {
        let found = self.live().and_then(|live| live.call(account, call));
        if let Some(actor) = found.and_then(|call| call.actor) {
            actor.do_send(Hangup);
        }
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

impl FrontDoor {
    /// Without a secret tokens are good until this process ends.
    fn new(config: &Config, delay: RangeInclusive<Duration>) -> Self {
        let secret = config.api.jwt_secret.clone().unwrap_or_else(|| Secret(random_text(43)));
        Self { signer: Signer::new(&secret), attempts: Attempts::default(), delay }
    }
}

impl fmt::Debug for AppState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppState").field("store", &self.store).finish_non_exhaustive()
    }
}
