//! SIP sockets and the actor around `sip::Endpoint`: who may come in, who is registered, whose
//! dialog a message belongs to.

pub mod ban;
pub mod connection;
pub mod defence;
pub mod dns;
pub mod gate;
pub mod info;
pub mod listeners;
pub mod message;
pub mod peers;
pub mod registrations;
pub mod stack;
pub mod tcp;
pub mod tls;
pub mod trunks;
pub mod udp;
pub mod ws;
