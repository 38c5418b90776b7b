//! One binding: a contact of an address of record, and when two contacts are one (RFC 3261 §10.3
//! step 7, RFC 5626 §6).

use std::borrow::Cow;
use std::time::Instant;

use crate::message::{NameAddr, Params, Request, Uri, parse_number};
use crate::transport::Flow;

/// One contact of an address of record.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// The Contact URI.
    pub contact: Uri,
    /// The path the REGISTER came by, and requests go back by.
    pub flow: Flow,
    /// When the binding ends.
    pub expires_at: Instant,
    /// When it was made or last refreshed.
    pub registered_at: Instant,
    /// Preference in thousandths (`q=1.0` is 1000, the default).
    pub q: u16,
    /// User-Agent of the phone.
    pub user_agent: Option<String>,
    /// Path of the REGISTER (RFC 3327), to be used as Route, first hop first.
    pub path: Vec<String>,
    /// The other Contact parameters (`+sip.instance`, `reg-id`, …).
    pub params: Params,
    pub(super) call_id: String,
    pub(super) cseq: u32,
}

impl Binding {
    /// The phone this is, across restarts and addresses (`+sip.instance`, RFC 5626 §4.1). Of several
    /// bindings of one instance a call takes one, and the next only when that flow has failed (§7).
    pub fn instance(&self) -> Option<Cow<'_, str>> {
        self.params.unquoted(INSTANCE)
    }

    /// Which of the flows of its instance this is (RFC 5626 §4.2).
    pub fn reg_id(&self) -> Option<u32> {
        reg_id(&self.params)
    }

    /// Whether a Contact means this binding: the same flow of the same instance, or else an
    /// equivalent URI.
    pub(super) fn is_of(&self, contact: &NameAddr) -> bool {
        if let (Some(ours), Some(theirs)) = (self.instance(), contact.params.unquoted(INSTANCE)) {
            match (self.reg_id(), reg_id(&contact.params)) {
                // RFC 5626 §6: with both, the URI says nothing
                (Some(a), Some(b)) => return ours == theirs && a == b,
                // a phone that came back under another address
                (None, None) if ours == theirs => return true,
                _ => {}
            }
        }
        self.contact.is_equivalent(&contact.uri)
    }

    /// Whether the request is older than the one that made this binding.
    pub(super) fn is_newer_than(&self, request: &Request) -> bool {
        self.call_id == request.call_id() && request.cseq().seq <= self.cseq
    }
}

/// The number of a flow: from 1 up to 2^31 - 1; anything else counts as none.
pub(super) fn reg_id(params: &Params) -> Option<u32> {
    params.get("reg-id").and_then(parse_number).filter(|id| (1..1 << 31).contains(id))
}

/// The parameter that names the phone (RFC 5626 §4.1).
pub(super) const INSTANCE: &str = "+sip.instance";
