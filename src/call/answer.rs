//! The plan of an inbound call: what the INVITE says, in the words of payloads and records.

use std::net::SocketAddr;
use std::sync::Arc;

use sip::message::multipart;
use sip::{Flow, Request};

use crate::hook::CallFacts;
use crate::hook::payload::InviteText;
use crate::model::CallSid;
use crate::model::call::Direction;
use crate::sip_io::gate::{Admitted, Answer};

/// What never changes during an inbound call.
pub fn facts(
    call_sid: CallSid,
    request: &Request,
    flow: &Flow,
    sip_address: SocketAddr,
    admitted: &Admitted,
    api_base_url: Option<String>,
) -> Arc<CallFacts> {
    let application_sid = match &admitted.answer {
        Answer::Application(found) => Some(found.sid),
        Answer::Conference(_) => None,
    };
    Arc::new(CallFacts {
        call_sid,
        account_sid: admitted.account.sid,
        service_provider_sid: admitted.account.service_provider_sid,
        application_sid,
        direction: Direction::Inbound,
        from: request.from().uri.user().unwrap_or_default().into_owned(),
        to: request.uri().user().unwrap_or_default().into_owned(),
        caller_name: request.from().display.clone().unwrap_or_default(),
        call_id: request.call_id().to_owned(),
        trace_id: trace_id(),
        fs_sip_address: sip_address.to_string(),
        fs_public_ip: None,
        api_base_url,
        originating_sip_ip: Some(flow.peer.ip().to_string()),
        originating_sip_trunk_name: admitted.trunk.clone(),
    })
}

/// 32 hexadecimal digits.
pub fn trace_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The INVITE in plain words, for the first request to the application.
pub fn invite_text(request: &Request, flow: &Flow) -> InviteText {
    let user_of =
        |value: &str| value.parse::<sip::NameAddr>().ok()?.uri.user().map(|u| u.into_owned());
    let calling = request
        .header("P-Asserted-Identity")
        .and_then(user_of)
        .or_else(|| request.from().uri.user().map(|u| u.into_owned()));
    let body = String::from_utf8_lossy(request.body()).into_owned();
    let kind = request.content_type().unwrap_or_default();
    let parts = multipart::parts(kind, request.body()).into_iter();
    InviteText {
        request_uri: request.uri().to_string(),
        called_number: request.uri().user().unwrap_or_default().into_owned(),
        calling_number: calling.unwrap_or_default(),
        headers: request
            .all_headers()
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        parts: parts
            .filter(|(_, content)| !content.is_empty())
            .map(|(kind, content)| (kind, String::from_utf8_lossy(&content).into_owned()))
            .collect(),
        body,
        raw: request.raw_text().into_owned(),
        source_address: flow.peer.ip().to_string(),
        source_port: flow.peer.port(),
        transport: flow.transport.name().to_owned(),
    }
}
