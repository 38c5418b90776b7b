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
mod phone_numbers;
mod portal;
mod records;
mod secrets;
mod service_providers;
mod sip_gateways;
mod throttle;
mod transport;
mod voip_carriers;
