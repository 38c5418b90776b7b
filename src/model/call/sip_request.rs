//! A request inside a call's dialog that an application or an API client orders (contract
//! rest.md §2.3.7 `sip_request`, verbs.md §3.7 `sip:request`).

use super::SipHeaders;

/// A request that may be sent as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipRequest {
    /// A token, not one of those that make or end dialogs.
    pub method: String,
    pub headers: SipHeaders,
    pub content: Option<Content>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// One line.
    pub content_type: String,
    pub text: String,
}

impl SipRequest {
    /// A method as the far end is to read it.
    ///
    /// # Errors
    /// A sentence for the client, without the property's name in front: no token, or one of the
    /// methods by which the call itself is led.
    pub fn method(text: &str) -> Result<String, &'static str> {
        let is_token = (1..=MAX_METHOD).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b));
        if !is_token {
            return Err("is no SIP method");
        }
        let method = text.to_ascii_uppercase();
        match OURS.contains(&method.as_str()) {
            true => Err("is a method the call itself is led by"),
            false => Ok(method),
        }
    }
}

const MAX_METHOD: usize = 32;

/// Methods that make, change or end dialogs: the stack's alone.
const OURS: [&str; 8] =
    ["INVITE", "ACK", "BYE", "CANCEL", "PRACK", "UPDATE", "REGISTER", "SUBSCRIBE"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_tokens_and_none_of_those_that_lead_the_call() {
        assert_eq!(SipRequest::method("info").unwrap(), "INFO");
        assert_eq!(SipRequest::method("X-Ray").unwrap(), "X-RAY");
        for bad in ["", "IN FO", "INFO\r\nVia: x", "BYE", "invite", "Subscribe", &"x".repeat(33)] {
            assert!(SipRequest::method(bad).is_err(), "{bad:?}");
        }
    }
}
