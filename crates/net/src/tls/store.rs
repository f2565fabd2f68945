//! Server certificates that follow their files.
//!
//! The files are read again at an interval and compared by content, rather than watched: the ways
//! in which certificates are replaced (a rename, a Kubernetes symlink swap, an overlay or network
//! file system) defeat file notifications one by one, and reading a few kilobytes a second costs
//! nothing. A pair that cannot be used (half-written, or one file of two replaced so far) keeps
//! its predecessor. Handshakes take the certificates of the moment; open connections keep theirs.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use foldhash::fast::FixedState;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use smallvec::SmallVec;
use tokio::time::sleep;

use super::pem::{PairBytes, parse_pair};
use super::{CertificateFiles, TlsError, provider};

/// The certificates of a server, the first one being for clients that name no known server.
pub struct CertStore {
    provider: Arc<CryptoProvider>,
    pairs: Mutex<Vec<Pair>>,
    table: ArcSwap<Table>,
}

/// A certificate and the state of its files.
struct Pair {
    files: CertificateFiles,
    /// Hash of the content seen last, usable or not.
    seen: u64,
    key: Arc<CertifiedKey>,
}

impl CertStore {
    /// Reads the certificates. Blocks on files: for start-up, or inside `spawn_blocking`.
    ///
    /// # Errors
    /// The first pair that cannot be used.
    pub fn load(files: Vec<CertificateFiles>) -> Result<Arc<Self>, TlsError> {
        let provider = provider();
        let pairs = files
            .into_iter()
            .map(|files| {
                let bytes = PairBytes::read(&files)?;
                let key = Arc::new(usable(&files, &bytes, &provider)?);
                Ok(Pair {
                    files,
                    seen: fingerprint(&bytes),
                    key,
                })
            })
            .collect::<Result<Vec<_>, TlsError>>()?;
        let table = Table::new(&pairs).ok_or(TlsError::NoCertificates)?;
        Ok(Arc::new(Self {
            provider,
            pairs: Mutex::new(pairs),
            table: ArcSwap::from_pointee(table),
        }))
    }

    /// Reads the files again and takes the pairs whose content has changed and can be used. Blocks
    /// on files. Returns how many were taken and why others were not, each once per content.
    pub fn reload(&self) -> (usize, Vec<TlsError>) {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = 0;
        let mut refused = Vec::new();
        for pair in pairs.iter_mut() {
            match pair.reload(&self.provider) {
                Ok(changed) => taken += usize::from(changed),
                Err(error) => refused.push(error),
            }
        }
        if taken > 0
            && let Some(table) = Table::new(&pairs)
        {
            self.table.store(Arc::new(table));
        }
        (taken, refused)
    }

    /// Reloads for ever, every `interval` (1 s is a good one); what changes or cannot be used is
    /// logged.
    pub async fn follow(self: Arc<Self>, interval: Duration) {
        loop {
            sleep(interval).await;
            let store = self.clone();
            let Ok((taken, refused)) = tokio::task::spawn_blocking(move || store.reload()).await
            else {
                continue;
            };
            if taken > 0 {
                tracing::info!(certificates = taken, "certificates reloaded");
            }
            for error in refused {
                tracing::error!(%error, "a certificate was not reloaded; the old one stays");
            }
        }
    }
}

impl fmt::Debug for CertStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertStore")
            .field("names", &self.table.load().names.len())
            .finish()
    }
}

impl Pair {
    fn reload(&mut self, provider: &CryptoProvider) -> Result<bool, TlsError> {
        let read = PairBytes::read(&self.files);
        let seen = read.as_ref().map_or(0, fingerprint);
        if seen == self.seen {
            return Ok(false);
        }
        self.seen = seen;
        self.key = Arc::new(usable(&self.files, &read?, provider)?);
        Ok(true)
    }
}

fn usable(
    files: &CertificateFiles,
    bytes: &PairBytes,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let key = parse_pair(files, bytes, provider)?;
    dns_names(&key).map_err(|error| TlsError::Unusable {
        path: files.certificate.clone(),
        reason: error.to_string(),
    })?;
    Ok(key)
}

/// Only tells whether the content has changed, so it need not resist an attacker; zero stands
/// for files that cannot be read.
fn fingerprint(bytes: &PairBytes) -> u64 {
    FixedState::default()
        .hash_one((&bytes.certificate, &bytes.key))
        .max(1)
}

fn dns_names(key: &CertifiedKey) -> Result<Vec<String>, webpki::Error> {
    let Some(end_entity) = key.cert.first() else {
        return Ok(Vec::new());
    };
    let parsed = webpki::EndEntityCert::try_from(end_entity)?;
    Ok(parsed
        .valid_dns_names()
        .map(str::to_ascii_lowercase)
        .collect())
}

/// Certificates of one name: usually one, two where RSA is kept beside ECDSA.
type Candidates = SmallVec<[Arc<CertifiedKey>; 1]>;

/// The certificates by name, wildcards under their whole name (`*.example.com`).
struct Table {
    names: std::collections::HashMap<String, Candidates, FixedState>,
    default: Arc<CertifiedKey>,
}

impl Table {
    fn new(pairs: &[Pair]) -> Option<Self> {
        let default = pairs.first()?.key.clone();
        let mut table = Self {
            names: Default::default(),
            default,
        };
        for pair in pairs {
            for name in dns_names(&pair.key).unwrap_or_default() {
                table.names.entry(name).or_default().push(pair.key.clone());
            }
        }
        Some(table)
    }

    /// RFC 9525, section 6.3: a wildcard stands for exactly one label, the first.
    fn candidates(&self, server_name: &str) -> Option<&Candidates> {
        let name = server_name.to_ascii_lowercase();
        self.names.get(&name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.names.get(&format!("*.{parent}"))
        })
    }
}

impl ResolvesServerCert for CertStore {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.table.load();
        let named = hello.server_name().and_then(|name| table.candidates(name));
        let suits =
            |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let found = named.and_then(|keys| keys.iter().find(suits));
        Some(found.unwrap_or(&table.default).clone())
    }
}
