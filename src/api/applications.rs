//! `/Applications`, flat and under an account (contract rest.md §2.1).

use actix_web::web::{Data, Path};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::describe::{Param, ParamKind, QueryShape, body};
use super::error::{ApiError, INSUFFICIENT_PERMISSIONS, INSUFFICIENT_PRIVILEGES};
use super::query::{PAGE, PAGE_SIZE};
use super::reply::{Created, Flag, HookViewWithSid, Json, Listed, NoContent, Reply, Wire};
use super::snapshot::Snapshot;
use super::{AppState, Body, Principal, Query, quotas};
use crate::model::{
    AccountSid, Application, ApplicationInput, ApplicationSid, Invalid, Scope, ServiceProviderSid,
};
use crate::store::{Found, Owned};

body!(NewApplication = |fields| ApplicationInput::create(fields, |_| Ok(())));
body!(ApplicationUpdate = |fields| ApplicationInput::update(fields, |_| Ok(())));

/// How a list is narrowed.
pub(super) struct Narrowed;

impl QueryShape for Narrowed {
    const PARAMS: &'static [Param] =
        &[PAGE, PAGE_SIZE, Param::optional("name", ParamKind::Text, "a part of the name")];
}

pub(super) async fn list(
    principal: Principal,
    state: Data<AppState>,
    query: Query<Narrowed>,
    kept: Snapshot,
) -> Reply<Listed<ApplicationView>> {
    let read = async { listing(&state, principal.scope, &query).await };
    kept.or(&state, principal.scope, read).await
}

pub(super) async fn list_of_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    query: Query<Narrowed>,
    kept: Snapshot,
) -> Reply<Listed<ApplicationView>> {
    let read = async {
        let provider = principal.require_service_provider(&state, &sp).await?;
        listing(&state, principal.within(provider.sid), &query).await
    };
    kept.or(&state, principal.scope, read).await
}

pub(super) async fn list_of_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query<Narrowed>,
    kept: Snapshot,
) -> Reply<Listed<ApplicationView>> {
    let read = async {
        let account = principal.require_account(&state, &a).await?;
        listing(&state, Scope::Account(account.sid), &query).await
    };
    kept.or(&state, principal.scope, read).await
}

async fn listing(
    state: &AppState,
    scope: Scope,
    query: &Query<Narrowed>,
) -> Reply<Listed<ApplicationView>> {
    let page = query.page()?;
    let found = state.store.applications().list(scope, query.get("name"), page).await?;
    Listed::reply(&found, page, |app| ApplicationView::new(app, state.wire))
}

pub(super) async fn create(
    principal: Principal,
    state: Data<AppState>,
    body: Body<NewApplication>,
) -> Reply<Created> {
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
    quotas::check(&state, principal.scope, Owned::Applications).await?;
    state.store.applications().create(principal.scope, &app).await?;
    Created::reply(&app.sid)
}

pub(super) async fn create_in_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    body: Body<NewApplication>,
) -> Reply<Created> {
    let account = principal.require_account(&state, &a).await?;
    let input = ApplicationInput::create(body.fields()?, state.check_verbs)?;
    state.admit_urls(input.urls()).await?;
    let app = input.into_record(account.sid)?;
    quotas::check(&state, principal.scope, Owned::Applications).await?;
    state.store.applications().create(principal.scope, &app).await?;
    Created::reply(&app.sid)
}

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
    kept: Snapshot,
) -> Reply<Json<ApplicationView>> {
    let read = async { show(&state, principal.scope, parse(&sid)?).await };
    kept.or(&state, principal.scope, read).await
}

pub(super) async fn read_in_account(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    kept: Snapshot,
) -> Reply<Json<ApplicationView>> {
    let read = async {
        let (scope, sid) = in_account(&principal, &state, &path).await?;
        show(&state, scope, sid).await
    };
    kept.or(&state, principal.scope, read).await
}

async fn show(state: &AppState, scope: Scope, sid: ApplicationSid) -> Reply<Json<ApplicationView>> {
    let app = state.store.applications().get(scope, sid).await?.ok_or(ApiError::NotFound)?;
    Json::reply(&ApplicationView::new(&app, state.wire))
}

pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
    body: Body<ApplicationUpdate>,
) -> Reply<NoContent> {
    let sid = parse(&sid)?;
    if let Found::Elsewhere = state.store.applications().locate(principal.scope, sid).await? {
        return Err(ApiError::Forbidden(INSUFFICIENT_PRIVILEGES));
    }
    let input = ApplicationInput::update(body.fields()?, state.check_verbs)?;
    state.admit_urls(input.urls()).await?;
    state.store.applications().update(principal.scope, sid, input).await?;
    NoContent::reply()
}

pub(super) async fn update_in_account(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    body: Body<ApplicationUpdate>,
) -> Reply<NoContent> {
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
    NoContent::reply()
}

pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
) -> Reply<NoContent> {
    let sid = parse(&sid)?;
    let apps = state.store.applications();
    match (apps.locate(principal.scope, sid).await?, principal.scope) {
        (Found::Elsewhere, Scope::Account(_)) => {
            Err(ApiError::unprocessable(INSUFFICIENT_PERMISSIONS))
        }
        _ => {
            apps.delete(principal.scope, sid).await?;
            NoContent::reply()
        }
    }
}

pub(super) async fn delete_in_account(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<NoContent> {
    let (scope, sid) = in_account(&principal, &state, &path).await?;
    state
        .store
        .applications()
        .delete(scope, sid)
        .await
        .map_err(|error| ApiError::from(error).hide_reach())?;
    NoContent::reply()
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

/// An application as it is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = Application)]
pub(super) struct ApplicationView {
    application_sid: ApplicationSid,
    name: String,
    account_sid: AccountSid,
    service_provider_sid: Option<ServiceProviderSid>,
    call_hook: HookViewWithSid,
    call_status_hook: Option<HookViewWithSid>,
    messaging_hook: Option<HookViewWithSid>,
    app_json: Option<String>,
    speech_synthesis_vendor: String,
    speech_synthesis_language: String,
    speech_synthesis_voice: Option<String>,
    speech_synthesis_label: Option<String>,
    speech_recognizer_vendor: String,
    speech_recognizer_language: String,
    speech_recognizer_label: Option<String>,
    use_for_fallback_speech: Flag,
    fallback_speech_synthesis_vendor: Option<String>,
    fallback_speech_synthesis_language: Option<String>,
    fallback_speech_synthesis_voice: Option<String>,
    fallback_speech_synthesis_label: Option<String>,
    fallback_speech_recognizer_vendor: Option<String>,
    fallback_speech_recognizer_language: Option<String>,
    fallback_speech_recognizer_label: Option<String>,
    #[schema(value_type = Option<Object>)]
    env_vars: Option<Map<String, Value>>,
    record_all_calls: Flag,
    created_at: String,
}

impl ApplicationView {
    fn new(app: &Application, wire: Wire) -> Self {
        let (speech, fallback) = (&app.speech, &app.fallback_speech);
        Self {
            application_sid: app.sid,
            name: app.name.clone(),
            account_sid: app.account_sid,
            service_provider_sid: None,
            call_hook: HookViewWithSid::of(&app.call_hook),
            call_status_hook: HookViewWithSid::of_any(app.call_status_hook.as_ref()),
            messaging_hook: HookViewWithSid::of_any(app.messaging_hook.as_ref()),
            app_json: app.app_json.clone(),
            speech_synthesis_vendor: speech.synthesis_vendor.clone(),
            speech_synthesis_language: speech.synthesis_language.clone(),
            speech_synthesis_voice: speech.synthesis_voice.clone(),
            speech_synthesis_label: speech.synthesis_label.clone(),
            speech_recognizer_vendor: speech.recognizer_vendor.clone(),
            speech_recognizer_language: speech.recognizer_language.clone(),
            speech_recognizer_label: speech.recognizer_label.clone(),
            use_for_fallback_speech: app.use_for_fallback_speech.into(),
            fallback_speech_synthesis_vendor: fallback.synthesis_vendor.clone(),
            fallback_speech_synthesis_language: fallback.synthesis_language.clone(),
            fallback_speech_synthesis_voice: fallback.synthesis_voice.clone(),
            fallback_speech_synthesis_label: fallback.synthesis_label.clone(),
            fallback_speech_recognizer_vendor: fallback.recognizer_vendor.clone(),
            fallback_speech_recognizer_language: fallback.recognizer_language.clone(),
            fallback_speech_recognizer_label: fallback.recognizer_label.clone(),
            env_vars: app.env_vars.clone(),
            record_all_calls: app.record_all_calls.into(),
            created_at: wire.date(app.created_at),
        }
    }
}
