//! The routes that nobody wrote: a provider or pool that no route refers to serves its own models
//! under their own names, so that the shortest useful file needs no routes.

use std::collections::{BTreeMap, BTreeSet};

use crate::resources::{
    BackendRef, Kind, Meta, ModelMatch, PoolDialect, Resource, Resources, RouteMatch, RouteSpec,
    RuleSpec,
};
use crate::snapshot::backend::BackendKind;
use crate::snapshot::violation::{Faults, ResourceId, Violation, qualified};

/// A backend that speaks an LLM dialect, as far as its routes are concerned.
struct Served<'a> {
    kind: BackendKind,
    id: ResourceId,
    meta: &'a Meta,
    models: &'a [String],
}

/// The routes of the backends that no route refers to. A model that two of them serve, or any
/// model at two of them, is a fault: which one is meant is for a route to say.
pub(super) fn routes(
    resources: &Resources,
    found: &mut Vec<Violation>,
) -> Vec<Resource<RouteSpec>> {
    let referred = referred(resources);
    let mut owners = BTreeMap::new();
    let mut routes = Vec::new();
    for served in served(resources) {
        if referred.contains(&(
            served.kind,
            qualified(served.meta.namespace(), &served.meta.name),
        )) {
            continue;
        }
        let mut faults = Faults::of(served.id.clone(), found);
        check_owners(&mut faults, &served, &mut owners);
        routes.push(route(&served));
    }
    routes
}

fn served(resources: &Resources) -> impl Iterator<Item = Served<'_>> {
    let providers = resources
        .providers
        .iter()
        .enumerate()
        .map(|(i, provider)| Served {
            kind: BackendKind::Provider,
            id: ResourceId::new(Kind::Provider, &provider.meta, i),
            meta: &provider.meta,
            models: &provider.spec.models,
        });
    let pools = resources.pools.iter().enumerate();
    let pools = pools.filter(|(_, pool)| pool.spec.dialect != PoolDialect::None);
    providers.chain(pools.map(|(i, pool)| Served {
        kind: BackendKind::Pool,
        id: ResourceId::new(Kind::Pool, &pool.meta, i),
        meta: &pool.meta,
        models: &pool.spec.models,
    }))
}

fn referred(resources: &Resources) -> BTreeSet<(BackendKind, String)> {
    let mut referred = BTreeSet::new();
    for route in &resources.routes {
        for backend in route.spec.rules.iter().flat_map(|rule| &rule.backend_refs) {
            let namespace = backend
                .namespace
                .as_deref()
                .unwrap_or(route.meta.namespace());
            let kinds = [
                (BackendKind::Pool, &backend.pool),
                (BackendKind::Provider, &backend.provider),
            ];
            for (kind, name) in kinds {
                referred.extend(name.as_ref().map(|name| (kind, qualified(namespace, name))));
            }
        }
    }
    referred
}

/// `owners` holds who serves a model already; `None` stands for any model.
fn check_owners<'a>(
    faults: &mut Faults<'_>,
    served: &Served<'a>,
    owners: &mut BTreeMap<Option<&'a str>, ResourceId>,
) {
    if served.models.is_empty() {
        if let Some(other) = owners.insert(None, served.id.clone()) {
            let message = format_args!(
                "is empty, which takes any model, as {other} does already: list the models of one \
                 of the two, or refer to both in a route"
            );
            faults.add("models", message);
        }
        return;
    }
    for (i, model) in served.models.iter().enumerate() {
        match owners.insert(Some(model), served.id.clone()) {
            Some(other) if other != served.id => faults.add(
                format_args!("models[{i}]"),
                format_args!(
                    "is `{model}`, which {other} serves already: refer to both in a route that \
                     says how they share it"
                ),
            ),
            _ => {}
        }
    }
}

fn route(served: &Served<'_>) -> Resource<RouteSpec> {
    let name = Some(served.meta.name.clone());
    let mut backend = BackendRef::default();
    match served.kind {
        BackendKind::Pool => backend.pool = name,
        BackendKind::Provider => backend.provider = name,
    }
    let exact = |model: &String| RouteMatch {
        model: Some(ModelMatch {
            kind: Default::default(),
            value: model.clone(),
        }),
        ..RouteMatch::default()
    };
    let rule = RuleSpec {
        name: Some("implicit".to_owned()),
        matches: served.models.iter().map(exact).collect(),
        backend_refs: vec![backend],
        ..RuleSpec::default()
    };
    let spec = RouteSpec {
        rules: vec![rule],
        ..RouteSpec::default()
    };
    Resource {
        meta: served.meta.clone(),
        spec,
    }
}
