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
        Answer::Conference(_) | Answer::Queue(_) | Answer::User(_) => None,
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
        parent_call_sid: None,
        caller_id: None,
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
    let body = without_keys(&String::from_utf8_lossy(request.body()));
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
            .map(|(kind, content)| (kind, without_keys(&String::from_utf8_lossy(&content))))
            .collect(),
        body,
        raw: without_keys(&request.raw_text()),
        source_address: flow.peer.ip().to_string(),
        source_port: flow.peer.port(),
        transport: flow.transport.name().to_owned(),
    }
}

/// A text without the keys of SRTP in it (RFC 4568): who can read what an application is sent is not to
/// hear the call.
fn without_keys(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let is_crypto = line.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("a=crypto:"));
        let key = is_crypto.then(|| line.to_ascii_lowercase().find("inline:")).flatten();
        match key.and_then(|at| line.split_at_checked(at)) {
            Some((before, key)) => {
                out.push_str(before);
                out.push_str("inline:");
                out.extend(key.chars().filter(|c| matches!(c, '\r' | '\n')));
            }
            None => out.push_str(line),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_is_shown_no_key() {
        for (text, shown) in [
            (
                "v=0\r\na=crypto:1 X inline:abc|2^20 WSH=64\r\nm=x\r\n",
                "v=0\r\na=crypto:1 X inline:\r\nm=x\r\n",
            ),
            ("A=Crypto:1 X INLINE:abc", "A=Crypto:1 X inline:"),
            ("a=crypto:1 X inline:abc\n", "a=crypto:1 X inline:\n"),
            ("a=crypto:none\r\n", "a=crypto:none\r\n"),
            ("X-A: inline:abc\r\n\r\nä", "X-A: inline:abc\r\n\r\nä"),
            ("", ""),
        ] {
            assert_eq!(without_keys(text), shown);
        }
    }
}
