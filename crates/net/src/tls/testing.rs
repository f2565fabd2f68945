//! A certificate authority in a temporary directory.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ClientConfig;
use tempfile::TempDir;

use super::{Alpn, CertificateFiles, ClientTls, Roots, client_config};

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self {
            issuer,
            directory: tempfile::tempdir().unwrap(),
        };
        std::fs::write(authority.ca_file(), authority.issuer.pem()).unwrap();
        authority
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Issues a new certificate of these DNS names in the files of `file_name`.
    pub(crate) fn issue(&self, file_name: &str, names: &[&str]) -> CertificateFiles {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = self.files(file_name);
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    pub(crate) fn files(&self, file_name: &str) -> CertificateFiles {
        let path = |suffix| self.directory.path().join(format!("{file_name}.{suffix}"));
        CertificateFiles {
            certificate: path("crt"),
            key: path("key"),
        }
    }

    /// A client that trusts this authority.
    pub(crate) fn client(
        &self,
        alpn: Alpn,
        identity: Option<CertificateFiles>,
    ) -> Arc<ClientConfig> {
        client_config(&ClientTls {
            roots: Roots::File(self.ca_file()),
            identity,
            alpn,
        })
        .unwrap()
    }
}
