//! From resources to a snapshot.

mod implicit;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::resources::{Kind, ListenerSpec, Meta, Resource, Resources, RouteSpec, Secrets};

use super::Snapshot;
use super::backend::{self, Backend, BackendKind};
use super::condition::{Conditions, ModelCondition, Patterns};
use super::listener::{self, Draft, Listener};
use super::router::{self, Router};
use super::rule::{self, Backends, Place, Rule};
use super::syntax::{self, Hostname};
use super::violation::{Faults, ResourceId, Violation, nearest, qualified};

pub(super) fn compile(
    resources: &Resources,
    secrets: &Secrets,
) -> Result<Snapshot, Vec<Violation>> {
    let mut found = Vec::new();
    let drafts = listeners(&resources.listeners, &mut found);
    let backends = backends(resources, secrets, &mut found);
    let mut routes = Routes::new(&drafts, &backends);
    routes.compile_explicit(&resources.routes, &mut found);
    let implicit = implicit::routes(resources, &mut found);
    if !found.is_empty() {
        return Err(found);
    }
    for route in &implicit {
        routes.compile(0, route, true, &mut found);
    }
    let routes = routes.compiled;
    if !found.is_empty() {
        return Err(found);
    }
    let mut backends: Vec<_> = backends.into_values().flatten().collect();
    backends.sort_by_key(|backend| backend.index);
    let models = known_models(&backends, &routes);
    Ok(Snapshot {
        listeners: attach(drafts, &routes),
        backends,
        models,
    })
}

/// Checks that the names of a kind's resources are names, and unique.
fn check_names<'a>(kind: Kind, metas: impl Iterator<Item = &'a Meta>, found: &mut Vec<Violation>) {
    let mut seen = HashSet::with_hasher(FixedState::default());
    for (index, meta) in metas.enumerate() {
        let mut faults = Faults::of(ResourceId::new(kind, meta, index), found);
        for (field, text) in [
            ("name", meta.name.as_str()),
            ("namespace", meta.namespace()),
        ] {
            if let Err(message) = syntax::check_name(text) {
                let mended = text.to_ascii_lowercase().replace(['_', ' '], "-");
                let suggestion = syntax::check_name(&mended).is_ok().then_some(mended);
                faults.report(field, message, suggestion);
            }
        }
        let unique = seen.insert((meta.namespace(), &meta.name));
        let name = qualified(meta.namespace(), &meta.name);
        let message = format_args!("repeats `{name}`: names are unique");
        faults.require(unique, "name", message);
    }
}

fn name_of(meta: &Meta) -> Arc<str> {
    qualified(meta.namespace(), &meta.name).into()
}

fn listeners(specs: &[Resource<ListenerSpec>], found: &mut Vec<Violation>) -> Vec<Draft> {
    let default;
    let specs = match specs {
        [] => {
            let meta = Meta::named("default");
            default = [Resource {
                meta,
                spec: ListenerSpec::loopback(ListenerSpec::DEFAULT_PORT),
            }];
            &default
        }
        _ => specs,
    };
    check_names(
        Kind::Listener,
        specs.iter().map(|resource| &resource.meta),
        found,
    );
    let mut drafts: Vec<Draft> = Vec::with_capacity(specs.len());
    for (index, Resource { meta, spec }) in specs.iter().enumerate() {
        let mut faults = Faults::of(ResourceId::new(Kind::Listener, meta, index), found);
        let draft = listener::compile(&mut faults, name_of(meta), spec);
        if let Some(draft) = draft {
            let other = drafts
                .iter()
                .find(|other| syntax::clash(other.address, draft.address));
            if let Some(other) = other {
                let (name, address) = (&other.name, other.address);
                let message = format_args!("clashes with `{name}`, which binds {address}");
                faults.add("address", message);
            }
            drafts.push(draft);
        }
    }
    drafts
}

