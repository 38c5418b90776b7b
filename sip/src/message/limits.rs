//! Upper bounds on everything a peer can make long (RFC 3261 sets none itself).
//!
//! Read by the lexer, the typed views and the stream framer. Each bound has a test at the limit and
//! one past it, beside the code that enforces it.

/// Octets of one message: what a UDP datagram can hold.
pub const MAX_MESSAGE_BYTES: usize = 65_535;
/// Octets of a request or status line.
pub const MAX_START_LINE_BYTES: usize = 4_096;
/// Octets of one header field after unfolding, name included.
pub const MAX_HEADER_BYTES: usize = 8_192;
/// Header fields of one message, counted after lists were split.
pub const MAX_HEADERS: usize = 256;
/// Octets of the body.
pub const MAX_BODY_BYTES: usize = 49_152;
/// Octets of a URI.
pub const MAX_URI_BYTES: usize = 2_048;
/// Parameters of one URI or header value.
pub const MAX_PARAMS: usize = 64;
/// Octets of a Call-ID, tag or branch.
pub const MAX_ID_BYTES: usize = 1_024;
/// Via values of one message. Max-Forwards starts at 70.
pub const MAX_VIAS: usize = 70;
/// Routes a dialog keeps.
pub const MAX_ROUTES: usize = 32;
/// Contacts of one message.
pub const MAX_CONTACTS: usize = 32;
/// Empty lines (CRLF) a stream may carry in a row between two messages.
pub const MAX_STREAM_BLANKS: usize = 1_024;
