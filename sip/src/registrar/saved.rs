//! A binding as plain data, to be kept over a restart of the server.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::apply::Limits;
use super::binding::Binding;
use super::contacts::{MAX_CONTACT_BYTES, MAX_PATH_BYTES, MAX_PATHS};
use crate::message::build::check_text;
use crate::message::{NameAddr, Uri};
use crate::transport::{Flow, Transport};

/// A binding as plain data.
///
/// After a restart a datagram flow is as good as before: the NAT knows the phone's address still. A
/// TCP connection is gone; it is opened anew to where the phone said it listens, if that is the host
/// it was seen at. What came by TLS or WebSocket is not put back: only the phone can open
/// those, and does so when it finds its connection closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The Contact with its parameters, without `expires`: `<sip:a@h>;q=0.5`.
    pub contact: String,
    /// Name of the transport: `udp`, `tcp`, …
    pub transport: String,
    /// Our address of the flow.
    pub local: SocketAddr,
    /// The phone's address of the flow.
    pub peer: SocketAddr,
    /// Time to live.
    pub expires_in: Duration,
    /// Time since it was made or last refreshed.
    pub age: Duration,
    /// User-Agent of the phone.
    pub user_agent: Option<String>,
    /// Path of the REGISTER, first hop first.
    pub path: Vec<String>,
    /// Call-ID of the REGISTER.
    pub call_id: String,
    /// Its CSeq number.
    pub cseq: u32,
}

impl Saved {
    pub(super) fn of(binding: &Binding, now: Instant) -> Self {
        Self {
            contact: format!("<{}>{}", binding.contact, binding.params),
            transport: binding.flow.transport.name().to_owned(),
            local: binding.flow.local,
            peer: binding.flow.peer,
            expires_in: binding.expires_at.saturating_duration_since(now),
            age: now.saturating_duration_since(binding.registered_at),
            user_agent: binding.user_agent.clone(),
            path: binding.path.clone(),
            call_id: binding.call_id.clone(),
            cseq: binding.cseq,
        }
    }

    /// The binding again, or `None` for one that has expired, cannot be reached, or is not as we
    /// write it.
    pub(super) fn into_binding(self, now: Instant, limits: &Limits) -> Option<Binding> {
        if self.contact.len() > MAX_CONTACT_BYTES + "<>".len()
            || self.path.len() > MAX_PATHS
            || self.path.iter().any(|hop| hop.len() > MAX_PATH_BYTES)
            || self
                .path
                .iter()
                .chain([&self.contact])
                .any(|text| check_text(text, "binding").is_err())
            || self.expires_in.is_zero()
        {
            return None;
        }
        let contact: NameAddr = self.contact.parse().ok().filter(|c: &NameAddr| c.uri.is_sip())?;
        let hops: Vec<NameAddr> =
            self.path.iter().map(|hop| hop.parse().ok()).collect::<Option<_>>()?;
        let next_hop = hops.first().map_or(&contact.uri, |hop| &hop.uri);
        let transport = Transport::from_name(&self.transport)?;
        let peer = match transport {
            Transport::Udp => self.peer,
            Transport::Tcp => listens_at(next_hop, self.peer.ip())?,
            _ => return None,
        };
        Some(Binding {
            q: super::contacts::parse_q(contact.params.get("q")),
            contact: contact.uri,
            flow: Flow::new(transport, self.local, peer),
            expires_at: now + self.expires_in.min(limits.max_expires),
            registered_at: now.checked_sub(self.age).unwrap_or(now),
            user_agent: self.user_agent,
            path: self.path,
            params: contact.params,
            call_id: self.call_id,
            cseq: self.cseq,
        })
    }
}

/// Where a URI says its host listens, if it is the host that was seen: behind a NAT it is not, and
/// nothing can be opened to it.
fn listens_at(uri: &Uri, seen: IpAddr) -> Option<SocketAddr> {
    uri.socket_addr().filter(|addr| addr.ip() == seen && addr.port() != 0)
}
