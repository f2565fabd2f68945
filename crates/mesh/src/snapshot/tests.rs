use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::resources::{Meta, Resource, Secret, SecretRef};

/// Resources from JSON: for each kind's plural an object from names (`namespace/name`) to specs.
pub(super) fn resources(value: &Value) -> Resources {
    Resources {
        listeners: section(value, "listeners"),
        providers: section(value, "providers"),
        pools: section(value, "pools"),
        routes: section(value, "routes"),
    }
}

fn section<S: DeserializeOwned>(value: &Value, name: &str) -> Vec<Resource<S>> {
    let items = value
        .get(name)
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let resource = |(name, spec): (&String, &Value)| {
        let (namespace, name) = match name.split_once('/') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name),
            None => (None, name.as_str()),
        };
        let meta = Meta {
            namespace,
            ..Meta::named(name)
        };
        Resource {
            meta,
            spec: serde_json::from_value(spec.clone()).unwrap(),
        }
    };
    items.map(resource).collect()
}

pub(super) fn compile(value: Value) -> Snapshot {
    Snapshot::compile(&resources(&value), &Secrets::new()).unwrap()
}

fn violations(value: Value) -> String {
    let found = Snapshot::compile(&resources(&value), &Secrets::new()).unwrap_err();
    found
        .iter()
        .map(Violation::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

fn pool() -> Value {
    json!({ "endpoints": [{ "address": "10.0.0.1:8000" }] })
}

fn plain() -> Value {
    json!({ "dialect": "none", "endpoints": [{ "address": "10.0.0.2:80" }] })
}

#[test]
fn without_listeners_there_is_one_for_this_machine() {
    let snapshot = compile(json!({}));
    let [listener] = snapshot.listeners() else {
        panic!("one listener")
    };
    assert_eq!(listener.address.to_string(), "127.0.0.1:8080");
    assert!(listener.allowed_hosts.allows("localhost"));
    assert!(!listener.allowed_hosts.allows("evil.example"));
    assert!(!listener.allowed_origins.allows("https://evil.example"));
}

#[test]
fn listeners_with_the_same_routes_share_a_router() {
    let snapshot = compile(json!({
        "listeners": {
            "a": { "address": "127.0.0.1:1" },
            "b": { "address": "127.0.0.1:2" },
            "c": { "address": "127.0.0.1:3" },
        },
        "pools": { "p": pool() },
        "routes": {
            "all": { "rules": [{ "backendRefs": [{ "pool": "p" }] }] },
            "one": { "listeners": ["default/c"], "rules": [{ "backendRefs": [{ "pool": "p" }] }] },
        },
    }));
    let [a, b, c] = snapshot.listeners() else {
        panic!("three listeners")
    };
    assert!(Arc::ptr_eq(&a.router, &b.router));
    assert!(!Arc::ptr_eq(&a.router, &c.router));
    assert_eq!(
        (a.router.matches().count(), c.router.matches().count()),
        (1, 2)
    );
}

#[test]
fn a_provider_is_compiled_from_its_url_and_key() {
    let key = SecretRef::Env("KEY".into());
    let secrets = Secrets::from([(key, Secret::from("sk-1"))]);
    let value = json!({ "providers": { "p": {
        "baseUrl": "https://Example.com:8443/openai/v1/",
        "apiKey": "${env:KEY}",
        "headers": [{ "name": "X-Org", "value": "me" }],
    } } });
    let snapshot = Snapshot::compile(&resources(&value), &secrets).unwrap();
    let [backend] = snapshot.backends() else {
        panic!("one backend")
    };
    let (name, value) = backend.credential.as_ref().unwrap();
    assert_eq!(
        (name.as_str(), value.to_str().unwrap()),
        ("authorization", "Bearer sk-1")
    );
    assert!(value.is_sensitive() && backend.default_headers.is_empty());
    assert_eq!(backend.host.as_ref().unwrap(), "Example.com:8443");
    assert_eq!(&*backend.base_path, "/openai/v1");
    assert!(backend.tls.is_some());
    let EndpointSource::Static(endpoints) = &backend.endpoints else {
        panic!("one endpoint")
    };
    assert_eq!(endpoints[0].address.to_string(), "example.com:8443");
    let shown = format!("{snapshot:?}{}", snapshot.view());
    assert!(
        !shown.contains("sk-1") && shown.contains("${env:KEY}"),
        "{shown}"
    );
}

#[test]
fn a_pool_speaks_its_dialect() {
    let secrets = Secrets::from([(SecretRef::Env("KEY".into()), Secret::from("sk-1"))]);
    let pool = |dialect: &str| {
        let endpoints = json!([{ "address": "127.0.0.1:1" }]);
        let models = json!([dialect]);
        json!({ "dialect": dialect, "endpoints": endpoints, "models": models, "apiKey": "${env:KEY}" })
    };
    let value =
        json!({ "pools": { "a": pool("anthropic"), "o": pool("ollama"), "v": pool("openai") } });
    let snapshot = Snapshot::compile(&resources(&value), &secrets).unwrap();
    let said: Vec<_> = snapshot
        .backends()
        .iter()
        .map(|backend| {
            let (key, _) = backend.credential.as_ref().unwrap();
            let headers = backend.default_headers.len();
            (&*backend.base_path, backend.dialect, key.as_str(), headers)
        })
        .collect();
    let anthropic = ("/v1", Some(llm::Dialect::Anthropic), "x-api-key", 1);
    let ollama = ("", Some(llm::Dialect::Ollama), "authorization", 0);
    let openai = ("/v1", Some(llm::Dialect::OpenAi), "authorization", 0);
    assert_eq!(said, [anthropic, ollama, openai]);
}

#[test]
fn a_preset_tells_what_is_not_written() {
    let key = |name: &str| (SecretRef::Env(name.into()), Secret::from(name));
    let secrets = [
        "MISTRAL_API_KEY",
        "OTHER_KEY",
        "AZURE_OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
    ];
    let secrets: Secrets = secrets.into_iter().map(key).collect();
    let azure = "https://me.openai.azure.com/openai/v1";
    let value = json!({ "providers": {
        "1": { "preset": "mistral", "models": ["a"] },
        "2": { "preset": "mistral", "models": ["b"], "apiKey": "${env:OTHER_KEY}",
               "baseUrl": "http://127.0.0.1:9/v2" },
        "3": { "preset": "azure", "models": ["c"], "baseUrl": azure },
        "4": { "preset": "azure", "models": ["d"], "baseUrl": azure, "auth": { "azure": {} } },
        "5": { "preset": "anthropic", "models": ["e"] },
        "6": { "preset": "ollama", "models": ["f"] },
        "7": { "baseUrl": "https://api.mistral.ai/v1", "models": ["g"] },
        "8": { "preset": "bedrock", "models": ["h"], "auth": { "aws": { "region": "eu-west-1" } } },
    } });
    let snapshot = Snapshot::compile(&resources(&value), &secrets).unwrap();
    let told: Vec<_> = snapshot
        .backends()
        .iter()
        .map(|backend| {
            let key = backend.credential.as_ref();
            let key = key.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
            let host = backend.host.as_ref().unwrap().to_str().unwrap();
            (
                host,
                &*backend.base_path,
                key.unwrap_or_default(),
                backend.quirks,
            )
        })
        .collect();
    let azure = "me.openai.azure.com";
    let bearer = |key: &str| format!("authorization: Bearer {key}");
    let key = |header: &str, key: &str| format!("{header}: {key}");
    let expect = [
        (
            "api.mistral.ai",
            "/v1",
            bearer("MISTRAL_API_KEY"),
            &llm::Quirks::MISTRAL,
        ),
        (
            "127.0.0.1:9",
            "/v2",
            bearer("OTHER_KEY"),
            &llm::Quirks::MISTRAL,
        ),
        (
            azure,
            "/openai/v1",
            key("api-key", "AZURE_OPENAI_API_KEY"),
            &llm::Quirks::AZURE,
        ),
        (azure, "/openai/v1", String::new(), &llm::Quirks::AZURE),
        (
            "api.anthropic.com",
            "/v1",
            key("x-api-key", "ANTHROPIC_API_KEY"),
            &llm::Quirks::NONE,
        ),
        ("localhost:11434", "", String::new(), &llm::Quirks::NONE),
        (
            "api.mistral.ai",
            "/v1",
            String::new(),
            &llm::Quirks::MISTRAL,
        ),
        (
            "bedrock-runtime.eu-west-1.amazonaws.com",
            "",
            String::new(),
            &llm::Quirks::NONE,
        ),
    ];
    assert_eq!(told, expect);
}

#[test]
fn faults_of_presets_are_told() {
    let found = violations(json!({ "providers": {
        "a": { "preset": "azure", "apiKey": "${env:NOPE}", "models": ["a"] },
        "b": { "preset": "gemini", "dialect": "openai", "models": ["b"] },
        "c": { "dialect": "bedrock", "models": ["c"] },
    } }));
    insta::assert_snapshot!(found, @"
    Provider a: apiKey: the environment variable `NOPE` is not set
    Provider a: baseUrl: `baseUrl` is missing: give the URL of your own resource, such as `https://NAME.openai.azure.com/openai/v1`
    Provider b: dialect: `dialect` is not that of the preset `gemini`: leave one of the two out
    Provider b: apiKey: the environment variable `GEMINI_API_KEY` is not set
    Provider c: baseUrl: `baseUrl` is missing: give that of your region, such as `https://bedrock-runtime.eu-west-1.amazonaws.com`, or the region in `auth.aws.region`
    ");
}

#[test]
fn a_provider_speaks_its_dialect() {
    let secrets = Secrets::from([(SecretRef::Env("KEY".into()), Secret::from("sk-1"))]);
    let value = json!({ "providers": {
        "a": { "dialect": "anthropic", "apiKey": "${env:KEY}", "models": ["claude"] },
        "g": { "dialect": "gemini", "apiKey": "${env:KEY}", "models": ["gemini"] },
        "o": { "models": ["gpt"] },
    } });
    let snapshot = Snapshot::compile(&resources(&value), &secrets).unwrap();
    let backend = |name: &str| {
        let mut backends = snapshot.backends().iter();
        backends.find(|backend| &*backend.name == name).unwrap()
    };
    let anthropic = backend("a");
    assert_eq!(anthropic.dialect, Some(llm::Dialect::Anthropic));
    assert_eq!(anthropic.host.as_ref().unwrap(), "api.anthropic.com");
    assert_eq!(&*anthropic.base_path, "/v1");
    let (name, value) = anthropic.credential.as_ref().unwrap();
    assert_eq!(
        (name.as_str(), value.to_str().unwrap()),
        ("x-api-key", "sk-1")
    );
    assert!(value.is_sensitive());
    let [(name, value)] = &*anthropic.default_headers else {
        panic!("one header")
    };
    assert_eq!(
        (name.as_str(), value.to_str().unwrap()),
        ("anthropic-version", "2023-06-01")
    );
    assert_eq!(backend("o").host.as_ref().unwrap(), "api.openai.com");
    let gemini = backend("g");
    assert_eq!(gemini.dialect, Some(llm::Dialect::Gemini));
    let host = "generativelanguage.googleapis.com";
    assert_eq!(gemini.host.as_ref().unwrap(), host);
    assert_eq!(&*gemini.base_path, "/v1beta");
    let (name, value) = gemini.credential.as_ref().unwrap();
    assert_eq!(
        (name.as_str(), value.to_str().unwrap()),
        ("x-goog-api-key", "sk-1")
    );
    assert!(value.is_sensitive() && gemini.default_headers.is_empty());
    let found = violations(json!({ "providers": { "a": {
        "dialect": "anthropic", "models": ["claude"],
        "headers": [{ "name": "X-Api-Key", "value": "hunter2" }],
    } } }));
    assert_eq!(
        found.trim(),
        "Provider a: headers[0].name: `name` is `x-api-key`, which `apiKey` is for, by reference"
    );
}

#[test]
fn pools_know_their_base_path_by_their_dialect() {
    let check = |spec: Value, expect: &str| {
        let snapshot = compile(json!({ "pools": { "p": spec } }));
        assert_eq!(&*snapshot.backends()[0].base_path, expect);
    };
    check(pool(), "/v1");
    check(plain(), "");
    let dns = json!({ "host": "vllm.svc", "port": 8000 });
    check(json!({ "dns": dns, "basePath": "" }), "");
    check(json!({ "dns": dns, "basePath": "/api/v1/" }), "/api/v1");
}

#[test]
fn names_are_resolved_in_their_namespace() {
    let snapshot = compile(json!({
        "pools": { "a/p": pool(), "b/p": pool() },
        "routes": {
            "a/r": { "rules": [{ "backendRefs": [{ "pool": "p" }] }] },
            "b/r": { "rules": [{ "backendRefs": [{ "pool": "p", "namespace": "a" }, { "pool": "p" }] }] },
        },
    }));
    let rules: Vec<_> = snapshot.listeners()[0].router.matches().collect();
    let targets = |rule: &Rule| {
        rule.targets()
            .map(|t| t.backend.name.to_string())
            .collect::<Vec<_>>()
    };
    let routes: Vec<_> = rules
        .iter()
        .map(|(_, rule)| (&*rule.route, targets(rule)))
        .collect();
    assert_eq!(
        routes,
        [
            ("a/r", vec!["a/p".into()]),
            ("b/r", vec!["a/p".into(), "b/p".into()])
        ]
    );
}

#[test]
fn known_models_are_those_named_anywhere() {
    let snapshot = compile(json!({
        "providers": { "served": { "models": ["m1"] } },
        "pools": { "p": pool() },
        "routes": { "r": { "rules": [{
            "matches": [
                { "model": { "value": "m2" } },
                { "model": { "type": "Prefix", "value": "m" } },
            ],
            "backendRefs": [{ "pool": "p", "model": "m3" }],
        }] } },
    }));
    let known = ["m", "m1", "m2", "m3", "m4"].map(|name| snapshot.known_model(name).is_some());
    assert_eq!(known, [false, true, true, true, false]);
}

#[test]
fn the_view_shows_what_is_in_force() {
    let snapshot = compile(json!({ "pools": { "p": {
        "endpoints": [{ "address": "h:1" }], "models": ["m"],
    } } }));
    let view = snapshot.view();
    insta::assert_snapshot!(view["listeners"][0]["matches"], @r#"[{"match":"path /*, model m","route":"p","rule":"implicit","action":{"forward":[{"priority":0,"targets":[{"kind":"pool","backend":"p","weight":1,"model":null}]}]}}]"#);
    insta::assert_snapshot!(view["backends"][0]["endpoints"], @r#"[{"name":"h:1","address":"h:1","weight":1}]"#);
}

#[test]
fn all_faults_of_a_route_are_told_at_once() {
    let found = violations(json!({
        "pools": { "llama": pool(), "web": plain() },
        "providers": { "openai": {} },
        "routes": { "r": {
            "listeners": ["edge"],
            "hostnames": ["https://a", "a.com", "A.com"],
            "rules": [
                {
                    "name": "Bad Name",
                    "matches": [
                        { "path": { "type": "RegularExpression", "value": "(" } },
                        { "path": { "value": "no-slash" } },
                        { "headers": [{ "name": "b d", "value": "" }, { "name": "a", "value": "" },
                                      { "name": "A", "value": "" }] },
                        { "model": { "type": "Glob", "value": "[" } },
                        { "queryParams": [{ "type": "RegularExpression", "name": "q", "value": "a)|(b" }] },
                    ],
                    "backendRefs": [{ "pool": "lama" }, { "pool": "openai" }, {},
                                    { "pool": "llama", "provider": "openai" }],
                    "retry": { "attempts": 99, "codes": [200], "backoff": { "base": "2s" } },
                    "timeouts": { "connect": "0s", "request": "1s", "backendRequest": "2s" },
                },
                { "backendRefs": [{ "pool": "llama", "weight": 0 }] },
                { "backendRefs": [{ "pool": "llama" }, { "pool": "web" }] },
                { "matches": [{ "model": { "value": "m" } }],
                  "backendRefs": [{ "pool": "web", "model": "m" }] },
                {},
            ],
        } },
    }));
    insta::assert_snapshot!(found, @r#"
    Route r: hostnames[0]: `https://a` is not a host name: write a name such as `api.example.com`, `*.example.com` or an IP address, without scheme and port
    Route r: hostnames[2]: `hostnames[2]` repeats `A.com`
    Route r: listeners[0]: there is no listener `edge`
    Route r: rules[0].name: `Bad Name` is not a name: use at most 253 lower case letters, digits, `-` and `.`, beginning and ending with a letter or digit
    Route r: rules[0].timeouts.connect: `connect` is 0s: opening a connection needs a bound
    Route r: rules[0].timeouts.backendRequest: `backendRequest` is more than `request` (1s), of which it is a part
    Route r: rules[0].retry.attempts: `attempts` is 99: give 0 to 16
    Route r: rules[0].retry.codes[0]: `codes[0]` is 200: give 400 to 599
    Route r: rules[0].retry.backoff.max: `max` is less than `base` (2s)
    Route r: rules[0].matches[0].path.value: `(` is not a regular expression: unclosed group
    Route r: rules[0].matches[1].path.value: `no-slash` is not a path: begin with `/`, percent-encode what is not visible ASCII, and give no query or fragment
    Route r: rules[0].matches[2].headers[0].name: `b d` is not a header name: use letters, digits and `-`
    Route r: rules[0].matches[2].headers[2].name: `name` repeats `a`: only one condition per header
    Route r: rules[0].matches[3].model.value: `[` is not a glob: unclosed character class; missing ']'
    Route r: rules[0].matches[4].queryParams[0].value: `a)|(b` is not a regular expression: unopened group
    Route r: rules[0].backendRefs[0].pool: there is no pool `lama` (did you mean `llama`?)
    Route r: rules[0].backendRefs[1].pool: there is no pool `openai`, but a provider of that name: write `provider:`
    Route r: rules[0].backendRefs[2]: `backendRefs[2]` names no backend: set `pool` or `provider`
    Route r: rules[0].backendRefs[3]: `backendRefs[3]` sets both `pool` and `provider`: give each a backendRef of its own
    Route r: rules[1].backendRefs: `backendRefs` have weights that sum to 0, which would serve nobody: give one of them a weight
    Route r: rules[2].backendRefs: `backendRefs` mix LLM backends with plain ones (`dialect: none`): give each kind a rule
    Route r: rules[3].matches[0].model: `model` is set, but the rule's backends are plain (`dialect: none`) and know no models
    Route r: rules[3].backendRefs[0].model: `model` is set, but the rule's backends are plain (`dialect: none`) and know no models
    Route r: rules[4].backendRefs: `backendRefs` is empty: give a pool or provider, or a filter that answers (requestRedirect or directResponse)
    "#);
}

#[test]
fn filters_that_do_not_go_together_are_faults() {
    let redirect = json!({ "requestRedirect": {} });
    let respond = json!({ "directResponse": { "status": 204 } });
    let prefix = json!({ "path": { "type": "ReplacePrefixMatch", "replacePrefixMatch": "/" } });
    let found = violations(json!({
        "pools": { "llm": pool(), "web": plain() },
        "routes": { "r": { "rules": [
            { "filters": [redirect], "backendRefs": [{ "pool": "web" }] },
            { "filters": [redirect, respond] },
            { "filters": [respond, respond] },
            { "filters": [{}] },
            { "filters": [{ "requestRedirect": {}, "urlRewrite": {} }] },
            { "filters": [{ "urlRewrite": {} }], "backendRefs": [{ "pool": "web" }] },
            { "filters": [{ "urlRewrite": prefix }], "backendRefs": [{ "pool": "llm" }] },
            { "filters": [{ "urlRewrite": prefix }], "backendRefs": [{ "pool": "web" }],
              "matches": [{ "path": { "type": "Exact", "value": "/a" } }] },
            { "filters": [{ "urlRewrite": { "hostname": "*.a", "path": { "type": "ReplaceFullPath" } } }],
              "backendRefs": [{ "pool": "web" }] },
            { "filters": [{ "requestHeaderModifier": {
                "set": [{ "name": "Host", "value": "" }, { "name": "a", "value": "\n" }],
                "add": [{ "name": "A", "value": "" }],
                "remove": ["Transfer-Encoding"],
              } }], "backendRefs": [{ "pool": "web" }] },
            { "filters": [{ "requestRedirect": { "scheme": "ftp", "port": 0, "statusCode": 200 } }] },
            { "filters": [{ "directResponse": { "status": 100 } }] },
            { "filters": [{ "directResponse": { "status": 204, "body": "x" } }] },
        ] } },
    }));
    insta::assert_snapshot!(found, @r#"
    Route r: rules[0].backendRefs: `backendRefs` stand beside a filter that answers by itself (requestRedirect or directResponse): leave out one of the two
    Route r: rules[1].filters: `filters` hold `requestRedirect` and `directResponse`, which exclude each other
    Route r: rules[2].filters[1]: `filters[1]` repeats `directResponse`: join the two into one
    Route r: rules[3].filters[0]: `filters[0]` is empty: set exactly one field
    Route r: rules[3].backendRefs: `backendRefs` is empty: give a pool or provider, or a filter that answers (requestRedirect or directResponse)
    Route r: rules[4].filters[0]: `filters[0]` sets `requestRedirect` and `urlRewrite`: give each a filter of its own
    Route r: rules[5].filters[0].urlRewrite: `urlRewrite` is empty: set `hostname` or `path`
    Route r: rules[6].filters: `filters` changes the path of a rule with LLM backends, whose paths are the dialect's: set `basePath` or `baseUrl` at the backend
    Route r: rules[7].matches[0].path.type: `type` is not a PathPrefix, but a filter of the rule replaces the prefix matched
    Route r: rules[8].filters[0].urlRewrite.hostname: `hostname` is a wildcard: give one host name
    Route r: rules[8].filters[0].urlRewrite.path.replaceFullPath: `replaceFullPath` is missing: `type` names it
    Route r: rules[9].filters[0].requestHeaderModifier.remove[0]: `transfer-encoding` belongs to the connection and cannot be changed
    Route r: rules[9].filters[0].requestHeaderModifier.set[0].name: `Host` is not changed as a header: use urlRewrite.hostname
    Route r: rules[9].filters[0].requestHeaderModifier.set[1].value: this is not a header value: use visible ASCII and spaces
    Route r: rules[9].filters[0].requestHeaderModifier.add[0].name: `name` repeats `a`, which this filter changes already
    Route r: rules[10].filters[0].requestRedirect.scheme: `scheme` is `ftp`: give `http` or `https`
    Route r: rules[10].filters[0].requestRedirect.port: `port` is 0: give 1 to 65535
    Route r: rules[10].filters[0].requestRedirect.statusCode: `statusCode` is 200: give 301, 302, 303, 307 or 308
    Route r: rules[11].filters[0].directResponse.status: `status` is 100: give 200 to 599
    Route r: rules[12].filters[0].directResponse.body: `body` cannot be sent with status 204: leave it out
    "#);
}

#[test]
fn all_faults_of_backends_are_told_at_once() {
    let found = violations(json!({
        "providers": {
            "a": { "baseUrl": "https://user:hunter2@a" },
            "b": { "baseUrl": "ftp://a", "apiKey": "${env:NOPE}" },
            "c": { "baseUrl": "http://a/v1?x", "models": ["m", "m", ""] },
            "d": { "baseUrl": "http://a", "tls": { "serverName": "a b" }, "models": ["x"],
                   "headers": [{ "name": "Authorization", "value": "hunter2" }] },
            "e": { "models": ["x"] },
            "f": { "outlierDetection": { "baseEjectionTime": "0s", "maxEjectionPercent": 101 },
                   "connectionPool": { "maxRequestsPerEndpoint": 0, "maxAge": "0s" } },
            "g": {},
        },
        "pools": {
            "Upper_Case": pool(),
            "none": { "models": ["n"] },
            "both": { "models": ["o"], "endpoints": [{ "address": "a:1" }], "dns": { "host": "a", "port": 1 } },
            "dns": { "models": ["p"], "dns": { "host": "a b", "port": 0, "refresh": "1ms" } },
            "addresses": { "models": ["q"], "endpoints": [
                { "address": "a" }, { "address": "a:0" }, { "address": "a:1", "weight": 0 },
                { "address": "a:1" }, { "address": "[::1]:70000" }, { "address": "::1:80" },
            ] },
            "plain": { "dialect": "none", "basePath": "/v1", "models": ["m"],
                       "endpoints": [{ "address": "a:1" }] },
            "checked": { "models": ["r"], "endpoints": [{ "address": "a:1" }],
                         "healthCheck": { "path": "health", "interval": "0s", "timeout": "0s",
                                          "healthyThreshold": 0 },
                         "loadBalancer": { "choices": 1 } },
        },
    }));
    assert!(!found.contains("hunter2"));
    insta::assert_snapshot!(found, @r#"
    Provider a: baseUrl: this URL has a user or password: give the key in `apiKey`, by reference
    Provider b: apiKey: the environment variable `NOPE` is not set
    Provider b: baseUrl: this is not an http or https URL: write one such as `https://api.openai.com/v1`
    Provider c: models[1]: `models[1]` repeats `m`
    Provider c: models[2]: `models[2]` is empty: give the name of a model
    Provider c: baseUrl: this URL has a query or fragment: a base URL ends with its path
    Provider d: headers[0].name: `name` is `authorization`, which `apiKey` is for, by reference
    Provider d: tls.serverName: `serverName` is not a host name: write one such as `api.example.com`
    Provider d: tls: `tls` is set but the base URL is `http`: make it `https`, or leave out `tls`
    Provider f: connectionPool.maxRequestsPerEndpoint: `maxRequestsPerEndpoint` is 0, which would send nothing: at least 1
    Provider f: connectionPool.maxAge: `maxAge` is 0s: leave it out for no limit
    Provider f: outlierDetection.baseEjectionTime: `baseEjectionTime` is 0s: to eject nothing set `consecutiveErrors: 0`
    Provider f: outlierDetection.maxEjectionPercent: `maxEjectionPercent` is 101: give 0 to 100
    Pool Upper_Case: name: `Upper_Case` is not a name: use at most 253 lower case letters, digits, `-` and `.`, beginning and ending with a letter or digit (did you mean `upper-case`?)
    Pool none: endpoints: `endpoints` is empty: give at least one endpoint, or `dns`
    Pool both: dns: `dns` is set beside `endpoints`: give one of the two
    Pool dns: dns.host: `host` is not a host name: write one such as `vllm.models.svc`
    Pool dns: dns.port: `port` is 0: give 1 to 65535
    Pool dns: dns.refresh: `refresh` is 1ms: give at least 100ms
    Pool addresses: endpoints[0].address: `a` is not a host with a port: write one such as `10.0.0.7:8000`
    Pool addresses: endpoints[1].address: `a:0` is not a host with a port: write one such as `10.0.0.7:8000`
    Pool addresses: endpoints[2].weight: `weight` is 0: give 1 to 1000000
    Pool addresses: endpoints[3].address: `address` repeats `a:1`: names are unique
    Pool addresses: endpoints[4].address: `[::1]:70000` is not a host with a port: write one such as `10.0.0.7:8000`
    Pool addresses: endpoints[5].address: `::1:80` is not a host with a port: write one such as `10.0.0.7:8000`
    Pool plain: basePath: `basePath` does not apply to a plain pool (`dialect: none`): leave it out
    Pool plain: models: `models` does not apply to a plain pool (`dialect: none`): leave it out
    Pool checked: loadBalancer.choices: `choices` is 1: give 2 to 16
    Pool checked: healthCheck.path: `health` is not a path: begin with `/`, percent-encode what is not visible ASCII, and give no query or fragment
    Pool checked: healthCheck.interval: `interval` is 0s: give at least 100ms
    Pool checked: healthCheck.timeout: `timeout` is 0s: no probe could pass
    Pool checked: healthCheck.healthyThreshold: `healthyThreshold` is 0: at least 1
    Provider b: models: `models` is empty, which takes any model, as Provider a does already: list the models of one of the two, or refer to both in a route
    Provider e: models[0]: `models[0]` is `x`, which Provider d serves already: refer to both in a route that says how they share it
    Provider f: models: `models` is empty, which takes any model, as Provider b does already: list the models of one of the two, or refer to both in a route
    Provider g: models: `models` is empty, which takes any model, as Provider f does already: list the models of one of the two, or refer to both in a route
    Pool Upper_Case: models: `models` is empty, which takes any model, as Provider g does already: list the models of one of the two, or refer to both in a route
    "#);
}

#[test]
fn all_faults_of_listeners_are_told_at_once() {
    let found = violations(json!({ "listeners": {
        "a": { "address": "0.0.0.0:80" },
        "b": { "address": "127.0.0.1:80" },
        "x/c": { "address": "[::1]:80" },
        "d": { "address": "localhost:80", "allowedHosts": ["a:80"], "allowedOrigins": ["a.com", "*"] },
        "e": { "address": "127.0.0.1:0", "tls": { "certificates": [] },
               "limits": { "maxConnections": 0, "maxHeaderBytes": "2Mi", "maxBodyBytes": 0 },
               "timeouts": { "idle": "0s" } },
        "f": { "address": "127.0.0.1:0",
               "tls": { "certificates": [{ "certFile": "", "keyFile": "k" }] } },
    } }));
    insta::assert_snapshot!(found, @r#"
    Listener b: address: `address` clashes with `a`, which binds 0.0.0.0:80
    Listener d: allowedHosts[0]: `a:80` is not a host name: write a name such as `api.example.com`, `*.example.com` or an IP address, without scheme and port
    Listener d: allowedOrigins[0]: `a.com` is not a web origin: write scheme and host, with the port if it is not the scheme's own, such as `https://chat.example.com`, or `*` for any
    Listener d: address: `localhost:80` is not an IP address with a port: write one such as `127.0.0.1:8080`, or `0.0.0.0:8080` for every interface
    Listener e: tls.certificates: `certificates` is empty: give at least one certificate, or leave out `tls` for plain HTTP
    Listener e: limits.maxConnections: `maxConnections` is 0, which would serve nobody: at least 1
    Listener e: limits.maxHeaderBytes: `maxHeaderBytes` is 2Mi: give 8Ki to 1Mi
    Listener e: limits.maxBodyBytes: `maxBodyBytes` is 0, which would refuse every prompt: at least 1
    Listener e: timeouts.idle: `idle` is 0s: clients need a bound above that
    Listener f: tls.certificates[0].certFile: `certFile` is empty: give the path of a PEM file
    "#);
}

#[test]
fn a_name_given_twice_is_a_fault_of_the_second() {
    let mut twice = resources(&json!({ "pools": { "p": plain() } }));
    twice.pools.push(twice.pools[0].clone());
    let found = Snapshot::compile(&twice, &Secrets::new()).unwrap_err();
    let found: Vec<_> = found
        .iter()
        .map(|it| (it.resource.index, it.path.as_str()))
        .collect();
    assert_eq!(found, [(1, "name")]);
}

#[test]
fn identities_of_providers() {
    let resources = resources(&json!({ "providers": {
        "a": { "auth": { "azure": { "tenantId": "t", "clientSecret": "${env:KEY}" } }, "models": ["x"] },
        "g": { "auth": { "google": {} }, "models": ["y"] },
        "w": { "auth": { "aws": { "accessKeyId": "${env:KEY}", "secretAccessKey": "${env:KEY}" } },
               "models": ["z"] },
    } }));
    let key = SecretRef::Env("KEY".to_owned());
    let secrets = Secrets::from([(key, Secret::from("hunter2"))]);
    let snapshot = Snapshot::compile(&resources, &secrets).unwrap();
    let identities: Vec<&Identity> = snapshot
        .backends()
        .iter()
        .map(|backend| &backend.auth.as_ref().unwrap().identity)
        .collect();
    let azure = AzureIdentity {
        tenant_id: Some("t".to_owned()),
        client_id: None,
        client_secret: Some("hunter2".into()),
        federated_token_file: None,
        scope: "https://cognitiveservices.azure.com/.default".to_owned(),
    };
    let google = GoogleIdentity {
        credentials: None,
        scopes: vec!["https://www.googleapis.com/auth/cloud-platform".to_owned()],
    };
    let aws = AwsIdentity {
        region: None,
        service: "bedrock".to_owned(),
        profile: None,
        keys: Some(AwsKeys {
            access_key_id: "hunter2".into(),
            secret_access_key: "hunter2".into(),
            session_token: None,
        }),
    };
    assert_eq!(
        identities,
        [
            &Identity::Azure(azure),
            &Identity::Google(google),
            &Identity::Aws(aws)
        ]
    );
    let view = snapshot.view();
    let shown = &view["backends"][0]["auth"]["azure"];
    assert_eq!(shown["clientSecret"], "${env:KEY}");
    assert!(!format!("{view}{snapshot:?}").contains("hunter2"));
}

#[test]
fn faults_of_identities_are_told_by_their_fields() {
    let auth = |model: &str, auth: Value| json!({ "auth": auth, "models": [model] });
    let found = violations(json!({ "providers": {
        "a": auth("a", json!({})),
        "b": auth("b", json!({ "azure": {}, "google": {} })),
        "k": auth("k", json!({ "aws": { "accessKeyId": "${env:NOPE}" } })),
        "l": auth("l", json!({ "aws": { "sessionToken": "${env:NOPE}", "region": "a b",
                                        "service": "", "profile": "" } })),
        "m": auth("m", json!({ "aws": { "profile": "p", "accessKeyId": "${env:NOPE}",
                                        "secretAccessKey": "${env:NOPE}" } })),
        "c": { "apiKey": "${env:NOPE}", "auth": { "google": {} } },
        "d": auth("d", json!({ "google": { "credentials": "${file:/nope}", "scopes": ["", "a b"] } })),
        "e": auth("e", json!({ "google": { "scopes": [] } })),
        "f": auth("f", json!({ "azure": { "clientSecret": "${env:NOPE}", "federatedTokenFile": "",
                                     "tenantId": "../a", "clientId": "", "scope": "" } })),
    } }));
    insta::assert_snapshot!(found, @"
    Provider a: auth: `auth` is empty: set `aws`, `azure` or `google`
    Provider b: auth: `auth` names several identities: set exactly one
    Provider k: auth.aws.accessKeyId: `accessKeyId` is set without `secretAccessKey`: give both
    Provider l: auth.aws.region: `region` is not a name in signatures: use letters, digits and `-`
    Provider l: auth.aws.service: `service` is not a name in signatures: use letters, digits and `-`
    Provider l: auth.aws.profile: `profile` is empty: give the name of a profile, or leave it out
    Provider l: auth.aws.sessionToken: `sessionToken` is set without `accessKeyId`: give both, or neither
    Provider m: auth.aws.profile: `profile` is set beside `accessKeyId`: give one of the two
    Provider m: auth.aws.accessKeyId: the environment variable `NOPE` is not set
    Provider m: auth.aws.secretAccessKey: the environment variable `NOPE` is not set
    Provider c: apiKey: the environment variable `NOPE` is not set
    Provider c: auth: `auth` is set beside `apiKey`: give one of the two
    Provider d: auth.google.scopes[0]: `scopes[0]` is not a scope: write one URL or name
    Provider d: auth.google.scopes[1]: `scopes[1]` is not a scope: write one URL or name
    Provider d: auth.google.credentials: the file `/nope` cannot be read, or is empty
    Provider e: auth.google.scopes: `scopes` is empty: leave it out for the scope of all of Google Cloud
    Provider f: auth.azure.scope: `scope` is not a scope: write one such as `https://cognitiveservices.azure.com/.default`
    Provider f: auth.azure.tenantId: `tenantId` is not an id: use letters, digits, `-` and `.`
    Provider f: auth.azure.clientId: `clientId` is not an id: use letters, digits, `-` and `.`
    Provider f: auth.azure.federatedTokenFile: `federatedTokenFile` is set beside `clientSecret`: give one of the two
    Provider f: auth.azure.federatedTokenFile: `federatedTokenFile` is empty: give the path of a file, or leave it out
    Provider f: auth.azure.clientSecret: the environment variable `NOPE` is not set
    ");
}
