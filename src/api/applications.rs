//! `/Applications`, flat and under an account (contract rest.md §2.1).

use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::error::{ApiError, INSUFFICIENT_PERMISSIONS, INSUFFICIENT_PRIVILEGES};
use super::reply::{self, Reply, Wire, flag};
use super::{AppState, Body, Principal, Query};
use crate::model::{Application, ApplicationInput, ApplicationSid, Invalid, Scope};
use crate::store::Found;

pub(super) async fn list(principal: Principal, state: Data<AppState>, query: Query) -> Reply {
    listing(&state, principal.scope, &query).await
}

pub(super) async fn list_of_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    query: Query,
) -> Reply {
    let provider = principal.require_service_provider(&state, &sp).await?;
    listing(&state, principal.within(provider.sid), &query).await
}

pub(super) async fn list_of_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query,
) -> Reply {
    let account = principal.require_account(&state, &a).await?;
    listing(&state, Scope::Account(account.sid), &query).await
}

async fn listing(state: &AppState, scope: Scope, query: &Query) -> Reply {
    let page = query.page()?;
    let found = state.store.applications().list(scope, query.get("name"), page).await?;
    reply::list(&found, page, |app| view(app, state.wire))
}

pub(super) async fn create(principal: Principal, state: Data<AppState>, body: Body) -> Reply {
    let input = ApplicationInput::create(body.fields()?, state.check_verbs)?;
    state.admit_urls(input.urls()).await?;
    let account = match principal.scope {
        Scope::Account(own) => own,
        Scope::ServiceProvider(_) => {
            input.account_sid.ok_or(Invalid::Rule("missing required field: 'account_sid'"))?
        }
        Scope::Admin => input.account_sid.ok_or(Invalid::Missing("account_sid"))?,
    };
    let app = input.into_record(account)?;
    state.store.applications().create(principal.scope, &app).await?;
    reply::created(&app.sid)
}

pub(super) async fn create_in_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    body: Body,
) -> Reply {
    let account = principal.require_account(&state, &a).await?;
    let input = ApplicationInput::create(body.fields()?, state.check_verbs)?;
    state.admit_urls(input.urls()).await?;
    let app = input.into_record(account.sid)?;
    state.store.applications().create(principal.scope, &app).await?;
    reply::created(&app.sid)
}

pub(super) async fn read(principal: Principal, state: Data<AppState>, sid: Path<String>) -> Reply {
    show(&state, principal.scope, parse(&sid)?).await
}

pub(super) async fn read_in_account(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply {
    let (scope, sid) = in_account(&principal, &state, &path).await?;
    show(&state, scope, sid).await
}

async fn show(state: &AppState, scope: Scope, sid: ApplicationSid) -> Reply {
    let app = state.store.applications().get(scope, sid).await?.ok_or(ApiError::NotFound)?;
    reply::ok(&view(&app, state.wire))
}

pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
    body: Body,
) -> Reply {
    let sid = parse(&sid)?;
    if let Found::Elsewhere = state.store.applications().locate(principal.scope, sid).await? {
        return Err(ApiError::Forbidden(INSUFFICIENT_PRIVILEGES));
    }
    let input = ApplicationInput::update(body.fields()?, state.check_verbs)?;
    state.admit_urls(input.urls()).await?;
    state.store.applications().update(principal.scope, sid, input).await?;
    reply::no_content()
}

pub(super) async fn update_in_account(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    body: Body,
) -> Reply {
    let (scope, sid) = in_account(&principal, &state, &path).await?;
    let mut input = ApplicationInput::update(body.fields()?, state.check_verbs)?;
    state.admit_urls(input.urls()).await?;
    // The path says whose it is.
    input.account_sid = None;
    state
        .store
        .applications()
        .update(scope, sid, input)
        .await
        .map_err(|error| ApiError::from(error).hide_reach())?;
    reply::no_content()
}

pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
) -> Reply {
    let sid = parse(&sid)?;
    let apps = state.store.applications();
    match (apps.locate(principal.scope, sid).await?, principal.scope) {
        (Found::Elsewhere, Scope::Account(_)) => {
            Err(ApiError::unprocessable(INSUFFICIENT_PERMISSIONS))
        }
        _ => {
            apps.delete(principal.scope, sid).await?;
            reply::no_content()
        }
    }
}

pub(super) async fn delete_in_account(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply {
    let (scope, sid) = in_account(&principal, &state, &path).await?;
    state
        .store
        .applications()
        .delete(scope, sid)
        .await
        .map_err(|error| ApiError::from(error).hide_reach())?;
    reply::no_content()
}

fn parse(segment: &str) -> Result<ApplicationSid, ApiError> {
    ApplicationSid::parse(segment).ok_or(ApiError::MalformedSid)
}

/// Under an account only its own applications exist, whoever asks.
async fn in_account(
    principal: &Principal,
    state: &AppState,
    (a, sid): &(String, String),
) -> Result<(Scope, ApplicationSid), ApiError> {
    let account = principal.require_account(state, a).await?;
    Ok((Scope::Account(account.sid), parse(sid)?))
}

fn view(app: &Application, wire: Wire) -> Value {
    let (speech, fallback) = (&app.speech, &app.fallback_speech);
    json!({
        "application_sid": app.sid,
        "name": app.name,
        "account_sid": app.account_sid,
        "service_provider_sid": null,
        "call_hook": reply::hook_with_sid(Some(&app.call_hook)),
        "call_status_hook": reply::hook_with_sid(app.call_status_hook.as_ref()),
        "messaging_hook": reply::hook_with_sid(app.messaging_hook.as_ref()),
        "app_json": app.app_json,
        "speech_synthesis_vendor": speech.synthesis_vendor,
        "speech_synthesis_language": speech.synthesis_language,
        "speech_synthesis_voice": speech.synthesis_voice,
        "speech_synthesis_label": speech.synthesis_label,
        "speech_recognizer_vendor": speech.recognizer_vendor,
        "speech_recognizer_language": speech.recognizer_language,
        "speech_recognizer_label": speech.recognizer_label,
        "use_for_fallback_speech": flag(app.use_for_fallback_speech),
        "fallback_speech_synthesis_vendor": fallback.synthesis_vendor,
        "fallback_speech_synthesis_language": fallback.synthesis_language,
        "fallback_speech_synthesis_voice": fallback.synthesis_voice,
        "fallback_speech_synthesis_label": fallback.synthesis_label,
        "fallback_speech_recognizer_vendor": fallback.recognizer_vendor,
        "fallback_speech_recognizer_language": fallback.recognizer_language,
        "fallback_speech_recognizer_label": fallback.recognizer_label,
        "env_vars": app.env_vars,
        "record_all_calls": flag(app.record_all_calls),
        "created_at": wire.date(app.created_at),
    })
}
