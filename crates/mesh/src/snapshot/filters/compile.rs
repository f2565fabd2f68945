//! From the filters of a rule to what is applied.

use std::fmt;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::resources::{
    DirectResponse, Filter, Header, HeaderModifier, PathModifier, PathModifierType,
    RequestRedirect, UrlRewrite,
};
use crate::snapshot::syntax::{self, Hostname};
use crate::snapshot::violation::Faults;

use super::{Filters, FixedResponse, HeaderChanges, PathChange, Redirect};

/// The filters of a rule, sorted by what they are for.
#[derive(Default)]
pub(in crate::snapshot) struct Compiled {
    pub(in crate::snapshot) filters: Filters,
    pub(in crate::snapshot) redirect: Option<Redirect>,
    pub(in crate::snapshot) fixed: Option<FixedResponse>,
}

const MAX_BODY: usize = 64 << 10;

pub(in crate::snapshot) fn compile(
    faults: &mut Faults<'_>,
    rule: fmt::Arguments<'_>,
    specs: &[Filter],
) -> Compiled {
    let mut compiled = Compiled::default();
    let mut seen = Vec::new();
    for (i, spec) in specs.iter().enumerate() {
        let at = format_args!("{rule}.filters[{i}]");
        match fields(spec).as_slice() {
            [field] if seen.contains(field) => {
                faults.add(at, format_args!("repeats `{field}`: join the two into one"));
            }
            [field] => {
                seen.push(*field);
                compile_one(faults, at, spec, &mut compiled);
            }
            [] => faults.add(at, "is empty: set exactly one field"),
            several => {
                let several = several.join("` and `");
                faults.add(
                    at,
                    format_args!("sets `{several}`: give each a filter of its own"),
                );
            }
        }
    }
    check_combination(faults, rule, &seen);
    compiled
}

fn fields(filter: &Filter) -> Vec<&'static str> {
    let set = [
        (
            "requestHeaderModifier",
            filter.request_header_modifier.is_some(),
        ),
        (
            "responseHeaderModifier",
            filter.response_header_modifier.is_some(),
        ),
        ("requestRedirect", filter.request_redirect.is_some()),
        ("urlRewrite", filter.url_rewrite.is_some()),
        ("directResponse", filter.direct_response.is_some()),
    ];
    set.iter()
        .filter(|(_, is_set)| *is_set)
        .map(|(name, _)| *name)
        .collect()
}

fn check_combination(faults: &mut Faults<'_>, rule: fmt::Arguments<'_>, seen: &[&str]) {
    let exclusive = ["requestRedirect", "urlRewrite", "directResponse"];
    let both: Vec<_> = exclusive
        .into_iter()
        .filter(|name| seen.contains(name))
        .collect();
    if both.len() > 1 {
        let both = both.join("` and `");
        faults.add(
            format_args!("{rule}.filters"),
            format_args!("hold `{both}`, which exclude each other"),
        );
    }
}

fn compile_one(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    spec: &Filter,
    compiled: &mut Compiled,
) {
    if let Some(modifier) = &spec.request_header_modifier {
        let at = format_args!("{at}.requestHeaderModifier");
        compiled.filters.request_headers = header_changes(faults, at, modifier);
    }
    if let Some(modifier) = &spec.response_header_modifier {
        let at = format_args!("{at}.responseHeaderModifier");
        compiled.filters.response_headers = header_changes(faults, at, modifier);
    }
    if let Some(redirect) = &spec.request_redirect {
        compiled.redirect =
            compile_redirect(faults, format_args!("{at}.requestRedirect"), redirect);
    }
    if let Some(rewrite) = &spec.url_rewrite {
        compile_rewrite(
            faults,
            format_args!("{at}.urlRewrite"),
            rewrite,
            &mut compiled.filters,
        );
    }
    if let Some(response) = &spec.direct_response {
        compiled.fixed = compile_fixed(faults, format_args!("{at}.directResponse"), response);
    }
}

fn header_changes(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    spec: &HeaderModifier,
) -> HeaderChanges {
    let mut names = Vec::new();
    let remove = spec.remove.iter().enumerate().filter_map(|(i, name)| {
        changed_name(faults, format_args!("{at}.remove[{i}]"), name, &mut names)
    });
    let remove = remove.collect();
    let set = headers(faults, format_args!("{at}.set"), &spec.set, &mut names);
    let add = headers(faults, format_args!("{at}.add"), &spec.add, &mut names);
    HeaderChanges { remove, set, add }
}

fn headers(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    specs: &[Header],
    names: &mut Vec<HeaderName>,
) -> Vec<(HeaderName, HeaderValue)> {
    let headers = specs.iter().enumerate().filter_map(|(i, header)| {
        let value = syntax::header_value(&header.value);
        let value = faults.take(format_args!("{at}[{i}].value"), value);
        let name = changed_name(faults, format_args!("{at}[{i}].name"), &header.name, names);
        name.zip(value)
    });
    headers.collect()
}

