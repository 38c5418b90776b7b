//! Writing responses (RFC 3261 §8.2.6, §12.1.1).

use bytes::Bytes;

use super::config::Config;
use super::draft::check_headers;
use super::order::Reply;
use super::refuse::SUPPORTED_IN_CALLS;
use crate::Error;
use crate::message::build::{Writer, check_reason};
use crate::message::{Headers, Method, Request};

/// What a response takes from its request and its dialog.
pub(crate) struct Answering<'a> {
    pub(crate) request: &'a Request,
    /// Our tag, put into every response but 100.
    pub(crate) to_tag: &'a str,
    /// Our Contact, if the response is part of a dialog.
    pub(crate) contact: Option<&'a str>,
}

impl Answering<'_> {
    /// The bytes of a response. The caller has checked the reply.
    pub(crate) fn write(&self, reply: &Reply, config: &Config) -> Bytes {
        let headers = self.request.all_headers();
        let mut writer = start(reply, headers, self.to_tag);
        if reply.status == 100 {
            writer.headers("Timestamp", headers.all("Timestamp"));
        }
        let makes_dialog = (101..300).contains(&reply.status);
        if let Some(contact) = self.contact.filter(|_| makes_dialog) {
            writer.headers("Record-Route", headers.all("Record-Route"));
            writer.header("Contact", contact);
        }
        let answers_invite = *self.request.method() == Method::Invite && reply.status / 100 == 2;
        if answers_invite && !has(reply, "Allow") {
            writer.header("Allow", config.allow_in_dialog);
        }
        if answers_invite && !has(reply, "Supported") {
            writer.header("Supported", SUPPORTED_IN_CALLS);
        }
        finish(writer, reply, config)
    }
}

/// The response to a request that could not be parsed whole: echoes what is there.
pub(crate) fn write_refusal(
    headers: &Headers,
    to_tag: &str,
    reply: &Reply,
    config: &Config,
) -> Bytes {
    finish(start(reply, headers, to_tag), reply, config)
}

/// Whether a reply of the caller may be written.
///
/// # Errors
/// The status is out of `range`, or a text may not be written.
pub(crate) fn check(
    reply: &Reply,
    range: impl std::ops::RangeBounds<u16>,
    is_dialog: bool,
) -> Result<(), Error> {
    if !range.contains(&reply.status) {
        return Err(Error::WrongStatus(reply.status));
    }
    check_reason(reply.reason.as_deref().unwrap_or_default())?;
    check_headers(&reply.headers, reply.body.as_ref())?;
    if is_dialog && reply.status < 300 && has(reply, "Contact") {
        return Err(Error::ReservedHeader { what: "Contact" });
    }
    Ok(())
}

fn start(reply: &Reply, headers: &Headers, to_tag: &str) -> Writer {
    let mut writer = Writer::response(reply.status, reply.reason.as_deref());
    writer.headers("Via", headers.all("Via"));
    writer.headers("From", headers.get("From").into_iter());
    if let Some(to) = headers.get("To") {
        let is_tagged = to.parse::<crate::NameAddr>().is_ok_and(|to| to.tag().is_some());
        if is_tagged || reply.status == 100 || to_tag.is_empty() {
            writer.header("To", to);
        } else {
            writer.header("To", &format!("{to};tag={to_tag}"));
        }
    }
    writer.headers("Call-ID", headers.get("Call-ID").into_iter());
    writer.headers("CSeq", headers.get("CSeq").into_iter());
    writer
}

fn finish(mut writer: Writer, reply: &Reply, config: &Config) -> Bytes {
    if !has(reply, "Server") {
        writer.header("Server", &config.user_agent);
    }
    for (name, value) in &reply.headers {
        writer.header(name, value);
    }
    writer.finish(reply.body.as_ref())
}

fn has(reply: &Reply, name: &str) -> bool {
    reply.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
}
