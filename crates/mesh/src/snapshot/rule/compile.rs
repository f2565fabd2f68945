//! From a rule of a route to what is applied, and to the conditions of its matches.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use http::Method;

use crate::resources::{
    self, BackendRef, ModelMatch, ModelMatchType, PathMatch, PathMatchType, Retry, RouteMatch,
    RouteTimeouts, RuleSpec, StringMatchType,
};
use crate::snapshot::backend::{Backend, BackendKind};
use crate::snapshot::condition::{
    Conditions, HeaderCondition, ModelCondition, PathCondition, Patterns, QueryCondition, Text,
};
use crate::snapshot::filters::{self, PathChange};
use crate::snapshot::syntax;
use crate::snapshot::violation::{Faults, nearest, qualified};

use super::{Action, RetryPolicy, Rule, RuleKind, Target, Tier, Timeouts};

/// The backends by kind and qualified name; those at fault are `None`, so that references to them
/// are not called dangling.
pub(in crate::snapshot) type Backends = BTreeMap<(BackendKind, Arc<str>), Option<Arc<Backend>>>;

/// What a rule is compiled with besides its own specification.
pub(in crate::snapshot) struct Place<'a> {
    pub(in crate::snapshot) route: Arc<str>,
    pub(in crate::snapshot) namespace: &'a str,
    pub(in crate::snapshot) index: usize,
    pub(in crate::snapshot) backends: &'a Backends,
}

/// A rule with the conditions of each of its matches; `None` if it has a fault.
pub(in crate::snapshot) fn compile(
    faults: &mut Faults<'_>,
    place: &Place<'_>,
    spec: &RuleSpec,
    patterns: &mut Patterns,
) -> Option<(Rule, Vec<Conditions>)> {
    let at = format_args!("rules[{}]", place.index);
    let timeouts = timeouts(faults, at, &spec.timeouts);
    let retry = retry(faults, at, &spec.retry);
    let compiled = filters::compile::compile(faults, at, &spec.filters);
    let conditions = conditions(faults, at, &spec.matches, patterns);
    let answers = compiled.redirect.is_some() || compiled.fixed.is_some();
    check_backend_count(faults, at, spec, answers);
    check_prefix_replacement(faults, at, spec, &compiled);
    let targets = targets(faults, at, place, &spec.backend_refs)?;
    let kind = kind(faults, at, spec, &targets);
    check_kind(faults, at, kind, spec, &compiled.filters);
    let forward = Action::Forward(tiers(targets));
    let action = compiled.redirect.map(Action::Redirect);
    let action = action
        .or(compiled.fixed.map(Action::Respond))
        .unwrap_or(forward);
    let name = match &spec.name {
        Some(name) => name.as_str().into(),
        None => place.index.to_string().into(),
    };
    let route = Arc::clone(&place.route);
    let filters = compiled.filters;
    Some((
        Rule {
            route,
            name,
            kind,
            action,
            filters,
            timeouts,
            retry,
            translation: spec.translation,
            fetch_media: spec.fetch_media,
        },
        conditions?,
    ))
}

fn check_backend_count(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    spec: &RuleSpec,
    answers: bool,
) {
    let at = format_args!("{at}.backendRefs");
    // A filter that answers but is itself at fault still counts as one that was meant.
    let meant = spec
        .filters
        .iter()
        .any(|filter| filter.request_redirect.is_some() || filter.direct_response.is_some());
    if spec.backend_refs.is_empty() {
        faults.require(
            answers || meant,
            at,
            "is empty: give a pool or provider, or a filter that answers (requestRedirect or \
             directResponse)",
        );
        return;
    }
    faults.require(
        !(answers || meant),
        at,
        "stand beside a filter that answers by itself (requestRedirect or directResponse): leave \
         out one of the two",
    );
    faults.require(
        spec.backend_refs.iter().any(|backend| backend.weight > 0),
        at,
        "have weights that sum to 0, which would serve nobody: give one of them a weight",
    );
}

