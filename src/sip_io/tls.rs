//! TLS 1.2 and 1.3 for SIP, as server and as client: certificates from files that may change.
//!
//! New files take effect for the connections made after; those that are open go on. Files that cannot
//! be used are told in the log, and what was in use stays. As client the peer's certificate is checked
//! against the host the URI named (RFC 5922 §7.1; of the subject alternative names those of type DNS
//! and IP count).

mod verify;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use verify::Anyone;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Which files, and what is asked of peers.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// Our chain and key, in PEM; needed as server, shown as client to those who ask.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// Who may sign servers; `None`: whom the system trusts.
    pub ca: Option<PathBuf>,
    /// Whether servers must prove who they are.
    pub verify_peer: bool,
    /// Who may sign clients; `None`: no client is asked.
    pub client_ca: Option<PathBuf>,
    pub require_client_cert: bool,
}

/// Why files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: String },
    #[error("certificate and key cannot be used: {0}")]
    Pair(rustls::Error),
    #[error("certificate authorities cannot be used: {0}")]
    Authorities(String),
}

/// Clones are the same.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    files: TlsFiles,
    server: RwLock<Option<Arc<ServerConfig>>>,
    /// Made when first needed: the system's list of authorities is long.
    client: RwLock<Option<Arc<ClientConfig>>>,
    seen: Mutex<Vec<Stamp>>,
}

/// When a file was written, and its length; `None` while it is not there.
type Stamp = Option<(SystemTime, u64)>;

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// They cannot be used.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let seen = Mutex::new(files.stamps());
        let server = RwLock::new(files.server()?);
        if files.ca.is_some() {
            files.client()?;
        }
        Ok(Self(Arc::new(Inner { files, server, client: RwLock::default(), seen })))
    }

    /// Reads the files again; what cannot be used is logged and changes nothing.
    pub fn reload(&self) {
        let inner = &*self.0;
        if inner.files.stamps().is_empty() {
            return;
        }
        let read = inner.files.server().and_then(|server| {
            let is_used = inner.client.read().is_ok_and(|client| client.is_some());
            let client = if is_used { Some(inner.files.client()?) } else { None };
            Ok((server, client))
        });
        match read {
            Ok((server, client)) => {
                *inner.server.write().unwrap_or_else(PoisonError::into_inner) = server;
                *inner.client.write().unwrap_or_else(PoisonError::into_inner) = client;
                tracing::info!("TLS certificates were read again");
            }
            Err(error) => {
                metrics::counter!("sip_tls_reload_failures_total").increment(1);
                tracing::error!(%error, "new TLS files are not used, the old ones stay");
            }
        }
    }

    /// Reads the files again when one of them has changed.
    fn look(&self) {
        let now = self.0.files.stamps();
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen != now {
            *seen = now;
            drop(seen);
            self.reload();
        }
    }

    /// Follows the files until its task is dropped.
    pub async fn watch(self) {
        if self.0.files.stamps().is_empty() {
            return;
        }
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let this = self.clone();
            // Fails only while the server stops.
            let _ = spawn_blocking(move || this.look()).await;
        }
    }

    /// The handshake as server.
    ///
    /// # Errors
    /// The peer's fault, or there is no certificate.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<server::TlsStream<TcpStream>> {
        let config = self.0.server.read().unwrap_or_else(PoisonError::into_inner).clone();
        let config = config.ok_or_else(|| io::Error::other("no certificate"))?;
        TlsAcceptor::from(config).accept(stream).await
    }

    /// The handshake as client; the peer must prove that it is `host`, a name or an IP address.
    ///
    /// # Errors
    /// The peer did not, or no authorities can be read.
    pub async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(self.client().await?).connect(name, stream).await
    }

    async fn client(&self) -> io::Result<Arc<ClientConfig>> {
        if let Some(made) = &*self.0.client.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(made.clone());
        }
        let this = self.clone();
        let made = spawn_blocking(move || this.0.files.client()).await?;
        let made = made.map_err(io::Error::other)?;
        *self.0.client.write().unwrap_or_else(PoisonError::into_inner) = Some(made.clone());
        Ok(made)
    }
}

/// A client's certificate, which one of our authorities signed.
pub struct Proof(CertificateDer<'static>);

impl Proof {
    /// `None` if the client showed none.
    pub fn of(stream: &server::TlsStream<TcpStream>) -> Option<Self> {
        let (_, session) = stream.get_ref();
        Some(Self(session.peer_certificates()?.first()?.clone().into_owned()))
    }

    /// Whether it is made out to that host, a name or an IP address.
    pub fn is_of(&self, host: &str) -> bool {
        let (Ok(name), Ok(certificate)) =
            (ServerName::try_from(host), ParsedCertificate::try_from(&self.0))
        else {
            return false;
        };
        verify_server_name(&certificate, &name).is_ok()
    }
}

impl TlsFiles {
    fn stamps(&self) -> Vec<Stamp> {
        let files = [&self.cert, &self.key, &self.ca, &self.client_ca];
        files.into_iter().flatten().map(|path| stamp(path)).collect()
    }

    /// Our chain and key, if there are any.
    fn pair(&self) -> Result<Option<Pair>, TlsError> {
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else { return Ok(None) };
        let key = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| unreadable(key, &format!("no private key: {error}")))?;
        Ok(Some((certificates(cert)?, key)))
    }

    fn server(&self) -> Result<Option<Arc<ServerConfig>>, TlsError> {
        let Some((chain, key)) = self.pair()? else { return Ok(None) };
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Pair)?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(roots(certificates(path)?)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
                let verifier = if self.require_client_cert {
                    verifier.build()
                } else {
                    verifier.allow_unauthenticated().build()
                };
                let bad = |error| TlsError::Authorities(format!("{error}"));
                builder.with_client_cert_verifier(verifier.map_err(bad)?)
            }
        };
        let config = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
        Ok(Some(Arc::new(config)))
    }

    fn client(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Pair)?;
        let builder = if self.verify_peer {
            let signers = match &self.ca {
                Some(path) => certificates(path)?,
                None => rustls_native_certs::load_native_certs().certs,
            };
            let roots = Arc::new(roots(signers)?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
            let bad = |error| TlsError::Authorities(format!("{error}"));
            builder.with_webpki_verifier(verifier.map_err(bad)?)
        } else {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider())))
        };
        let config = match self.pair()? {
            Some((chain, key)) => {
                builder.with_client_auth_cert(chain, key).map_err(TlsError::Pair)?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn stamp(path: &Path) -> Stamp {
    let about = fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

fn unreadable(path: &Path, reason: &str) -> TlsError {
    TlsError::File { path: path.to_owned(), reason: reason.to_owned() }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bad = |error| unreadable(path, &format!("no certificate: {error}"));
    let read = CertificateDer::pem_file_iter(path).map_err(bad)?;
    let read = read.collect::<Result<Vec<_>, _>>().map_err(bad)?;
    if read.is_empty() { Err(unreadable(path, "holds no certificate")) } else { Ok(read) }
}

fn roots(signers: Vec<CertificateDer<'static>>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(signers);
    if added == 0 {
        return Err(TlsError::Authorities("none can be read".to_owned()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests;
