//! The credentials of upstreams that are renewed, each kept by a task of its own.
//!
//! One belongs to an upstream and an identity: to the host that it is meant for, since the address of
//! a provider is part of its upstream's key. It outlives a snapshot that changes neither.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use credentials::{Client, Credential, Error, Source, Variables};
use mesh::snapshot::{Auth, Backend, EndpointSource, Identity};
use net::tasks::{Handle, Tasks};
use net::tls::TlsError;
use telemetry::CredentialSample;

use crate::runtime::Runtime;

/// How long a start or a reload waits for credentials that it has not had before.
const FIRST: Duration = Duration::from_secs(2);

/// All credentials that are kept.
pub(crate) struct Keyring {
    variables: Variables,
    client: Client,
    tasks: Tasks,
    keys: Mutex<Vec<Key>>,
}

struct Key {
    upstream: Arc<str>,
    backend: Arc<str>,
    identity: Identity,
    credential: Arc<Credential>,
    keeper: Handle<()>,
}

impl Keyring {
    /// No credentials yet. `tasks` carries what keeps them, `variables` are the environment's.
    pub(crate) fn new(variables: Variables, tasks: Tasks) -> Result<Self, TlsError> {
        Ok(Self {
            variables,
            client: Client::new(&tasks)?,
            tasks,
            keys: Mutex::default(),
        })
    }

    /// Where the credentials of a backend come from, if it has an identity.
    pub(crate) fn source(&self, backend: &Backend) -> Result<Option<Source>, Error> {
        let Some(auth) = &backend.auth else {
            return Ok(None);
        };
        let host = match &backend.endpoints {
            EndpointSource::Static(targets) => targets.first().map(|target| &*target.address.host),
            EndpointSource::Dns(dns) => Some(&*dns.host),
        };
        let host = host.unwrap_or_default();
        Source::new(&auth.identity, host, &self.variables).map(Some)
    }

    /// The credential of the upstream of this key: the one there is, unless its identity has changed.
    pub(crate) fn credential(
        &self,
        upstream: &Arc<str>,
        backend: &Backend,
        auth: &Auth,
        source: Source,
    ) -> Arc<Credential> {
        let mut keys = self.keys();
        let is_it = |key: &&Key| key.upstream == *upstream && key.identity == auth.identity;
        if let Some(key) = keys.iter().find(is_it) {
            return Arc::clone(&key.credential);
        }
        let credential = Arc::new(Credential::new(Arc::clone(&backend.name), source));
        let (kept, client) = (Arc::clone(&credential), self.client.clone());
        let keeper = self
            .tasks
            .spawn("credential", async move { kept.keep(&client).await });
        keys.push(Key {
            upstream: Arc::clone(upstream),
            backend: Arc::clone(&backend.name),
            identity: auth.identity.clone(),
            credential: Arc::clone(&credential),
            keeper,
        });
        credential
    }

    /// Waits a little for the credentials of this runtime that are asked for the first time, so that
    /// the first request finds one.
    pub(crate) async fn tried(&self, runtime: &Runtime) {
        let all = async {
            for credential in runtime.credentials() {
                credential.tried().await;
            }
        };
        let _late = tokio::time::timeout(FIRST, all).await;
    }

    /// Forgets the credentials that this runtime does not use.
    pub(crate) fn retain(&self, runtime: &Runtime) {
        self.keys().retain(|key| {
            let mut used = runtime.credentials();
            let kept = used.any(|credential| Arc::ptr_eq(credential, &key.credential));
            if !kept {
                key.keeper.abort();
            }
            kept
        });
    }

    /// How they stand.
    pub(crate) fn samples(&self) -> Vec<CredentialSample> {
        let sample = |key: &Key| {
            let refreshes = key.credential.refreshes();
            CredentialSample {
                backend: Arc::clone(&key.backend),
                expires: key.credential.expires(),
                succeeded: refreshes.succeeded,
                failed: refreshes.failed,
            }
        };
        self.keys().iter().map(sample).collect()
    }

    fn keys(&self) -> MutexGuard<'_, Vec<Key>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
