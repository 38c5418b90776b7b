//! A certificate authority of a test's own, with the files it gave out.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::temp_dir::TempDir;

/// An authority; its files go away with it.
pub struct Authority {
    dir: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// # Panics
    /// When no file can be written.
    #[must_use]
    pub fn new() -> Self {
        let dir = TempDir::new("authority").expect("a directory");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate whose issuer has its own name for a self-signed one.
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let pem = AsRef::<Certificate>::as_ref(&issuer).pem();
        fs::write(dir.path().join("ca.pem"), pem).expect("a file");
        Self { dir, issuer }
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Writes `file.pem` and `file.key` for these names, for servers and clients alike.
    ///
    /// # Panics
    /// When a name is none, or no file can be written.
    pub fn pair(&self, file: &str, names: &[&str]) -> (PathBuf, PathBuf) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, file);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let [cert, private] =
            ["pem", "key"].map(|end| self.dir.path().join(format!("{file}.{end}")));
        fs::write(&cert, certificate.pem()).expect("a file");
        fs::write(&private, key.serialize_pem()).expect("a file");
        (cert, private)
    }

    /// A client that trusts this authority and nobody else.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        let own = CertificateDer::from_pem_file(self.ca()).expect("our own file");
        let mut roots = RootCertStore::empty();
        roots.add(own).expect("our own certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of the provider");
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
