//! Peers and instruments for the end-to-end tests and the load bench.
//!
//! Nothing here uses the server's own `sip` or `media` crates: a peer built from them would only prove
//! that the server agrees with itself. Everything binds and speaks to the loopback interface.
//!
//! - wire: [`message`], [`digest`], [`dialog`], [`sdp`], [`rtp`], [`rtp_format`], [`g711`]
//! - sound: [`tone`] (generate, measure), [`heard`] (what a peer received), [`wav`]
//! - clock: [`stamp`] (kernel receive times), [`wait`] (a condition with a deadline)
//! - peers: [`sip_peer`], [`rtp_peer`], [`hook_server`], [`baresip`], [`sipp`], [`kamailio`], [`postgres`]
//! - the server: [`authority`] (its certificates), [`server`] (start, kill), [`rest`] (speak to it), [`tenant`] (provision it)

pub mod authority;
pub mod baresip;
pub mod dialog;
pub mod digest;
pub mod g711;
pub mod heard;
pub mod hook_server;
pub mod kamailio;
pub mod message;
pub mod ports;
pub mod postgres;
pub mod rest;
pub mod rtp;
pub mod rtp_format;
pub mod rtp_peer;
pub mod sdp;
pub mod server;
pub mod sip_peer;
mod sip_wire;
pub mod sipp;
pub mod stamp;
pub mod temp_dir;
pub mod tenant;
pub mod tone;
pub mod wait;
pub mod wav;

pub use authority::Authority;
pub use baresip::Baresip;
pub use dialog::Dialog;
pub use heard::Heard;
pub use hook_server::{HookRequest, HookServer, Reply};
pub use kamailio::Kamailio;
pub use message::Message;
pub use postgres::Postgres;
pub use rest::{Answer, Rest};
pub use rtp_format::RtpFormat;
pub use rtp_peer::RtpPeer;
pub use server::Server;
pub use sip_peer::SipPeer;
pub use tenant::Tenant;
