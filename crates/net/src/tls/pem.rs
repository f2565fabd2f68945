//! Reading PEM files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{CertificateFiles, TlsError};

/// Larger than any sane bundle of CA certificates (the whole public web's is 220 KB).
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// The bytes of a certificate's two files.
pub(super) struct PairBytes {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
}

impl PairBytes {
    pub(super) fn read(files: &CertificateFiles) -> Result<Self, TlsError> {
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
        })
    }
}

pub(super) fn certified_key(
    files: &CertificateFiles,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    parse_pair(files, &PairBytes::read(files)?, provider)
}

pub(super) fn parse_pair(
    files: &CertificateFiles,
    bytes: &PairBytes,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(&files.certificate, &bytes.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes.key).map_err(|error| TlsError::Pem {
        path: files.key.clone(),
        error,
    })?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => TlsError::KeyMismatch {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
        },
        other => TlsError::Unusable {
            path: files.key.clone(),
            reason: other.to_string(),
        },
    })
}

pub(super) fn add_roots(store: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    for certificate in certificates(path, &read(path)?)? {
        store.add(certificate).map_err(|error| TlsError::Unusable {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
    }
    Ok(())
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Pem {
            path: path.to_owned(),
            error,
        })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(chain)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes))
        .map_err(|error| TlsError::Read {
            path: path.to_owned(),
            error,
        })?;
    Ok(bytes)
}
