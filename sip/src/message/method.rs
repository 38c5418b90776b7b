//! The request method (RFC 3261 §7.1), open to methods nobody has heard of.
//!
//! rsip's enum is closed; a stranger's method must survive until it is answered with 501.

use std::fmt;

/// A request method. Methods are case sensitive (RFC 3261 §7.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// RFC 3261 §13, §14.
    Invite,
    /// RFC 3261 §13.2.2.4, §17.1.1.3.
    Ack,
    /// RFC 3261 §15.
    Bye,
    /// RFC 3261 §9.
    Cancel,
    /// RFC 3261 §10.
    Register,
    /// RFC 3261 §11.
    Options,
    /// RFC 6086.
    Info,
    /// RFC 3428.
    Message,
    /// RFC 6665.
    Notify,
    /// RFC 6665.
    Subscribe,
    /// RFC 3903.
    Publish,
    /// RFC 3515.
    Refer,
    /// RFC 3311.
    Update,
    /// RFC 3262.
    Prack,
    /// A method of no RFC known here.
    Other(Box<str>),
}

impl Method {
    /// The method named by a token as it stands on the wire.
    pub fn from_token(token: &str) -> Self {
        KNOWN
            .iter()
            .find(|(name, _)| *name == token)
            .map_or_else(|| Self::Other(token.into()), |(_, method)| method.clone())
    }

    /// The token on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(token) => token,
            known => KNOWN.iter().find(|(_, m)| m == known).map_or("", |(name, _)| name),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const KNOWN: [(&str, Method); 14] = [
    ("INVITE", Method::Invite),
    ("ACK", Method::Ack),
    ("BYE", Method::Bye),
    ("CANCEL", Method::Cancel),
    ("REGISTER", Method::Register),
    ("OPTIONS", Method::Options),
    ("INFO", Method::Info),
    ("MESSAGE", Method::Message),
    ("NOTIFY", Method::Notify),
    ("SUBSCRIBE", Method::Subscribe),
    ("PUBLISH", Method::Publish),
    ("REFER", Method::Refer),
    ("UPDATE", Method::Update),
    ("PRACK", Method::Prack),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_method_survives_the_wire() {
        for (name, method) in KNOWN {
            assert_eq!(Method::from_token(name), method);
            assert_eq!(method.as_str(), name);
        }
    }

    #[test]
    fn method_names_are_case_sensitive_and_open() {
        let odd = Method::from_token("invite");
        assert_eq!(odd, Method::Other("invite".into()));
        assert_eq!(odd.to_string(), "invite");
    }
}
