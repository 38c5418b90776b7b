//! Flows that a phone opens and keeps open (RFC 5626 §6): when a REGISTER may use them, and what the
//! answer says then.

use super::apply::refusal;
use super::binding::{INSTANCE, reg_id};
use crate::endpoint::Reply;
use crate::message::{NameAddr, Request, parse_number};
use crate::transport::{Flow, Transport};

/// Whether this REGISTER is processed as RFC 5626 says; without that it is one of RFC 3261.
///
/// # Errors
/// 439 when a proxy on the way would not find the flow again, 400 for contacts the RFC forbids.
pub(super) fn inspect(request: &Request, contacts: &[NameAddr]) -> Result<bool, Reply> {
    let is_flow =
        |contact: &NameAddr| contact.params.has(INSTANCE) && reg_id(&contact.params).is_some();
    if !contacts.iter().any(is_flow) {
        return Ok(false);
    }
    let lasting = contacts.iter().filter(|contact| {
        let expires = contact.params.get("expires").or_else(|| request.header("Expires"));
        expires.and_then(parse_number) != Some(0)
    });
    if lasting.count() > 1 {
        return Err(refusal(400, "Bad Request: a flow is registered alone"));
    }
    let headers = request.all_headers();
    let knows = ["Supported", "Require"]
        .iter()
        .any(|name| headers.items(name).any(|tag| tag.eq_ignore_ascii_case("outbound")));
    if !knows {
        return Ok(false);
    }
    let came_by_proxy = request.headers("Via").nth(1).is_some();
    // which Path is the first hop's depends on who else wrote one; any of them vouches
    let keeps_flow = || {
        let hops = headers.items("Path").filter_map(|value| value.parse::<NameAddr>().ok());
        hops.into_iter().any(|hop| hop.uri.params().has("ob"))
    };
    if came_by_proxy && !keeps_flow() {
        return Err(refusal(439, "First Hop Lacks Outbound Support"));
    }
    Ok(true)
}

/// The 200 with what it says about the flow.
pub(super) fn annotate(reply: Reply, flow: &Flow) -> Reply {
    let seconds = match flow.transport {
        Transport::Udp => DATAGRAM_FLOW_TIMER,
        _ => STREAM_FLOW_TIMER,
    };
    reply.with_header("Require", "outbound").with_header("Flow-Timer", seconds.to_string())
}

/// Seconds within which a phone sends something over a datagram flow, else the NAT before it may
/// forget it (RFC 5626 §4.4.2: 24 to 29 s; a phone takes 80 to 100 % of this).
const DATAGRAM_FLOW_TIMER: u32 = 30;
/// The same for streams (§4.4.1: 95 to 120 s).
const STREAM_FLOW_TIMER: u32 = 120;
