//! One protocol's half of a crypto context: packets encrypted, authenticated and laid out.
//!
//! RTP and RTCP differ in what stays readable and where index, MKI and tag stand:
//!
//! - counter mode, RTP: `header | payload* | MKI | tag` (RFC 3711 §3.1)
//! - counter mode, RTCP: `header | rest* | E, index | MKI | tag` (RFC 3711 §3.4)
//! - GCM, RTP: `header | payload* | tag | MKI` (RFC 7714 §8)
//! - GCM, RTCP: `header | rest* | tag | E, index | MKI` (RFC 7714 §9)

use ctr::cipher::{InnerIvInit, StreamCipher, StreamCipherCoreWrapper};
use ctr::{CtrCore, flavors};
use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use sha1::Sha1;

use super::derive::{AUTH_KEY_BYTES, Aes, Label, Protocol, derive};
use super::keys::MasterKey;
use super::{RTCP_CLEAR_BYTES, Suite, bytes_at};

/// Bytes of a tag of GCM.
const GCM_TAG_BYTES: usize = 16;
/// Bytes of the word that holds the E flag and the SRTCP index.
const WORD_BYTES: usize = 4;
/// Says that the packet is encrypted (RFC 3711 §3.4).
const E_FLAG: u32 = 1 << 31;

/// Encrypts and authenticates the packets of one protocol under one master key.
pub(super) enum Cipher {
    CounterMode { aes: Aes, salt: [u8; 14], mac: Hmac<Sha1>, tag_bytes: usize },
    Gcm { key: LessSafeKey, salt: [u8; 12] },
}

impl Cipher {
    /// `None` only if the primitives refuse a key of the length they ask for.
    pub(super) fn new(master: &MasterKey, protocol: Protocol) -> Option<Self> {
        let suite = master.suite();
        let mut key = [0; 32];
        let key = key.get_mut(..suite.key_bytes())?;
        derive(master, protocol, Label::Encryption, key);
        let tag_bytes = match (suite, protocol) {
            (Suite::AeadAes128Gcm | Suite::AeadAes256Gcm, _) => {
                let is_short = suite.key_bytes() == 16;
                let algorithm = if is_short { &AES_128_GCM } else { &AES_256_GCM };
                let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
                let mut salt = [0; 12];
                derive(master, protocol, Label::Salt, &mut salt);
                return Some(Self::Gcm { key, salt });
            }
            // RTCP is short and seldom: its tag stays long (RFC 4568 §6.2.2).
            (Suite::AesCm128Sha1Tag32 | Suite::AesCm256Sha1Tag32, Protocol::Rtp) => 4,
            _ => 10,
        };
        let (mut salt, mut auth_key) = ([0; 14], [0; AUTH_KEY_BYTES]);
        derive(master, protocol, Label::Salt, &mut salt);
        derive(master, protocol, Label::Authentication, &mut auth_key);
        let mac = Hmac::new_from_slice(&auth_key).ok()?;
        Some(Self::CounterMode { aes: Aes::new(key)?, salt, mac, tag_bytes })
    }

    /// Whether a packet that was refused may be tried again: GCM spoils what it cannot open.
    pub(super) fn keeps_refused(&self) -> bool {
        matches!(self, Self::CounterMode { .. })
    }

    /// Encrypts the RTP packet in the first `len` bytes of `out`; gives its new length. `None` if `out`
    /// is too short.
    pub(super) fn seal_rtp(
        &self,
        ssrc: u32,
        index: u64,
        out: &mut [u8],
        header: usize,
        len: usize,
    ) -> Option<usize> {
        match self {
            Self::CounterMode { aes, salt, mac, tag_bytes } => {
                aes.apply(&counter(salt, ssrc, index), out.get_mut(header..len)?);
                let roc = roc_of(index);
                let tag = mac.clone().chain_update(out.get(..len)?).chain_update(roc).finalize();
                let end = len + tag_bytes;
                out.get_mut(len..end)?.copy_from_slice(tag.as_bytes().get(..*tag_bytes)?);
                Some(end)
            }
            Self::Gcm { key, salt } => {
                let (aad, rest) = out.get_mut(..len)?.split_at_mut_checked(header)?;
                let tag = seal(key, rtp_nonce(salt, ssrc, index), aad, rest)?;
                let end = len + GCM_TAG_BYTES;
                out.get_mut(len..end)?.copy_from_slice(tag.as_ref());
                Some(end)
            }
        }
    }

