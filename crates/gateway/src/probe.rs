//! Active health checks: each endpoint is asked at an interval, whatever the others do.
//!
//! A probe that hangs costs a task and a connection until its timeout, never another's probe. What
//! the answers mean is `balance`'s to say.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Request};
use http_body_util::BodyExt;
use mesh::resources::HealthCheck;
use net::body::Body;
use net::pool::{Pool, PoolConfig};
use net::tasks::Tasks;

use crate::following::Following;
use crate::runtime::{Dialled, Runtime, Upstream};
use crate::shared::Shared;

/// Probes the endpoints of pools.
pub(crate) struct Probing {
    following: Following<HealthCheck>,
    tasks: Tasks,
    /// Connections of its own: a socket belongs to the runtime that opened it, and traffic must
    /// not wait for the runtime that probes.
    connections: Pool,
}

impl Probing {
    /// Probes nothing yet.
    pub(crate) fn new(tasks: Tasks) -> Self {
        let config = PoolConfig {
            max_idle_per_endpoint: 1,
            ..PoolConfig::default()
        };
        let connections = Pool::new(config, tasks.clone());
        let maintained = connections.clone();
        tasks.spawn(
            "connection upkeep",
            async move { maintained.maintain().await },
        );
        Self {
            following: Following::new("health checks", tasks.clone()),
            tasks,
            connections,
        }
    }

    /// Probes the endpoints of this runtime and no others.
    pub(crate) fn follow(&self, runtime: &Runtime, shared: &Arc<Shared>) {
        let check = |upstream: &Arc<Upstream>| {
            let check = upstream.backend.health_check.clone()?;
            Some((Arc::clone(&upstream.key), check))
        };
        let wanted = runtime.upstreams().iter().filter_map(check).collect();
        self.following.set(wanted, |key, check| {
            let (shared, key, check) = (Arc::clone(shared), Arc::clone(key), check.clone());
            let (tasks, connections) = (self.tasks.clone(), self.connections.clone());
            async move {
                loop {
                    probe_all(&shared, &key, &check, &tasks, &connections);
                    // Jitter keeps the probes of many gateways apart.
                    let pause = check.interval.get().mul_f64(0.9 + 0.2 * fastrand::f64());
                    tokio::time::sleep(pause).await;
                }
            }
        });
    }
}

/// Probes every endpoint that the upstream of this key has now.
fn probe_all(shared: &Shared, key: &str, check: &HealthCheck, tasks: &Tasks, connections: &Pool) {
    let runtime = shared.runtime.load();
    let Some(upstream) = runtime
        .upstreams()
        .iter()
        .find(|upstream| &*upstream.key == key)
    else {
        return;
    };
    for status in upstream.pool.endpoints() {
        let (upstream, check) = (Arc::clone(upstream), check.clone());
        let connections = connections.clone();
        tasks.spawn("health check", async move {
            let ok = probe(&connections, &upstream.dial(&status.address), &check).await;
            upstream.pool.report_probe(&status.id, ok);
        });
    }
}

/// Whether the endpoint answers with success in time.
async fn probe(connections: &Pool, dialled: &Dialled, check: &HealthCheck) -> bool {
    let mut request = Request::new(Body::Empty);
    let Ok(path) = check.path.parse() else {
        return false;
    };
    *request.uri_mut() = path;
    request.headers_mut().insert(HOST, dialled.host.clone());
    let agent = HeaderValue::from_static(concat!("sluicegate-health/", env!("CARGO_PKG_VERSION")));
    request.headers_mut().insert(USER_AGENT, agent);
    let timeout: Duration = check.timeout.get();
    let answered = tokio::time::timeout(timeout, async {
        let response = connections
            .send(&dialled.target, request, timeout)
            .await
            .ok()?;
        let status = response.status();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            drop(frame.ok()?);
        }
        Some(status.is_success())
    });
    matches!(answered.await, Ok(Some(true)))
}