fn check_prefix_replacement(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    spec: &RuleSpec,
    compiled: &filters::compile::Compiled,
) {
    let redirect = compiled
        .redirect
        .as_ref()
        .and_then(|redirect| redirect.path.as_ref());
    let changes = [compiled.filters.path.as_ref(), redirect];
    if !changes
        .into_iter()
        .flatten()
        .any(|change| matches!(change, PathChange::Prefix(_)))
    {
        return;
    }
    for (i, of) in spec.matches.iter().enumerate() {
        let by_prefix = of
            .path
            .as_ref()
            .is_none_or(|path| path.kind == PathMatchType::PathPrefix);
        let message = "is not a PathPrefix, but a filter of the rule replaces the prefix matched";
        faults.require(
            by_prefix,
            format_args!("{at}.matches[{i}].path.type"),
            message,
        );
    }
}

fn kind(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    spec: &RuleSpec,
    targets: &[(u8, Target)],
) -> RuleKind {
    let plain = targets
        .iter()
        .filter(|(_, target)| target.backend.dialect.is_none())
        .count();
    if plain > 0 && plain < targets.len() {
        faults.add(
            format_args!("{at}.backendRefs"),
            "mix LLM backends with plain ones (`dialect: none`): give each kind a rule",
        );
    }
    let by_model = spec.matches.iter().any(|of| of.model.is_some());
    match targets.is_empty() {
        true if by_model => RuleKind::Llm,
        false if plain == 0 => RuleKind::Llm,
        _ => RuleKind::Plain,
    }
}

fn check_kind(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    kind: RuleKind,
    spec: &RuleSpec,
    filters: &filters::Filters,
) {
    if kind == RuleKind::Llm {
        let message = "changes the path of a rule with LLM backends, whose paths are the \
                       dialect's: set `basePath` or `baseUrl` at the backend";
        let rewrites = filters.path.is_some() && !spec.backend_refs.is_empty();
        faults.require(!rewrites, format_args!("{at}.filters"), message);
        return;
    }
    let message = "is set, but the rule's backends are plain (`dialect: none`) and know no models";
    if spec.backend_refs.is_empty() {
        return;
    }
    for (i, of) in spec.matches.iter().enumerate() {
        faults.require(
            of.model.is_none(),
            format_args!("{at}.matches[{i}].model"),
            message,
        );
    }
    for (i, backend) in spec.backend_refs.iter().enumerate() {
        faults.require(
            backend.model.is_none(),
            format_args!("{at}.backendRefs[{i}].model"),
            message,
        );
    }
}

/// The targets with their priorities; `None` if one has a fault.
fn targets(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    place: &Place<'_>,
    specs: &[BackendRef],
) -> Option<Vec<(u8, Target)>> {
    let targets: Vec<_> = specs
        .iter()
        .enumerate()
        .map(|(i, spec)| {
            let at = format_args!("{at}.backendRefs[{i}]");
            let weight = spec.weight;
            let message = format_args!("is {weight}: give 0 to 1000000");
            faults.require(weight <= 1_000_000, format_args!("{at}.weight"), message);
            let model = spec.model.as_deref();
            faults.require(
                model != Some(""),
                format_args!("{at}.model"),
                "is empty: name a model",
            );
            let backend = resolve(faults, at, place, spec)?;
            Some((
                spec.priority,
                Target {
                    backend,
                    weight,
                    model: model.map(Arc::from),
                },
            ))
        })
        .collect();
    targets.into_iter().collect()
}

fn resolve(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    place: &Place<'_>,
    spec: &BackendRef,
) -> Option<Arc<Backend>> {
    let (kind, name) = match (&spec.pool, &spec.provider) {
        (Some(pool), None) => (BackendKind::Pool, pool),
        (None, Some(provider)) => (BackendKind::Provider, provider),
        (None, None) => {
            faults.add(at, "names no backend: set `pool` or `provider`");
            return None;
        }
        (Some(_), Some(_)) => {
            faults.add(
                at,
                "sets both `pool` and `provider`: give each a backendRef of its own",
            );
            return None;
        }
    };
    let namespace = spec.namespace.as_deref().unwrap_or(place.namespace);
    let key = (kind, Arc::from(qualified(namespace, name)));
    if let Some(backend) = place.backends.get(&key) {
        return backend.clone();
    }
    report_dangling(faults, format_args!("{at}.{}", kind.name()), place, &key);
    None
}

