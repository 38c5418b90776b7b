//! The fixed part of a dialog: who talks to whom, over which proxies, on which flow (§12.1).

use super::route_set::RouteSet;
use crate::message::{NameAddr, Request, Response, Scheme, Uri};
use crate::transport::{Flow, target};

/// All that is needed to write a request inside a dialog, but for its number.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) call_id: String,
    /// Us, with tag.
    pub(crate) local: NameAddr,
    /// The peer; with tag once it is known.
    pub(crate) remote: NameAddr,
    /// The peer's Contact.
    pub(crate) target: Uri,
    pub(crate) routes: RouteSet,
    pub(crate) flow: Flow,
    pub(crate) contact: OwnContact,
}

/// What our Contact says besides where we are.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnContact {
    /// The user part, escaped.
    pub(crate) user: Option<String>,
    /// Whether the call wants every hop secure (§8.1.1.8, §12.1.1).
    pub(crate) is_sips: bool,
}

impl Path {
    /// The server's side (§12.1.1).
    pub(crate) fn of_request(request: &Request, local_tag: &str, flow: Flow) -> Self {
        let routes = RouteSet::of_request(request);
        // without a Contact (RFC 2543 clients) the peer is where From says
        let target = request.contact().map_or_else(|| request.from().uri.clone(), |c| c.uri);
        let next_hop = routes.first().unwrap_or(&target);
        let contact = OwnContact {
            user: request.uri().user_escaped().map(str::to_owned),
            is_sips: is_sips(request.uri()) || is_sips(next_hop),
        };
        Self {
            call_id: request.call_id().to_owned(),
            local: request.to().clone().with_tag(local_tag),
            remote: request.from().clone(),
            flow: target::of_dialog(request, &flow, next_hop),
            target,
            routes,
            contact,
        }
    }

    /// The client's side (§12.1.2): what a 2xx makes of the path its INVITE was sent on.
    pub(crate) fn answered(&self, response: &Response, flow: Flow) -> Self {
        let target = response.contact().map_or_else(|| self.target.clone(), |contact| contact.uri);
        let routes = RouteSet::of_response(response);
        Self {
            call_id: self.call_id.clone(),
            local: self.local.clone(),
            remote: response.to().clone(),
            flow: target::of_answer(&self.flow, &flow, routes.first().unwrap_or(&target)),
            target,
            routes,
            contact: self.contact.clone(),
        }
    }

    /// Where a request goes by the book: the first proxy, else the peer's Contact.
    pub(crate) fn next_hop(&self) -> &Uri {
        self.routes.first().unwrap_or(&self.target)
    }

    pub(crate) fn local_tag(&self) -> &str {
        self.local.tag().unwrap_or_default()
    }
}

/// Whether a URI is to be reached by TLS at every hop.
pub(crate) fn is_sips(uri: &Uri) -> bool {
    *uri.scheme() == Scheme::Sips
}
