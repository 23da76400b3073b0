//! TLS on a listener of its own: certificate and key from PEM files, read anew at each reload.
//!
//! rustls with its safe defaults: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN. A connection
//! keeps the certificate that it began with.

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Where certificate and key are, and where TLS is spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// PEM file with the certificate and those between it and the authority, in this order.
    pub cert: Option<PathBuf>,
    /// PEM file with the private key.
    pub key: Option<PathBuf>,
    /// Where TLS is spoken once both are given.
    pub listen: SocketAddr,
    /// Whether visitors who come without TLS are sent to it.
    pub redirect: bool,
}

impl Default for Config {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 443));
        Config { cert: None, key: None, listen, redirect: true }
    }
}

impl Config {
    /// Reads both files, none while TLS is off.
    pub fn read(&self) -> Result<Option<Credentials>, TlsError> {
        let files = self.cert.as_deref().zip(self.key.as_deref());
        files.map(|(cert, key)| Credentials::read(cert, key)).transpose()
    }
}

/// Why TLS cannot be spoken with these files; each text ends in what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate is not there or not readable.
    #[error(
        "`tls.cert` {path}: {reason}; it is a PEM file with the certificate chain, as certbot's fullchain.pem"
    )]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key is not there or not readable.
    #[error(
        "`tls.key` {path}: {reason}; it is a PEM file with the private key, as certbot's privkey.pem, readable by the user that runs vitrine"
    )]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The two do not belong together.
    #[error("`tls.key` {key} is not the key of the certificate in `tls.cert` {cert}: {reason}")]
    Mismatch {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What rustls says.
        reason: String,
    },
}

/// A certificate with its key, proved to belong together.
#[derive(Clone)]
pub struct Credentials(Arc<CertifiedKey>);

impl Credentials {
    fn read(cert: &Path, key: &Path) -> Result<Credentials, TlsError> {
        let bad_cert = |reason: String| TlsError::Certificate { path: cert.to_path_buf(), reason };
        let bad_key = |reason: String| TlsError::Key { path: key.to_path_buf(), reason };
        let chain = fs::read(cert).map_err(|fault| bad_cert(fault.to_string()))?;
        let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|fault| bad_cert(in_words(&fault)))?;
        if chain.is_empty() {
            return Err(bad_cert("it has no certificate".into()));
        }
        let secret = fs::read(key).map_err(|fault| bad_key(fault.to_string()))?;
        let secret = PrivateKeyDer::from_pem_slice(&secret).map_err(|fault| bad_key(in_words(&fault)))?;
        let provider = ring::default_provider();
        let certified = CertifiedKey::from_der(chain, secret, &provider);
        certified.map(|certified| Credentials(Arc::new(certified))).map_err(|fault| TlsError::Mismatch {
            cert: cert.to_path_buf(),
            key: key.to_path_buf(),
            reason: fault.to_string(),
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

fn in_words(fault: &pem::Error) -> String {
    match fault {
        pem::Error::NoItemsFound => "nothing of the kind is in it".into(),
        fault => fault.to_string(),
    }
}

/// What new connections are shown; clones share one.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Shown>);

#[derive(Debug)]
struct Shown(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Begins with credentials.
    pub fn new(credentials: Credentials) -> Tls {
        Tls(Arc::new(Shown(ArcSwap::new(credentials.0))))
    }

    /// Shows other credentials to connections from now on.
    pub fn show(&self, credentials: Credentials) {
        self.0.0.store(credentials.0);
    }

    /// Returns what the listener needs.
    pub(super) fn server_config(&self) -> ServerConfig {
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has what the versions need")
            .with_no_client_auth()
            .with_cert_resolver(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cert: &str, key: &str, expect: &str) {
        let dir = tempfile::tempdir().unwrap();
        let (cert_path, key_path) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        fs::write(&cert_path, cert).unwrap();
        fs::write(&key_path, key).unwrap();
        let err = Credentials::read(&cert_path, &key_path).unwrap_err().to_string();
        assert!(err.contains(expect), "{err}");
        assert!(!key.contains("PRIVATE") || !err.contains("MI"), "the key is not shown: {err}");
    }

    #[test]
    fn files_that_do_not_do_are_named_with_what_is_wanted() {
        let made = rcgen::generate_simple_self_signed(["cv.example.com".to_string()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["cv.example.com".to_string()]).unwrap();
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        check("", &key, "`tls.cert`");
        check("rubbish", &key, "has no certificate");
        check(&key, &key, "has no certificate");
        check(&cert, "", "`tls.key`");
        check(&cert, &cert, "readable by the user that runs vitrine");
        check(&cert, &other.signing_key.serialize_pem(), "is not the key of the certificate");
        let err = Credentials::read(Path::new("/nowhere.pem"), Path::new("/nowhere.key")).unwrap_err();
        assert!(err.to_string().starts_with("`tls.cert` /nowhere.pem: No such file"), "{err}");
    }
}
