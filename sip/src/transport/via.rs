//! Via at the transport layer: where a request came from, and where its responses go
//! (RFC 3261 §18.2.1, §18.2.2; RFC 3581 for `rport`).

use std::net::{IpAddr, SocketAddr};

use super::kind::{Flow, Transport};
use crate::message::{Via, bracketed};

/// The top Via with `received` and `rport` filled in as the receiving server must.
pub(crate) fn stamp(via: &Via, flow: &Flow) -> Via {
    let mut via = via.clone();
    let ip = flow.peer.ip();
    let wants_port = via.params.has("rport");
    if wants_port {
        via.params.set("rport", Some(flow.peer.port().to_string()));
    }
    // RFC 3581 §4: with rport, received is added even when it equals sent-by
    if wants_port || sent_by_ip(&via) != Some(ip) {
        via.params.set("received", Some(ip.to_string()));
    } else {
        // a value the client wrote itself is not to be believed
        via.params.remove("received");
    }
    via
}

/// The path of responses to a request that came over `flow`.
///
/// Streams answer over their connection. Datagrams go back to the source address; to the source
/// port if `rport` was asked for, else to the port of sent-by. `maddr` is not followed: no answer
/// ever goes to an address of the peer's choosing.
pub(crate) fn reply_flow(via: &Via, flow: &Flow) -> Flow {
    match flow.transport {
        Transport::Udp if !via.params.has("rport") => {
            let port = via.port.filter(|port| *port != 0).unwrap_or(5060);
            Flow { peer: SocketAddr::new(flow.peer.ip(), port), ..*flow }
        }
        _ => *flow,
    }
}

/// A Via value of ours. Over TLS the peer may send its own requests over the same connection, if our
/// certificate is good for it (RFC 5923 §5).
pub(crate) fn own(transport: Transport, addr: SocketAddr, branch: &str) -> String {
    let (token, host, port) = (transport.via_token(), bracketed(addr.ip()), addr.port());
    let alias = if transport == Transport::Tls { ";alias" } else { "" };
    format!("SIP/2.0/{token} {host}:{port};branch={branch};rport{alias}")
}

fn sent_by_ip(via: &Via) -> Option<IpAddr> {
    via.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(transport: Transport) -> Flow {
        let peer = "192.0.2.7:40000".parse().unwrap();
        Flow { transport, local: "192.0.2.1:5060".parse().unwrap(), peer, connection: None }
    }

    #[test]
    fn received_and_rport_tell_the_client_where_it_was_seen() {
        for (via, stamped) in [
            (
                "SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKa;rport",
                "SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKa;rport=40000;received=192.0.2.7",
            ),
            (
                "SIP/2.0/UDP 192.0.2.7;rport;branch=x",
                "SIP/2.0/UDP 192.0.2.7;rport=40000;branch=x;received=192.0.2.7",
            ),
            ("SIP/2.0/UDP 192.0.2.7:5060;branch=x", "SIP/2.0/UDP 192.0.2.7:5060;branch=x"),
            (
                "SIP/2.0/UDP host.example;branch=x",
                "SIP/2.0/UDP host.example;branch=x;received=192.0.2.7",
            ),
            ("SIP/2.0/UDP 192.0.2.7;received=203.0.113.9", "SIP/2.0/UDP 192.0.2.7"),
        ] {
            let via: Via = via.parse().unwrap();
            assert_eq!(stamp(&via, &flow(Transport::Udp)).to_string(), stamped);
        }
    }

    #[test]
    fn datagram_responses_go_to_the_source_address_and_the_right_port() {
        for (via, peer) in [
            ("SIP/2.0/UDP 10.0.0.1:5062;rport", "192.0.2.7:40000"),
            ("SIP/2.0/UDP 10.0.0.1:5062", "192.0.2.7:5062"),
            ("SIP/2.0/UDP 10.0.0.1", "192.0.2.7:5060"),
            ("SIP/2.0/UDP 10.0.0.1;maddr=255.255.255.255", "192.0.2.7:5060"),
            ("SIP/2.0/UDP 10.0.0.1:0", "192.0.2.7:5060"),
        ] {
            let via: Via = via.parse().unwrap();
            let target = reply_flow(&via, &flow(Transport::Udp));
            assert_eq!(target.peer, peer.parse().unwrap(), "{via}");
        }
    }

    #[test]
    fn stream_responses_go_back_over_the_connection() {
        let over = Flow { connection: Some(9), ..flow(Transport::Tcp) };
        let via: Via = "SIP/2.0/TCP 10.0.0.1:5062".parse().unwrap();
        assert_eq!(reply_flow(&via, &over), over);
    }

    #[test]
    fn an_ipv6_via_of_ours_reads_back() {
        let via = own(Transport::Tcp, "[2001:db8::1]:5060".parse().unwrap(), "z9hG4bKq");
        let read: Via = via.parse().unwrap();
        assert_eq!(read.host, "[2001:db8::1]");
        assert_eq!(read.to_string(), via);
        assert!(!via.contains("alias"));
        let via = own(Transport::Tls, "192.0.2.1:5061".parse().unwrap(), "z9hG4bKq");
        assert!(via.ends_with(";alias"));
    }
}
