//! The configuration without a file: providers whose keys are in the environment.
//!
//! Safe at first start: it listens on loopback only, answers only to loopback host names (a page
//! that rebinds its DNS name to 127.0.0.1 sends its own), and allows no web origin.
//!
//! With several keys set, the first of [`KNOWN`] serves every model that no other claims. The rest
//! serve the models whose names begin as only that vendor's do. A `vendor/model` scheme with the
//! vendor stripped was the alternative; a name would then mean different things here and at the
//! vendor, and aggregators use that very form for their own names. A provider with neither is not
//! served, which is said.

#[cfg(test)]
mod tests;

use manifests::Problem;
use mesh::resources::{
    BackendRef, ListenerSpec, ModelMatch, ModelMatchType, ProviderDialect, ProviderSpec,
    RouteMatch, RouteSpec, RuleSpec,
};
use mesh::{Meta, Resource, Resources, SecretRef};

use crate::environment::Environment;
use crate::load::LoadError;

/// A provider.
struct Known {
    name: &'static str,
    /// Variable that its own documentation uses for the key.
    key: &'static str,
    /// Variable that overrides the URL.
    url_variable: Option<&'static str>,
    dialect: ProviderDialect,
    base_url: &'static str,
    /// Beginnings of model names that are this vendor's own.
    prefixes: &'static [&'static str],
}

const fn known(
    name: &'static str,
    key: &'static str,
    base_url: &'static str,
    prefixes: &'static [&'static str],
) -> Known {
    Known {
        name,
        key,
        url_variable: None,
        dialect: ProviderDialect::Openai,
        base_url,
        prefixes,
    }
}

/// In order of precedence as the provider of all other models. Anthropic is the last: it serves none
/// but its own, and many have its key set for other programs.
const KNOWN: [Known; 13] = [
    Known {
        url_variable: Some("OPENAI_BASE_URL"),
        ..known("openai", "OPENAI_API_KEY", "https://api.openai.com/v1", &[])
    },
    known(
        "openrouter",
        "OPENROUTER_API_KEY",
        "https://openrouter.ai/api/v1",
        &[],
    ),
    known(
        "groq",
        "GROQ_API_KEY",
        "https://api.groq.com/openai/v1",
        &[],
    ),
    known(
        "mistral",
        "MISTRAL_API_KEY",
        "https://api.mistral.ai/v1",
        &[
            "mistral-",
            "ministral-",
            "magistral-",
            "codestral-",
            "devstral-",
            "pixtral-",
            "open-mi",
        ],
    ),
    known(
        "deepseek",
        "DEEPSEEK_API_KEY",
        "https://api.deepseek.com/v1",
        &["deepseek-"],
    ),
    known(
        "together",
        "TOGETHER_API_KEY",
        "https://api.together.xyz/v1",
        &[],
    ),
    known(
        "fireworks",
        "FIREWORKS_API_KEY",
        "https://api.fireworks.ai/inference/v1",
        &["accounts/fireworks/"],
    ),
    known("xai", "XAI_API_KEY", "https://api.x.ai/v1", &["grok-"]),
    known(
        "cerebras",
        "CEREBRAS_API_KEY",
        "https://api.cerebras.ai/v1",
        &[],
    ),
    known(
        "nvidia",
        "NVIDIA_API_KEY",
        "https://integrate.api.nvidia.com/v1",
        &["nvidia/"],
    ),
    known(
        "gemini",
        "GEMINI_API_KEY",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        &["gemini-"],
    ),
    known(
        "sambanova",
        "SAMBANOVA_API_KEY",
        "https://api.sambanova.ai/v1",
        &[],
    ),
    Known {
        dialect: ProviderDialect::Anthropic,
        ..known(
            "anthropic",
            "ANTHROPIC_API_KEY",
            ProviderDialect::Anthropic.default_base_url(),
            &["claude-"],
        )
    },
];

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
    let mut found = KNOWN.iter().filter_map(|known| {
        let url = base_url(known, environment, port, &mut notes);
        let has_key = environment.get(known.key).is_some();
        (has_key || url.is_some()).then(|| (known, provider(known, has_key, url)))
    });
    let Some((first, provider)) = found.next() else {
        return Err(nothing_set());
    };

    let others: Vec<_> = found.collect();
    let (routed, unserved): (Vec<_>, Vec<_>) = others
        .into_iter()
        .partition(|(known, _)| !known.prefixes.is_empty());
    notes.extend(unserved.iter().map(|(known, _)| not_served(known, first)));

    let rules = routed
        .iter()
        .map(|(known, _)| rule(known))
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
    known: &Known,
    environment: &Environment,
    port: u16,
    notes: &mut Vec<String>,
) -> Option<String> {
    let variable = known.url_variable?;
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

fn provider(known: &Known, has_key: bool, url: Option<String>) -> Resource<ProviderSpec> {
    let spec = ProviderSpec {
        dialect: known.dialect,
        base_url: Some(url.unwrap_or_else(|| known.base_url.to_owned())),
        api_key: has_key.then(|| SecretRef::Env(known.key.to_owned())),
        ..ProviderSpec::default()
    };
    Resource {
        meta: Meta::named(known.name),
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

fn rule(known: &Known) -> RuleSpec {
    let begins_with = |prefix: &&str| RouteMatch {
        model: Some(ModelMatch {
            kind: ModelMatchType::Prefix,
            value: (*prefix).to_owned(),
        }),
        ..RouteMatch::default()
    };
    let provider = BackendRef {
        provider: Some(known.name.to_owned()),
        ..BackendRef::default()
    };
    RuleSpec {
        name: Some(known.name.to_owned()),
        matches: known.prefixes.iter().map(begins_with).collect(),
        backend_refs: vec![provider],
        ..RuleSpec::default()
    }
}

fn not_served(known: &Known, first: &Known) -> String {
    format!(
        "{} is set, but {} is not served: its models cannot be told from those of {} by name; \
         write a configuration file with a provider and its models",
        known.key, known.name, first.name
    )
}

fn nothing_set() -> LoadError {
    let keys: Vec<&str> = KNOWN.iter().map(|known| known.key).collect();
    let message = "no configuration is given and no API key of a known provider is set";
    let help = format!(
        "give a file or directory with `-c`, or set one of {}",
        keys.join(", ")
    );
    LoadError {
        problems: vec![Problem::of_file("environment", message).with_help(help)],
    }
}
