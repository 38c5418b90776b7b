//! Whether a call's audio is encrypted (SDES-SRTP, RFC 4568).

use super::word::words;
use super::{Fields, Invalid, Patch};

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

impl Fields {
    /// The property of clients and carriers.
    pub(super) fn media_encryption(&mut self) -> Result<Patch<Encryption>, Invalid> {
        self.one_of("media_encryption", Encryption::WORDS, Encryption::parse)
    }
}
