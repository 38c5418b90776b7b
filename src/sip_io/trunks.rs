//! Trunks at work: the health of gateways and our registrations at carriers.

pub mod health;
pub mod registration;
