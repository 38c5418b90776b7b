//! REFER in plain words: what the far end asks (RFC 3515, 3891, 3892, 4488), and the NOTIFYs that
//! tell it how that went.

use serde_json::{Map, Value, json};
use sip::{NameAddr, Replaces, Request, Uri};

use crate::model::CallSid;

/// A REFER that can be followed, or shown to an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refer {
    /// Refer-To as it came.
    pub refer_to: String,
    /// Whom to call.
    pub target: Uri,
    /// The dialog at the target that the new call takes the place of.
    pub replaces: Option<Replaces>,
    /// Referred-By as it came.
    pub referred_by: Option<String>,
    pub user_agent: Option<String>,
    /// `X-` headers as they came.
    pub extensions: Vec<(String, String)>,
    /// `false`: the far end wants no NOTIFYs (`Refer-Sub: false`).
    pub wants_notify: bool,
    pub seq: u32,
}

impl Refer {
    /// Reads a REFER.
    ///
    /// # Errors
    /// The status that refuses it: 400 without exactly one Refer-To (RFC 3515 §2.4.1) or with a
    /// Replaces that is none, 416 for a URI that is no SIP URI or asks for another method than INVITE.
    pub fn parse(request: &Request) -> Result<Self, u16> {
        let mut named = request.all_headers().all("Refer-To");
        let (Some(refer_to), None) = (named.next(), named.next()) else { return Err(400) };
        let address: NameAddr = refer_to.parse().map_err(|_| 400_u16)?;
        let uri = address.uri;
        let method = uri.param("method").unwrap_or("INVITE");
        if !uri.is_sip() || !method.eq_ignore_ascii_case("INVITE") {
            return Err(416);
        }
        let replaces = match uri.headers().and_then(|headers| find(headers, "Replaces")) {
            None => None,
            Some(value) => Some(Replaces::parse(&value?).map_err(|_| 400_u16)?),
        };
        let is_extension = |name: &str| name.len() > 2 && name[..2].eq_ignore_ascii_case("x-");
        Ok(Self {
            refer_to: refer_to.to_owned(),
            target: uri.as_request_uri(),
            replaces,
            referred_by: request.header("Referred-By").map(str::to_owned),
            user_agent: request.header("User-Agent").map(str::to_owned),
            extensions: request
                .all_headers()
                .iter()
                .filter(|(name, _)| name.is_char_boundary(2) && is_extension(name))
                .take(MAX_EXTENSIONS)
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            wants_notify: request.header("Refer-Sub").is_none_or(|value| !is_false(value)),
            seq: request.cseq().seq,
        })
    }

    /// The `refer_details` of the hook (contract verbs.md §3.4); `referred` is who talks with the
    /// referrer, if that is another call.
    pub fn details(&self, referring: CallSid, referred: Option<CallSid>) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("sip_refer_to".into(), self.refer_to.as_str().into());
        let user = self.target.user().unwrap_or_default();
        map.insert("refer_to_user".into(), user.as_ref().into());
        if let Some(by) = &self.referred_by {
            map.insert("sip_referred_by".into(), by.as_str().into());
            let by = by.parse::<NameAddr>().ok();
            if let Some(user) = by.as_ref().and_then(|by| by.uri.user()) {
                map.insert("referred_by_user".into(), user.as_ref().into());
            }
        }
        if let Some(agent) = &self.user_agent {
            map.insert("sip_user_agent".into(), agent.as_str().into());
        }
        map.insert("referring_call_sid".into(), referring.to_string().into());
        let referred = referred.map_or(Value::Null, |sid| sid.to_string().into());
        map.insert("referred_call_sid".into(), referred);
        if let Some(replaces) = &self.replaces {
            let named = json!({
                "call_id": replaces.call_id,
                "to_tag": replaces.to_tag,
                "from_tag": replaces.from_tag,
                "early_only": replaces.early_only,
            });
            map.insert("replaces".into(), named);
        }
        for (name, value) in &self.extensions {
            map.insert(name.clone(), value.as_str().into());
        }
        map
    }
}

/// The subscription that a REFER makes (RFC 3515 §2.4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The REFER's CSeq number, unless it was the dialog's first (§2.4.6).
    pub id: Option<u32>,
}

impl Subscription {
    /// Header fields and body of a NOTIFY that says how the new call stands.
    pub fn notify(self, status: u16, reason: &str, is_last: bool) -> (Fields, String) {
        let event = self.id.map_or_else(|| "refer".to_owned(), |id| format!("refer;id={id}"));
        let state = if is_last {
            "terminated;reason=noresource".to_owned()
        } else {
            format!("active;expires={EXPIRES}")
        };
        let fields = vec![("Event".to_owned(), event), ("Subscription-State".to_owned(), state)];
        (fields, format!("SIP/2.0 {status} {reason}\r\n"))
    }
}

type Fields = Vec<(String, String)>;

/// The content of those NOTIFYs (RFC 3515 §2.4.4, 3420).
pub const SIPFRAG: &str = "message/sipfrag;version=2.0";

/// What a NOTIFY of the far end says of a call that it was asked to place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// `None`: no status line in the body.
    pub status: Option<u16>,
    pub is_last: bool,
}

