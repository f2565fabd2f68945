//! `sluicegate explain`: what would become of a request, and why.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};
use llm::Api;
use llm::scan::{ScanOptions, Scanner, Schema};
use mesh::snapshot::{Action, Considered, Head, Listener, Rule, Snapshot, Verdict};
use serde_json::{Value, json};
use source::{Environment, Source};

use crate::args::{Explain, Format};

/// A request to be explained.
struct Asked {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Vec<u8>,
}

pub(crate) fn explain(args: &Explain) -> anyhow::Result<()> {
    let loaded = Source::open(&args.config, Environment::of_process())
        .load()
        .map_err(|refused| anyhow::anyhow!("the configuration is not valid\n\n{refused}"))?;
    let asked = match &args.json {
        Some(file) => from_json(file)?,
        None => from_flags(args)?,
    };
    let listener = listener(&loaded.snapshot, args.listener.as_deref())?;
    let explained = Explained::new(listener, &asked)?;
    match args.format {
        Format::Text => print!("{}", explained.text()),
        Format::Json => println!("{:#}", explained.json()),
    }
    Ok(())
}

fn listener<'a>(snapshot: &'a Snapshot, name: Option<&str>) -> anyhow::Result<&'a Listener> {
    let listeners = snapshot.listeners();
    let Some(name) = name else {
        return listeners
            .first()
            .map(AsRef::as_ref)
            .context("there is no listener");
    };
    let found = listeners.iter().find(|listener| &*listener.name == name);
    found.map(AsRef::as_ref).with_context(|| {
        let names: Vec<&str> = listeners.iter().map(|listener| &*listener.name).collect();
        format!(
            "there is no listener `{name}`; there are {}",
            names.join(", ")
        )
    })
}

fn from_flags(args: &Explain) -> anyhow::Result<Asked> {
    let body = match args.data.as_deref() {
        Some(data) => match data.strip_prefix('@') {
            Some(file) => std::fs::read(file).with_context(|| format!("cannot read {file}"))?,
            None => data.as_bytes().to_vec(),
        },
        None => Vec::new(),
    };
    let default = if args.data.is_some() {
        Method::POST
    } else {
        Method::GET
    };
    let method = match &args.method {
        Some(method) => method
            .parse()
            .with_context(|| format!("`{method}` is not a method"))?,
        None => default,
    };
    let mut headers = HeaderMap::new();
    for line in &args.headers {
        let (name, value) = line
            .split_once(':')
            .with_context(|| format!("`{line}` is not `name: value`"))?;
        append(&mut headers, name.trim(), value.trim())?;
    }
    let url = args.url.as_deref().unwrap_or("/");
    Ok(Asked {
        method,
        uri: uri(url)?,
        headers,
        body,
    })
}

fn from_json(file: &Path) -> anyhow::Result<Asked> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
    }
    let request: Value = serde_json::from_str(&text).context("the request is not JSON")?;
    let url = request
        .get("url")
        .and_then(Value::as_str)
        .context("the request has no `url`")?;
    let body = match request.get("body") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(json) => serde_json::to_vec(json)?,
    };
    let default = if body.is_empty() { "GET" } else { "POST" };
    let method = request
        .get("method")
        .and_then(Value::as_str)
        .unwrap_or(default);
    let mut headers = HeaderMap::new();
    for (name, value) in request
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let value = value
            .as_str()
            .with_context(|| format!("header `{name}` is not a string"))?;
        append(&mut headers, name, value)?;
    }
    let method = method
        .parse()
        .with_context(|| format!("`{method}` is not a method"))?;
    Ok(Asked {
        method,
        uri: uri(url)?,
        headers,
        body,
    })
}

fn append(headers: &mut HeaderMap, name: &str, value: &str) -> anyhow::Result<()> {
    let parsed: HeaderName = name
        .parse()
        .with_context(|| format!("`{name}` is not a header name"))?;
    let value: HeaderValue = value
        .parse()
        .with_context(|| format!("the value of header `{name}` is not valid"))?;
    headers.append(parsed, value);
    Ok(())
}

fn uri(url: &str) -> anyhow::Result<Uri> {
    url.parse()
        .with_context(|| format!("`{url}` is not a URL or path"))
}

/// What becomes of a request.
struct Explained {
    api: Option<Api>,
    model: Option<String>,
    considered: Vec<Considered>,
}

