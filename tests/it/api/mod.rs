//! The REST API, resource by resource.

mod accounts;
mod addresses;
mod api_keys;
mod applications;
mod auth;
mod bad_input;
mod clients;
mod idempotency;
mod installation;
mod isolation;
mod limits;
mod login;
mod phone_numbers;
mod portal;
mod properties;
mod quotas;
mod records;
mod secrets;
mod service_providers;
mod sip_gateways;
mod slow_clients;
mod throttle;
mod transport;
mod users;
mod voip_carriers;
