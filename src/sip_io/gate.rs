//! The gate: who sends an INVITE or a REGISTER, whether that is proved, and what answers.
//!
//! Three steps. [`Gate::identify`] and [`Gate::identify_user`] ask the store who it may be; the proof is
//! judged with the nonces at hand, which live with the stack ([`Identity::prove`]); only for those who
//! passed [`Gate::answer`] looks for what they dialled. So a stranger costs the same few look-ups
//! whoever he claims to be. Passwords of clients are not here: the store keeps HA1, made for the
//! account's digest realm. That is what a challenge names; addresses of record name `sip_realm`.

mod proof;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use sip::auth::Nonces;
use sip::{Flow, Reply, Request, Transport};

use self::proof::Proof;
use super::trunks::{Match, Trunks};
use crate::model::{
    Account, AccountSid, Application, ApplicationSid, CallLimits, ClientAuth, Encryption,
    PhoneNumber, Protocol, Trunk,
};
use crate::routing::inbound::{
    Admission, Facts, Permissions, Reach, Reached, Route, Through, Trust, admit, route, through,
};
use crate::routing::network::{CarriedBy, Source};
use crate::routing::trunk::TrunkTable;
use crate::store::{Claim, Error, Store};

/// A call that may come in, and what answers it.
#[derive(Clone, Debug)]
pub struct Admitted {
    pub account: Account,
    /// The client's user name, when a client calls.
    pub client: Option<String>,
    /// The carrier's name, when a carrier brings the call.
    pub trunk: Option<String>,
    /// What the client's or carrier's settings want of the audio; `None`: as the server's configuration says.
    pub encryption: Option<Encryption>,
    /// How many calls there may be at once.
    pub limits: CallLimits,
    pub answer: Answer,
}

#[derive(Clone, Debug)]
pub enum Answer {
    Application(Box<Application>),
    Conference(String),
    /// An agent comes to the queue of that name.
    Queue(String),
    /// Another user of the account, who is called in turn.
    User(String),
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Verdict<T> {
    Pass(T),
    Refuse(Reply),
}

/// A client that proved who it is.
#[derive(Clone, Debug)]
pub struct Registrant {
    /// `user@realm`
    pub aor: String,
    pub account: AccountSid,
    /// How many users of the account may be registered at once.
    pub devices: Option<u32>,
}

/// Who sends an INVITE, before it is proved.
#[derive(Debug)]
pub struct Identity {
    /// The number or name that is called.
    dialled: String,
    numbers: Vec<PhoneNumber>,
    /// `None`: 403.
    may_come: Option<Step>,
}

#[derive(Debug)]
enum Step {
    Prove(Proof),
    Pass(Caller),
}

/// Who calls, proved if it had to be.
#[derive(Clone, Debug)]
enum Caller {
    Client(Box<ClientAuth>),
    /// One of these carriers: those behind its address, or the one whose password it knows.
    Carrier {
        trunks: Vec<Trunk>,
        by: Option<CarriedBy>,
    },
    Stranger,
}

/// An INVITE whose sender is known.
#[derive(Debug)]
pub struct Known {
    dialled: String,
    numbers: Vec<PhoneNumber>,
    caller: Caller,
}

/// Who sends a REGISTER, before it is proved.
#[derive(Debug)]
pub struct User {
    /// The realm it names, if it is one of ours.
    realm: Option<String>,
    proof: Proof,
    /// How many users the realm's account may have registered at once.
    devices: Option<u32>,
}

#[derive(Clone)]
pub struct Gate {
    store: Store,
    trunks: Arc<Trunks>,
    home_realm: Option<String>,
}

impl Gate {
    /// `home_realm` stands for requests addressed to a bare IP address.
    pub fn new(store: Store, trunks: Arc<Trunks>, home_realm: Option<String>) -> Self {
        Self { store, trunks, home_realm }
    }

