//! Holds every connection to the [`AddressPolicy`]: names are resolved here, and the addresses that
//! were checked are the ones that get connected, so a name cannot change its meaning in between.
//!
//! The same is asked when a URL is saved, so that who writes it learns at once. Used by `http` and `ws_connect`.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::{Host, Url};

use crate::model::AddressPolicy;
use crate::model::address_policy::Forbidden;

/// Finds the addresses of a name; the ports mean nothing.
pub(super) type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Decides which addresses may be connected. Clones share the bound on lookups.
#[derive(Clone)]
pub(super) struct Guard {
    policy: Arc<AddressPolicy>,
    lookup: Lookup,
    at_save: Arc<Semaphore>,
}

/// A name has no address.
#[derive(Debug, thiserror::Error)]
#[error("name not found")]
pub(super) struct NotFound(#[source] io::Error);

/// Why there is no address to connect.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreachable {
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    #[error(transparent)]
    NotFound(#[from] NotFound),
}

impl Guard {
    pub(super) fn new(policy: AddressPolicy, lookup: Lookup) -> Self {
        let at_save = Arc::new(Semaphore::new(MAX_LOOKUPS_AT_SAVE));
        Self { policy: Arc::new(policy), lookup, at_save }
    }

    /// Checks a URL that is about to be connected; what its name resolves to is checked then.
    ///
    /// # Errors
    /// [`Forbidden`] with the address.
    pub(super) fn check(&self, url: &Url) -> Result<(), Forbidden> {
        self.policy.check(url).inspect_err(|forbidden| log(url, *forbidden))
    }

    /// Checks a URL that is about to be saved, its name as it resolves now. One that does not resolve
    /// in time passes: it is checked again whenever it is connected.
    ///
    /// # Errors
    /// [`Forbidden`] with the address.
    pub(super) async fn check_now(&self, url: &Url) -> Result<(), Forbidden> {
        self.check(url)?;
        let Some(name) = url.domain().filter(|_| !self.policy.is_open()) else { return Ok(()) };
        let Some(addresses) = self.resolve_soon(name).await else { return Ok(()) };
        let ips = addresses.iter().map(SocketAddr::ip);
        self.policy.admit_all(ips).inspect_err(|forbidden| log(url, *forbidden))
    }

    /// Where to connect for a URL: every address was checked.
    ///
    /// # Errors
    /// [`Unreachable`].
    pub(super) async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, Unreachable> {
        self.check(url)?;
        let port = url.port_or_known_default().unwrap_or_default();
        let name = match url.host() {
            Some(Host::Ipv4(ip)) => return Ok(vec![(ip, port).into()]),
            Some(Host::Ipv6(ip)) => return Ok(vec![(ip, port).into()]),
            Some(Host::Domain(name)) => name,
            None => return Ok(Vec::new()),
        };
        let found = (self.lookup)(name.to_owned()).await.map_err(NotFound)?;
        self.policy
            .admit_all(found.iter().map(SocketAddr::ip))
            .inspect_err(|forbidden| log(url, *forbidden))?;
        Ok(found.into_iter().map(|address| (address.ip(), port).into()).collect())
    }

    async fn resolve_soon(&self, name: &str) -> Option<Vec<SocketAddr>> {
        let resolved = async {
            let permit = self.at_save.clone().acquire_owned().await.ok()?;
            let found = (self.lookup)(name.to_owned());
            // On its own, since a lookup that was begun cannot be stopped: it counts until it ends.
            let task = tokio::spawn(async move {
                let _permit = permit;
                found.await.ok()
            });
            task.await.ok()?
        };
        timeout(RESOLVE_AT_SAVE, resolved).await.ok()?
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, found) = (self.policy.clone(), (self.lookup)(name.as_str().to_owned()));
        Box::pin(async move {
            let addresses = found.await.map_err(NotFound)?;
            policy.admit_all(addresses.iter().map(SocketAddr::ip)).inspect_err(|forbidden| {
                tracing::warn!(host = name.as_str(), "a URL was not connected: {forbidden}");
            })?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.policy.fmt(f)
    }
}

/// Asks the system's resolver, hosts file included. The port is the caller's business; 0 stands for
/// the one of the URL.
pub(super) fn system_lookup() -> Lookup {
    Arc::new(|name| {
        async move { Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.collect()) }.boxed()
    })
}

/// The operator reads which address it was; the tenant does not.
fn log(url: &Url, forbidden: Forbidden) {
    tracing::warn!(host = url.host_str().unwrap_or_default(), "a URL was refused: {forbidden}");
}

/// How long a save waits for a name.
const RESOLVE_AT_SAVE: Duration = Duration::from_secs(1);

/// The system's resolver keeps a thread of the runtime busy for as long as it takes.
const MAX_LOOKUPS_AT_SAVE: usize = 16;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A resolver that gives one list after the other, and the last one from then on.
    fn answering(answers: &[&[&str]]) -> (Lookup, Arc<AtomicUsize>) {
        let answers: Vec<Vec<SocketAddr>> = answers
            .iter()
            .map(|ips| ips.iter().map(|ip| (ip.parse::<IpAddr>().unwrap(), 0).into()).collect())
            .collect();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let lookup: Lookup = Arc::new(move |_| {
            let at = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
            let found = match answers[at].as_slice() {
                [] => Err(io::ErrorKind::NotFound.into()),
                some => Ok(some.to_vec()),
            };
            async move { found }.boxed()
        });
        (lookup, asked)
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_name_is_refused_for_what_it_is_now_and_later_for_what_it_is_then() {
        let (lookup, asked) =
            answering(&[&["93.184.215.14"], &["93.184.215.14", "10.0.0.1"], &[], &["fd00::1"]]);
        let guard = Guard::new(AddressPolicy::default(), lookup);
        let app = url("wss://app.example/x");
        assert_eq!(guard.check_now(&app).await, Ok(()));
        let mixed = guard.check_now(&app).await;
        assert_eq!(mixed, Err(Forbidden("10.0.0.1".parse().unwrap())));
        assert_eq!(guard.check_now(&app).await, Ok(()), "a name nobody knows yet");
        let error = guard.resolve("app.example".parse().unwrap()).await.err().unwrap();
        assert!(error.is::<Forbidden>(), "{error}");
        assert_eq!(asked.load(Ordering::SeqCst), 4);
        // What a URL says by itself needs no resolver.
        assert!(guard.check_now(&url("ws://0x7f.1/")).await.is_err());
        assert!(guard.check_now(&url("http://a.localhost/")).await.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn what_is_connected_was_checked() {
        let (lookup, _) = answering(&[&["93.184.215.14"], &["93.184.215.14", "10.0.0.1"], &[]]);
        let guard = Guard::new(AddressPolicy::default(), lookup);
        let app = url("wss://app.example/x");
        let found = guard.addresses(&app).await.unwrap();
        assert_eq!(found, ["93.184.215.14:443".parse().unwrap()]);
        let mixed = guard.addresses(&app).await.unwrap_err();
        assert!(matches!(mixed, Unreachable::Forbidden(_)), "{mixed}");
        let unknown = guard.addresses(&app).await.unwrap_err();
        assert!(matches!(unknown, Unreachable::NotFound(_)), "{unknown}");
        let local = guard.addresses(&url("ws://[::1]:9/")).await.unwrap_err();
        assert!(matches!(local, Unreachable::Forbidden(_)), "{local}");
        let public = guard.addresses(&url("ws://93.184.215.14:81/")).await.unwrap();
        assert_eq!(public, ["93.184.215.14:81".parse().unwrap()]);
    }

    #[tokio::test]
    async fn a_save_does_not_wait_for_a_resolver_that_does_not_answer() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let lookup: Lookup = Arc::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::pending().boxed()
        });
        let guard = Guard::new(AddressPolicy::default(), lookup);
        // More than may be asked at once: the others wait no longer either.
        let app = url("http://app.example/");
        let checks = (0..2 * MAX_LOOKUPS_AT_SAVE).map(|_| guard.check_now(&app));
        let checked = futures_util::future::join_all(checks).await;
        assert!(checked.iter().all(Result::is_ok));
        assert_eq!(asked.load(Ordering::SeqCst), MAX_LOOKUPS_AT_SAVE);
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_refused_when_it_is_resolved() {
        let name = || "localhost".parse::<Name>().unwrap();
        let strict = Guard::new(AddressPolicy::default(), system_lookup());
        let error = strict.resolve(name()).await.err().unwrap();
        assert!(error.is::<Forbidden>(), "{error}");
        let loopback = Guard::new(AddressPolicy::loopback(), system_lookup());
        let mut found = loopback.resolve(name()).await.ok().unwrap();
        assert!(found.all(|address| address.ip().is_loopback()));
    }
}
