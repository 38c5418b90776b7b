//! Digest (RFC 3261 §22, RFC 8760): what a sender is asked, and whether its answer proves who it is.
//!
//! The same is computed for a client, for a carrier and for nobody, so that neither the answer nor its
//! time tells which of them a name is.

use std::net::IpAddr;
use std::time::Instant;

use sip::auth::{Algorithm, DigestCredentials, NonceVerdict, Nonces, challenge, ha1, verify};
use sip::{Reply, Request};

use super::Caller;
use crate::model::{ClientAuth, DigestAlgorithm, Trunk};
use crate::routing::network::CarriedBy;

/// One question: who is asked for what realm by which algorithm.
#[derive(Debug)]
pub(super) struct Proof {
    realm: String,
    algorithm: DigestAlgorithm,
    /// `None`: no answer is right.
    holder: Option<Holder>,
}

/// Who passes with the right answer.
#[derive(Debug)]
enum Holder {
    Client(Box<ClientAuth>),
    Carrier(Box<Trunk>, Option<CarriedBy>),
}

impl Proof {
    pub(super) fn of_client(
        realm: String,
        algorithm: Option<DigestAlgorithm>,
        client: ClientAuth,
    ) -> Self {
        let is_on = client.client.is_active && client.account.is_active;
        let holder = is_on.then(|| Holder::Client(Box::new(client)));
        Self { realm, algorithm: algorithm.unwrap_or(DEFAULT), holder }
    }

    pub(super) fn of_carrier(realm: String, trunk: Trunk, by: Option<CarriedBy>) -> Self {
        let algorithm = trunk.carrier.digest_algorithm.unwrap_or(DEFAULT);
        Self { realm, algorithm, holder: Some(Holder::Carrier(Box::new(trunk), by)) }
    }

    pub(super) fn of_nobody(realm: String, algorithm: Option<DigestAlgorithm>) -> Self {
        Self { realm, algorithm: algorithm.unwrap_or(DEFAULT), holder: None }
    }

    /// Who it is, or the reply to send when the proof is missing or wrong.
    pub(super) fn judge(
        self,
        request: &Request,
        source: IpAddr,
        nonces: &mut Nonces,
        now: Instant,
    ) -> Result<Caller, Reply> {
        let algorithm = named(self.algorithm);
        let ask = |nonces: &mut Nonces, stale| {
            let nonce = nonces.issue(now, source);
            let value = challenge(algorithm, &self.realm, &nonce, stale);
            Reply::new(401).with_header("WWW-Authenticate", value)
        };
        let Some(given) = credentials(request, &self.realm) else {
            return Err(ask(nonces, false));
        };
        let right = self.right_ha1(given.username());
        let is_right =
            verify(&given, request.method(), algorithm, right.as_deref().unwrap_or(NOBODY));
        // A nonce that was not made for this source comes first: a guess may count against the source
        // only if it is one that hears us (RFC 7616 §5.4).
        match nonces.peek(now, source, &given) {
            NonceVerdict::Fresh => {}
            NonceVerdict::Stale => return Err(ask(nonces, true)),
            NonceVerdict::Bad => return Err(ask(nonces, false)),
        }
        // Anybody can answer for the hash nobody has; who has no password has no other.
        if !is_right || right.is_none() {
            return Err(Reply::new(403));
        }
        // Only a right digest may use up a count of its nonce.
        match nonces.check(now, source, &given) {
            NonceVerdict::Fresh => {}
            NonceVerdict::Stale => return Err(ask(nonces, true)),
            NonceVerdict::Bad => return Err(ask(nonces, false)),
        }
        match self.holder {
            Some(Holder::Client(client)) => Ok(Caller::Client(client)),
            Some(Holder::Carrier(trunk, by)) => Ok(Caller::Carrier { trunks: vec![*trunk], by }),
            None => Err(Reply::new(403)),
        }
    }

    /// HA1 of who is asked. A hash is computed in any case, as a carrier's is.
    fn right_ha1(&self, username: &str) -> Option<String> {
        let password = match &self.holder {
            Some(Holder::Carrier(trunk, _)) => trunk.carrier.inbound_auth.password.as_ref(),
            Some(Holder::Client(_)) | None => None,
        };
        let text = password.map_or("", |secret| secret.0.as_str());
        let computed = ha1(named(self.algorithm), username, &self.realm, text);
        match &self.holder {
            Some(Holder::Carrier(..)) => password.map(|_| computed),
            Some(Holder::Client(auth)) => auth.ha1(self.algorithm).map(|stored| stored.0.clone()),
            None => None,
        }
    }
}

/// HA1 of no user: it stands in for a missing one and proves nothing.
const NOBODY: &str = "00000000000000000000000000000000";

/// What every phone knows.
const DEFAULT: DigestAlgorithm = DigestAlgorithm::Md5;

fn named(algorithm: DigestAlgorithm) -> Algorithm {
    match algorithm {
        DigestAlgorithm::Sha256 => Algorithm::Sha256,
        DigestAlgorithm::Md5 => Algorithm::Md5,
    }
}

/// The user name in the credentials given for `realm`, if any are.
pub(super) fn username(request: &Request, realm: &str) -> Option<String> {
    credentials(request, realm).map(|given| given.username().to_owned())
}

fn credentials(request: &Request, realm: &str) -> Option<DigestCredentials> {
    request
        .headers("Authorization")
        .filter_map(DigestCredentials::parse)
        .find(|given| given.realm().eq_ignore_ascii_case(realm))
}