fn report_dangling(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    place: &Place<'_>,
    (kind, name): &(BackendKind, Arc<str>),
) {
    let other = match kind {
        BackendKind::Pool => BackendKind::Provider,
        BackendKind::Provider => BackendKind::Pool,
    };
    let missing = format!("there is no {} `{name}`", kind.name());
    if place.backends.contains_key(&(other, Arc::clone(name))) {
        let other = other.name();
        let message = format_args!("{missing}, but a {other} of that name: write `{other}:`");
        faults.report(at, message, None);
        return;
    }
    let known = place
        .backends
        .keys()
        .filter(|(of, _)| of == kind)
        .map(|(_, name)| &**name);
    faults.report(at, missing, nearest(name, known));
}

fn tiers(mut targets: Vec<(u8, Target)>) -> Vec<Tier> {
    targets.sort_by_key(|(priority, _)| *priority);
    let by_priority = targets.chunk_by(|(a, _), (b, _)| a == b);
    let tier = |chunk: &[(u8, Target)]| {
        let (priority, _) = chunk.first()?;
        Tier::new(
            *priority,
            chunk.iter().map(|(_, target)| target.clone()).collect(),
        )
    };
    by_priority.filter_map(tier).collect()
}

fn timeouts(faults: &mut Faults<'_>, at: fmt::Arguments<'_>, spec: &RouteTimeouts) -> Timeouts {
    let path = format_args!("{at}.timeouts.connect");
    faults.require(
        !spec.connect.is_zero(),
        path,
        "is 0s: opening a connection needs a bound",
    );
    let request = spec.request.non_zero();
    let backend_request = spec.backend_request.and_then(resources::Duration::non_zero);
    faults.require(
        request.is_none_or(|whole| backend_request.is_none_or(|one| one <= whole)),
        format_args!("{at}.timeouts.backendRequest"),
        format_args!(
            "is more than `request` ({}), of which it is a part",
            spec.request
        ),
    );
    Timeouts {
        connect: spec.connect.get(),
        first_token: spec.first_token.non_zero(),
        between_chunks: spec.between_chunks.non_zero(),
        request,
        backend_request,
    }
}

fn retry(faults: &mut Faults<'_>, at: fmt::Arguments<'_>, spec: &Retry) -> RetryPolicy {
    let attempts = spec.attempts;
    let message = format_args!("is {attempts}: give 0 to 16");
    faults.require(attempts <= 16, format_args!("{at}.retry.attempts"), message);
    let mut codes = [0; 4];
    for (i, code) in spec.codes.iter().enumerate() {
        let bit = code
            .checked_sub(400)
            .filter(|bit| *bit < 200)
            .map(usize::from);
        match bit.and_then(|bit| Some((codes.get_mut(bit / 64)?, bit % 64))) {
            Some((word, bit)) => *word |= 1u64 << bit,
            None => {
                let message = format_args!("is {code}: give 400 to 599");
                faults.add(format_args!("{at}.retry.codes[{i}]"), message);
            }
        }
    }
    let (base, max) = (spec.backoff.base, spec.backoff.max);
    let message = format_args!("is less than `base` ({base})");
    faults.require(max >= base, format_args!("{at}.retry.backoff.max"), message);
    RetryPolicy {
        attempts,
        codes,
        backoff_base: base.get(),
        backoff_max: max.get(),
    }
}

/// The conditions of each match; a rule without matches has one that anything fits.
fn conditions(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    specs: &[RouteMatch],
    patterns: &mut Patterns,
) -> Option<Vec<Conditions>> {
    let any = [RouteMatch::default()];
    let specs = if specs.is_empty() { &any } else { specs };
    let conditions: Vec<_> = specs
        .iter()
        .enumerate()
        .map(|(i, spec)| {
            match_conditions(faults, format_args!("{at}.matches[{i}]"), spec, patterns)
        })
        .collect();
    conditions.into_iter().collect()
}

fn match_conditions(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    spec: &RouteMatch,
    patterns: &mut Patterns,
) -> Option<Conditions> {
    let path = match &spec.path {
        Some(path) => path_condition(faults, format_args!("{at}.path.value"), path, patterns),
        None => Some(PathCondition::Prefix("".into())),
    };
    let headers = header_conditions(faults, at, spec, patterns);
    let query = query_conditions(faults, at, spec, patterns);
    let model = match &spec.model {
        Some(model) => Some(model_condition(
            faults,
            format_args!("{at}.model.value"),
            model,
            patterns,
        )?),
        None => None,
    };
    Some(Conditions {
        path: path?,
        method: spec.method.map(method),
        headers,
        query,
        model,
    })
}

