//! The plan of an outbound call: from what REST ordered to an INVITE and the way it takes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use sip::{Credentials, Flow, Invite, NameAddr, Transport, Uri};

use super::actor::pairs;
use super::desk::{Desk, Keep, of_record};
use super::route::{Attempt, Route};
use super::{Application, Limits, Script, Setup, answer};
use crate::hook::CallFacts;
use crate::model::call::{CreateCall, Direction, Target, TargetKind};
use crate::model::{self, Account, Alert, AlertType, CallSid};
use crate::sip_io::stack::StackActor;

/// What REST asks for, already checked.
pub struct Order {
    pub account: Account,
    pub create: CreateCall,
    /// The application named by `application_sid`.
    pub application: Option<model::Application>,
}

/// The call exists: its INVITE is on the wire, or it has failed.
#[derive(Clone, Debug)]
pub struct Placed {
    pub sid: CallSid,
    /// SIP Call-ID.
    pub call_id: String,
}

/// Everything a call actor needs to begin.
pub struct Plan {
    pub setup: Setup,
    pub keep: Keep,
    pub stack: Addr<StackActor>,
    /// The ways to the callee, or why there are none.
    pub route: Result<Route, NoRoute>,
}

/// Why a call cannot be sent: what its status will show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRoute {
    pub status: u16,
    pub reason: &'static str,
}

impl NoRoute {
    /// Nobody is where the call should go.
    pub const NOT_FOUND: Self = Self { status: 404, reason: "Not Found" };
}

impl Plan {
    /// Finds the way to the target. Asks DNS for a SIP URI with a host name.
    pub async fn make(desk: &Desk, stack: Addr<StackActor>, order: Order) -> Self {
        let Order { account, create, application } = order;
        let call_sid = CallSid::random();
        let (to, trunk) = described(&create.to.kind, &account);
        let facts = Arc::new(CallFacts {
            call_sid,
            account_sid: account.sid,
            service_provider_sid: account.service_provider_sid,
            application_sid: application.as_ref().map(|found| found.sid),
            direction: Direction::Outbound,
            from: create.from.clone(),
            to,
            caller_name: create.caller_name.clone().unwrap_or_default(),
            // Replaced by the dialog's once there is one.
            call_id: uuid::Uuid::new_v4().to_string(),
            trace_id: answer::trace_id(),
            fs_sip_address: desk.sip_address.to_string(),
            fs_public_ip: None,
            api_base_url: desk.api_base_url.clone(),
            originating_sip_ip: None,
            originating_sip_trunk_name: None,
        });
        let route = route(desk, &account, &create, call_sid).await;
        let first = route.as_ref().ok().and_then(|route| route.stages.first()?.first());
        let remote_host = first.map(|attempt| attempt.invite.flow.peer.to_string());
        let setup = Setup {
            facts,
            application: chosen(&create, application.as_ref()),
            webhook_secret: account.webhook_secret.clone(),
            invite: None,
            customer_data: create.tag.clone(),
            limits: Limits {
                ring_timeout: create.timeout,
                time_limit: create.time_limit,
                ..desk.limits()
            },
            service_url: desk.api_base_url.clone(),
            remote_host,
        };
        let keep = Keep { trunk: Some(trunk.to_owned()), records: !account.disable_cdrs };
        Self { setup, keep, stack, route }
    }
}

/// The `to` of payloads, and the `trunk` of the record.
fn described(kind: &TargetKind, account: &Account) -> (String, &'static str) {
    match kind {
        TargetKind::Phone { number, .. } => (number.clone(), "phone"),
        TargetKind::User { name, .. } => (address_of_record(name, account), "user"),
        TargetKind::Sip { uri } => (uri.clone(), "sip"),
    }
}

/// A stored application replaces what the body says (contract rest.md §2.3.1).
fn chosen(create: &CreateCall, application: Option<&model::Application>) -> Application {
    application.map_or_else(
        || Application {
            call_hook: create.call_hook.clone(),
            status_hook: create.call_status_hook.clone(),
            script: create.app_json.clone().map(Script::Json),
            speech: Some(create.speech.clone()),
            env_vars: None,
        },
        of_record,
    )
}

fn address_of_record(name: &str, account: &Account) -> String {
    if name.contains('@') {
        name.to_owned()
    } else {
        format!("{name}@{}", account.sip_realm.as_deref().unwrap_or_default())
    }
}

