//! The HTTP facade. This file is the route table: the only place where a path is written.
//!
//! A resource is one file; its handlers take a [`Principal`] (which closes them to strangers), the
//! path, a [`Query`] and a [`Body`], and answer with one of the shapes of [`reply`]. The checks come
//! in the order of the contract: token 401, sids 400, reach 403, body 400, unknown 404, state 422.

pub mod auth;
pub mod body;
pub mod error;
mod idempotency;
mod limits;
pub mod query;
pub mod reply;
mod shell;
pub mod state;
pub mod system;
mod table;

mod accounts;
mod alerts;
mod api_keys;
mod applications;
mod calls;
mod clients;
mod conferences;
mod participants;
mod phone_numbers;
mod predefined_carriers;
mod recent_calls;
mod registered_sip_users;
mod service_providers;
mod sip_gateways;
mod voip_carriers;

use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::middleware::{Compress, NormalizePath, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpServer, ResponseError};

pub use auth::Principal;
pub use body::Body;
pub use error::ApiError;
pub use query::Query;
pub use reply::{Reply, Wire};
pub use state::{AppState, Change, Doors};

use table::path;

/// The whole surface, on any listener: `/v1`, the same at `/api/v1`, and what is outside of both.
pub fn configure(config: &mut ServiceConfig, state: AppState) {
    config.app_data(web::Data::new(state));
    config.app_data(web::PathConfig::default().error_handler(|_, _| ApiError::MalformedSid.into()));
    path("/").get(system::health).on(config);
    path("/health").get(system::health).on(config);
    path("/metrics").get(system::metrics).on(config);
    config.service(web::scope("/v1").configure(v1));
    config.service(web::scope("/api/v1").configure(v1));
    config.default_service(web::to(|| async { ApiError::NotFound.error_response() }));
}

