//! The snapshot as a document to look at.
//!
//! Made from what was compiled, not from what was written: it shows what is in force, defaults and
//! implicit routes included, and each router's matches in their order of precedence.

use serde_json::{Value, json};

use super::Snapshot;
use super::backend::{Backend, EndpointSource};
use super::listener::Listener;
use super::rule::{Action, Rule, Target, Tier};

pub(super) fn view(snapshot: &Snapshot) -> Value {
    json!({
        "listeners": snapshot.listeners().iter().map(|it| listener(it)).collect::<Vec<_>>(),
        "backends": snapshot.backends().iter().map(|it| backend(it)).collect::<Vec<_>>(),
    })
}

fn listener(listener: &Listener) -> Value {
    let matches = listener.router.matches().map(|(conditions, rule)| {
        json!({ "match": conditions, "route": *rule.route, "rule": *rule.name, "action": action(rule) })
    });
    json!({
        "name": *listener.name,
        "address": listener.address,
        "certificates": listener.certificates,
        "exposeEndpoint": listener.expose_endpoint,
        "limits": listener.limits,
        "timeouts": listener.timeouts,
        "matches": matches.collect::<Vec<_>>(),
    })
}

fn action(rule: &Rule) -> Value {
    match &rule.action {
        Action::Forward(tiers) => {
            json!({ "forward": tiers.iter().map(tier).collect::<Vec<_>>() })
        }
        Action::Redirect(redirect) => json!({ "redirect": redirect.status.as_u16() }),
        Action::Respond(response) => json!({ "respond": response.status.as_u16() }),
    }
}

fn tier(tier: &Tier) -> Value {
    let target = |target: &Target| {
        json!({
            "kind": target.backend.kind.name(),
            "backend": *target.backend.name,
            "weight": target.weight,
            "model": target.model.as_deref(),
        })
    };
    json!({
        "priority": tier.priority(),
        "targets": tier.targets().iter().map(target).collect::<Vec<_>>(),
    })
}

fn backend(backend: &Backend) -> Value {
    json!({
        "name": *backend.name,
        "kind": backend.kind.name(),
        "dialect": backend.dialect.map(llm::Dialect::name),
        "basePath": *backend.base_path,
        "apiKey": backend.api_key,
        "auth": backend.auth.as_ref().map(|auth| &auth.spec),
        "headers": backend.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        "models": backend.models.iter().map(|model| &**model).collect::<Vec<_>>(),
        "endpoints": endpoints(&backend.endpoints),
        "protocol": backend.protocol,
        "tls": backend.tls,
        "loadBalancer": backend.load_balancer,
        "healthCheck": backend.health_check,
        "outlierDetection": backend.outlier_detection,
        "connectionPool": backend.connection_pool,
        "retryBudget": backend.retry_budget,
    })
}

fn endpoints(source: &EndpointSource) -> Value {
    match source {
        EndpointSource::Static(endpoints) => endpoints
            .iter()
            .map(|endpoint| {
                json!({
                    "name": *endpoint.name,
                    "address": endpoint.address.to_string(),
                    "weight": endpoint.weight,
                })
            })
            .collect(),
        EndpointSource::Dns(dns) => json!(dns),
    }
}