async fn route(
    desk: &Desk,
    account: &Account,
    create: &CreateCall,
    call: CallSid,
) -> Result<Route, NoRoute> {
    let target = &create.to;
    let plan = match &target.kind {
        TargetKind::Phone { .. } => {
            desk.store.alerts().write(Alert {
                account_sid: account.sid,
                alert_type: AlertType::NoCarrier,
                message: "no carrier for an outbound call".to_owned(),
                detail: None,
                target_sid: Some(call.to_string()),
            });
            return Err(NoRoute { status: 603, reason: "Decline" });
        }
        TargetKind::User { name, override_to } => {
            to_user(desk, account, name, override_to.as_deref())?
        }
        TargetKind::Sip { uri } => {
            let uri =
                uri.parse::<Uri>().map_err(|_| NoRoute { status: 400, reason: "Bad SIP URI" })?;
            let flow = match &target.proxy {
                Some(_) => None,
                None => Some(resolve(desk, &uri).await?),
            };
            vec![Hop { to: uri.clone(), uri, flow }]
        }
    };
    let proxy = match &target.proxy {
        Some(proxy) => {
            let proxy =
                proxy.parse::<Uri>().map_err(|_| NoRoute { status: 400, reason: "Bad proxy" })?;
            Some(resolve(desk, &proxy).await?)
        }
        None => None,
    };
    let from = caller(desk, account, create)?;
    let attempts = plan.into_iter().filter_map(|Hop { uri, to, flow }| {
        let mut invite = Invite::new(uri, proxy.or(flow)?, from.clone(), NameAddr::new(to));
        invite.headers = pairs(&create.headers);
        invite.credentials = credentials(target);
        Some(Attempt::direct(invite))
    });
    Route::new([attempts.collect()]).ok_or(NoRoute::NOT_FOUND)
}

/// One place a call may go to.
struct Hop {
    uri: Uri,
    to: Uri,
    /// `None`: the proxy's.
    flow: Option<Flow>,
}

/// The user's registrations, the latest first, with the flows they came over.
fn to_user(
    desk: &Desk,
    account: &Account,
    name: &str,
    override_to: Option<&str>,
) -> Result<Vec<Hop>, NoRoute> {
    let aor = address_of_record(name, account);
    let (user, host) = aor.rsplit_once('@').ok_or(NoRoute::NOT_FOUND)?;
    // Another account's realm is as unknown here as one that does not exist.
    if account.sip_realm.as_deref() != Some(host) {
        return Err(NoRoute::NOT_FOUND);
    }
    let to = match override_to {
        Some(text) => text.parse::<Uri>().map_err(|_| NoRoute::NOT_FOUND)?,
        None => Uri::sip(Some(user), host, None).map_err(|_| NoRoute::NOT_FOUND)?,
    };
    let contacts = desk.registrations.contacts(&aor).into_iter();
    Ok(contacts
        .map(|contact| Hop { uri: contact.uri, to: to.clone(), flow: Some(contact.flow) })
        .collect())
}

fn caller(desk: &Desk, account: &Account, create: &CreateCall) -> Result<NameAddr, NoRoute> {
    let bad = |_| NoRoute { status: 400, reason: "Bad caller" };
    let public = desk.sip_address.ip().to_string();
    let host = create.from_host.as_deref().or(account.sip_realm.as_deref()).unwrap_or(&public);
    let from = NameAddr::new(Uri::sip(Some(&create.from), host, None).map_err(bad)?);
    Ok(match &create.caller_name {
        Some(name) => from.with_display(name),
        None => from,
    })
}

fn credentials(target: &Target) -> Option<Credentials> {
    let login = target.auth.as_ref()?;
    Some(Credentials::new(&login.username, &login.password.0))
}

/// The address behind a SIP URI: a literal, or what DNS says of its host.
pub(super) async fn resolve(desk: &Desk, uri: &Uri) -> Result<Flow, NoRoute> {
    let no_host = NoRoute { status: 503, reason: "Host Not Found" };
    let transport = match uri.param("transport").map(str::to_ascii_lowercase).as_deref() {
        None | Some("udp") => Transport::Udp,
        Some("tcp") => Transport::Tcp,
        Some(_) => return Err(NoRoute { status: 503, reason: "Transport Not Supported" }),
    };
    let peer = match uri.socket_addr() {
        Some(peer) => peer,
        None => look_up(desk, uri).await.ok_or(no_host)?,
    };
    Ok(match transport {
        Transport::Tcp => Flow::tcp(desk.sip_local, peer, None),
        _ => Flow::udp(desk.sip_local, peer),
    })
}

const DNS_PATIENCE: Duration = Duration::from_secs(5);

/// The first address of the family our socket has.
async fn look_up(desk: &Desk, uri: &Uri) -> Option<SocketAddr> {
    let host = (uri.host().to_owned(), uri.port().unwrap_or(5060));
    let asked = tokio::net::lookup_host(host);
    let mut found = tokio::time::timeout(DNS_PATIENCE, asked).await.ok()?.ok()?;
    found.find(|peer| peer.is_ipv4() == desk.sip_local.is_ipv4())
}
