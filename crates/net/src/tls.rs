//! TLS configurations from PEM files.
//!
//! [`CertStore`] holds the certificates of servers, picks one by the name the client asks for, and
//! follows its files. [`server_config`] and [`client_config`] make rustls configurations with one
//! set of choices: the aws-lc-rs provider, named explicitly so that no other crate's choice of a
//! process default can change it; TLS 1.2 and 1.3; no way to switch verification off (a private
//! CA is a file away, and an unverified upstream gets the credentials); no early data, which can
//! be replayed.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

mod pem;
mod store;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use store::CertStore;

static VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// A certificate chain and its private key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// The chain, the end entity's certificate first.
    pub certificate: PathBuf,
    /// The private key: PKCS#8, SEC 1 or PKCS#1.
    pub key: PathBuf,
}

/// Whether clients present certificates, and the file of CA certificates that issued them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked to.
    None,
    /// They may; one that is presented must be valid.
    Optional(PathBuf),
    /// They must.
    Required(PathBuf),
}

/// What a server's TLS is made of.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// Its certificates.
    pub certificates: Arc<CertStore>,
    /// Its clients' certificates.
    pub client_auth: ClientAuth,
}

/// Whose servers a client trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// The public web's (Mozilla's list, as of the build).
    Public,
    /// Those issued by the CA certificates of a PEM file.
    File(PathBuf),
    /// Both.
    PublicAndFile(PathBuf),
}

/// The protocols a client offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only.
    H2,
    /// HTTP/2, else HTTP/1.1.
    H2OrHttp1,
}

/// What a client's TLS is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    /// Whom it trusts.
    pub roots: Roots,
    /// The certificate it presents if asked.
    pub identity: Option<CertificateFiles>,
    /// What it offers to speak.
    pub alpn: Alpn,
}

/// Why a TLS configuration cannot be made. Never shows key material.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {error}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// A file is not PEM, or is cut off.
    #[error("{path} is not a whole PEM file: {error}", path = .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: rustls_pki_types::pem::Error,
    },
    /// A file holds no certificate.
    #[error(
        "{path} holds no certificate: it needs a -----BEGIN CERTIFICATE----- section",
        path = .path.display()
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key is not that of the certificate.
    #[error(
        "the key {key} does not belong to the certificate {certificate}: replace both",
        key = .key.display(),
        certificate = .certificate.display()
    )]
    KeyMismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A certificate or key that cannot be used.
    #[error("{path} cannot be used: {reason}", path = .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A store without certificates.
    #[error("no certificate is configured: a TLS server needs at least one")]
    NoCertificates,
    /// rustls refused a combination.
    #[error("TLS cannot be configured: {0}")]
    Config(#[from] rustls::Error),
}

/// The cryptography of all our TLS.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Makes a server's configuration: HTTP/2 and HTTP/1.1 by ALPN, sessions resumed by tickets.
///
/// With client certificates sessions are not resumed: a resumed session is not verified again, so
/// that a client could go on after its certificate has expired.
///
/// # Errors
/// A CA file that cannot be read or used.
pub fn server_config(tls: ServerTls) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = provider();
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(VERSIONS)?;
    let (ca, required) = match tls.client_auth {
        ClientAuth::None => {
            let mut config = builder
                .with_no_client_auth()
                .with_cert_resolver(tls.certificates);
            config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
            return Ok(with_alpn(config));
        }
        ClientAuth::Optional(ca) => (ca, false),
        ClientAuth::Required(ca) => (ca, true),
    };
    let mut roots = RootCertStore::empty();
    pem::add_roots(&mut roots, &ca)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = if required {
        verifier
    } else {
        verifier.allow_unauthenticated()
    };
    let verifier = verifier.build().map_err(|error| TlsError::Unusable {
        path: ca,
        reason: error.to_string(),
    })?;
    let mut config = builder
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(tls.certificates);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(with_alpn(config))
}

fn with_alpn(mut config: ServerConfig) -> Arc<ServerConfig> {
    config.alpn_protocols = Alpn::H2OrHttp1.names();
    Arc::new(config)
}

/// Makes a client's configuration; sessions are resumed.
///
/// # Errors
/// A file that cannot be read or used.
pub fn client_config(tls: &ClientTls) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(VERSIONS)?
        .with_root_certificates(roots(&tls.roots)?);
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let identity = pem::certified_key(files, &provider)?;
            builder
                .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(identity)))
        }
    };
    config.alpn_protocols = tls.alpn.names();
    Ok(Arc::new(config))
}

fn roots(roots: &Roots) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    if let Roots::Public | Roots::PublicAndFile(_) = roots {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Roots::File(path) | Roots::PublicAndFile(path) = roots {
        pem::add_roots(&mut store, path)?;
    }
    Ok(store)
}

impl Alpn {
    fn names(self) -> Vec<Vec<u8>> {
        let names: &[&[u8]] = match self {
            Self::Http1 => &[b"http/1.1"],
            Self::H2 => &[b"h2"],
            Self::H2OrHttp1 => &[b"h2", b"http/1.1"],
        };
        names.iter().map(|name| name.to_vec()).collect()
    }
}
