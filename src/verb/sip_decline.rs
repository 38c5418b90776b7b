//! `sip:decline`: a final response of the application's choice, before the answer only; ends the
//! session (contract verbs.md §3.1).

use super::props::Props;
use super::{Cx, Effect, Step, VerbError};
use crate::model::call::SipHeaders;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipDecline {
    pub status: u16,
    /// Absent: the status' standard phrase.
    pub reason: Option<String>,
    pub headers: SipHeaders,
}

impl SipDecline {
    pub(super) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        props.required("status")?;
        let status = match props.whole("status")? {
            Some(status @ 300..=699) => u16::try_from(status).unwrap_or(603),
            _ => return Err(props.bad("status", "must be a SIP status from 300 to 699")),
        };
        let reason = props.text("reason")?.filter(|reason| !reason.is_empty());
        if reason.as_ref().is_some_and(|r| r.len() > 256 || r.chars().any(char::is_control)) {
            return Err(props.bad("reason", "does not fit a status line"));
        }
        Ok(Self { status, reason, headers: props.headers()? })
    }

    pub(super) fn start(&mut self, cx: &mut Cx<'_>) -> Step {
        let mut headers = std::mem::take(&mut self.headers);
        headers.set("X-Reason", "SIP Decline Verb");
        let reason = self.reason.take().unwrap_or_else(|| standard_reason(self.status).to_owned());
        cx.out.push(Effect::Decline { status: self.status, reason, headers });
        Step::End
    }
}

/// RFC 3261 §21 and the IANA registry; unlisted codes get their class's word.
fn standard_reason(status: u16) -> &'static str {
    let listed = REASONS.iter().find(|(code, _)| *code == status);
    match (listed, status / 100) {
        (Some((_, reason)), _) => reason,
        (None, 3) => "Redirection",
        (None, 4) => "Request Failure",
        (None, 5) => "Server Failure",
        (None, _) => "Global Failure",
    }
}

const REASONS: [(u16, &str); 46] = [
    (300, "Multiple Choices"),
    (301, "Moved Permanently"),
    (302, "Moved Temporarily"),
    (305, "Use Proxy"),
    (380, "Alternative Service"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (402, "Payment Required"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (407, "Proxy Authentication Required"),
    (408, "Request Timeout"),
    (410, "Gone"),
    (413, "Request Entity Too Large"),
    (415, "Unsupported Media Type"),
    (416, "Unsupported URI Scheme"),
    (420, "Bad Extension"),
    (433, "Anonymity Disallowed"),
    (480, "Temporarily Unavailable"),
    (481, "Call/Transaction Does Not Exist"),
    (482, "Loop Detected"),
    (483, "Too Many Hops"),
    (484, "Address Incomplete"),
    (485, "Ambiguous"),
    (486, "Busy Here"),
    (487, "Request Terminated"),
    (488, "Not Acceptable Here"),
    (491, "Request Pending"),
    (500, "Server Internal Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (504, "Server Time-out"),
    (505, "Version Not Supported"),
    (513, "Message Too Large"),
    (600, "Busy Everywhere"),
    (603, "Decline"),
    (604, "Does Not Exist Anywhere"),
    (606, "Not Acceptable"),
    (607, "Unwanted"),
    (608, "Rejected"),
    (399, "Redirection"),
    (499, "Request Failure"),
    (599, "Server Failure"),
];
