//! The crypto suites (RFC 4568 §6.2, RFC 6188, RFC 7714).

/// How packets are encrypted and authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES in counter mode with keys of 128 bits, tags of 80: every phone with SRTP has it.
    AesCm128Sha1Tag80,
    /// The same with tags of 32 bits on RTP: what older Cisco systems insist on.
    AesCm128Sha1Tag32,
    /// Keys of 256 bits (RFC 6188).
    AesCm256Sha1Tag80,
    /// Keys of 256 bits, tags of 32 on RTP (RFC 6188).
    AesCm256Sha1Tag32,
    /// AES-GCM with keys of 128 bits (RFC 7714).
    AeadAes128Gcm,
    /// AES-GCM with keys of 256 bits (RFC 7714).
    AeadAes256Gcm,
}

impl Suite {
    /// All that we can.
    pub const ALL: [Self; 6] = [
        Self::AesCm128Sha1Tag80,
        Self::AesCm128Sha1Tag32,
        Self::AesCm256Sha1Tag80,
        Self::AesCm256Sha1Tag32,
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
    ];

    /// What we offer, in this order: the suite all have, what older systems and stricter ones ask for
    /// instead. More lines would only swell the INVITE, which is to fit a datagram.
    pub const OFFERED: [Self; 3] =
        [Self::AesCm128Sha1Tag80, Self::AesCm128Sha1Tag32, Self::AeadAes256Gcm];

    /// The name in `a=crypto`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128Sha1Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128Sha1Tag32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm256Sha1Tag80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256Sha1Tag32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite a name means. Names are compared without case, and the order of mode and size in
    /// the names of RFC 6188 is forgiven: both are seen.
    pub fn from_name(name: &str) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match Self::ALL.into_iter().find(|suite| is(suite.name())) {
            None if is("AES_CM_256_HMAC_SHA1_80") => Some(Self::AesCm256Sha1Tag80),
            None if is("AES_CM_256_HMAC_SHA1_32") => Some(Self::AesCm256Sha1Tag32),
            found => found,
        }
    }

    /// Bytes of the master key.
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::AesCm128Sha1Tag80 | Self::AesCm128Sha1Tag32 | Self::AeadAes128Gcm => 16,
            Self::AesCm256Sha1Tag80 | Self::AesCm256Sha1Tag32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of the master salt.
    pub const fn salt_bytes(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
            _ => 14,
        }
    }

    /// Bytes of what stands behind `inline:`: key and salt.
    pub const fn inline_bytes(self) -> usize {
        self.key_bytes() + self.salt_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_the_suite_and_back() {
        for suite in Suite::ALL {
            assert_eq!(Suite::from_name(suite.name()), Some(suite));
            assert_eq!(Suite::from_name(&suite.name().to_lowercase()), Some(suite));
        }
        assert_eq!(Suite::from_name("AES_CM_256_HMAC_SHA1_80"), Some(Suite::AesCm256Sha1Tag80));
        for unknown in ["", "F8_128_HMAC_SHA1_80", "AES_192_CM_HMAC_SHA1_80", "NULL_HMAC_SHA1_80"] {
            assert_eq!(Suite::from_name(unknown), None, "{unknown}");
        }
    }
}