fn backends(resources: &Resources, secrets: &Secrets, found: &mut Vec<Violation>) -> Backends {
    let (providers, pools) = (&resources.providers, &resources.pools);
    check_names(
        Kind::Provider,
        providers.iter().map(|resource| &resource.meta),
        found,
    );
    let mut backends = Backends::new();
    for (i, Resource { meta, spec }) in providers.iter().enumerate() {
        let place = backend::Place {
            index: i,
            name: name_of(meta),
            secrets,
        };
        let mut faults = Faults::of(ResourceId::new(Kind::Provider, meta, i), found);
        let backend = backend::compile_provider(&mut faults, place, spec);
        backends.insert(
            (BackendKind::Provider, name_of(meta)),
            backend.map(Arc::new),
        );
    }
    check_names(
        Kind::Pool,
        pools.iter().map(|resource| &resource.meta),
        found,
    );
    for (i, Resource { meta, spec }) in pools.iter().enumerate() {
        let index = providers.len() + i;
        let place = backend::Place {
            index,
            name: name_of(meta),
            secrets,
        };
        let mut faults = Faults::of(ResourceId::new(Kind::Pool, meta, i), found);
        let backend = backend::compile_pool(&mut faults, place, spec);
        backends.insert((BackendKind::Pool, name_of(meta)), backend.map(Arc::new));
    }
    backends
}

/// A route without faults.
struct Route {
    /// Indices of its listeners; `None` for all.
    listeners: Option<BTreeSet<usize>>,
    hostnames: Vec<Hostname>,
    created: Option<u64>,
    implicit: bool,
    /// Each with its index in the route.
    rules: Vec<(usize, CompiledRule)>,
}

/// A rule, with the conditions of each of its matches.
type CompiledRule = (Arc<Rule>, Vec<Arc<Conditions>>);

/// Routes as they are compiled.
struct Routes<'a> {
    listeners: BTreeMap<Arc<str>, usize>,
    backends: &'a Backends,
    patterns: Patterns,
    compiled: Vec<Route>,
}

impl<'a> Routes<'a> {
    fn new(drafts: &[Draft], backends: &'a Backends) -> Self {
        let listeners = drafts
            .iter()
            .enumerate()
            .map(|(i, draft)| (Arc::clone(&draft.name), i));
        Self {
            listeners: listeners.collect(),
            backends,
            patterns: Patterns::default(),
            compiled: Vec::new(),
        }
    }

    fn compile_explicit(&mut self, specs: &[Resource<RouteSpec>], found: &mut Vec<Violation>) {
        check_names(
            Kind::Route,
            specs.iter().map(|resource| &resource.meta),
            found,
        );
        for (index, resource) in specs.iter().enumerate() {
            self.compile(index, resource, false, found);
        }
    }

    fn compile(
        &mut self,
        index: usize,
        Resource { meta, spec }: &Resource<RouteSpec>,
        implicit: bool,
        found: &mut Vec<Violation>,
    ) {
        let mut faults = Faults::of(ResourceId::new(Kind::Route, meta, index), found);
        let hostnames = hostnames(&mut faults, spec);
        let listeners = self.listeners_of(&mut faults, meta, spec);
        let rules = self.rules(&mut faults, meta, spec);
        let created = meta.created;
        self.compiled.push(Route {
            listeners,
            hostnames,
            created,
            implicit,
            rules,
        });
    }

    fn listeners_of(
        &self,
        faults: &mut Faults<'_>,
        meta: &Meta,
        spec: &RouteSpec,
    ) -> Option<BTreeSet<usize>> {
        let mut indices = BTreeSet::new();
        for (i, reference) in spec.listeners.iter().enumerate() {
            let (namespace, name) = reference
                .split_once('/')
                .unwrap_or((meta.namespace(), reference));
            let name = qualified(namespace, name);
            match self.listeners.get(name.as_str()) {
                Some(index) => {
                    indices.insert(*index);
                }
                None => faults.report(
                    format_args!("listeners[{i}]"),
                    format_args!("there is no listener `{name}`"),
                    nearest(&name, self.listeners.keys().map(|name| &**name)),
                ),
            }
        }
        (!spec.listeners.is_empty()).then_some(indices)
    }

