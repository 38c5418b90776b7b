//! Whether a call's audio is encrypted (SDES-SRTP, RFC 4568).

use super::word::words;

words! {
    /// What a trunk, a client or the server wants of its calls' audio.
    #[derive(Default)]
    Encryption {
        /// Never, not even when it is offered.
        Off = "off",
        /// When both sides can.
        #[default]
        Offered = "offered",
        /// Always: a call without it fails.
        Required = "required",
    }
}

/// What a refusal of another word says.
pub(super) const EXPECTED: &str = "off, offered or required";
