//! All bindings, by address of record.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use super::apply::{Applied, Limits, Register, refusal};
use super::binding::Binding;
use super::outbound;
use super::saved::Saved;
use crate::endpoint::Reply;
use crate::message::Request;
use crate::transport::Flow;

/// All bindings, by address of record.
#[derive(Debug)]
pub struct Bindings {
    aors: HashMap<String, Vec<Binding>>,
    /// Who registered over a connection, until it ends; they may have left it since.
    over: HashMap<u64, BTreeSet<String>>,
    max_aors: usize,
}

impl Bindings {
    /// A table without bindings that holds at most `max_aors` addresses of record.
    pub fn new(max_aors: usize) -> Self {
        Self { aors: HashMap::new(), over: HashMap::new(), max_aors }
    }

    /// Applies a REGISTER to an address of record, which the caller has made of its To and judged.
    ///
    /// # Errors
    /// The refusal to send: 400, 403, 423, 439, 500 or 503. Nothing was changed then.
    pub fn apply(
        &mut self,
        now: Instant,
        aor: &str,
        request: &Request,
        flow: Flow,
        limits: &Limits,
    ) -> Result<Applied, Reply> {
        if !request.to().uri.is_sip() {
            return Err(refusal(400, "Bad Request: To is no SIP URI"));
        }
        let register = Register { now, request, flow, limits };
        let outcome = register.apply_to(self.lookup_all(now, aor))?;
        if outcome.bindings.is_empty() {
            self.aors.remove(aor);
        } else if !self.has_room_for(aor) {
            return Err(Reply::new(503).with_header("Retry-After", "60"));
        } else {
            if let Some(connection) = flow.connection.filter(|_| !outcome.changes.is_empty()) {
                self.over.entry(connection).or_default().insert(aor.to_owned());
            }
            self.aors.insert(aor.to_owned(), outcome.bindings);
        }
        let mut reply = self.contacts_reply(now, aor, request);
        if outcome.is_outbound {
            reply = outbound::annotate(reply, &flow);
        }
        Ok(Applied { reply, changes: outcome.changes })
    }

    /// The live bindings of an address of record, best first: by `q`, then the latest.
    pub fn lookup(&self, now: Instant, aor: &str) -> Vec<Binding> {
        let mut found = self.lookup_all(now, aor);
        found.sort_by(|a, b| b.q.cmp(&a.q).then(b.registered_at.cmp(&a.registered_at)));
        found
    }

    /// Takes out what has expired and says what it was. Looks at every binding, so once every few
    /// seconds is enough; `lookup` shows no expired binding in between.
    pub fn expire(&mut self, now: Instant) -> Vec<(String, Binding)> {
        self.take_where(|binding| binding.expires_at <= now)
    }

    /// Takes out what was registered over a connection that is gone (RFC 5626 §4.2.2). Call it once for
    /// each that has ended; it looks at nobody else.
    pub fn drop_connection(&mut self, connection: u64) -> Vec<(String, Binding)> {
        let mut gone = Vec::new();
        for aor in self.over.remove(&connection).unwrap_or_default() {
            let Some(bindings) = self.aors.get_mut(&aor) else { continue };
            let is_over = |binding: &mut Binding| binding.flow.connection == Some(connection);
            gone.extend(bindings.extract_if(.., is_over).map(|binding| (aor.clone(), binding)));
            if bindings.is_empty() {
                self.aors.remove(&aor);
            }
        }
        gone
    }

    /// Takes out all bindings of an address of record, which may no longer be registered, and gives
    /// them back.
    pub fn remove(&mut self, aor: &str) -> Vec<Binding> {
        self.aors.remove(aor).unwrap_or_default()
    }

    /// The live bindings of an address of record as plain data, to be kept over a restart.
    pub fn saved(&self, now: Instant, aor: &str) -> Vec<Saved> {
        self.lookup_all(now, aor).iter().map(|binding| Saved::of(binding, now)).collect()
    }

    /// Puts back what [`saved`](Self::saved) gave, after a restart; `expires_in` has to be less the
    /// time that passed. What the address of record has by now is kept, and an entry whose phone
    /// cannot be reached any more is left out (see [`Saved`]). Gives the number of bindings put back.
    pub fn restore(
        &mut self,
        now: Instant,
        aor: &str,
        saved: Vec<Saved>,
        limits: &Limits,
    ) -> usize {
        if self.aors.contains_key(aor) || !self.has_room_for(aor) {
            return 0;
        }
        let usable = saved.into_iter().filter_map(|entry| entry.into_binding(now, limits));
        let bindings: Vec<Binding> = usable.take(limits.max_contacts).collect();
        let count = bindings.len();
        if count > 0 {
            self.aors.insert(aor.to_owned(), bindings);
        }
        count
    }

    /// Number of addresses of record.
    pub fn len(&self) -> usize {
        self.aors.len()
    }

    /// Whether nobody is registered.
    pub fn is_empty(&self) -> bool {
        self.aors.is_empty()
    }

    fn has_room_for(&self, aor: &str) -> bool {
        self.aors.len() < self.max_aors || self.aors.contains_key(aor)
    }

    fn lookup_all(&self, now: Instant, aor: &str) -> Vec<Binding> {
        let all = self.aors.get(aor).map_or(&[][..], Vec::as_slice);
        all.iter().filter(|binding| binding.expires_at > now).cloned().collect()
    }

    fn take_where(&mut self, is_gone: impl Fn(&Binding) -> bool) -> Vec<(String, Binding)> {
        let mut gone = Vec::new();
        self.aors.retain(|aor, bindings| {
            bindings.retain(|binding| {
                if is_gone(binding) {
                    gone.push((aor.clone(), binding.clone()));
                    return false;
                }
                true
            });
            !bindings.is_empty()
        });
        gone
    }

    fn contacts_reply(&self, now: Instant, aor: &str, request: &Request) -> Reply {
        let mut reply = Reply::new(200);
        for binding in self.lookup_all(now, aor) {
            let seconds = binding.expires_at.saturating_duration_since(now).as_secs();
            let params = &binding.params;
            let value = format!("<{}>;expires={seconds}{params}", binding.contact);
            reply = reply.with_header("Contact", value);
        }
        for path in request.all_headers().items("Path") {
            reply = reply.with_header("Path", path);
        }
        reply
    }
}
