//! Passwords of people, as argon2id (RFC 9106) in PHC form with the library's parameters: 19 MiB, two
//! passes, which is what OWASP asks for at least.
//!
//! The work is dear on purpose, so it must not be a way to take the machine: one password is worked
//! on at a time, on the blocking pool, and after each the same time passes in rest. Beyond a bound
//! those that still wait are turned away.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error as HashError, PasswordHasher, PasswordVerifier};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::Error;
use crate::model::Secret;

/// Who may wait for its password to be checked.
const MAX_WAITING: usize = 32;

/// What the password of somebody who does not exist is held against, so that it takes as long. No
/// password is known to fit.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGlzIGhlcmUhIQ\
                      $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[derive(Debug)]
pub(super) struct Hasher {
    turn: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), places: Arc::new(Semaphore::new(MAX_WAITING)) }
    }
}

impl Hasher {
    /// As it is stored. For those who are logged in already: waits as long as it takes.
    pub(super) async fn hash(&self, password: &Secret) -> Result<Secret, Error> {
        let turn = self.turn().await?;
        let password = password.clone();
        work(turn, move || {
            let hash = Argon2::default().hash_password(password.0.as_bytes());
            hash.map(|hash| Secret(hash.to_string())).map_err(|_| Error::Unhashable)
        })
        .await
    }

    /// Whether it is this password; `None` is nobody's, and takes as long to find out.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait already.
    pub(super) async fn verify(
        &self,
        password: &Secret,
        stored: Option<&Secret>,
    ) -> Result<bool, Error> {
        let _place = self.places.clone().try_acquire_owned().map_err(|_| Error::Busy)?;
        let turn = self.turn().await?;
        let password = password.clone();
        let exists = stored.is_some();
        let stored = stored.map_or_else(|| NOBODY.to_owned(), |hash| hash.0.clone());
        let fits = work(turn, move || fits(&password, &stored)).await?;
        Ok(fits && exists)
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Error> {
        self.turn.clone().acquire_owned().await.map_err(|_| Error::Unhashable)
    }
}

/// Runs `job` apart. Its turn is over only when it is done and rested, whether or not somebody still
/// wants the answer.
async fn work<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    job: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (answer, answered) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let start = Instant::now();
        // Whoever asked may have gone.
        let _ = answer.send(job());
        thread::sleep(start.elapsed());
        drop(turn);
    });
    answered.await.map_err(|_| Error::Unhashable)?
}

fn fits(password: &Secret, stored: &str) -> Result<bool, Error> {
    let corrupt = Error::Corrupt { column: "password_hash" };
    let Ok(hash) = PasswordHash::new(stored) else { return Err(corrupt) };
    match Argon2::default().verify_password(password.0.as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(HashError::PasswordInvalid) => Ok(false),
        Err(_) => Err(corrupt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_alone() {
        let hasher = Hasher::default();
        let hash = hasher.hash(&secret("sesame")).await.unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_ne!(hasher.hash(&secret("sesame")).await.unwrap(), hash);
        for (password, is_right) in [("sesame", true), ("Sesame", false), ("", false)] {
            let found = hasher.verify(&secret(password), Some(&hash)).await.unwrap();
            assert_eq!(found, is_right, "{password}");
        }
        let corrupt = hasher.verify(&secret("sesame"), Some(&secret("$argon2id$"))).await;
        assert!(matches!(corrupt, Err(Error::Corrupt { .. })));
    }

    #[tokio::test]
    async fn nobody_is_as_much_work_as_somebody_and_never_right() {
        let hasher = Hasher::default();
        assert!(!hasher.verify(&secret("sesame"), None).await.unwrap());
        let somebody = hasher.hash(&secret("sesame")).await.unwrap();
        let parameters = |hash: &str| {
            let parsed = PasswordHash::new(hash).unwrap();
            let lengths = (parsed.salt.map(|s| s.len()), parsed.hash.map(|h| h.len()));
            (parsed.algorithm, parsed.version, parsed.params.to_string(), lengths)
        };
        assert_eq!(parameters(NOBODY), parameters(&somebody.0));
    }

    #[tokio::test]
    async fn those_who_would_wait_too_long_are_turned_away() {
        let hasher = Hasher::default();
        let held = hasher.turn().await.unwrap();
        let password = secret("sesame");
        let mut waiting = Vec::new();
        for _ in 0..MAX_WAITING {
            let mut one = Box::pin(hasher.verify(&password, None));
            assert!(futures_util::poll!(&mut one).is_pending());
            waiting.push(one);
        }
        assert!(matches!(hasher.verify(&password, None).await, Err(Error::Busy)));
        // Those who give up make room.
        drop(waiting);
        drop(held);
        assert!(!hasher.verify(&password, None).await.unwrap());
    }
}