impl Explained {
    fn new(listener: &Listener, asked: &Asked) -> anyhow::Result<Self> {
        let path = asked.uri.path();
        let api = Api::asked(path, |name| asked.headers.contains_key(name));
        if let Some(api) = api
            && asked.method.as_str() != api.method().as_str()
        {
            bail!(
                "{path} accepts {} only: it is answered 405",
                api.method().as_str()
            );
        }
        let in_path = api.and_then(|api| api.model_in_path(path));
        let model = match (in_path, api.and_then(Schema::of)) {
            (Some(name), _) => Some(llm::decoded(name).into_owned()),
            (None, Some(schema)) => model(schema, &asked.body)?,
            (None, None) => None,
        };
        let header = asked
            .headers
            .get(http::header::HOST)
            .and_then(|host| host.to_str().ok());
        let host = asked.uri.host().or(header).unwrap_or("localhost");
        if !listener
            .allowed_hosts
            .allows(mesh::snapshot::host_without_port(host))
        {
            bail!(
                "listener {} does not serve the host {host}: it is answered 421",
                listener.name
            );
        }
        let head = Head {
            host: mesh::snapshot::host_without_port(host),
            method: &asked.method,
            path,
            query: asked.uri.query(),
            headers: &asked.headers,
            llm: api.is_some(),
        };
        let considered = listener.router.explain(&head, model.as_deref());
        Ok(Self {
            api,
            model,
            considered,
        })
    }

    fn chosen(&self) -> Option<&Rule> {
        let mut all = self.considered.iter();
        all.find(|one| matches!(one.verdict, Verdict::Chosen))
            .map(|one| &*one.rule)
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let api = self.api.map_or_else(
            || "none: a plain request".to_owned(),
            |api| format!("{} {}", api.dialect.name(), api.operation.name()),
        );
        out.push_str(&format!("API    {api}\n"));
        out.push_str(&format!(
            "model  {}\n",
            self.model.as_deref().unwrap_or("none")
        ));
        match self.chosen() {
            Some(rule) => {
                out.push_str(&format!("route  {}, rule {}\n", rule.route, rule.name));
                targets(rule, &mut out);
            }
            None => out.push_str("route  none: it is answered 404\n"),
        }
        out.push_str("\nConsidered, in order of precedence:\n");
        for one in &self.considered {
            out.push_str(&format!(
                "  {}, rule {} ({}): {}\n",
                one.rule.route,
                one.rule.name,
                one.conditions,
                verdict(&one.verdict)
            ));
        }
        out
    }

    fn json(&self) -> Value {
        let considered: Vec<Value> = self
            .considered
            .iter()
            .map(|one| {
                json!({
                    "route": *one.rule.route,
                    "rule": *one.rule.name,
                    "conditions": one.conditions,
                    "verdict": verdict(&one.verdict),
                })
            })
            .collect();
        json!({
            "dialect": self.api.map(|api| api.dialect.name()),
            "operation": self.api.map(|api| api.operation.name()),
            "model": self.model,
            "route": self.chosen().map(|rule| &*rule.route),
            "rule": self.chosen().map(|rule| &*rule.name),
            "targets": self.chosen().map(target_values).unwrap_or_default(),
            "considered": considered,
        })
    }
}

fn model(schema: &'static Schema, body: &[u8]) -> anyhow::Result<Option<String>> {
    let mut scanner = Scanner::new(schema, ScanOptions::default());
    let scan = scanner.push(body).and_then(|()| scanner.finish());
    let scan = scan.map_err(|error| anyhow::anyhow!("{error}: it is answered 400"))?;
    Ok(scan.model.map(|model| model.value))
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Chosen => "chosen".to_owned(),
        Verdict::Shadowed { by } => format!("fits, but {}, rule {} goes before", by.route, by.name),
        Verdict::PassedOver(mismatch) => mismatch.to_string(),
    }
}

fn targets(rule: &Rule, out: &mut String) {
    match &rule.action {
        Action::Redirect(redirect) => {
            out.push_str(&format!("answer redirect, {}\n", redirect.status));
        }
        Action::Respond(fixed) => out.push_str(&format!("answer {}\n", fixed.status)),
        Action::Forward(tiers) => {
            for tier in tiers {
                let total: u64 = tier.targets().iter().map(|one| u64::from(one.weight)).sum();
                for target in tier.targets() {
                    let share = f64::from(target.weight) / total as f64 * 100.0;
                    let model = target.model.as_ref();
                    let rewrite = model.map(|name| format!(" as {name}")).unwrap_or_default();
                    out.push_str(&format!(
                        "to     {} {}{rewrite}: weight {} ({share:.1}%), priority {}\n",
                        target.backend.kind.name(),
                        target.backend.name,
                        target.weight,
                        tier.priority()
                    ));
                }
            }
        }
    }
}

fn target_values(rule: &Rule) -> Vec<Value> {
    let of_tier = |tier: &mesh::snapshot::Tier| -> Vec<Value> {
        let value = |target: &mesh::snapshot::Target| {
            json!({
                "kind": target.backend.kind.name(),
                "backend": *target.backend.name,
                "weight": target.weight,
                "priority": tier.priority(),
                "model": target.model.as_deref(),
            })
        };
        tier.targets().iter().map(value).collect()
    };
    rule.tiers().iter().flat_map(of_tier).collect()
}
