//! Requests of our own outside any dialog (RFC 3261 §8.1): REGISTER to a carrier, OPTIONS to a gateway.

use std::time::Instant;

use rand::Rng;

use super::draft::Draft;
use super::order::Outside;
use super::sent::Purpose;
use super::{Endpoint, TransactionId};
use crate::Error;
use crate::dialog::{OwnContact, RouteSet, is_sips};
use crate::message::Method;
use crate::message::build::{check_header, check_text};

impl Endpoint {
    /// Sends a request outside any dialog; [`Event::Response`](super::Event::Response) follows. One
    /// challenge is answered on the way, if the credentials are for its realm.
    ///
    /// # Errors
    /// The table is full, the method makes or belongs to a dialog, or a value given may not be
    /// written.
    pub fn send(&mut self, now: Instant, outside: Outside) -> Result<TransactionId, Error> {
        if self.clients.len() >= self.config.max_transactions {
            let limit = self.config.max_transactions;
            return Err(Error::Full { what: "client transactions", limit });
        }
        match &outside.method {
            Method::Other(token) => check_header(token, "")?,
            Method::Register
            | Method::Options
            | Method::Message
            | Method::Notify
            | Method::Subscribe
            | Method::Publish
            | Method::Refer => {}
            _ => return Err(Error::WrongMethod),
        }
        for address in [&outside.from, &outside.to].into_iter().chain(&outside.route) {
            check_text(address.display.as_deref().unwrap_or_default(), "display name")?;
        }
        let call_id = match outside.call_id {
            Some(given) => {
                check_text(&given, "Call-ID")?;
                given
            }
            None => format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64()),
        };
        let contact = match outside.contact {
            Some((user, params)) => {
                check_text(&params, "Contact")?;
                let own = OwnContact {
                    user: user.map(|user| crate::message::escape_user(&user)),
                    is_sips: is_sips(&outside.uri),
                };
                Some(self.contact(&own, &outside.flow) + &params)
            }
            None => None,
        };
        let mut to = outside.to;
        to.params.remove("tag");
        let (uri, routes) = RouteSet::new(outside.route).apply(&outside.uri);
        let draft = Draft {
            method: outside.method,
            uri,
            routes,
            from: outside.from.with_tag(&self.new_tag()).to_string(),
            to: to.to_string(),
            call_id,
            seq: outside.seq & 0x7FFF_FFFF,
            contact,
            is_initial: false,
            keeps_flow: false,
            timing: None,
            own: Vec::new(),
            headers: Vec::new(),
            body: None,
            credentials: outside.credentials,
            answered: Vec::new(),
            authorization: Vec::new(),
        };
        let draft = draft.with(outside.headers, outside.body)?;
        let txn = TransactionId(self.next_id());
        self.send_request(now, outside.flow, draft, Purpose::Outside(txn));
        Ok(txn)
    }
}