impl Progress {
    /// Reads a NOTIFY; `None` if it is about something else than a REFER.
    pub fn parse(request: &Request) -> Option<Self> {
        let event = request.header("Event")?;
        let package = event.split(';').next().unwrap_or_default().trim();
        if !package.eq_ignore_ascii_case("refer") {
            return None;
        }
        let state = request.header("Subscription-State").unwrap_or_default();
        let state = state.split(';').next().unwrap_or_default().trim();
        let line = request.body().split(|byte| matches!(byte, b'\r' | b'\n')).next();
        let line = line.and_then(|line| str::from_utf8(line).ok()).unwrap_or_default();
        let status = line.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok());
        Some(Self {
            status: status.filter(|status| (100..700).contains(status)),
            is_last: state.eq_ignore_ascii_case("terminated"),
        })
    }
}

/// The header of that name in a URI (`?Name=value&…`), unescaped (RFC 3261 §19.1.1); `Err(400)` if it
/// is no text or could break out of a line.
fn find(headers: &str, name: &str) -> Option<Result<String, u16>> {
    let pairs = headers.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(unescape(value).filter(|text| !text.chars().any(char::is_control)).ok_or(400))
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| (byte? as char).to_digit(16);
                u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn is_false(value: &str) -> bool {
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("false")
}

/// How long a NOTIFY promises the next, in seconds: longer than anything rings.
const EXPIRES: u32 = 180;
const MAX_EXTENSIONS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, headers: &str, body: &str) -> Request {
        let text = format!(
            "{method} sip:us@192.0.2.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1\r\n\
             From: <sip:alice@example.com>;tag=a\r\n\
             To: <sip:us@example.com>;tag=b\r\n\
             Call-ID: c\r\n\
             CSeq: 7 {method}\r\n\
             {headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Request::parse(text.as_bytes()).unwrap()
    }

    fn refer(headers: &str) -> Result<Refer, u16> {
        Refer::parse(&request("REFER", headers, ""))
    }

    #[test]
    fn a_blind_refer_names_its_target_and_what_came_with_it() {
        let read = refer(
            "Refer-To: \"Bob\" <sip:bob@example.com;transport=tcp>\r\n\
             Referred-By: <sip:alice@example.com>\r\n\
             User-Agent: phone/1\r\nX-Ticket: 7\r\n",
        )
        .unwrap();
        assert_eq!(read.target.to_string(), "sip:bob@example.com;transport=tcp");
        assert!(read.wants_notify && read.replaces.is_none());
        let sid = CallSid::random();
        assert_eq!(
            Value::Object(read.details(sid, None)),
            json!({
                "sip_refer_to": "\"Bob\" <sip:bob@example.com;transport=tcp>",
                "refer_to_user": "bob",
                "sip_referred_by": "<sip:alice@example.com>",
                "referred_by_user": "alice",
                "sip_user_agent": "phone/1",
                "referring_call_sid": sid.to_string(),
                "referred_call_sid": null,
                "X-Ticket": "7",
            })
        );
    }

    #[test]
    fn an_attended_refer_names_the_dialog_to_replace() {
        let read = refer(
            "r: <sip:bob@example.com?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n\
             Refer-Sub: false\r\n",
        )
        .unwrap();
        let replaces = read.replaces.clone().unwrap();
        assert_eq!(replaces.to_string(), "x@y;to-tag=1;from-tag=2");
        assert_eq!(read.target.to_string(), "sip:bob@example.com", "without headers");
        assert!(!read.wants_notify);
        let named = &read.details(CallSid::random(), None)["replaces"];
        assert_eq!(named["call_id"], "x@y");
    }

    #[test]
    fn what_cannot_be_followed_is_refused_with_its_status() {
        for (headers, status) in [
            ("", 400),
            ("Refer-To: <sip:a@b>\r\nRefer-To: <sip:c@d>\r\n", 400),
            ("Refer-To: <<>\r\n", 400),
            ("Refer-To: <tel:+1555>\r\n", 416),
            ("Refer-To: <sip:a@b;method=BYE>\r\n", 416),
            ("Refer-To: <sip:a@b?Replaces=nothing>\r\n", 400),
            ("Refer-To: <sip:a@b?Replaces=x%0d%0aVia%3B>\r\n", 400),
            ("Refer-To: <sip:a@b?Replaces=%zz>\r\n", 400),
        ] {
            assert_eq!(refer(headers), Err(status), "{headers}");
        }
    }

    #[test]
    fn notifies_say_how_it_stands_and_when_it_is_over() {
        let (fields, body) = Subscription { id: None }.notify(180, "Ringing", false);
        assert_eq!(body, "SIP/2.0 180 Ringing\r\n");
        assert_eq!(fields[0].1, "refer");
        assert_eq!(fields[1].1, "active;expires=180");
        let (fields, _) = Subscription { id: Some(7) }.notify(200, "OK", true);
        assert_eq!(fields[0].1, "refer;id=7");
        assert_eq!(fields[1].1, "terminated;reason=noresource");
    }

    #[test]
    fn a_notify_of_a_refer_is_read_and_others_are_not() {
        let read = |headers: &str, body: &str| Progress::parse(&request("NOTIFY", headers, body));
        let active = "Event: refer;id=3\r\nSubscription-State: active;expires=60\r\n";
        let over = "o: refer\r\nSubscription-State: terminated;reason=noresource\r\n";
        for (headers, body, status, is_last) in [
            (active, "SIP/2.0 100 Trying\r\n", Some(100), false),
            (over, "SIP/2.0 486 Busy Here\r\nX: y", Some(486), true),
            (over, "", None, true),
            (over, "SIP/2.0 9999", None, true),
        ] {
            assert_eq!(read(headers, body), Some(Progress { status, is_last }), "{body}");
        }
        assert_eq!(read("Event: message-summary\r\n", ""), None);
        assert_eq!(read("", ""), None);
    }
}
