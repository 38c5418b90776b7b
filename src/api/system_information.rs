//! `/SystemInformation`, the administrator's notes about the installation (contract rest.md §2.17).

use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::body;
use super::error::ApiError;
use super::reply::{CreatedAs, Json, Reply};
use super::{AppState, Body, Principal};
use crate::model::{SystemInformation, SystemInformationInput};

body!(SystemInformationUpdate = SystemInformationInput::read);

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
) -> Reply<Json<SystemInformationView>> {
    principal.require_admin().map_err(ApiError::with_status)?;
    let noted = state.store.system_information().await.map_err(ApiError::from);
    Json::reply(&noted.map_err(ApiError::with_status)?.into())
}

pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    body: Body<SystemInformationUpdate>,
) -> Reply<CreatedAs<SystemInformationView>> {
    let noted = async {
        principal.require_admin()?;
        let input = SystemInformationInput::read(body.fields()?)?;
        Ok(state.store.update_system_information(input).await?)
    };
    CreatedAs::reply(&noted.await.map_err(ApiError::with_status)?.into())
}

/// The notes as they are shown.
#[derive(Serialize, ToSchema)]
#[schema(as = SystemInformation)]
pub(super) struct SystemInformationView {
    domain_name: Option<String>,
    sip_domain_name: Option<String>,
    monitoring_domain_name: Option<String>,
    private_network_cidr: Option<String>,
    log_level: Option<String>,
}

impl From<SystemInformation> for SystemInformationView {
    fn from(noted: SystemInformation) -> Self {
        Self {
            domain_name: noted.domain_name,
            sip_domain_name: noted.sip_domain_name,
            monitoring_domain_name: noted.monitoring_domain_name,
            private_network_cidr: noted.private_network_cidr,
            log_level: noted.log_level,
        }
    }
}