    /// Who sends this REGISTER.
    ///
    /// # Errors
    /// The store's.
    pub async fn identify_user(&self, request: &Request) -> Result<User, Error> {
        let routing = self.store.routing();
        let to = &request.to().uri;
        let account = routing.account_for_host(to.host(), self.home_realm.as_deref()).await?;
        let Some(account) = account else {
            let proof = Proof::of_nobody(String::new(), None);
            return Ok(User { realm: None, proof, devices: None });
        };
        let realm = account.sip_realm.clone();
        let digest_realm = account.digest_realm();
        let devices = self.store.limits().devices(account.sid).await?;
        let user = match proof::username(request, &digest_realm) {
            Some(given) => given,
            None => to.user().unwrap_or_default().into_owned(),
        };
        let Claim { client, algorithm, .. } = routing.claim(account, &user).await?;
        let proof = match client {
            Some(client) => Proof::of_client(digest_realm, algorithm, client),
            None => Proof::of_nobody(digest_realm, algorithm),
        };
        Ok(User { realm: Some(realm.unwrap_or_default()), proof, devices })
    }

    /// Who sends this INVITE, and what it must prove.
    ///
    /// # Errors
    /// The store's.
    pub async fn identify(&self, request: &Request, flow: &Flow) -> Result<Identity, Error> {
        let table = self.trunks.table().await?;
        let (behind, dialled, numbers) = self.behind(&table, request, flow).await?;
        let chosen = through(&behind, &numbers);
        let trust = match chosen {
            None => Trust::None,
            Some(through) if proves_itself(through.trunk) => Trust::MustProve,
            Some(_) => Trust::Trusted,
        };
        let claim = self.claim(request, trust).await?;
        let facts = Facts {
            realm_is_ours: claim.is_some(),
            client_exists: claim.as_ref().is_some_and(|claim| claim.client.is_some()),
            trunk: trust,
            number: reach(&table, &numbers),
        };
        let may_come = match admit(facts) {
            Admission::Forbidden => None,
            Admission::Number => Some(Step::Pass(Caller::Stranger)),
            Admission::Trunk => {
                let trunks = behind.into_iter().cloned().collect();
                Some(Step::Pass(Caller::Carrier { trunks, by: carried_by(flow.transport) }))
            }
            Admission::Challenge => {
                let asked = Asked { chosen, table: &table, numbers: &numbers, flow };
                Some(Step::Prove(self.proof(request, claim, asked).await?))
            }
        };
        Ok(Identity { dialled, numbers, may_come })
    }

    /// The carriers that may send this, what is dialled, and its rows: a carrier we are registered with
    /// calls our Contact and says in To whom it wants.
    ///
    /// Where a registrar is, its owner's name servers say, and they may name addresses of anybody: so
    /// only the one that answered there takes calls before those whose network it is.
    async fn behind<'t>(
        &self,
        table: &'t TrunkTable,
        request: &Request,
        flow: &Flow,
    ) -> Result<(Vec<&'t Trunk>, String, Vec<PhoneNumber>), Error> {
        let routing = self.store.routing();
        let user = request.uri().user().unwrap_or_default().into_owned();
        let to = || request.to().uri.user().unwrap_or_default().into_owned();
        let registered = self.trunks.registered_at(flow.peer.ip(), &user);
        let open = |found: &Match| table.get(found.carrier).filter(|t| t.carrier.is_active);
        let called = |has_answered| {
            let mut contacts = registered.iter().filter(|found| found.is_contact);
            contacts.find(|found| found.has_answered == has_answered).and_then(open)
        };
        if let Some(trunk) = called(true) {
            let numbers = routing.numbers(&to()).await?;
            return Ok((vec![trunk], to(), numbers));
        }
        let numbers = routing.numbers(&user).await?;
        let by = carried_by(flow.transport);
        let source = by.map(|carried_by| Source { address: flow.peer, carried_by });
        let behind = source.map(|source| table.behind(source, &numbers)).unwrap_or_default();
        if !behind.is_empty() {
            return Ok((behind, user, numbers));
        }
        if let Some(trunk) = called(false) {
            let numbers = routing.numbers(&to()).await?;
            return Ok((vec![trunk], to(), numbers));
        }
        let registered = registered.iter().filter(|_| by.is_some()).filter_map(open);
        Ok((registered.collect(), user, numbers))
    }

    /// Who From (or an answer to a challenge) claims to be. A carrier that calls from its network
    /// names our address in passing, and claims to be nobody here.
    async fn claim(&self, request: &Request, trust: Trust) -> Result<Option<Claim>, Error> {
        let routing = self.store.routing();
        let from = &request.from().uri;
        let home = self.home_realm.as_deref().filter(|_| trust == Trust::None);
        let Some(account) = routing.account_for_host(from.host(), home).await? else {
            return Ok(None);
        };
        let user = match proof::username(request, &account.digest_realm()) {
            Some(given) => given,
            None => from.user().unwrap_or_default().into_owned(),
        };
        routing.claim(account, &user).await.map(Some)
    }