    /// Decrypts an RTP packet in place; gives the length of what it was before. `mki` is what stands
    /// beside the tag. `None` if it is not authentic: it is as it was then, unless it is GCM's.
    pub(super) fn open_rtp(
        &self,
        ssrc: u32,
        index: u64,
        packet: &mut [u8],
        header: usize,
        mki: &[u8],
    ) -> Option<usize> {
        match self {
            Self::CounterMode { aes, salt, mac, tag_bytes } => {
                let (rest, tag) = split_end(packet, *tag_bytes)?;
                let (signed, found) = split_end(rest, mki.len())?;
                let payload = signed.get(header..)?.len();
                let mac = mac.clone().chain_update(signed).chain_update(roc_of(index));
                if found != mki || mac.verify_truncated_left(tag).is_err() {
                    return None;
                }
                let end = header + payload;
                aes.apply(&counter(salt, ssrc, index), packet.get_mut(header..end)?);
                Some(end)
            }
            Self::Gcm { key, salt } => {
                let (sealed, found) = split_end_mut(packet, mki.len())?;
                if found != mki {
                    return None;
                }
                let (aad, rest) = sealed.split_at_mut_checked(header)?;
                Some(header + open(key, rtp_nonce(salt, ssrc, index), aad, rest)?)
            }
        }
    }

    /// As [`seal_rtp`](Self::seal_rtp) for RTCP; `index` has 31 bits.
    pub(super) fn seal_rtcp(
        &self,
        ssrc: u32,
        index: u32,
        out: &mut [u8],
        len: usize,
    ) -> Option<usize> {
        let word = (E_FLAG | index).to_be_bytes();
        match self {
            Self::CounterMode { aes, salt, mac, tag_bytes } => {
                let counter = counter(salt, ssrc, u64::from(index));
                aes.apply(&counter, out.get_mut(RTCP_CLEAR_BYTES..len)?);
                let signed = len + WORD_BYTES;
                out.get_mut(len..signed)?.copy_from_slice(&word);
                let tag = mac.clone().chain_update(out.get(..signed)?).finalize();
                let end = signed + tag_bytes;
                out.get_mut(signed..end)?.copy_from_slice(tag.as_bytes().get(..*tag_bytes)?);
                Some(end)
            }
            Self::Gcm { key, salt } => {
                let (header, rest) = out.get_mut(..len)?.split_at_mut_checked(RTCP_CLEAR_BYTES)?;
                let aad = rtcp_aad(header, word)?;
                let tag = seal(key, rtcp_nonce(salt, ssrc, index), &aad, rest)?;
                let (tag_end, end) = (len + GCM_TAG_BYTES, len + GCM_TAG_BYTES + WORD_BYTES);
                out.get_mut(len..tag_end)?.copy_from_slice(tag.as_ref());
                out.get_mut(tag_end..end)?.copy_from_slice(&word);
                Some(end)
            }
        }
    }

    /// The index that an RTCP packet says it has. `None` if it is too short, or says that it is not
    /// encrypted, which is never agreed on.
    pub(super) fn rtcp_index(&self, packet: &[u8], mki: &[u8]) -> Option<u32> {
        let behind = match self {
            Self::CounterMode { tag_bytes, .. } => tag_bytes + mki.len(),
            Self::Gcm { .. } => mki.len(),
        };
        let at = packet.len().checked_sub(behind + WORD_BYTES)?;
        let word = u32::from_be_bytes(bytes_at(packet, at)?);
        (word & E_FLAG != 0).then_some(word & !E_FLAG)
    }

