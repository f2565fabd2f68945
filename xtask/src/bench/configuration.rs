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

/// What Sluicegate stands in front of: one pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fleet<'a> {
    pub(super) endpoints: &'a [SocketAddr],
    /// Further fields of the pool, a line of YAML each.
    pub(super) policies: &'a [&'a str],
    /// Models that have a route each. Without any, the pool serves the model `bench` by itself.
    pub(super) routes: &'a [String],
}

/// A configuration of Sluicegate.
pub(super) fn sluicegate(listen: SocketAddr, fleet: &Fleet<'_>) -> String {
    let Fleet {
        endpoints,
        policies,
        routes,
    } = fleet;
    let mut text = format!("listeners:\n  - name: bench\n    address: {listen}\n");
    text.push_str("pools:\n  - name: bench\n    endpoints:\n");
    // Writing to a string does not fail, here and below.
    for endpoint in *endpoints {
        let _ = writeln!(text, "      - address: {endpoint}");
    }
    for policy in *policies {
        let _ = writeln!(text, "    {policy}");
    }
    if routes.is_empty() {
        text.push_str("    models: [bench]\n");
        return text;
    }
    text.push_str("routes:\n");
    for model in *routes {
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
    use super::{Fleet, sluicegate};

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
        let check = |policies: &[&str], routes: &[&str], rest: &str| {
            let routes: Vec<_> = routes.iter().map(ToString::to_string).collect();
            let address = |port| ([127, 0, 0, 1], port).into();
            let fleet = Fleet {
                endpoints: &[address(2)],
                policies,
                routes: &routes,
            };
            assert_eq!(sluicegate(address(1), &fleet), format!("{FLEET}{rest}"));
        };
        check(&[], &[], "    models: [bench]\n");
        check(
            &["protocol: h2"],
            &[],
            "    protocol: h2\n    models: [bench]\n",
        );
        check(
            &[],
            &["a"],
            "routes:\n  - name: a\n    rules:\n      - matches: [{ model: { value: a } }]\n        \
             backendRefs: [{ pool: bench }]\n",
        );
    }
}
