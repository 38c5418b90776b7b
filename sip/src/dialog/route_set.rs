//! The route set of a dialog and what it does to a request (RFC 3261 §12.1, §12.2.1.1).

use crate::message::limits::MAX_ROUTES;
use crate::message::{NameAddr, Request, Response, Uri};

/// Proxies to pass, next hop first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RouteSet(Vec<NameAddr>);

impl RouteSet {
    pub(crate) fn new(routes: Vec<NameAddr>) -> Self {
        Self(routes)
    }

    /// The server's side of a new dialog: Record-Route in order (§12.1.1).
    pub(crate) fn of_request(request: &Request) -> Self {
        let routes = request.headers("Record-Route").filter_map(|value| value.parse().ok());
        Self(routes.take(MAX_ROUTES).collect())
    }

    /// The client's side of a new dialog: Record-Route reversed (§12.1.2).
    pub(crate) fn of_response(response: &Response) -> Self {
        let routes = response.headers("Record-Route").filter_map(|value| value.parse().ok());
        let mut routes: Vec<NameAddr> = routes.take(MAX_ROUTES).collect();
        routes.reverse();
        Self(routes)
    }

    /// The first proxy.
    pub(crate) fn first(&self) -> Option<&Uri> {
        self.0.first().map(|route| &route.uri)
    }

    /// The Request-URI and the Route values of a request to `target`.
    pub(crate) fn apply(&self, target: &Uri) -> (Uri, Vec<String>) {
        match self.0.split_first() {
            // a strict router of RFC 2543 days: it wants to be the Request-URI itself
            Some((first, rest)) if !first.uri.params().has("lr") => {
                let last = NameAddr::new(target.clone());
                let routes = rest.iter().chain([&last]).map(ToString::to_string).collect();
                (first.uri.as_request_uri(), routes)
            }
            _ => (target.as_request_uri(), self.0.iter().map(ToString::to_string).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(start: &str, routes: &str) -> String {
        format!(
            "{start}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=f\r\n\
             To: <sip:b@h>;tag=t\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n{routes}\r\n"
        )
    }

    #[test]
    fn the_set_is_in_order_for_the_server_and_reversed_for_the_client() {
        let routes = "Record-Route: <sip:p2;lr>, <sip:p1;lr>\r\nRecord-Route: <sip:p0;lr>\r\n";
        let request = message("INVITE sip:b@h SIP/2.0", routes);
        let server = RouteSet::of_request(&Request::parse(request.as_bytes()).unwrap());
        let response = message("SIP/2.0 200 OK", routes);
        let client = RouteSet::of_response(&Response::parse(response.as_bytes()).unwrap());
        let target = "sip:t@h".parse().unwrap();
        assert_eq!(server.apply(&target).1, ["<sip:p2;lr>", "<sip:p1;lr>", "<sip:p0;lr>"]);
        assert_eq!(client.apply(&target).1, ["<sip:p0;lr>", "<sip:p1;lr>", "<sip:p2;lr>"]);
        assert_eq!(server.apply(&target).0, target);
    }

    #[test]
    fn a_strict_router_becomes_the_request_uri_and_the_target_the_last_route() {
        let set = RouteSet::new(vec![
            "<sip:p1;x=1?h=v>".parse().unwrap(),
            "<sip:p2;lr>".parse().unwrap(),
        ]);
        let (uri, routes) = set.apply(&"sip:t@h".parse().unwrap());
        assert_eq!(uri.to_string(), "sip:p1;x=1");
        assert_eq!(routes, ["<sip:p2;lr>", "<sip:t@h>"]);
    }

    #[test]
    fn the_set_is_bounded() {
        let routes = |n: usize| "Record-Route: <sip:p;lr>\r\n".repeat(n);
        for (given, kept) in [(MAX_ROUTES, MAX_ROUTES), (MAX_ROUTES + 1, MAX_ROUTES)] {
            let text = message("SIP/2.0 200 OK", &routes(given));
            let set = RouteSet::of_response(&Response::parse(text.as_bytes()).unwrap());
            assert_eq!(set.0.len(), kept);
        }
    }
}