fn v1(c: &mut ServiceConfig) {
    use service_providers as providers;

    path("/ServiceProviders").get(providers::list).post(providers::create).on(c);
    path("/ServiceProviders/{sp}")
        .get(providers::read)
        .put(providers::update)
        .delete(providers::delete)
        .on(c);
    path("/ServiceProviders/{sp}/Accounts").get(accounts::list_of_provider).on(c);
    path("/ServiceProviders/{sp}/ApiKeys").get(api_keys::list_of_provider).on(c);
    path("/ServiceProviders/{sp}/Applications").get(applications::list_of_provider).on(c);
    path("/ServiceProviders/{sp}/PhoneNumbers").get(phone_numbers::list_of_provider).on(c);
    path("/ServiceProviders/{sp}/VoipCarriers")
        .get(voip_carriers::list_of_provider)
        .post(voip_carriers::create_in_provider)
        .on(c);
    path("/ServiceProviders/{sp}/VoipCarriers/{sid}").put(voip_carriers::update_in_provider).on(c);
    path("/ServiceProviders/{sp}/PredefinedCarriers/{p}")
        .post(predefined_carriers::copy_to_provider)
        .on(c);
    path("/ServiceProviders/{sp}/RecentCalls").get(recent_calls::list_of_provider).on(c);
    path("/ServiceProviders/{sp}/Alerts").get(alerts::list_of_provider).on(c);

    path("/Accounts").get(accounts::list).post(accounts::create).on(c);
    path("/Accounts/{a}").get(accounts::read).put(accounts::update).delete(accounts::delete).on(c);
    path("/Accounts/{a}/ApiKeys").get(api_keys::list_of_account).on(c);
    path("/Accounts/{a}/Applications")
        .get(applications::list_of_account)
        .post(applications::create_in_account)
        .on(c);
    path("/Accounts/{a}/Applications/{sid}")
        .get(applications::read_in_account)
        .put(applications::update_in_account)
        .delete(applications::delete_in_account)
        .on(c);
    path("/Accounts/{a}/CallCount").get(calls::count).on(c);
    path("/Accounts/{a}/Calls").get(calls::list).post(calls::create).on(c);
    path("/Accounts/{a}/Calls/count").get(calls::count).on(c);
    path("/Accounts/{a}/Calls/{call_sid}")
        .get(calls::read)
        .put(calls::update)
        .post(calls::update)
        .delete(calls::delete)
        .on(c);
    path("/Accounts/{a}/Conferences").get(conferences::list).on(c);
    path("/Accounts/{a}/Conferences/{conference}")
        .get(conferences::read)
        .delete(conferences::delete)
        .on(c);
    path("/Accounts/{a}/Conferences/{conference}/Participants").get(participants::list).on(c);
    path("/Accounts/{a}/Conferences/{conference}/Participants/{call_sid}")
        .get(participants::read)
        .put(participants::update)
        .delete(participants::delete)
        .on(c);
    path("/Accounts/{a}/RegisteredSipUsers")
        .get(registered_sip_users::list)
        .post(registered_sip_users::details)
        .on(c);
    path("/Accounts/{a}/RegisteredSipUsers/{user}").get(registered_sip_users::read).on(c);
    path("/Accounts/{a}/RecentCalls").get(recent_calls::list_of_account).on(c);
    path("/Accounts/{a}/Alerts").get(alerts::list_of_account).on(c);
    path("/Accounts/{a}/VoipCarriers")
        .get(voip_carriers::list_of_account)
        .post(voip_carriers::create_in_account)
        .on(c);
    path("/Accounts/{a}/VoipCarriers/{sid}").put(voip_carriers::update_in_account).on(c);
    path("/Accounts/{a}/PredefinedCarriers/{p}").post(predefined_carriers::copy_to_account).on(c);
    path("/Accounts/{a}/WebhookSecret").get(accounts::webhook_secret).on(c);

    path("/ApiKeys").post(api_keys::create).on(c);
    path("/ApiKeys/{sid}").delete(api_keys::delete).on(c);

    path("/Applications").get(applications::list).post(applications::create).on(c);
    path("/Applications/{sid}")
        .get(applications::read)
        .put(applications::update)
        .delete(applications::delete)
        .on(c);

    path("/PhoneNumbers").get(phone_numbers::list).post(phone_numbers::create).on(c);
    path("/PhoneNumbers/{sid}")
        .get(phone_numbers::read)
        .put(phone_numbers::update)
        .delete(phone_numbers::delete)
        .on(c);

    path("/VoipCarriers").get(voip_carriers::list).post(voip_carriers::create).on(c);
    path("/VoipCarriers/{sid}")
        .get(voip_carriers::read)
        .put(voip_carriers::update)
        .delete(voip_carriers::delete)
        .on(c);
    path("/SipGateways").get(sip_gateways::list).post(sip_gateways::create).on(c);
    path("/SipGateways/{sid}")
        .get(sip_gateways::read)
        .put(sip_gateways::update)
        .delete(sip_gateways::delete)
        .on(c);
    path("/SmppGateways").get(sip_gateways::list_of_smpp).on(c);
    path("/PredefinedCarriers").get(predefined_carriers::list).on(c);

    path("/Clients").get(clients::list).post(clients::create).on(c);
    path("/Clients/{sid}").get(clients::read).put(clients::update).delete(clients::delete).on(c);
}

/// The HTTP server on a bound listener. It ends when its handle stops it; signals are the
/// business of `server.rs`.
pub fn serve(listener: TcpListener, state: AppState) -> std::io::Result<Server> {
    let http = state.config.http.clone();
    actix_web::rt::spawn(state.metrics.clone().keep_up());
    let server = HttpServer::new(move || {
        let state = state.clone();
        App::new()
            .configure(move |config| configure(config, state))
            .wrap(NormalizePath::trim())
            .wrap(from_fn(shell::around))
            .wrap(Compress::default())
    });
    Ok(server
        .workers(http.workers)
        .client_request_timeout(http.request_timeout)
        .keep_alive(http.keep_alive)
        .max_connections(http.max_connections.div_ceil(http.workers))
        .disable_signals()
        .shutdown_timeout(5)
        .listen(listener)?
        .run())
}
