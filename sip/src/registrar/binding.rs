//! Bindings of addresses of record to contacts (RFC 3261 §10.3, RFC 5626 §6 for instances).
//!
//! A REGISTER is applied whole or not at all. A binding remembers the flow it was made over: that is
//! the way back to a phone behind a NAT, whatever its Contact says.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::endpoint::Reply;
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
    call_id: String,
    cseq: u32,
}

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

/// All bindings, by address of record.
#[derive(Debug)]
pub struct Bindings {
    aors: HashMap<String, Vec<Binding>>,
    max_aors: usize,
}

impl Bindings {
    /// A table without bindings that holds at most `max_aors` addresses of record.
    pub fn new(max_aors: usize) -> Self {
        Self { aors: HashMap::new(), max_aors }
    }

    /// Applies a REGISTER to an address of record, which the caller has made of its To and judged.
    ///
    /// # Errors
    /// The refusal to send: 400, 403, 423, 500 or 503. Nothing was changed then.
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
        let live: Vec<Binding> = self.lookup_all(now, aor);
        let (bindings, changes) = match parse_contacts(request)? {
            Contacts::Star => remove_all(live, request)?,
            Contacts::List(contacts) => {
                // RFC 3261 §10.3: judged against what was there before, so that one request may name
                // a contact twice
                if contacts.iter().any(|contact| is_out_of_order(&live, contact, request)) {
                    return Err(out_of_order());
                }
                let source = Source { now, request, flow, limits };
                let mut work = (live, Vec::new());
                for contact in contacts {
                    source.apply(&contact, &mut work)?;
                }
                work
            }
        };
        if bindings.len() > limits.max_contacts {
            return Err(refusal(403, "Too Many Contacts"));
        }
        if bindings.is_empty() {
            self.aors.remove(aor);
        } else if self.aors.len() >= self.max_aors && !self.aors.contains_key(aor) {
            return Err(Reply::new(503).with_header("Retry-After", "60"));
        } else {
            self.aors.insert(aor.to_owned(), bindings);
        }
        Ok(Applied { reply: self.contacts_reply(now, aor, request), changes })
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

    /// Takes out what was registered over a stream that is gone (RFC 5626 §4.2.2).
    pub fn drop_flow(&mut self, flow: &Flow) -> Vec<(String, Binding)> {
        self.take_where(|binding| binding.flow.is_same_path(flow))
    }

    /// Takes out all bindings of an address of record, which may no longer be registered, and gives
    /// them back.
    pub fn remove(&mut self, aor: &str) -> Vec<Binding> {
        self.aors.remove(aor).unwrap_or_default()
    }

    /// Number of addresses of record.
    pub fn len(&self) -> usize {
        self.aors.len()
    }

    /// Whether nobody is registered.
    pub fn is_empty(&self) -> bool {
        self.aors.is_empty()
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
        for path in request.headers("Path") {
            reply = reply.with_header("Path", path);
        }
        reply
    }
}

/// The Contact fields of a REGISTER.
enum Contacts {
    Star,
    List(Vec<NameAddr>),
}

fn parse_contacts(request: &Request) -> Result<Contacts, Reply> {
    let mut list = Vec::new();
    let mut has_star = false;
    for value in request.headers("Contact") {
        if value == "*" {
            has_star = true;
            continue;
        }
        let contact: NameAddr =
            value.parse().map_err(|_| refusal(400, "Bad Request: malformed Contact"))?;
        if !contact.uri.is_sip() {
            return Err(refusal(400, "Bad Request: Contact is no SIP URI"));
        }
        list.push(contact);
    }
    if !has_star {
        return Ok(Contacts::List(list));
    }
    // RFC 3261 §10.3 step 6: the star stands alone and goes with Expires: 0
    let is_zero = request.header("Expires").and_then(parse_number) == Some(0);
    if !list.is_empty() || !is_zero {
        return Err(refusal(400, "Bad Request: misplaced star in Contact"));
    }
    Ok(Contacts::Star)
}

type Work = (Vec<Binding>, Vec<Change>);