fn path_condition(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    spec: &PathMatch,
    patterns: &mut Patterns,
) -> Option<PathCondition> {
    if spec.kind == PathMatchType::RegularExpression {
        return faults
            .take(at, patterns.regex(&spec.value))
            .map(PathCondition::Regex);
    }
    faults.take(at, syntax::path(&spec.value))?;
    Some(match spec.kind {
        PathMatchType::Exact => PathCondition::Exact(spec.value.as_str().into()),
        _ => PathCondition::Prefix(spec.value.trim_end_matches('/').into()),
    })
}

fn header_conditions(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    spec: &RouteMatch,
    patterns: &mut Patterns,
) -> Vec<HeaderCondition> {
    let mut conditions: Vec<HeaderCondition> = Vec::with_capacity(spec.headers.len());
    for (i, header) in spec.headers.iter().enumerate() {
        let at = format_args!("{at}.headers[{i}]");
        let name = faults.take(format_args!("{at}.name"), syntax::header_name(&header.name));
        let value = text(
            faults,
            format_args!("{at}.value"),
            header.kind,
            &header.value,
            patterns,
        );
        let Some((name, value)) = name.zip(value) else {
            continue;
        };
        let unique = conditions.iter().all(|other| other.name != name);
        let message = format_args!("repeats `{name}`: only one condition per header");
        faults.require(unique, format_args!("{at}.name"), message);
        conditions.push(HeaderCondition { name, value });
    }
    conditions
}

fn query_conditions(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    spec: &RouteMatch,
    patterns: &mut Patterns,
) -> Vec<QueryCondition> {
    let mut conditions: Vec<QueryCondition> = Vec::with_capacity(spec.query_params.len());
    for (i, parameter) in spec.query_params.iter().enumerate() {
        let at = format_args!("{at}.queryParams[{i}]");
        let name = &parameter.name;
        let unique = conditions.iter().all(|other| *other.name != **name);
        let message = format_args!("repeats `{name}`: only one condition per parameter");
        faults.require(unique, format_args!("{at}.name"), message);
        faults.require(!name.is_empty(), format_args!("{at}.name"), "is empty");
        let value = format_args!("{at}.value");
        if let Some(value) = text(faults, value, parameter.kind, &parameter.value, patterns) {
            conditions.push(QueryCondition {
                name: name.as_str().into(),
                value,
            });
        }
    }
    conditions
}

fn text(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    kind: StringMatchType,
    value: &str,
    patterns: &mut Patterns,
) -> Option<Text> {
    match kind {
        StringMatchType::Exact => Some(Text::Exact(value.into())),
        StringMatchType::RegularExpression => {
            faults.take(at, patterns.regex(value)).map(Text::Regex)
        }
    }
}

fn model_condition(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    spec: &ModelMatch,
    patterns: &mut Patterns,
) -> Option<ModelCondition> {
    let value = spec.value.as_str();
    if value.is_empty() {
        faults.add(at, "is empty: name a model, or leave out `model` for any");
        return None;
    }
    match spec.kind {
        ModelMatchType::Exact => Some(ModelCondition::Exact(value.into())),
        ModelMatchType::Prefix => Some(ModelCondition::Prefix(value.into())),
        ModelMatchType::Glob => faults
            .take(at, patterns.glob(value))
            .map(ModelCondition::Glob),
        ModelMatchType::RegularExpression => faults
            .take(at, patterns.regex(value))
            .map(ModelCondition::Regex),
    }
}

fn method(spec: resources::Method) -> Method {
    match spec {
        resources::Method::Get => Method::GET,
        resources::Method::Head => Method::HEAD,
        resources::Method::Post => Method::POST,
        resources::Method::Put => Method::PUT,
        resources::Method::Delete => Method::DELETE,
        resources::Method::Connect => Method::CONNECT,
        resources::Method::Options => Method::OPTIONS,
        resources::Method::Trace => Method::TRACE,
        resources::Method::Patch => Method::PATCH,
    }
}
