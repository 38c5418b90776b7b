//! What a REGISTER says of contacts: the Contact fields, `q`, and how much of it is kept
//! (RFC 3261 §10.3 step 6, §20.10).

use super::apply::refusal;
use crate::endpoint::Reply;
use crate::message::build::check_text;
use crate::message::{NameAddr, Request, parse_number};

/// The Contact fields of a REGISTER.
pub(super) enum Contacts {
    Star,
    List(Vec<NameAddr>),
}

/// Reads and judges the Contact and Path fields.
///
/// # Errors
/// The 400 to send.
pub(super) fn parse(request: &Request) -> Result<Contacts, Reply> {
    let mut list = Vec::new();
    let mut has_star = false;
    for value in request.headers("Contact") {
        if value == "*" {
            has_star = true;
            continue;
        }
        if value.len() > MAX_CONTACT_BYTES {
            return Err(refusal(400, "Bad Request: Contact too long to keep"));
        }
        // a quoted string may bring any octet, but what is kept is written again
        check_text(value, "Contact").map_err(|_| refusal(400, "Bad Request: malformed Contact"))?;
        let contact: NameAddr =
            value.parse().map_err(|_| refusal(400, "Bad Request: malformed Contact"))?;
        if !contact.uri.is_sip() {
            return Err(refusal(400, "Bad Request: Contact is no SIP URI"));
        }
        list.push(contact);
    }
    if !has_star {
        check_path(request)?;
        return Ok(Contacts::List(list));
    }
    // RFC 3261 §10.3 step 6: the star stands alone and goes with Expires: 0
    let is_zero = request.header("Expires").and_then(parse_number) == Some(0);
    if !list.is_empty() || !is_zero {
        return Err(refusal(400, "Bad Request: misplaced star in Contact"));
    }
    Ok(Contacts::Star)
}

/// RFC 3327 §5.3: the Path is kept whether or not the phone says `Supported: path`. It is the only way
/// back, and a proxy that wrote it without asking the phone is no reason to refuse the phone.
fn check_path(request: &Request) -> Result<(), Reply> {
    for (at, value) in request.all_headers().items("Path").enumerate() {
        if at == MAX_PATHS || value.len() > MAX_PATH_BYTES {
            return Err(refusal(400, "Bad Request: Path too long to keep"));
        }
        let is_good = check_text(value, "Path").is_ok();
        if !is_good || !value.parse::<NameAddr>().is_ok_and(|hop| hop.uri.is_sip()) {
            return Err(refusal(400, "Bad Request: malformed Path"));
        }
    }
    Ok(())
}

/// A preference in thousandths; what is missing or unreadable counts as 1.
pub(super) fn parse_q(value: Option<&str>) -> u16 {
    let text = value.unwrap_or("1");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{fraction:0<3}");
    let thousandths = digits.get(..3).and_then(parse_number);
    match (whole, thousandths) {
        ("0" | "", Some(q)) => u16::try_from(q).unwrap_or(1_000),
        _ => 1_000,
    }
}

/// The User-Agent, as much of it as is kept.
pub(super) fn user_agent(request: &Request) -> Option<String> {
    let text = request.header("User-Agent")?;
    Some(text.chars().filter(|c| !c.is_control()).take(MAX_AGENT_CHARS).collect())
}

/// Octets of one Contact value that is kept, parameters included.
pub(super) const MAX_CONTACT_BYTES: usize = 1_024;
/// Path values of one binding.
pub(super) const MAX_PATHS: usize = 8;
/// Octets of one Path value.
pub(super) const MAX_PATH_BYTES: usize = 512;
/// Characters of a User-Agent.
const MAX_AGENT_CHARS: usize = 128;