fn remove_all(live: Vec<Binding>, request: &Request) -> Result<Work, Reply> {
    if live.iter().any(|binding| binding.is_newer_than(request)) {
        return Err(out_of_order());
    }
    Ok((Vec::new(), live.into_iter().map(Change::Removed).collect()))
}

/// What all contacts of one REGISTER share.
struct Source<'a> {
    now: Instant,
    request: &'a Request,
    flow: Flow,
    limits: &'a Limits,
}

impl Source<'_> {
    /// RFC 3261 §10.3 step 7, for one contact.
    fn apply(&self, contact: &NameAddr, work: &mut Work) -> Result<(), Reply> {
        let (bindings, changes) = work;
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
            user_agent: self.request.header("User-Agent").map(str::to_owned),
            path: self.request.headers("Path").map(str::to_owned).collect(),
            params,
            call_id: self.request.call_id().to_owned(),
            cseq: self.request.cseq().seq,
        }
    }
}

impl Binding {
    /// Same instance and reg-id (RFC 5626 §6), or else an equivalent URI.
    fn is_of(&self, contact: &NameAddr) -> bool {
        const INSTANCE: &str = "+sip.instance";
        let (ours, theirs) = (self.params.get(INSTANCE), contact.params.get(INSTANCE));
        let same_instance = ours.is_some()
            && ours == theirs
            && self.params.get("reg-id") == contact.params.get("reg-id");
        same_instance || self.contact.is_equivalent(&contact.uri)
    }

    /// Whether the request is older than the one that made this binding.
    fn is_newer_than(&self, request: &Request) -> bool {
        self.call_id == request.call_id() && request.cseq().seq <= self.cseq
    }
}

fn is_out_of_order(live: &[Binding], contact: &NameAddr, request: &Request) -> bool {
    live.iter().any(|binding| binding.is_of(contact) && binding.is_newer_than(request))
}

fn parse_q(value: Option<&str>) -> u16 {
    let text = value.unwrap_or("1");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{fraction:0<3}");
    let thousandths = digits.get(..3).and_then(parse_number);
    match (whole, thousandths) {
        ("0" | "", Some(q)) => u16::try_from(q).unwrap_or(1_000),
        _ => 1_000,
    }
}

fn refusal(status: u16, reason: &str) -> Reply {
    Reply::new(status).with_reason(reason)
}

