//! The configuration without a file: providers whose keys are in the environment.
//!
//! Safe at first start: it listens on loopback only, answers only to loopback host names (a page
//! that rebinds its DNS name to 127.0.0.1 sends its own), and allows no web origin.
//!
//! With several keys set, the first of [`Preset::ALL`] serves every model that no other claims. The rest
//! serve the models whose names begin as only that vendor's do. A `vendor/model` scheme with the
//! vendor stripped was the alternative; a name would then mean different things here and at the
//! vendor, and aggregators use that very form for their own names. A provider with neither is not
//! served, which is said.

#[cfg(test)]
mod tests;

use manifests::Problem;
use mesh::resources::{
    BackendRef, ListenerSpec, ModelMatch, ModelMatchType, Preset, ProviderSpec, RouteMatch,
    RouteSpec, RuleSpec,
};
use mesh::{Meta, Resource, Resources};

use crate::environment::Environment;
use crate::load::LoadError;

/// Variable that overrides a provider's URL.
const fn url_variable(preset: Preset) -> Option<&'static str> {
    match preset {
        Preset::Openai => Some("OPENAI_BASE_URL"),
        _ => None,
    }
}

/// The providers that a key in the environment is enough for, with its variable, in order of
/// precedence as the provider of all other models.
fn known() -> impl Iterator<Item = (Preset, &'static str)> {
    let presets = Preset::ALL.into_iter();
    presets
        .filter(|preset| preset.is_served_by_key())
        .filter_map(|preset| Some((preset, preset.key_variable()?)))
}

/// Resources made of an environment, and what an operator should know about them.
#[derive(Debug)]
pub(crate) struct Defaults {
    pub(crate) resources: Resources,
    pub(crate) notes: Vec<String>,
}

/// The resources for the keys in the environment.
///
/// # Errors
/// That there is no key.
pub(crate) fn resources(environment: &Environment, port: u16) -> Result<Defaults, LoadError> {
    let mut notes = Vec::new();
    let mut found = known().filter_map(|(preset, key)| {
        let url = base_url(preset, environment, port, &mut notes);
        let has_key = environment.get(key).is_some();
        (has_key || url.is_some()).then(|| (preset, provider(preset, has_key, url)))
    });
    let Some((first, provider)) = found.next() else {
        return Err(nothing_set());
    };

    let others: Vec<_> = found.collect();
    let (routed, unserved): (Vec<_>, Vec<_>) = others
        .into_iter()
        .partition(|(preset, _)| !preset.model_prefixes().is_empty());
    let unserved = unserved.iter();
    notes.extend(unserved.map(|(preset, _)| not_served(*preset, first)));

    let rules = routed
        .iter()
        .map(|(preset, _)| rule(*preset))
        .collect::<Vec<_>>();
    let providers =
        std::iter::once(provider).chain(routed.into_iter().map(|(_, provider)| provider));
    let resources = Resources {
        listeners: vec![Resource {
            meta: Meta::named("default"),
            spec: ListenerSpec::loopback(port),
        }],
        providers: providers.collect(),
        pools: Vec::new(),
        routes: route(rules).into_iter().collect(),
    };
    Ok(Defaults { resources, notes })
}

/// The URL that the environment gives. The URL of this very gateway is meant for clients on the
/// same machine: to follow it would be a loop.
fn base_url(
    preset: Preset,
    environment: &Environment,
    port: u16,
    notes: &mut Vec<String>,
) -> Option<String> {
    let variable = url_variable(preset)?;
    let url = environment.get(variable)?.trim_end_matches('/');
    if is_own_address(url, port) {
        notes.push(format!(
            "{variable} is not followed: it is the address of this gateway"
        ));
        return None;
    }
    Some(url.to_owned())
}

fn is_own_address(url: &str, port: u16) -> bool {
    let own = ListenerSpec::loopback(port);
    let authority = url
        .split("://")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    let (host, url_port) = authority
        .and_then(|it| it.rsplit_once(':'))
        .unwrap_or_default();
    url_port.parse() == Ok(port) && own.allowed_hosts.iter().any(|own| own == host)
}

/// The preset, unless its key is missing: then it is the server at the URL, whoever runs it.
fn provider(preset: Preset, has_key: bool, url: Option<String>) -> Resource<ProviderSpec> {
    let spec = ProviderSpec {
        preset: has_key.then_some(preset),
        base_url: url,
        ..ProviderSpec::default()
    };
    Resource {
        meta: Meta::named(preset.name()),
        spec,
    }
}

/// No route at all where there are no rules.
fn route(rules: Vec<RuleSpec>) -> Option<Resource<RouteSpec>> {
    let route = |rules| Resource {
        meta: Meta::named("by-model-name"),
        spec: RouteSpec {
            rules,
            ..RouteSpec::default()
        },
    };
    (!rules.is_empty()).then(|| route(rules))
}

fn rule(preset: Preset) -> RuleSpec {
    let begins_with = |prefix: &&str| RouteMatch {
        model: Some(ModelMatch {
            kind: ModelMatchType::Prefix,
            value: (*prefix).to_owned(),
        }),
        ..RouteMatch::default()
    };
    let provider = BackendRef {
        provider: Some(preset.name().to_owned()),
        ..BackendRef::default()
    };
    RuleSpec {
        name: Some(preset.name().to_owned()),
        matches: preset.model_prefixes().iter().map(begins_with).collect(),
        backend_refs: vec![provider],
        ..RuleSpec::default()
    }
}

fn not_served(preset: Preset, first: Preset) -> String {
    format!(
        "{} is set, but {} is not served: its models cannot be told from those of {} by name; \
         write a configuration file with a provider and its models",
        preset.key_variable().unwrap_or_default(),
        preset.name(),
        first.name()
    )
}

fn nothing_set() -> LoadError {
    let keys: Vec<&str> = known().map(|(_, key)| key).collect();
    let message = "no configuration is given and no API key of a known provider is set";
    let help = format!(
        "give a file or directory with `-c`, or set one of {}",
        keys.join(", ")
    );
    LoadError {
        problems: vec![Problem::of_file("environment", message).with_help(help)],
    }
}
