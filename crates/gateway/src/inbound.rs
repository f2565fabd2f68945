//! Listeners as `net` wants them: bounds converted, certificates loaded and followed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::fast::FixedState;
use mesh::resources::Certificate;
use mesh::snapshot::{Listener, Snapshot};
use net::limits::{H2Limits, Limits};
use net::listener::ListenerConfig;
use net::tasks::{Handle, Tasks};
use net::tls::{CertStore, CertificateFiles, ClientAuth, ServerTls, TlsError};
use rustls::ServerConfig;

use crate::server::StartError;

/// How often certificate files are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// The server certificates in use. Listeners with the same files share them, and a reload that
/// leaves the files' names alone keeps what is loaded.
pub(crate) struct Certificates {
    tasks: Tasks,
    loaded: Mutex<HashMap<Vec<Certificate>, Served, FixedState>>,
}

struct Served {
    config: Arc<ServerConfig>,
    follower: Handle<()>,
}

impl Certificates {
    /// None yet. `tasks` carries what follows the files.
    pub(crate) fn new(tasks: Tasks) -> Self {
        Self {
            tasks,
            loaded: Mutex::default(),
        }
    }

    /// The snapshot's listeners.
    pub(crate) fn listeners(&self, snapshot: &Snapshot) -> Result<Vec<ListenerConfig>, StartError> {
        snapshot
            .listeners()
            .iter()
            .map(|listener| {
                let tls =
                    self.of(&listener.certificates)
                        .map_err(|error| StartError::Certificates {
                            listener: Arc::clone(&listener.name),
                            error,
                        })?;
                Ok(ListenerConfig {
                    tls,
                    limits: limits(listener),
                    ..ListenerConfig::plain(Arc::clone(&listener.name), listener.address)
                })
            })
            .collect()
    }

    /// Forgets the certificates of listeners that are no more.
    pub(crate) fn retain(&self, snapshot: &Snapshot) {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|files, served| {
            let used = snapshot
                .listeners()
                .iter()
                .any(|one| one.certificates == *files);
            if !used {
                served.follower.abort();
            }
            used
        });
    }

    fn of(&self, files: &[Certificate]) -> Result<Option<Arc<ServerConfig>>, TlsError> {
        if files.is_empty() {
            return Ok(None);
        }
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(served) = loaded.get(files) {
            return Ok(Some(Arc::clone(&served.config)));
        }
        let store = CertStore::load(files.iter().map(certificate_files).collect())?;
        let tls = ServerTls {
            certificates: Arc::clone(&store),
            client_auth: ClientAuth::None,
        };
        let config = net::tls::server_config(tls)?;
        let follower = self.tasks.spawn("certificates", store.follow(INTERVAL));
        loaded.insert(
            files.to_vec(),
            Served {
                config: Arc::clone(&config),
                follower,
            },
        );
        Ok(Some(config))
    }
}

fn certificate_files(certificate: &Certificate) -> CertificateFiles {
    CertificateFiles {
        certificate: certificate.cert_file.clone().into(),
        key: certificate.key_file.clone().into(),
    }
}

fn limits(listener: &Listener) -> Limits {
    let of = &listener.limits;
    let header_bytes = of.max_header_bytes.get();
    let defaults = Limits::default();
    Limits {
        header_timeout: listener.timeouts.header.get(),
        idle_timeout: listener.timeouts.idle.get(),
        write_stall_timeout: listener.timeouts.write.get(),
        max_header_bytes: usize::try_from(header_bytes).unwrap_or(usize::MAX),
        max_connections: widened(of.max_connections),
        max_connections_per_source: of.max_connections_per_source.map(widened),
        h2: H2Limits {
            max_concurrent_streams: of.http2_max_concurrent_streams,
            max_header_list_bytes: u32::try_from(header_bytes).unwrap_or(u32::MAX),
            ..defaults.h2
        },
        ..defaults
    }
}

fn widened(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
