//! Endpoints from DNS: every address of a name is one, for as long as the name has it.
//!
//! The system's resolver is asked, so that `/etc/hosts`, search domains and whatever else the
//! machine resolves by count; it tells no TTL, so the interval is configured. A name that does not
//! resolve any more keeps the endpoints it had: a resolver that is down must not empty a pool.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use balance::EndpointSpec;
use mesh::resources::Dns;
use mesh::snapshot::EndpointSource;
use net::tasks::Tasks;

use crate::following::Following;
use crate::runtime::{Runtime, Upstream};
use crate::shared::Shared;

/// How long a start or a reload waits for names it has not seen before.
const FIRST: Duration = Duration::from_secs(2);

/// Follows the names of pools.
pub(crate) struct Discovery {
    following: Following<Dns>,
    tasks: Tasks,
}

impl Discovery {
    /// Follows nothing yet.
    pub(crate) fn new(tasks: Tasks) -> Self {
        Self {
            following: Following::new("dns", tasks.clone()),
            tasks,
        }
    }

    /// Resolves the names that are not followed yet, all at once, so that the first request finds
    /// endpoints.
    pub(crate) async fn resolve_new(&self, runtime: &Runtime) {
        self.resolve(runtime, |key, dns| !self.following.follows(key, dns))
            .await;
    }

    /// Resolves all names once, besides the intervals.
    pub(crate) async fn resolve_all(&self, runtime: &Runtime) {
        self.resolve(runtime, |_, _| true).await;
    }

    async fn resolve(&self, runtime: &Runtime, wanted: impl Fn(&str, &Dns) -> bool) {
        let mut lookups = Vec::new();
        for upstream in runtime.upstreams() {
            if let EndpointSource::Dns(dns) = &upstream.backend.endpoints
                && wanted(&upstream.key, dns)
            {
                let lookup = resolve(Arc::clone(&upstream.pool), dns.clone());
                lookups.push(self.tasks.spawn("dns", lookup));
            }
        }
        let all = async {
            for lookup in lookups {
                let _panicked = lookup.await;
            }
        };
        let _late = tokio::time::timeout(FIRST, all).await;
    }

    /// Follows the names of this runtime and no others.
    pub(crate) fn follow(&self, runtime: &Runtime, shared: &Arc<Shared>) {
        let dns = |upstream: &Arc<Upstream>| match &upstream.backend.endpoints {
            EndpointSource::Dns(dns) => Some((Arc::clone(&upstream.key), dns.clone())),
            EndpointSource::Static(_) => None,
        };
        let wanted = runtime.upstreams().iter().filter_map(dns).collect();
        self.following.set(wanted, |key, dns| {
            let (shared, key, dns) = (Arc::clone(shared), Arc::clone(key), dns.clone());
            async move {
                while let Some(pool) = shared.balance.pool(&key) {
                    // Jitter keeps the lookups of many gateways apart.
                    let pause = dns.refresh.get().mul_f64(0.9 + 0.2 * fastrand::f64());
                    tokio::time::sleep(pause).await;
                    resolve(pool, dns.clone()).await;
                }
            }
        });
    }
}

async fn resolve(pool: Arc<balance::Pool>, dns: Dns) {
    match tokio::net::lookup_host((&*dns.host, dns.port)).await {
        Ok(addresses) => {
            let mut addresses: Vec<SocketAddr> = addresses.collect();
            addresses.sort_unstable();
            addresses.dedup();
            if !addresses.is_empty() {
                pool.set_endpoints(addresses.into_iter().map(endpoint).collect());
            }
        }
        Err(error) => {
            tracing::warn!(host = dns.host, %error, "name does not resolve; endpoints stay");
        }
    }
}

fn endpoint(address: SocketAddr) -> EndpointSpec {
    EndpointSpec::new(address.to_string(), address)
}