    /// As [`open_rtp`](Self::open_rtp) for RTCP.
    pub(super) fn open_rtcp(
        &self,
        ssrc: u32,
        index: u32,
        packet: &mut [u8],
        mki: &[u8],
    ) -> Option<usize> {
        match self {
            Self::CounterMode { aes, salt, mac, tag_bytes } => {
                let (rest, tag) = split_end(packet, *tag_bytes)?;
                let (signed, found) = split_end(rest, mki.len())?;
                let end = signed.len().checked_sub(WORD_BYTES)?;
                let mac = mac.clone().chain_update(signed);
                if found != mki || mac.verify_truncated_left(tag).is_err() {
                    return None;
                }
                let counter = counter(salt, ssrc, u64::from(index));
                aes.apply(&counter, packet.get_mut(RTCP_CLEAR_BYTES..end)?);
                Some(end)
            }
            Self::Gcm { key, salt } => {
                let (rest, found) = split_end_mut(packet, mki.len())?;
                if found != mki {
                    return None;
                }
                let (sealed, word) = split_end_mut(rest, WORD_BYTES)?;
                let word = bytes_at(word, 0)?;
                let (header, rest) = sealed.split_at_mut_checked(RTCP_CLEAR_BYTES)?;
                let aad = rtcp_aad(header, word)?;
                Some(RTCP_CLEAR_BYTES + open(key, rtcp_nonce(salt, ssrc, index), &aad, rest)?)
            }
        }
    }
}

impl Aes {
    /// Counter mode: encrypts and decrypts (RFC 3711 §4.1.1).
    fn apply(&self, counter: &[u8; 16], bytes: &mut [u8]) {
        let counter = counter.into();
        match self {
            Self::With128(aes) => {
                let core = CtrCore::<_, flavors::Ctr128BE>::inner_iv_init(aes, counter);
                StreamCipherCoreWrapper::from_core(core).apply_keystream(bytes);
            }
            Self::With256(aes) => {
                let core = CtrCore::<_, flavors::Ctr128BE>::inner_iv_init(aes, counter);
                StreamCipherCoreWrapper::from_core(core).apply_keystream(bytes);
            }
        }
    }
}

/// Where a packet's keystream begins: salt, SSRC and index, and 16 bits that count its blocks
/// (RFC 3711 §4.1.1).
fn counter(salt: &[u8; 14], ssrc: u32, index: u64) -> [u8; 16] {
    let packet = (u128::from(ssrc) << 64) | (u128::from(index) << 16);
    let mut counter = packet.to_be_bytes();
    counter.iter_mut().zip(salt).for_each(|(byte, salt)| *byte ^= salt);
    counter
}

/// The upper 32 bits of an index: how often the sequence number has begun anew.
fn roc_of(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// RFC 7714 §8.1: two zero bytes, SSRC, and index of 48 bits, over the salt.
fn rtp_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    nonce(salt, (u128::from(ssrc) << 48) | u128::from(index))
}

/// RFC 7714 §9.1: two zero bytes, SSRC, two more, and the index, over the salt.
fn rtcp_nonce(salt: &[u8; 12], ssrc: u32, index: u32) -> Nonce {
    nonce(salt, (u128::from(ssrc) << 48) | u128::from(index))
}

fn nonce(salt: &[u8; 12], packet: u128) -> Nonce {
    let mut bytes = *salt;
    let packet = packet.to_be_bytes();
    bytes.iter_mut().zip(packet.iter().skip(4)).for_each(|(byte, packet)| *byte ^= packet);
    Nonce::assume_unique_for_key(bytes)
}

/// What is authenticated of RTCP beside the ciphertext (RFC 7714 §9.2).
fn rtcp_aad(header: &[u8], word: [u8; WORD_BYTES]) -> Option<[u8; RTCP_CLEAR_BYTES + WORD_BYTES]> {
    let mut aad = [0; RTCP_CLEAR_BYTES + WORD_BYTES];
    let (first, last) = aad.split_at_mut(RTCP_CLEAR_BYTES);
    first.copy_from_slice(header.get(..RTCP_CLEAR_BYTES)?);
    last.copy_from_slice(&word);
    Some(aad)
}

fn seal(key: &LessSafeKey, nonce: Nonce, aad: &[u8], bytes: &mut [u8]) -> Option<Tag> {
    key.seal_in_place_separate_tag(nonce, Aad::from(aad), bytes).ok()
}

fn open(key: &LessSafeKey, nonce: Nonce, aad: &[u8], bytes: &mut [u8]) -> Option<usize> {
    key.open_in_place(nonce, Aad::from(aad), bytes).ok().map(|plain| plain.len())
}

/// All but the last `len` bytes, and these.
fn split_end(bytes: &[u8], len: usize) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(bytes.len().checked_sub(len)?)
}

fn split_end_mut(bytes: &mut [u8], len: usize) -> Option<(&mut [u8], &mut [u8])> {
    let at = bytes.len().checked_sub(len)?;
    bytes.split_at_mut_checked(at)
}
