//! The HTTP facade. `routes.rs` is the route table: the only place where a path is written.
//!
//! A resource is one file; its handlers take a [`Principal`] (which closes them to strangers), the
//! path, a [`Query`] and a [`Body`], and answer with one of the shapes of [`reply`]: types that also
//! describe themselves for the API document ([`describe`]). The checks come
//! in the order of the contract: token 401, sids 400, reach 403, body 400, unknown 404, state 422.

pub mod auth;
pub mod body;
pub mod describe;
pub mod error;
mod idempotency;

pub mod openapi;
pub mod query;
pub mod reply;
mod routes;
mod shell;
pub mod state;
pub mod system;
mod table;
mod throttle;

mod accounts;
mod alerts;
mod announce;
mod api_keys;
mod app_env;
mod applications;
mod attempts;
mod bucket_test;
mod call_bodies;
mod call_traces;
mod calls;
mod clients;
mod conferences;
mod definitions;
mod jwt;
mod limits;
mod login;
mod participants;
mod password_settings;
mod phone_numbers;
mod portal;
mod predefined_carriers;
mod queued_calls;
mod queues;
mod quotas;
mod recent_calls;
mod recordings;
mod reference;
mod registered_sip_users;
mod sbcs;
mod service_providers;
mod sip_gateways;
mod sip_realms;
mod snapshot;
mod system_information;
mod users;
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

use routes::routes;
use table::path;

/// The whole surface, on any listener: `/v1`, the same at `/api/v1`, and what is outside of both.
pub fn configure(config: &mut ServiceConfig, state: AppState) {
    config.app_data(web::Data::new(state));
    config.app_data(web::PathConfig::default().error_handler(|_, _| ApiError::MalformedSid.into()));
    path("/").get("Is it alive?", system::health).on(config);
    path("/health").get("Is it alive?", system::health).on(config);
    path("/metrics").get("Metrics for Prometheus", system::metrics).on(config);
    for base in ["/v1", "/api/v1"] {
        config.service(web::scope(base).configure(v1).wrap(from_fn(shell::undisturbed)));
    }
    config.default_service(web::to(|| async { ApiError::NotFound.error_response() }));
}

fn v1(config: &mut ServiceConfig) {
    for route in routes() {
        route.on(config);
    }
}

/// The HTTP server on a bound listener. It ends when its handle stops it; signals are the
/// business of `server.rs`.
pub fn serve(listener: TcpListener, state: AppState) -> std::io::Result<Server> {
    let http = state.config.http.clone();
    actix_web::rt::spawn(state.metrics.clone().keep_up());
    let server = HttpServer::new(move || {
        name_worker();
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

/// The worker that this is called on shows as `http` in `top -H`, apart from all other arbiters, whose
/// threads have one name. Where the kernel takes no name it goes without.
fn name_worker() {
    let _ = std::fs::write("/proc/thread-self/comm", "http");
}
