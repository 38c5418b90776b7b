//! `…/RegisteredSipUsers`: who is registered in an account's realm (contract rest.md §2.11).

use std::net::SocketAddr;

use actix_web::web::{Data, Path};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::auth::Principal;
use super::body::Body;
use super::describe::{BodyShape, Operation};
use super::error::ApiError;
use super::reply::{Array, Flag, Json, Reply};
use super::state::{AppState, Doors};
use crate::model::{Account, ClientAuth};
use crate::sip_io::registrations::Contact;

/// Users asked for in one request.
const MAX_NAMES: usize = 1000;

pub(super) async fn list(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
) -> Reply<Array<String>> {
    let (_, realm) = realm(&principal, &state, &a).await?;
    let users = state.doors()?.registrations.of_realm(&realm);
    Array::reply(&users.into_iter().map(|(aor, _)| aor).collect::<Vec<_>>())
}

/// Details of all registered users, or of those named in the body, registered or not.
pub(super) async fn details(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    body: Body<Names>,
) -> Reply<Array<RegisteredUser>> {
    let (_, realm) = realm(&principal, &state, &a).await?;
    let names = match body.value()? {
        Value::Array(names) => names,
        Value::Object(_) => Vec::new(),
        _ => return Err(ApiError::bad_request("the body must be an array of names")),
    };
    if names.len() > MAX_NAMES {
        return Err(ApiError::bad_request(format!("more than {MAX_NAMES} names")));
    }
    let doors = state.doors()?;
    let registrations = &doors.registrations;
    if names.is_empty() {
        let users = registrations.of_realm(&realm);
        let shown = users.iter().filter_map(|(aor, contacts)| {
            let contact = contacts.first()?;
            let name = aor.split('@').next().unwrap_or(aor);
            let mut shown = RegisteredUser::new(name, Some(contact));
            shown.proxy = Some(proxy(contact, doors).to_string());
            Some(shown)
        });
        return Array::reply(&shown.collect::<Vec<_>>());
    }
    let mut shown = Vec::with_capacity(names.len());
    for name in &names {
        let name = name.as_str().ok_or_else(|| ApiError::bad_request("names must be strings"))?;
        let found = registrations.contacts(&format!("{name}@{realm}"));
        let mut entry = RegisteredUser::new(name, found.first());
        entry.registered_status = Some(status(found.first()));
        shown.push(entry);
    }
    Array::reply(&shown)
}

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<Json<RegisteredUserInFull>> {
    let (account, realm) = realm(&principal, &state, &path.0).await?;
    let name = &path.1;
    let doors = state.doors()?;
    let contacts = doors.registrations.contacts(&format!("{name}@{realm}"));
    let contact = contacts.first();
    let client = state.store.routing().client(account, name).await?;
    let allows = |chosen: fn(&ClientAuth) -> bool| Flag::from(client.as_ref().is_some_and(chosen));
    let RegisteredUser { name, contact: uri, protocol, expiry_time, .. } =
        RegisteredUser::new(name, contact);
    Json::reply(&RegisteredUserInFull {
        name,
        contact: uri,
        expiry_time,
        protocol,
        allow_direct_app_calling: allows(|c| c.client.allow_direct_app_calling),
        allow_direct_queue_calling: allows(|c| c.client.allow_direct_queue_calling),
        allow_direct_user_calling: allows(|c| c.client.allow_direct_user_calling),
        registered_status: status(contact),
        proxy: contact.map(|c| proxy(c, doors).to_string()),
    })
}

async fn realm(
    principal: &Principal,
    state: &AppState,
    a: &str,
) -> Result<(Account, String), ApiError> {
    let account = principal.require_account(state, a).await?;
    let missing = "account does not have sip_realm configuration";
    let realm = account.sip_realm.clone().ok_or_else(|| ApiError::bad_request(missing))?;
    Ok((account, realm))
}

/// Where a user is registered; nulls and 0 where it is not.
#[derive(Serialize, ToSchema)]
pub(super) struct RegisteredUser {
    name: String,
    contact: Option<String>,
    protocol: Option<&'static str>,
    /// Milliseconds since 1970.
    #[serde(rename = "expiryTime")]
    expiry_time: u64,
    /// Of a user who was asked for by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    registered_status: Option<&'static str>,
    /// In the list of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<String>,
}

impl RegisteredUser {
    fn new(name: &str, contact: Option<&Contact>) -> Self {
        Self {
            name: name.to_owned(),
            contact: contact.map(|c| c.uri.to_string()),
            protocol: contact.map(Contact::protocol),
            expiry_time: contact.map_or(0, Contact::expiry_time),
            registered_status: None,
            proxy: None,
        }
    }
}

/// The same with what the user may dial.
#[derive(Serialize, ToSchema)]
pub(super) struct RegisteredUserInFull {
    name: String,
    contact: Option<String>,
    #[serde(rename = "expiryTime")]
    expiry_time: u64,
    protocol: Option<&'static str>,
    allow_direct_app_calling: Flag,
    allow_direct_queue_calling: Flag,
    allow_direct_user_calling: Flag,
    registered_status: &'static str,
    proxy: Option<String>,
}

/// The names asked for; none: all who are registered.
pub(super) struct Names;

impl BodyShape for Names {
    fn describe(operation: &mut Operation) {
        let names = json!({"type": "array", "maxItems": MAX_NAMES, "items": {"type": "string"}});
        operation.body = Some(names);
    }
}

/// Our address that the phone registered with; of a socket bound to all, the public one.
fn proxy(contact: &Contact, doors: &Doors) -> SocketAddr {
    let local = contact.flow.local;
    if local.ip().is_unspecified() { doors.desk.sip_address } else { local }
}

fn status(contact: Option<&Contact>) -> &'static str {
    if contact.is_some() { "active" } else { "inactive" }
}