    /// The challenge: for the claimed realm; else for the account of the number, or of the carrier.
    async fn proof(
        &self,
        request: &Request,
        claim: Option<Claim>,
        asked: Asked<'_>,
    ) -> Result<Proof, Error> {
        let wants = asked.trunk();
        let (realm, account, algorithm) = match claim {
            Some(Claim { account, client: Some(client), algorithm }) => {
                return Ok(Proof::of_client(account.digest_realm(), algorithm, client));
            }
            Some(Claim { account, client: None, algorithm }) => {
                (account.digest_realm(), Some(account), algorithm)
            }
            None => {
                let owner = asked.number_account().or_else(|| wants?.carrier.account_sid);
                let account = match owner {
                    Some(sid) => self.store.routing().account(sid).await?,
                    None => None,
                };
                let sid = || wants.map(|trunk| trunk.carrier.sid.to_string()).unwrap_or_default();
                (account.as_ref().map_or_else(sid, Account::digest_realm), account, None)
            }
        };
        let algorithm = wants.and_then(|trunk| trunk.carrier.digest_algorithm).or(algorithm);
        let Some(username) = proof::username(request, &realm) else {
            return Ok(Proof::of_nobody(realm, algorithm));
        };
        let trunk = match &account {
            Some(account) => asked
                .table
                .of_account(account.sid)
                .chain(asked.table.shared_by(account.service_provider_sid))
                .find(|trunk| is_login(trunk, &username)),
            None => wants.filter(|trunk| is_login(trunk, &username)),
        };
        let by = carried_by(asked.flow.transport);
        Ok(match trunk {
            Some(trunk) => Proof::of_carrier(realm, trunk.clone(), by),
            None => Proof::of_nobody(realm, algorithm),
        })
    }

    /// What answers a call whose sender is known.
    ///
    /// # Errors
    /// The store's.
    pub async fn answer(&self, known: Known) -> Result<Verdict<Admitted>, Error> {
        let mut verdict = self.find(known).await?;
        if let Verdict::Pass(Admitted { account, limits, .. }) = &mut verdict {
            let stored = self.store.limits();
            *limits = stored.calls(account.sid, account.service_provider_sid).await?;
        }
        Ok(verdict)
    }

    async fn find(&self, known: Known) -> Result<Verdict<Admitted>, Error> {
        let Known { dialled, numbers, caller } = known;
        match caller {
            Caller::Client(client) => self.for_client(&dialled, *client, &numbers).await,
            Caller::Carrier { trunks, by } => {
                let trunks: Vec<_> = trunks.iter().collect();
                match through(&trunks, &numbers) {
                    Some(found) => self.for_carrier(found, by).await,
                    None => Ok(Verdict::Refuse(Reply::new(403))),
                }
            }
            Caller::Stranger => {
                let free = numbers.iter().find(|number| number.voip_carrier_sid.is_none());
                let Some(number) = free else { return Ok(Verdict::Refuse(Reply::new(403))) };
                self.for_number(number, None).await
            }
        }
    }

    async fn for_client(
        &self,
        dialled: &str,
        ClientAuth { client, account }: ClientAuth,
        numbers: &[PhoneNumber],
    ) -> Result<Verdict<Admitted>, Error> {
        let permissions = Permissions {
            direct_app: client.allow_direct_app_calling,
            direct_queue: client.allow_direct_queue_calling,
            device_application: account.device_calling_application_sid,
        };
        let own = numbers.iter().find(|number| number.account_sid == Some(account.sid));
        let (sid, without) = match route(dialled, permissions) {
            Route::NotAllowed => return Ok(refuse(403, "this client may not dial that")),
            Route::Conference(name) => {
                let answer = Answer::Conference(name);
                return Ok(by_client(account, client.username, client.media_encryption, answer));
            }
            Route::Queue(name) => {
                let answer = Answer::Queue(name);
                return Ok(by_client(account, client.username, client.media_encryption, answer));
            }
            Route::Application(sid) => (Some(sid), (404, "no such application")),
            Route::OwnNumber => match own.and_then(|number| number.application_sid) {
                None if self.is_user(&account, dialled).await? => {
                    if !client.allow_direct_user_calling {
                        return Ok(refuse(403, "this client may not dial that"));
                    }
                    let (name, terms) = (client.username, client.media_encryption);
                    return Ok(by_client(account, name, terms, Answer::User(dialled.to_owned())));
                }
                sid => (sid, (480, NO_APPLICATION)),
            },
        };
        Ok(match self.application(sid, account.sid).await? {
            Some(found) => {
                let answer = Answer::Application(Box::new(found));
                by_client(account, client.username, client.media_encryption, answer)
            }
            None => refuse(without.0, without.1),
        })
    }