    fn rules(
        &mut self,
        faults: &mut Faults<'_>,
        meta: &Meta,
        spec: &RouteSpec,
    ) -> Vec<(usize, CompiledRule)> {
        let nothing = "is empty: give at least one rule";
        faults.require(!spec.rules.is_empty(), "rules", nothing);
        let (route, namespace, backends) = (name_of(meta), meta.namespace(), self.backends);
        let mut names = BTreeSet::new();
        let mut rules = Vec::with_capacity(spec.rules.len());
        for (index, spec) in spec.rules.iter().enumerate() {
            if let Some(name) = &spec.name {
                let path = format_args!("rules[{index}].name");
                faults.take(path, syntax::check_name(name));
                let message = format_args!("repeats `{name}`: names are unique within a route");
                faults.require(names.insert(name), path, message);
            }
            let place = Place {
                route: Arc::clone(&route),
                namespace,
                index,
                backends,
            };
            if let Some((rule, conditions)) =
                rule::compile(faults, &place, spec, &mut self.patterns)
            {
                let conditions = conditions.into_iter().map(Arc::new).collect();
                rules.push((index, (Arc::new(rule), conditions)));
            }
        }
        rules
    }
}

fn hostnames(faults: &mut Faults<'_>, spec: &RouteSpec) -> Vec<Hostname> {
    let mut seen = BTreeSet::new();
    for (i, text) in spec.hostnames.iter().enumerate() {
        let path = format_args!("hostnames[{i}]");
        if let Some(hostname) = faults.take(path, syntax::hostname(text)) {
            faults.require(
                seen.insert(hostname),
                path,
                format_args!("repeats `{text}`"),
            );
        }
    }
    seen.into_iter().collect()
}

/// The listeners with their routers; those with the same routes share one.
fn attach(drafts: Vec<Draft>, routes: &[Route]) -> Vec<Arc<Listener>> {
    let mut routers: BTreeMap<Vec<usize>, Arc<Router>> = BTreeMap::new();
    let mut listeners = Vec::with_capacity(drafts.len());
    for (index, draft) in drafts.into_iter().enumerate() {
        let belongs = |route: &Route| {
            route
                .listeners
                .as_ref()
                .is_none_or(|of| of.contains(&index))
        };
        let of = routes
            .iter()
            .enumerate()
            .filter(|(_, route)| belongs(route));
        let of: Vec<usize> = of.map(|(i, _)| i).collect();
        let router = routers.entry(of).or_insert_with_key(|of| {
            let routes = of.iter().filter_map(|i| routes.get(*i));
            Arc::new(router(routes))
        });
        listeners.push(Arc::new(draft.finish(Arc::clone(router))));
    }
    listeners
}

fn router<'a>(routes: impl Iterator<Item = &'a Route>) -> Router {
    let entries = routes.flat_map(|route| {
        route.rules.iter().flat_map(|(index, (rule, conditions))| {
            router::candidates(router::Source {
                rule,
                index: *index,
                hostnames: &route.hostnames,
                conditions,
                created: route.created,
                implicit: route.implicit,
            })
        })
    });
    Router::build(entries.collect())
}

/// Every model that the configuration names.
fn known_models(backends: &[Arc<Backend>], routes: &[Route]) -> HashSet<Arc<str>, FixedState> {
    let rules = || {
        routes
            .iter()
            .flat_map(|route| &route.rules)
            .map(|(_, rule)| rule)
    };
    let served = backends.iter().flat_map(|backend| &backend.models);
    let rewritten = rules()
        .flat_map(|(rule, _)| rule.targets())
        .filter_map(|t| t.model.as_ref());
    let matched = rules()
        .flat_map(|(_, conditions)| conditions)
        .filter_map(|of| match &of.model {
            Some(ModelCondition::Exact(model)) => Some(model),
            _ => None,
        });
    served.chain(rewritten).chain(matched).cloned().collect()
}
