//! SIP messages: the wire parser, typed views, and the writer (RFC 3261 §7, §18.3, §19, §20, §25).
//!
//! The only folder that knows rsip, whose `Header` values hold the fields. Everything public here is
//! our own type.

pub mod build;
pub mod framing;
mod headers;
mod lexer;
pub mod limits;
mod method;
pub mod multipart;
mod params;
mod rack;
mod replaces;
mod request;
mod response;
mod session_expires;
mod status;
mod typed;
mod uri;

pub use headers::Headers;
pub use method::Method;
pub use params::Params;
pub use replaces::Replaces;
pub use request::{Message, Refused, Request};
pub use response::Response;
pub use status::default_reason;
pub use typed::{BRANCH_COOKIE, CSeq, NameAddr, Via};
pub use uri::{Scheme, Uri};

pub(crate) use params::{is_token, quote, split_outside_quotes, unquote};
pub(crate) use rack::{RAck, parse_rseq};
pub(crate) use session_expires::{Refresher, SessionExpires, parse_min_se};
pub(crate) use typed::{is_description, media_type, parse_number};
pub(crate) use uri::{bracketed, escape_user};