fn changed_name(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    text: &str,
    names: &mut Vec<HeaderName>,
) -> Option<HeaderName> {
    let name = faults.take(at, syntax::mutable_header_name(text))?;
    if names.contains(&name) {
        faults.add(
            at,
            format_args!("repeats `{name}`, which this filter changes already"),
        );
    }
    names.push(name.clone());
    Some(name)
}

fn compile_rewrite(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    spec: &UrlRewrite,
    filters: &mut Filters,
) {
    if spec.hostname.is_none() && spec.path.is_none() {
        faults.add(at, "is empty: set `hostname` or `path`");
    }
    let host = spec
        .hostname
        .as_deref()
        .and_then(|text| exact_host(faults, at, text));
    filters.host = host.and_then(|host| HeaderValue::from_str(&host).ok());
    filters.path = spec
        .path
        .as_ref()
        .and_then(|path| path_change(faults, at, path));
}

fn exact_host(faults: &mut Faults<'_>, at: fmt::Arguments<'_>, text: &str) -> Option<Box<str>> {
    let at = format_args!("{at}.hostname");
    match faults.take(at, syntax::hostname(text))? {
        Hostname::Exact(host) => Some(host),
        Hostname::Wildcard(_) => {
            faults.add(at, "is a wildcard: give one host name");
            None
        }
    }
}

fn path_change(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    spec: &PathModifier,
) -> Option<PathChange> {
    let (full, prefix) = (&spec.replace_full_path, &spec.replace_prefix_match);
    let (wanted, field, other) = match spec.kind {
        PathModifierType::ReplaceFullPath => (full, "replaceFullPath", prefix),
        PathModifierType::ReplacePrefixMatch => (prefix, "replacePrefixMatch", full),
    };
    let field = format_args!("{at}.path.{field}");
    if other.is_some() {
        faults.add(
            format_args!("{at}.path"),
            "sets the field of the other `type` as well",
        );
    }
    let Some(value) = wanted else {
        faults.add(field, "is missing: `type` names it");
        return None;
    };
    faults.take(field, syntax::path(value))?;
    Some(match spec.kind {
        PathModifierType::ReplaceFullPath => PathChange::Full(value.as_str().into()),
        PathModifierType::ReplacePrefixMatch => {
            PathChange::Prefix(value.trim_end_matches('/').into())
        }
    })
}

fn compile_redirect(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    spec: &RequestRedirect,
) -> Option<Redirect> {
    let https = match spec.scheme.as_deref() {
        None => None,
        Some("http") => Some(false),
        Some("https") => Some(true),
        Some(other) => {
            let message = format_args!("is `{other}`: give `http` or `https`");
            faults.add(format_args!("{at}.scheme"), message);
            None
        }
    };
    let host = spec
        .hostname
        .as_deref()
        .and_then(|text| exact_host(faults, at, text));
    faults.require(
        spec.port != Some(0),
        format_args!("{at}.port"),
        "is 0: give 1 to 65535",
    );
    let path = spec
        .path
        .as_ref()
        .and_then(|path| path_change(faults, at, path));
    let code = spec.status_code;
    faults.require(
        matches!(code, 301 | 302 | 303 | 307 | 308),
        format_args!("{at}.statusCode"),
        format_args!("is {code}: give 301, 302, 303, 307 or 308"),
    );
    let status = StatusCode::from_u16(code).ok()?;
    Some(Redirect {
        https,
        host,
        port: spec.port,
        path,
        status,
    })
}

fn compile_fixed(
    faults: &mut Faults<'_>,
    at: fmt::Arguments<'_>,
    spec: &DirectResponse,
) -> Option<FixedResponse> {
    let code = spec.status;
    let body = spec.body.clone().unwrap_or_default();
    faults.require(
        (200..=599).contains(&code),
        format_args!("{at}.status"),
        format_args!("is {code}: give 200 to 599"),
    );
    faults.require(
        body.len() <= MAX_BODY,
        format_args!("{at}.body"),
        format_args!("has {} bytes: give at most {MAX_BODY}", body.len()),
    );
    faults.require(
        body.is_empty() || !matches!(code, 204 | 205 | 304),
        format_args!("{at}.body"),
        format_args!("cannot be sent with status {code}: leave it out"),
    );
    let content_type = match (&spec.content_type, body.is_empty()) {
        (Some(text), _) => {
            Some(faults.take(format_args!("{at}.contentType"), syntax::header_value(text))?)
        }
        (None, false) => Some(HeaderValue::from_static("text/plain; charset=utf-8")),
        (None, true) => None,
    };
    let status = StatusCode::from_u16(code).ok()?;
    Some(FixedResponse {
        status,
        content_type,
        body: Bytes::from(body),
    })
}
