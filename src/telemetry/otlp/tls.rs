//! Certificates for a far end: whom to trust, and who we are.

use std::path::{Path, PathBuf};

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::telemetry::config::Certificates;

/// A certificate or key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It cannot be read.
    #[error("read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{path} has no {wanted} in PEM form")]
    Empty {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        wanted: &'static str,
    },
    /// They do not belong together.
    #[error("use {certificate} with {key}")]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What the library said.
        source: rustls::Error,
    },
    /// One of the two is missing.
    #[error("a client certificate needs its private key, and the key its certificate: set both or none")]
    Half,
}

/// Reads the files; without any, the roots that browsers trust are trusted, and nobody is shown.
pub(super) fn config(certificates: &Certificates) -> Result<TlsConfig, CertificateError> {
    let mut builder = TlsConfig::builder();
    if let Some(path) = &certificates.roots {
        builder = builder.root_certs(RootCerts::new_with_certs(&chain(path)?));
    }
    let client = match (&certificates.client, &certificates.client_key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            let (chain, secret) = (chain(certificate)?, private_key(key)?);
            check_pair(&chain, &secret).map_err(|source| CertificateError::Mismatch {
                certificate: certificate.clone(),
                key: key.clone(),
                source,
            })?;
            Some(ClientCert::new_with_certs(&chain, secret))
        }
        (Some(_), None) | (None, Some(_)) => return Err(CertificateError::Half),
    };
    Ok(builder.client_cert(client).build())
}

/// The client takes any two, and panics when it first shows them.
fn check_pair(chain: &[Certificate<'static>], secret: &PrivateKey<'static>) -> Result<(), rustls::Error> {
    let chain = chain.iter().map(|one| CertificateDer::from(one.der().to_vec())).collect();
    let secret = PrivateKeyDer::try_from(secret.der().to_vec())
        .map_err(|fault| rustls::Error::General(fault.to_string()))?;
    CertifiedKey::from_der(chain, secret, &ring::default_provider()).map(drop)
}

fn chain(path: &Path) -> Result<Vec<Certificate<'static>>, CertificateError> {
    let certificates: Vec<Certificate<'static>> = items(path)?
        .into_iter()
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(CertificateError::Empty { path: path.into(), wanted: "certificate" });
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKey<'static>, CertificateError> {
    let key = items(path)?.into_iter().find_map(|item| match item {
        PemItem::PrivateKey(key) => Some(key),
        _ => None,
    });
    key.ok_or_else(|| CertificateError::Empty { path: path.into(), wanted: "private key" })
}

/// What cannot be read in between is no item, as in other programs that read such files.
fn items(path: &Path) -> Result<Vec<PemItem<'static>>, CertificateError> {
    let pem = std::fs::read(path).map_err(|source| CertificateError::Read { path: path.into(), source })?;
    Ok(parse_pem(&pem).filter_map(Result::ok).collect())
}
