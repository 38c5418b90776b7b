//! `/PasswordSettings` (contract rest.md §2.15).

use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::body;
use super::reply::{CreatedAs, Flag, Json, Reply};
use super::{AppState, Body, Principal};
use crate::model::PasswordSettingsInput;

body!(NewPasswordSettings = PasswordSettingsInput::read);

pub(super) async fn read(_: Principal, state: Data<AppState>) -> Reply<Json<PasswordSettingsView>> {
    let settings = state.store.users().password_settings().await?.unwrap_or_default();
    Json::reply(&PasswordSettingsView {
        min_password_length: settings.min_length,
        require_digit: settings.require_digit.into(),
        require_special_character: settings.require_special_character.into(),
    })
}

pub(super) async fn replace(
    principal: Principal,
    state: Data<AppState>,
    body: Body<NewPasswordSettings>,
) -> Reply<CreatedAs<Nothing>> {
    principal.require_admin()?;
    let input = PasswordSettingsInput::read(body.fields()?)?;
    state.store.users().set_password_settings(input).await?;
    CreatedAs::reply(&Nothing {})
}

#[derive(Serialize, ToSchema)]
#[schema(as = PasswordSettings)]
pub(super) struct PasswordSettingsView {
    min_password_length: u8,
    require_digit: Flag,
    require_special_character: Flag,
}

/// An object without members: the portal wants JSON on every 201.
#[derive(Serialize, ToSchema)]
pub(super) struct Nothing {}
