//! How a dialog is named: a number towards the caller, Call-ID and tags on the wire (§12).

use crate::message::Request;

/// Names a call's dialog for its whole life. Never used twice by one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogId(pub(crate) u64);

/// Call-ID and our tag. The peer's tag is compared when the dialog was found: it is not known before
/// the first answer, and our tag is random enough to find one dialog only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct DialogKey {
    call_id: String,
    local_tag: String,
}

impl DialogKey {
    pub(crate) fn new(call_id: &str, local_tag: &str) -> Self {
        Self { call_id: call_id.to_owned(), local_tag: local_tag.to_owned() }
    }

    /// The dialog a request claims to be in. `None` without To tag.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        Some(Self::new(request.call_id(), request.to().tag()?))
    }
}