    async fn for_carrier(
        &self,
        Through { trunk, to }: Through<'_>,
        by: Option<CarriedBy>,
    ) -> Result<Verdict<Admitted>, Error> {
        if trunk.is_closed {
            return Ok(refuse(503, INACTIVE));
        }
        let application = match to {
            Reached::Nothing => return Ok(refuse(480, NO_APPLICATION)),
            Reached::Number(number) => return self.for_number(number, Some((trunk, by))).await,
            Reached::Application(sid) => sid,
        };
        let account = match trunk.carrier.account_sid {
            Some(sid) => self.store.routing().account(sid).await?,
            None => None,
        };
        let Some(account) = account else { return Ok(refuse(480, NO_APPLICATION)) };
        Ok(match self.application(Some(application), account.sid).await? {
            Some(found) => by_trunk(account, Some((trunk, by)), found),
            None => refuse(480, NO_APPLICATION),
        })
    }

    async fn for_number(
        &self,
        number: &PhoneNumber,
        trunk: Option<(&Trunk, Option<CarriedBy>)>,
    ) -> Result<Verdict<Admitted>, Error> {
        let account = match number.account_sid {
            Some(sid) => self.store.routing().account(sid).await?,
            None => None,
        };
        let Some(account) = account else { return Ok(Verdict::Refuse(Reply::new(403))) };
        if !account.is_active {
            return Ok(refuse(503, INACTIVE));
        }
        Ok(match self.application(number.application_sid, account.sid).await? {
            Some(found) => by_trunk(account, trunk, found),
            None => refuse(480, NO_APPLICATION),
        })
    }

    async fn is_user(&self, account: &Account, name: &str) -> Result<bool, Error> {
        Ok(self.store.routing().client(account.clone(), name).await?.is_some())
    }

    /// An application, if it is this account's.
    async fn application(
        &self,
        sid: Option<ApplicationSid>,
        account: AccountSid,
    ) -> Result<Option<Application>, Error> {
        let Some(sid) = sid else { return Ok(None) };
        let found = self.store.routing().application(sid).await?;
        Ok(found.filter(|found| found.account_sid == account))
    }
}

/// What a challenge is made for when no client is claimed.
struct Asked<'a> {
    chosen: Option<Through<'a>>,
    table: &'a TrunkTable,
    numbers: &'a [PhoneNumber],
    flow: &'a Flow,
}

impl<'a> Asked<'a> {
    /// The carrier that ought to prove itself: the one behind the address, else that of the number.
    fn trunk(&self) -> Option<&'a Trunk> {
        let of_number = || {
            let carriers = self.numbers.iter().filter_map(|number| number.voip_carrier_sid);
            carriers.filter_map(|sid| self.table.get(sid)).find(|trunk| proves_itself(trunk))
        };
        self.chosen.map(|through| through.trunk).or_else(of_number)
    }

    fn number_account(&self) -> Option<AccountSid> {
        let trunk = self.trunk()?;
        let on = |number: &&PhoneNumber| number.voip_carrier_sid == Some(trunk.carrier.sid);
        self.numbers.iter().find(on)?.account_sid
    }
}

impl Identity {
    /// Judges the proof, if one is asked for.
    ///
    /// # Errors
    /// The reply to send: a challenge or a refusal.
    pub fn prove(
        self,
        request: &Request,
        source: IpAddr,
        nonces: &mut Nonces,
        now: Instant,
    ) -> Result<Known, Reply> {
        let Self { dialled, numbers, may_come } = self;
        let caller = match may_come {
            None => return Err(Reply::new(403)),
            Some(Step::Pass(caller)) => caller,
            Some(Step::Prove(proof)) => proof.judge(request, source, nonces, now)?,
        };
        Ok(Known { dialled, numbers, caller })
    }
}

