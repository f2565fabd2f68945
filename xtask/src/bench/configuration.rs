//! What each proxy is told: to pass everything on to one upstream, with its access log on.

use anyhow::{Context, Result};
use std::{fmt::Write, fs, net::SocketAddr, path::Path};

/// The files that a configuration names.
pub(super) struct Files<'a> {
    pub(super) directory: &'a Path,
    pub(super) access_log: &'a Path,
}

/// A configuration of Envoy or nginx from its template.
pub(super) fn from_template(
    template: &Path,
    listen: SocketAddr,
    upstream: SocketAddr,
    files: &Files<'_>,
) -> Result<String> {
    let template = fs::read_to_string(template)
        .with_context(|| format!("cannot read {}", template.display()))?;
    Ok(template
        .replace("@LISTEN@", &listen.port().to_string())
        .replace("@UPSTREAM@", &upstream.port().to_string())
        .replace("@DIRECTORY@", &files.directory.to_string_lossy())
        .replace("@ACCESS_LOG@", &files.access_log.to_string_lossy()))
}

/// A configuration of Sluicegate with one pool. Without routes it serves the model `bench`; with
/// routes, the models they are for, one each.
pub(super) fn sluicegate(
    listen: SocketAddr,
    endpoints: &[SocketAddr],
    routes: &[String],
) -> String {
    let mut text = format!("listeners:\n  - name: bench\n    address: {listen}\n");
    text.push_str("pools:\n  - name: bench\n    endpoints:\n");
    // Writing to a string does not fail, here and below.
    for endpoint in endpoints {
        let _ = writeln!(text, "      - address: {endpoint}");
    }
    if routes.is_empty() {
        text.push_str("    models: [bench]\n");
        return text;
    }
    text.push_str("routes:\n");
    for model in routes {
        let _ = writeln!(
            text,
            "  - name: {model}\n    rules:\n      - matches: [{{ model: {{ value: {model} }} }}]\n        \
             backendRefs: [{{ pool: bench }}]"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::sluicegate;

    const FLEET: &str = "\
listeners:
  - name: bench
    address: 127.0.0.1:1
pools:
  - name: bench
    endpoints:
      - address: 127.0.0.1:2
";

    #[test]
    fn sluicegate_with_and_without_routes() {
        let check = |routes: &[&str], rest: &str| {
            let routes: Vec<_> = routes.iter().map(ToString::to_string).collect();
            let address = |port| ([127, 0, 0, 1], port).into();
            assert_eq!(
                sluicegate(address(1), &[address(2)], &routes),
                format!("{FLEET}{rest}")
            );
        };
        check(&[], "    models: [bench]\n");
        check(
            &["a"],
            "routes:\n  - name: a\n    rules:\n      - matches: [{ model: { value: a } }]\n        \
             backendRefs: [{ pool: bench }]\n",
        );
    }
}
