//! The REST API, resource by resource.

mod accounts;
mod api_keys;
mod applications;
mod auth;
mod bad_input;
mod clients;
mod conferences;
mod isolation;
mod phone_numbers;
mod queues;
mod records;
mod secrets;
mod service_providers;
mod sip_gateways;
mod transport;
mod voip_carriers;