fn out_of_order() -> Reply {
    refusal(500, "Out Of Order")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::epoch;

    const AOR: &str = "alice@example.com";

    struct Phone {
        bindings: Bindings,
        limits: Limits,
        now: Instant,
        flow: Flow,
        call_id: &'static str,
        cseq: u32,
    }

    impl Phone {
        fn new() -> Self {
            Self {
                bindings: Bindings::new(2),
                limits: Limits { max_contacts: 2, ..Limits::default() },
                now: epoch(),
                flow: Flow::udp(
                    "192.0.2.1:5060".parse().unwrap(),
                    "192.0.2.7:40000".parse().unwrap(),
                ),
                call_id: "one",
                cseq: 0,
            }
        }

        fn register(&mut self, headers: &str) -> Result<Applied, Reply> {
            self.cseq += 1;
            self.register_as(AOR, headers)
        }

        fn register_as(&mut self, aor: &str, headers: &str) -> Result<Applied, Reply> {
            let (call_id, cseq) = (self.call_id, self.cseq);
            let text = format!(
                "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK{cseq}\r\n\
                 From: <sip:alice@example.com>;tag=f\r\nTo: <sip:alice@example.com>\r\n\
                 Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\nUser-Agent: phone\r\n{headers}\r\n"
            );
            let request = Request::parse(text.as_bytes()).unwrap();
            self.bindings.apply(self.now, aor, &request, self.flow, &self.limits)
        }

        fn contacts(&self) -> Vec<String> {
            self.bindings.lookup(self.now, AOR).iter().map(|b| b.contact.to_string()).collect()
        }

        fn pass(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }
    }

    fn contact_of(reply: &Reply) -> Vec<&str> {
        let contacts = reply.headers.iter().filter(|(name, _)| name == "Contact");
        contacts.map(|(_, value)| value.as_str()).collect()
    }

    #[test]
    fn a_binding_is_made_refreshed_queried_and_expires() {
        let mut phone = Phone::new();
        let made = phone.register("Contact: <sip:a@10.0.0.1>;q=0.5;expires=60;x=y\r\n").unwrap();
        assert_eq!(contact_of(&made.reply), ["<sip:a@10.0.0.1>;expires=60;q=0.5;x=y"]);
        assert!(matches!(&made.changes[..], [Change::Added(b)] if b.q == 500));
        phone.pass(40);
        let refreshed = phone.register("Contact: <sip:a@10.0.0.1>\r\nExpires: 90\r\n").unwrap();
        assert!(matches!(&refreshed.changes[..], [Change::Refreshed(b)] if b.q == 1_000));
        phone.pass(89);
        let query = phone.register("").unwrap();
        assert_eq!(contact_of(&query.reply), ["<sip:a@10.0.0.1>;expires=1"]);
        assert!(query.changes.is_empty());
        assert!(phone.bindings.expire(phone.now).is_empty());
        phone.pass(1);
        assert!(phone.contacts().is_empty());
        assert_eq!(phone.bindings.len(), 1);
        let gone = phone.bindings.expire(phone.now);
        assert_eq!(gone[0].0, AOR);
        assert!(phone.bindings.is_empty());
    }

    #[test]
    fn the_way_back_is_the_flow_of_the_last_register() {
        let mut phone = Phone::new();
        phone.register("Contact: <sip:a@10.0.0.1>\r\n").unwrap();
        phone.flow.peer = "192.0.2.7:50000".parse().unwrap();
        phone.register("Contact: <sip:a@10.0.0.1>\r\n").unwrap();
        let found = phone.bindings.lookup(phone.now, AOR);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].flow, phone.flow);
        assert_eq!(found[0].user_agent.as_deref(), Some("phone"));
        assert_eq!(phone.bindings.drop_flow(&phone.flow).len(), 1);
        assert!(phone.contacts().is_empty());
    }

    #[test]
    fn contacts_are_removed_one_by_one_or_all_at_once() {
        let mut phone = Phone::new();
        phone.register("Contact: <sip:a@h>, <sip:b@h>\r\n").unwrap();
        let one =
            phone.register("Contact: <sip:a@h>;expires=0, <sip:never@h>;expires=0\r\n").unwrap();
        assert!(
            matches!(&one.changes[..], [Change::Removed(b)] if b.contact.to_string() == "sip:a@h")
        );
        assert_eq!(phone.contacts(), ["sip:b@h"]);
        let all = phone.register("Contact: *\r\nExpires: 0\r\n").unwrap();
        assert!(matches!(&all.changes[..], [Change::Removed(_)]));
        assert!(phone.bindings.is_empty());
    }

    #[test]
    fn the_star_stands_alone_and_with_expires_0() {
        let mut phone = Phone::new();
        phone.register("Contact: <sip:a@h>\r\n").unwrap();
        for bad in [
            "Contact: *\r\n",
            "Contact: *\r\nExpires: 1\r\n",
            "Contact: *, <sip:a@h>\r\nExpires: 0\r\n",
            "Contact: sip:a@h?x=y\r\n",
            "Contact: <tel:123>\r\n",
        ] {
            assert_eq!(phone.register(bad).unwrap_err().status, 400, "{bad}");
        }
        assert_eq!(phone.contacts(), ["sip:a@h"]);
    }

    #[test]
    fn expiry_is_bounded_below_and_above() {
        let mut phone = Phone::new();
        let brief = phone.register("Contact: <sip:a@h>;expires=29\r\n").unwrap_err();
        assert_eq!(brief.status, 423);
        assert_eq!(brief.headers, [("Min-Expires".to_owned(), "30".to_owned())]);
        for (wish, given) in
            [("30", 30), ("3600", 3_600), ("3601", 3_600), ("99999999999", 3_600), ("x", 3_600)]
        {
            let applied =
                phone.register(&format!("Contact: <sip:a@h>\r\nExpires: {wish}\r\n")).unwrap();
            assert_eq!(
                contact_of(&applied.reply),
                [format!("<sip:a@h>;expires={given}")],
                "{wish}"
            );
        }
    }

    #[test]
    fn an_old_register_changes_nothing() {
        let mut phone = Phone::new();
        phone.cseq = 10;
        phone.register("Contact: <sip:a@h>\r\n").unwrap();
        for cseq in [11, 5] {
            phone.cseq = cseq;
            for late in
                ["Contact: <sip:b@h>, <sip:a@h>;expires=0\r\n", "Contact: *\r\nExpires: 0\r\n"]
            {
                assert_eq!(phone.register_as(AOR, late).unwrap_err().status, 500, "{late}");
            }
        }
        assert_eq!(phone.contacts(), ["sip:a@h"]);
        phone.call_id = "two";
        assert!(phone.register("Contact: <sip:a@h>;expires=0\r\n").is_ok());
        assert!(phone.contacts().is_empty());
    }

    #[test]
    fn one_request_may_name_a_contact_twice() {
        let mut phone = Phone::new();
        phone.register("Contact: <sip:a@h>;q=0.1, <sip:a@h>;q=0.9\r\n").unwrap();
        let found = phone.bindings.lookup(phone.now, AOR);
        assert_eq!(found.iter().map(|b| b.q).collect::<Vec<_>>(), [900]);
    }

    #[test]
    fn the_same_instance_replaces_its_contact() {
        let mut phone = Phone::new();
        let instance = "+sip.instance=\"<urn:uuid:1>\";reg-id=1";
        phone.register(&format!("Contact: <sip:a@x.invalid>;{instance}\r\n")).unwrap();
        phone.call_id = "two";
        let again = phone.register(&format!("Contact: <sip:b@y.invalid>;{instance}\r\n")).unwrap();
        assert!(matches!(&again.changes[..], [Change::Refreshed(_)]));
        assert_eq!(phone.contacts(), ["sip:b@y.invalid"]);
    }

    #[test]
    fn lookup_prefers_high_q_then_the_latest() {
        let mut phone = Phone::new();
        phone.limits.max_contacts = 9;
        phone.register("Contact: <sip:low@h>;q=0.2\r\n").unwrap();
        phone.register("Contact: <sip:old@h>\r\n").unwrap();
        phone.pass(1);
        phone.register("Contact: <sip:new@h>;q=1.0\r\n").unwrap();
        assert_eq!(phone.contacts(), ["sip:new@h", "sip:old@h", "sip:low@h"]);
        for (text, q) in [
            ("0", 0),
            ("0.33", 330),
            ("0.7777", 777),
            ("1.000", 1_000),
            ("x", 1_000),
            ("0.x", 1_000),
        ] {
            assert_eq!(parse_q(Some(text)), q, "{text}");
        }
    }

    #[test]
    fn contacts_and_addresses_of_record_are_bounded() {
        let mut phone = Phone::new();
        phone.register("Contact: <sip:a@h>, <sip:b@h>\r\n").unwrap();
        assert_eq!(phone.register("Contact: <sip:c@h>\r\n").unwrap_err().status, 403);
        assert_eq!(phone.contacts().len(), 2);
        phone.register_as("two", "Contact: <sip:a@h>\r\n").unwrap();
        let full = phone.register_as("three", "Contact: <sip:a@h>\r\n").unwrap_err();
        assert_eq!(full.status, 503);
        assert!(phone.register_as("three", "").is_ok(), "a query needs no room");
    }

    #[test]
    fn a_path_is_kept_and_echoed() {
        let mut phone = Phone::new();
        let applied = phone.register("Contact: <sip:a@h>\r\nPath: <sip:edge;lr>\r\n").unwrap();
        assert!(applied.reply.headers.contains(&("Path".to_owned(), "<sip:edge;lr>".to_owned())));
        assert_eq!(phone.bindings.lookup(phone.now, AOR)[0].path, ["<sip:edge;lr>"]);
    }
}
