//! Where requests inside a dialog are sent (RFC 3261 §12.2.1.1, §18; RFC 5626 in spirit).
//!
//! The book says: to the first route or the Contact. Phones behind a NAT write an address there that
//! nobody can reach, so the flow a dialog was made over comes first, and the book second. Names are
//! not resolved here; where a DNS answer would be needed, the flow is used.

use super::kind::{Flow, Transport};
use crate::message::{Request, Uri};

/// The flow for requests inside a dialog that `request` makes.
pub(crate) fn of_dialog(request: &Request, flow: &Flow, next_hop: &Uri) -> Flow {
    if flow.transport != Transport::Udp {
        return *flow;
    }
    let Some(addr) = next_hop.socket_addr() else { return *flow };
    let came_by_proxy = request.headers("Via").nth(1).is_some();
    // a client that neither asks for rport nor hides behind a NAT may listen on another port than
    // it sends from
    let listens_elsewhere = !request.via().params.has("rport") && addr.ip() == flow.peer.ip();
    if came_by_proxy || listens_elsewhere {
        return Flow { peer: addr, ..*flow };
    }
    *flow
}

/// The flow after an answer: where the INVITE went, on the connection the answer came by. An INVITE
/// that left UDP for its size leads back there, unless the next hop asks for TCP itself.
pub(crate) fn of_answer(sent: &Flow, came: &Flow, next_hop: &Uri) -> Flow {
    match sent.transport {
        Transport::Udp if came.transport == Transport::Tcp && asks_for_tcp(next_hop) => *came,
        Transport::Udp => *sent,
        _ => *came,
    }
}

fn asks_for_tcp(uri: &Uri) -> bool {
    uri.params().get("transport").is_some_and(|name| name.eq_ignore_ascii_case("tcp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(vias: &[&str]) -> Request {
        let vias: String = vias.iter().map(|via| format!("Via: {via}\r\n")).collect();
        let text = format!(
            "INVITE sip:b@h SIP/2.0\r\n{vias}From: <sip:a@h>;tag=f\r\nTo: <sip:b@h>\r\n\
             Call-ID: c\r\nCSeq: 1 INVITE\r\n\r\n"
        );
        Request::parse(text.as_bytes()).unwrap()
    }

    fn peer_of(vias: &[&str], next_hop: &str) -> String {
        let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.7:40000".parse().unwrap());
        of_dialog(&request(vias), &flow, &next_hop.parse().unwrap()).peer.to_string()
    }

    #[test]
    fn a_phone_behind_a_nat_is_reached_where_it_was_seen() {
        let phone = "SIP/2.0/UDP 10.0.0.1:5062;rport;branch=z9hG4bKx";
        assert_eq!(peer_of(&[phone], "sip:a@10.0.0.1:5062"), "192.0.2.7:40000");
        let no_rport = "SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKx";
        assert_eq!(peer_of(&[no_rport], "sip:a@10.0.0.1:5062"), "192.0.2.7:40000");
    }

    #[test]
    fn a_client_that_listens_elsewhere_is_reached_at_its_contact() {
        let phone = "SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bKx";
        assert_eq!(peer_of(&[phone], "sip:a@192.0.2.7:5062"), "192.0.2.7:5062");
    }

    #[test]
    fn behind_a_proxy_the_route_or_contact_decides() {
        let vias = ["SIP/2.0/UDP 192.0.2.7:40000;rport;branch=z9hG4bKp", "SIP/2.0/UDP 10.0.0.1"];
        assert_eq!(peer_of(&vias, "sip:198.51.100.3;lr"), "198.51.100.3:5060");
        assert_eq!(peer_of(&vias, "sip:proxy.example;lr"), "192.0.2.7:40000");
    }
}
