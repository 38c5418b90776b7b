//! What one REGISTER does to the bindings of its address of record (RFC 3261 §10.3 steps 6 and 7).
//!
//! It is applied whole or not at all. A binding remembers the flow it was made over: that is the way
//! back to a phone behind a NAT, whatever its Contact says.

use std::time::{Duration, Instant};

use super::binding::Binding;
use super::contacts::{self, Contacts, parse_q};
use super::outbound;
use crate::endpoint::Reply;
use crate::message::{NameAddr, Request, parse_number};
use crate::transport::Flow;

/// Bounds of a registration.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Shorter wishes (other than zero) are refused with 423.
    pub min_expires: Duration,
    /// Longer wishes are cut.
    pub max_expires: Duration,
    /// For a Contact without any wish.
    pub default_expires: Duration,
    /// Contacts an address of record may have.
    pub max_contacts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            min_expires: Duration::from_secs(30),
            max_expires: Duration::from_secs(3_600),
            default_expires: Duration::from_secs(3_600),
            max_contacts: 10,
        }
    }
}

/// What a REGISTER did to one binding.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A new contact.
    Added(Binding),
    /// A known contact, with new expiry, flow or parameters.
    Refreshed(Binding),
    /// A contact that is gone.
    Removed(Binding),
}

/// The outcome of an accepted REGISTER.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The 200 with all contacts there are now.
    pub reply: Reply,
    /// What changed, in the order of the request. Empty for a query.
    pub changes: Vec<Change>,
}

/// What a REGISTER makes of the bindings there were.
pub(super) struct Outcome {
    pub(super) bindings: Vec<Binding>,
    pub(super) changes: Vec<Change>,
    /// Whether it was one of RFC 5626.
    pub(super) is_outbound: bool,
}

/// What all contacts of one REGISTER share.
pub(super) struct Register<'a> {
    pub(super) now: Instant,
    pub(super) request: &'a Request,
    pub(super) flow: Flow,
    pub(super) limits: &'a Limits,
}

impl Register<'_> {
    /// Applies the request to the live bindings of its address of record.
    ///
    /// # Errors
    /// The refusal to send.
    pub(super) fn apply_to(&self, live: Vec<Binding>) -> Result<Outcome, Reply> {
        let outcome = match contacts::parse(self.request)? {
            Contacts::Star => self.remove_all(live)?,
            Contacts::List(contacts) => {
                let is_outbound = outbound::inspect(self.request, &contacts)?;
                // RFC 3261 §10.3: judged against what was there before, so that one request may name
                // a contact twice
                let is_old = |contact: &NameAddr| {
                    live.iter().any(|b| b.is_of(contact) && b.is_newer_than(self.request))
                };
                if contacts.iter().any(is_old) {
                    return Err(out_of_order());
                }
                let mut outcome = Outcome { bindings: live, changes: Vec::new(), is_outbound };
                for contact in contacts {
                    self.apply_one(&contact, &mut outcome)?;
                }
                outcome
            }
        };
        if outcome.bindings.len() > self.limits.max_contacts {
            return Err(refusal(403, "Too Many Contacts"));
        }
        Ok(outcome)
    }

    fn remove_all(&self, live: Vec<Binding>) -> Result<Outcome, Reply> {
        if live.iter().any(|binding| binding.is_newer_than(self.request)) {
            return Err(out_of_order());
        }
        let changes = live.into_iter().map(Change::Removed).collect();
        Ok(Outcome { bindings: Vec::new(), changes, is_outbound: false })
    }

    /// RFC 3261 §10.3 step 7, for one contact.
    fn apply_one(&self, contact: &NameAddr, outcome: &mut Outcome) -> Result<(), Reply> {
        let Outcome { bindings, changes, .. } = outcome;
        let expires = self.expires(contact)?;
        let known = bindings.iter().position(|binding| binding.is_of(contact));
        match (known, expires.is_zero()) {
            (None, true) => {}
            (Some(at), true) => changes.push(Change::Removed(bindings.remove(at))),
            (Some(at), false) => {
                let binding = self.binding(contact, expires);
                changes.push(Change::Refreshed(binding.clone()));
                bindings.remove(at);
                bindings.insert(at, binding);
            }
            (None, false) => {
                let binding = self.binding(contact, expires);
                changes.push(Change::Added(binding.clone()));
                bindings.push(binding);
            }
        }
        Ok(())
    }

    fn expires(&self, contact: &NameAddr) -> Result<Duration, Reply> {
        let wish = match contact.params.get("expires").or_else(|| self.request.header("Expires")) {
            // RFC 3261 §20.19, §10.2.1.1: a wish that cannot be read counts as the default
            Some(text) => parse_number(text).map(|s| Duration::from_secs(s.into())),
            None => None,
        };
        let wish = wish.unwrap_or(self.limits.default_expires);
        if !wish.is_zero() && wish < self.limits.min_expires {
            let min = self.limits.min_expires.as_secs().to_string();
            return Err(Reply::new(423).with_header("Min-Expires", min));
        }
        Ok(wish.min(self.limits.max_expires))
    }

    fn binding(&self, contact: &NameAddr, expires: Duration) -> Binding {
        let mut params = contact.params.clone();
        params.remove("expires");
        Binding {
            contact: contact.uri.clone(),
            flow: self.flow,
            expires_at: self.now + expires,
            registered_at: self.now,
            q: parse_q(contact.params.get("q")),
            user_agent: contacts::user_agent(self.request),
            path: self.request.all_headers().items("Path").map(str::to_owned).collect(),
            params,
            call_id: self.request.call_id().to_owned(),
            cseq: self.request.cseq().seq,
        }
    }
}

pub(super) fn refusal(status: u16, reason: &str) -> Reply {
    Reply::new(status).with_reason(reason)
}

fn out_of_order() -> Reply {
    refusal(500, "Out Of Order")
}
