//! By what a message finds its transaction (RFC 3261 §17.1.3, §17.2.3, §8.2.2.2).

use crate::message::{Method, Request, Response};

/// Names a transaction. Never used twice by one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub(crate) u64);

/// A client transaction: our branch, and the method of CSeq, since CANCEL shares the branch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ClientKey {
    pub(crate) branch: String,
    pub(crate) method: Method,
}

impl ClientKey {
    /// The key a response asks for. `None` without branch.
    pub(crate) fn of(response: &Response) -> Option<Self> {
        let branch = response.via().branch()?.to_owned();
        Some(Self { branch, method: response.cseq().method.clone() })
    }
}

/// A server transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum ServerKey {
    /// Branch, sent-by and method; ACK counts as INVITE.
    Rfc3261 { branch: String, sent_by: String, method: Method },
    /// For peers without the magic cookie. RFC 2543 also compares the To tag, which differs between
    /// an INVITE and its ACK; Call-ID, CSeq and Via tell them apart from everything else anyway.
    Rfc2543 {
        uri: String,
        from_tag: String,
        call_id: String,
        seq: u32,
        via: String,
        method: Method,
    },
}

impl ServerKey {
    /// The key of a request, by the top Via as it came (before it is stamped).
    pub(crate) fn of(request: &Request) -> Self {
        let method = match request.method() {
            Method::Ack => Method::Invite,
            method => method.clone(),
        };
        Self::with_method(request, method)
    }

    /// The key of the INVITE a CANCEL is about (§9.2).
    pub(crate) fn of_cancelled(cancel: &Request) -> Self {
        Self::with_method(cancel, Method::Invite)
    }

    fn with_method(request: &Request, method: Method) -> Self {
        let via = request.via();
        match via.branch() {
            Some(branch) if via.has_unique_branch() => {
                Self::Rfc3261 { branch: branch.to_owned(), sent_by: via.sent_by(), method }
            }
            _ => Self::Rfc2543 {
                uri: request.uri().to_string(),
                from_tag: request.from().tag().unwrap_or_default().to_owned(),
                call_id: request.call_id().to_owned(),
                seq: request.cseq().seq,
                via: via.to_string(),
                method,
            },
        }
    }
}

/// What two copies of one request have in common that came by different ways (§8.2.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct MergeKey {
    from_tag: String,
    call_id: String,
    seq: u32,
    method: Method,
}

impl MergeKey {
    /// `None` for a request inside a dialog: only requests without To tag can have been forked.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        if request.to().tag().is_some() {
            return None;
        }
        Some(Self {
            from_tag: request.from().tag()?.to_owned(),
            call_id: request.call_id().to_owned(),
            seq: request.cseq().seq,
            method: request.method().clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, via: &str, to_tag: &str) -> Request {
        let text = format!(
            "{method} sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP {via}\r\nFrom: <sip:a@h>;tag=f\r\n\
             To: <sip:b@h>{to_tag}\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n\r\n"
        );
        Request::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn ack_finds_its_invite_and_cancel_has_a_key_of_its_own() {
        for via in ["h;branch=z9hG4bKx", "h", "h;branch=old"] {
            let invite = request("INVITE", via, "");
            let ack = request("ACK", via, ";tag=t");
            let cancel = request("CANCEL", via, "");
            assert_eq!(ServerKey::of(&invite), ServerKey::of(&ack), "{via}");
            assert_ne!(ServerKey::of(&invite), ServerKey::of(&cancel), "{via}");
            assert_eq!(ServerKey::of(&invite), ServerKey::of_cancelled(&cancel), "{via}");
        }
    }

    #[test]
    fn sent_by_tells_equal_branches_apart_and_defaults_its_port() {
        let key = |via| ServerKey::of(&request("BYE", via, ""));
        assert_eq!(key("H;branch=z9hG4bKx"), key("h:5060;branch=z9hG4bKx"));
        assert_ne!(key("h;branch=z9hG4bKx"), key("h:5061;branch=z9hG4bKx"));
    }

    #[test]
    fn a_bare_cookie_is_no_unique_branch() {
        let bare = request("BYE", "h;branch=z9hG4bK", "");
        assert!(matches!(ServerKey::of(&bare), ServerKey::Rfc2543 { .. }));
    }

    #[test]
    fn only_requests_outside_a_dialog_can_be_merged() {
        assert!(MergeKey::of(&request("INVITE", "h", ";tag=t")).is_none());
        let (one, two) = (request("INVITE", "h", ""), request("INVITE", "other", ""));
        assert_eq!(MergeKey::of(&one), MergeKey::of(&two));
    }
}
