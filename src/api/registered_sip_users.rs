//! `…/RegisteredSipUsers`: who is registered in an account's realm (contract rest.md §2.11).

use std::net::SocketAddr;

use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::auth::Principal;
use super::body::Body;
use super::error::ApiError;
use super::reply::{self, Reply, flag};
use super::state::{AppState, Doors};
use crate::model::{Account, ClientAuth};
use crate::sip_io::registrations::Contact;

/// Users asked for in one request.
const MAX_NAMES: usize = 1000;

pub(super) async fn list(principal: Principal, state: Data<AppState>, a: Path<String>) -> Reply {
    let (_, realm) = realm(&principal, &state, &a).await?;
    let users = state.doors()?.registrations.of_realm(&realm);
    reply::ok(&users.into_iter().map(|(aor, _)| aor).collect::<Vec<_>>())
}

/// Details of all registered users, or of those named in the body, registered or not.
pub(super) async fn details(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    body: Body,
) -> Reply {
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
            let mut shown = registration(name, Some(contact));
            shown.insert("proxy".into(), json!(proxy(contact, doors).to_string()));
            Some(Value::Object(shown))
        });
        return reply::ok(&shown.collect::<Vec<_>>());
    }
    let mut shown = Vec::with_capacity(names.len());
    for name in &names {
        let name = name.as_str().ok_or_else(|| ApiError::bad_request("names must be strings"))?;
        let found = registrations.contacts(&format!("{name}@{realm}"));
        let mut entry = registration(name, found.first());
        entry.insert("registered_status".into(), status(found.first()).into());
        shown.push(Value::Object(entry));
    }
    reply::ok(&shown)
}

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply {
    let (account, realm) = realm(&principal, &state, &path.0).await?;
    let name = &path.1;
    let doors = state.doors()?;
    let contacts = doors.registrations.contacts(&format!("{name}@{realm}"));
    let contact = contacts.first();
    let client = state.store.routing().client(account, name).await?;
    let allows = |chosen: fn(&ClientAuth) -> bool| flag(client.as_ref().is_some_and(chosen));
    let mut shown = registration(name, contact);
    shown.insert(
        "allow_direct_app_calling".into(),
        allows(|c| c.client.allow_direct_app_calling).into(),
    );
    shown.insert(
        "allow_direct_queue_calling".into(),
        allows(|c| c.client.allow_direct_queue_calling).into(),
    );
    shown.insert(
        "allow_direct_user_calling".into(),
        allows(|c| c.client.allow_direct_user_calling).into(),
    );
    shown.insert("registered_status".into(), status(contact).into());
    shown.insert("proxy".into(), json!(contact.map(|c| proxy(c, doors).to_string())));
    reply::ok(&shown)
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

fn registration(name: &str, contact: Option<&Contact>) -> serde_json::Map<String, Value> {
    let mut shown = serde_json::Map::new();
    shown.insert("name".into(), name.into());
    shown.insert("contact".into(), json!(contact.map(|c| c.uri.to_string())));
    shown.insert("protocol".into(), json!(contact.map(Contact::protocol)));
    shown.insert("expiryTime".into(), contact.map_or(0, Contact::expiry_time).into());
    shown
}

/// Our address that the phone registered with; of a socket bound to all, the public one.
fn proxy(contact: &Contact, doors: &Doors) -> SocketAddr {
    let local = contact.flow.local;
    if local.ip().is_unspecified() { doors.desk.sip_address } else { local }
}

fn status(contact: Option<&Contact>) -> &'static str {
    if contact.is_some() { "active" } else { "inactive" }
}