impl Known {
    /// Whether the sender is somebody: a client or a carrier.
    pub fn is_proved(&self) -> bool {
        !matches!(self.caller, Caller::Stranger)
    }

    /// The client it is, if it is one: who may replace its account's dialogs, whatever is dialled.
    pub fn client(&self) -> Option<&ClientAuth> {
        match &self.caller {
            Caller::Client(client) => Some(client),
            Caller::Carrier { .. } | Caller::Stranger => None,
        }
    }
}

impl User {
    /// Whether this REGISTER is believed.
    pub fn on_register(
        self,
        request: &Request,
        source: IpAddr,
        nonces: &mut Nonces,
        now: Instant,
    ) -> Verdict<Registrant> {
        let Some(realm) = self.realm else { return Verdict::Refuse(Reply::new(403)) };
        let auth = match self.proof.judge(request, source, nonces, now) {
            Err(reply) => return Verdict::Refuse(reply),
            Ok(Caller::Client(auth)) => auth,
            Ok(_) => return Verdict::Refuse(Reply::new(403)),
        };
        // A phone registers itself: the To of somebody else is not its to bind.
        let user = request.to().uri.user().unwrap_or_default();
        if user != auth.client.username {
            return Verdict::Refuse(Reply::new(403));
        }
        Verdict::Pass(Registrant {
            aor: format!("{}@{realm}", auth.client.username),
            account: auth.account.sid,
            devices: self.devices,
        })
    }
}

const NO_APPLICATION: &str = "no configured application";
const INACTIVE: &str = "the account is not active";

fn proves_itself(trunk: &Trunk) -> bool {
    trunk.carrier.inbound_auth.username.is_some()
}

fn is_login(trunk: &Trunk, username: &str) -> bool {
    trunk.carrier.is_active && trunk.carrier.inbound_auth.username.as_deref() == Some(username)
}

/// Who may call a number with these rows.
fn reach(table: &TrunkTable, numbers: &[PhoneNumber]) -> Reach {
    if numbers.is_empty() {
        return Reach::Unknown;
    }
    let carriers = || numbers.iter().map(|number| number.voip_carrier_sid);
    if carriers().any(|carrier| carrier.is_none()) {
        return Reach::Anybody;
    }
    let proves = |sid| table.get(sid).is_some_and(|t| t.carrier.is_active && proves_itself(t));
    if carriers().flatten().any(proves) { Reach::Digest } else { Reach::Networks }
}

fn carried_by(transport: Transport) -> Option<CarriedBy> {
    match transport {
        Transport::Udp => Some(CarriedBy::Udp),
        Transport::Tcp => Some(CarriedBy::Tcp),
        Transport::Tls => Some(CarriedBy::Tls),
        _ => None,
    }
}

fn by_client(
    account: Account,
    username: String,
    encryption: Option<Encryption>,
    answer: Answer,
) -> Verdict<Admitted> {
    let limits = CallLimits::default();
    Verdict::Pass(Admitted {
        account,
        client: Some(username),
        trunk: None,
        encryption,
        limits,
        answer,
    })
}

/// By a carrier, or by a stranger without one.
fn by_trunk(
    account: Account,
    trunk: Option<(&Trunk, Option<CarriedBy>)>,
    application: Application,
) -> Verdict<Admitted> {
    Verdict::Pass(Admitted {
        account,
        client: None,
        trunk: trunk.map(|(trunk, _)| trunk.carrier.name.clone()),
        encryption: trunk.and_then(|(trunk, by)| encryption(trunk, by)),
        limits: CallLimits::default(),
        answer: Answer::Application(Box::new(application)),
    })
}

/// A carrier with a `tls/srtp` gateway sends no plain audio over TLS.
fn encryption(trunk: &Trunk, by: Option<CarriedBy>) -> Option<Encryption> {
    let is_srtp = |gateway: &crate::model::SipGateway| {
        gateway.is_active && gateway.inbound && gateway.protocol == Protocol::TlsSrtp
    };
    if by == Some(CarriedBy::Tls) && trunk.gateways.iter().any(is_srtp) {
        return Some(Encryption::Required);
    }
    trunk.carrier.media_encryption
}

fn refuse<T>(status: u16, why: &str) -> Verdict<T> {
    Verdict::Refuse(Reply::new(status).with_header("X-Reason", why))
}

#[cfg(test)]
mod tests;
