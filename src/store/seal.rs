//! Sealing of secrets that must be readable again: hook passwords, webhook secrets, credentials.
//! What is only compared (API keys, SIP passwords) is hashed instead.
//!
//! ChaCha20-Poly1305 (RFC 8439) under the server key, a random nonce for each value, and the
//! owner's sid as associated data, so that a sealed value copied to another row does not open.
//! The key comes from the configuration or lies beside the database in `server.key`; a copy of the
//! database alone gives nothing away.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use super::Error;
use crate::model::Secret;

/// Beside the database, unless the configuration has the key.
pub(super) const KEY_FILE: &str = "server.key";

const KEY_BYTES: usize = 32;

/// Marks the scheme, so that another can follow.
const SCHEME: &str = "s1:";

pub struct Seal {
    key: LessSafeKey,
    random: SystemRandom,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    /// The configured key, else the one in `data_dir/server.key`, which is made when missing.
    pub(super) fn open(configured: Option<&Secret>, data_dir: &Path) -> Result<Self, Error> {
        let random = SystemRandom::new();
        let (text, origin) = match configured {
            Some(key) => (key.0.clone(), "store.key"),
            None => (key_file(&data_dir.join(KEY_FILE), &random)?, KEY_FILE),
        };
        let bytes = STANDARD.decode(text.trim()).map_err(|_| Error::BadKey { origin })?;
        let key = (bytes.len() == KEY_BYTES)
            .then(|| UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok())
            .flatten()
            .ok_or(Error::BadKey { origin })?;
        Ok(Self { key: LessSafeKey::new(key), random })
    }

    /// `owner` binds the value to its row.
    pub(super) fn seal(&self, owner: impl fmt::Display, clear: &str) -> Result<String, Error> {
        let mut nonce = [0u8; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| Error::Unsealable)?;
        let mut bytes = clear.as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(owner.to_string()),
                &mut bytes,
            )
            .map_err(|_| Error::Unsealable)?;
        let mut sealed = nonce.to_vec();
        sealed.append(&mut bytes);
        Ok(format!("{SCHEME}{}", STANDARD.encode(sealed)))
    }

    pub(super) fn unseal(&self, owner: impl fmt::Display, sealed: &str) -> Result<String, Error> {
        self.open_in_place(owner, sealed).ok_or(Error::Unsealable)
    }

    fn open_in_place(&self, owner: impl fmt::Display, sealed: &str) -> Option<String> {
        let mut bytes = STANDARD.decode(sealed.strip_prefix(SCHEME)?).ok()?;
        let (nonce, cipher) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let clear = self.key.open_in_place(nonce, Aad::from(owner.to_string()), cipher).ok()?;
        String::from_utf8(clear.to_vec()).ok()
    }
}

/// The key in this file, which is made when missing: 32 random bytes in base64.
///
/// # Errors
/// [`Error::BadKey`] when there is less in it.
pub fn kept_key(path: &Path) -> Result<Secret, Error> {
    let text = key_file(path, &SystemRandom::new())?.trim().to_owned();
    match text.len() {
        ..KEY_BYTES => Err(Error::BadKey { origin: "a key file in the data directory" }),
        _ => Ok(Secret(text)),
    }
}

/// Reads the key file, or makes it: readable by its owner alone, on disk before it is used.
fn key_file(path: &Path, random: &SystemRandom) -> Result<String, Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    match fs::read_to_string(path) {
        Ok(text) => return Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let mut key = [0u8; KEY_BYTES];
    random.fill(&mut key).map_err(|_| Error::Unsealable)?;
    let text = STANDARD.encode(key);
    // Under another name first: a crash must not leave half a key behind.
    let draft = path.with_extension("key.new");
    let write = || {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(byte: u8) -> Seal {
        let key = Secret(STANDARD.encode([byte; KEY_BYTES]));
        Seal::open(Some(&key), Path::new("/nonexistent")).unwrap()
    }

    #[test]
    fn sealed_values_open_for_their_owner_and_key_alone() {
        let sealed = seal(1).seal("alice", "hunter2").unwrap();
        assert!(!sealed.contains("hunter2"));
        assert_eq!(seal(1).unseal("alice", &sealed).unwrap(), "hunter2");
        assert!(seal(1).unseal("bob", &sealed).is_err());
        assert!(seal(2).unseal("alice", &sealed).is_err());
        assert_ne!(seal(1).seal("alice", "hunter2").unwrap(), sealed);
    }

    #[test]
    fn damaged_values_are_errors() {
        let sealed = seal(1).seal("alice", "hunter2").unwrap();
        for damaged in ["", "s1:", "s1:AAAA", "s2:AAAA", &sealed[..sealed.len() - 4], "s1:%%%"] {
            assert!(seal(1).unseal("alice", damaged).is_err(), "{damaged}");
        }
    }

    #[test]
    fn keys_of_another_length_are_refused() {
        for key in ["", "short", &STANDARD.encode([0u8; 31]), &STANDARD.encode([0u8; 33])] {
            let opened = Seal::open(Some(&Secret(key.to_owned())), Path::new("/nonexistent"));
            assert!(matches!(opened, Err(Error::BadKey { .. })), "{key}");
        }
    }
}
