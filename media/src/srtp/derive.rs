//! Session keys from a master key (RFC 3711 §4.3, RFC 6188 §3, RFC 7714 §11).

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Aes256Enc};

use super::keys::MasterKey;

/// Bytes of the key of HMAC-SHA1 (RFC 3711 §5.2).
pub(super) const AUTH_KEY_BYTES: usize = 20;

/// What is derived (RFC 3711 §4.3.1, §4.3.2), as the labels of SRTP; those of SRTCP are three higher.
#[derive(Clone, Copy)]
pub(super) enum Label {
    Encryption = 0,
    Authentication = 1,
    Salt = 2,
}

/// Which of the two protocols a key is for.
#[derive(Clone, Copy)]
pub(super) enum Protocol {
    Rtp = 0,
    Rtcp = 3,
}

/// AES with the key size of the suite, for encryption only.
pub(super) enum Aes {
    With128(Aes128Enc),
    With256(Aes256Enc),
}

impl Aes {
    /// `None` for a key of another length than 16 or 32 bytes.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128Enc::new_from_slice(key).ok().map(Self::With128),
            _ => Aes256Enc::new_from_slice(key).ok().map(Self::With256),
        }
    }

    fn encrypt(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = block.into();
        match self {
            Self::With128(aes) => aes.encrypt_block(&mut block),
            Self::With256(aes) => aes.encrypt_block(&mut block),
        }
        block.into()
    }
}

/// Fills `out` with one derived key: the keystream of AES in counter mode under the master key, begun at
/// the salt with the label in its eighth byte. The derivation rate is 0, so the index is not in it.
pub(super) fn derive(master: &MasterKey, protocol: Protocol, label: Label, out: &mut [u8]) {
    let (key, salt) = master.key_and_salt().split_at(master.suite().key_bytes());
    let Some(aes) = Aes::new(key) else { return };
    // Salts of 12 bytes are followed by zeroes (RFC 7714 §11).
    let mut counter = [0; 16];
    for (byte, salt) in counter.iter_mut().zip(salt) {
        *byte = *salt;
    }
    counter[7] ^= label as u8 + protocol as u8;
    for (number, block) in (0u16..).zip(out.chunks_mut(16)) {
        [counter[14], counter[15]] = number.to_be_bytes();
        block.iter_mut().zip(aes.encrypt(counter)).for_each(|(byte, key)| *byte = key);
    }
}
