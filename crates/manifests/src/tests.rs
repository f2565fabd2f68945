use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

fn problems(text: &str) -> String {
    let Err(problems) = read(&[File::new("mesh.yaml", text)]) else {
        return "no problem".into();
    };
    problems
        .iter()
        .map(Problem::to_string)
        .collect::<Vec<_>>()
        .join("\n\n")
}

fn accepted(text: &str) -> Read {
    match read(&[File::new("mesh.yaml", text)]) {
        Ok(read) => read,
        Err(problems) => panic!(
            "{}",
            problems.iter().map(Problem::to_string).collect::<String>()
        ),
    }
}

const SECTIONS: &str = "\
listeners:
  - name: public
    address: 0.0.0.0:8080
providers:
  - name: openai
    apiKey: ${env:OPENAI_API_KEY}
pools:
  - name: llama
    namespace: prod
    models: [llama-3.3-70b]
    endpoints:
      - address: 10.0.0.7:8000
routes:
";

const MANIFESTS: &str = "\
apiVersion: sluicegate.dev/v1alpha1
kind: Listener
metadata: {name: public, labels: {app: x}}
spec: {address: '0.0.0.0:8080'}
---
apiVersion: v1
kind: List
items:
  - apiVersion: sluicegate.dev/v1alpha1
    kind: Provider
    metadata: {name: openai}
    spec: {apiKey: '${env:OPENAI_API_KEY}'}
---
# nothing
---
apiVersion: sluicegate.dev/v1alpha1
kind: Pool
metadata:
  name: llama
  namespace: prod
spec:
  models: [llama-3.3-70b]
  endpoints: [{address: '10.0.0.7:8000'}]
status: {}
";

#[test]
fn both_native_forms_mean_the_same() {
    let sections = accepted(SECTIONS).resources;
    assert_eq!(sections, accepted(MANIFESTS).resources);
    assert_eq!(sections.pools[0].meta.namespace(), "prod");
    assert_eq!(sections.pools[0].spec.endpoints[0].address, "10.0.0.7:8000");
}

#[test]
fn files_and_documents_add_up_in_their_order() {
    let file = |name: &str, text: &str| File::new(name, text);
    let one = "pools: [{name: a}]\n---\npools: [{name: b}]";
    let read = read(&[
        file("1.yaml", one),
        file("2.json", "{\"pools\": [{\"name\": \"c\"}]}"),
    ]);
    let names: Vec<_> = read
        .unwrap()
        .resources
        .pools
        .into_iter()
        .map(|p| p.meta.name)
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn history_of_kubernetes_objects_is_kept() {
    let meta = &accepted(
        "{apiVersion: sluicegate.dev/v1alpha1, kind: Route, spec: {},
          metadata: {name: r, generation: 3, creationTimestamp: '2000-02-29T12:00:00Z', uid: x}}",
    )
    .resources
    .routes[0]
        .meta;
    assert_eq!((meta.generation, meta.created), (3, Some(951_825_600)));
}

#[test]
fn references_are_listed() {
    let resources = accepted(
        "listeners: [{name: l, address: x, tls: {certificates: [{certFile: c.pem, keyFile: k.pem}]}}]
providers: [{name: p, apiKey: '${file:/run/key}'}, {name: q, apiKey: '${env:KEY}'}]
pools: [{name: p, tls: {caFile: ca.pem}, apiKey: '${env:KEY}'}]",
    )
    .resources;
    let files: Vec<String> = referenced_files(&resources).into_iter().collect();
    assert_eq!(files, ["/run/key", "c.pem", "ca.pem", "k.pem"]);
    let secrets: Vec<String> = secret_refs(&resources)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(secrets, ["${env:KEY}", "${file:/run/key}"]);
}

#[test]
fn every_unknown_field_is_told_with_what_was_meant() {
    assert_snapshot!(problems("\
routes:
  - name: chat
    rules:
      - backendrefs: [{pool: llama}]
        match: []
    hostName: [a.example]
    nmespace: prod
"), @r#"
error: unknown field `backendrefs`
 --> mesh.yaml:4:9
  |
4 |       - backendrefs: [{pool: llama}]
  |         ^^^^^^^^^^^
  = help: did you mean `backendRefs`? Allowed here: `name`, `matches`, `filters`, `backendRefs`, `timeouts`, `retry`, `translation`, `fetchMedia`

error: unknown field `match`
 --> mesh.yaml:5:9
  |
5 |         match: []
  |         ^^^^^
  = help: did you mean `matches`? Allowed here: `name`, `matches`, `filters`, `backendRefs`, `timeouts`, `retry`, `translation`, `fetchMedia`

error: unknown field `hostName`
 --> mesh.yaml:6:5
  |
6 |     hostName: [a.example]
  |     ^^^^^^^^
  = help: did you mean `hostnames`? Allowed here: `name`, `namespace`, `listeners`, `hostnames`, `rules`

error: unknown field `nmespace`
 --> mesh.yaml:7:5
  |
7 |     nmespace: prod
  |     ^^^^^^^^
  = help: did you mean `namespace`? Allowed here: `name`, `namespace`, `listeners`, `hostnames`, `rules`
"#);
}

#[test]
fn wrong_types_are_told_in_plain_words() {
    assert_snapshot!(problems("\
pools:
  - name: 12
  - name: a
    models: llama
  - name: b
    endpoints: [{address: x, weight: heavy}]
  - name: c
    dns: {host: x, port: 70000}
  - name: d
    loadBalancer: {policy: leastrequest}
  - name: e
    models:
  - models: [x]
listeners: {name: x}
providers:
  - name: p
    connectionPool: {idleTimeout: 30}
"), @r#"
error: expected text, found a number
 --> mesh.yaml:2:11
  |
2 |   - name: 12
  |           ^^
  = help: put it in quotes to make it text

error: expected a list, found text
 --> mesh.yaml:4:13
  |
4 |     models: llama
  |             ^^^^^

error: expected an integer from 0 to 4294967295, found text
 --> mesh.yaml:6:38
  |
6 |     endpoints: [{address: x, weight: heavy}]
  |                                      ^^^^^

error: expected an integer from 0 to 65535, found a number out of range
 --> mesh.yaml:8:26
  |
8 |     dns: {host: x, port: 70000}
  |                          ^^^^^

error: `leastrequest` is not known here
  --> mesh.yaml:10:28
   |
10 |     loadBalancer: {policy: leastrequest}
   |                            ^^^^^^^^^^^^
   = help: did you mean `LeastRequest`? Allowed here: `RoundRobin`, `WeightedRoundRobin`, `Random`, `LeastRequest`, `PredictedLatency`, `LeastPendingWork`, `LMetric`, `Dynamo`, `SGLang`, `LlmD`, `AIBrix`

error: expected a list, found nothing
  --> mesh.yaml:12:11
   |
12 |     models:
   |           ^

error: missing field `name`
  --> mesh.yaml:13:5
   |
13 |   - models: [x]
   |     ^^^^^^

error: expected a list, found a mapping
  --> mesh.yaml:14:1
   |
14 | listeners: {name: x}
   | ^^^^^^^^^
   = help: begin each of the listeners with `- name: …`

error: expected a duration such as `10s`, `1h30m` or `500ms`, found a number
  --> mesh.yaml:17:35
   |
17 |     connectionPool: {idleTimeout: 30}
   |                                   ^^
"#);
}

#[test]
fn a_key_given_twice_shows_both_places() {
    assert_snapshot!(problems("pools:\n  - name: a\n    models: [x]\n    name: b\n"), @r#"
error: `name` is given twice
 --> mesh.yaml:4:5
  |
4 |     name: b
  |     ^^^^
  |
2 |   - name: a
  |     ^^^^ given here before
  = help: keep one of them
"#);
}

#[test]
fn documents_of_others_are_refused_by_name() {
    assert_snapshot!(problems("\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
---
apiVersion: sluicegate.dev/v1alpha1
kind: Pol
---
kind: Pool
---
apiVersion: sluicegate.dev/v1alpha1
kind: Pool
metadata: {name: x, lables: {}, creationTimestamp: yesterday}
specs: {}
---
pool: []
---
just text
"), @r#"
error: documents of `gateway.networking.k8s.io/v1` (Gateway API) are not read
 --> mesh.yaml:1:13
  |
1 | apiVersion: gateway.networking.k8s.io/v1
  |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = help: read are `apiVersion: sluicegate.dev/v1alpha1` with kind `Listener`, `Provider`, `Pool`, `Route`, and sections `listeners`, `providers`, `pools`, `routes`

error: there is no kind `Pol`
 --> mesh.yaml:5:7
  |
5 | kind: Pol
  |       ^^^
  = help: did you mean `Pool`? Allowed here: `Listener`, `Provider`, `Pool`, `Route`

error: missing field `apiVersion`
 --> mesh.yaml:7:1
  |
7 | kind: Pool
  | ^^^^

error: missing field `spec`
 --> mesh.yaml:9:1
  |
9 | apiVersion: sluicegate.dev/v1alpha1
  | ^^^^^^^^^^

error: unknown field `lables`
  --> mesh.yaml:11:21
   |
11 | metadata: {name: x, lables: {}, creationTimestamp: yesterday}
   |                     ^^^^^^
   = help: did you mean `labels`? Allowed here: `annotations`, `deletionGracePeriodSeconds`, `deletionTimestamp`, `finalizers`, `generateName`, `labels`, `managedFields`, `ownerReferences`, `resourceVersion`, `selfLink`, `uid`, `name`, `namespace`, `generation`, `creationTimestamp`

error: unknown field `specs`
  --> mesh.yaml:12:1
   |
12 | specs: {}
   | ^^^^^
   = help: did you mean `spec`? Allowed here: `apiVersion`, `kind`, `metadata`, `spec`, `status`

error: unknown section `pool`
  --> mesh.yaml:14:1
   |
14 | pool: []
   | ^^^^
   = help: did you mean `pools`? Allowed here: `listeners`, `providers`, `pools`, `routes`

error: expected sections, found text
  --> mesh.yaml:16:1
   |
16 | just text
   | ^^^^^^^^^
   = help: a document begins with `listeners`, `providers`, `pools`, `routes`
"#);
}

#[test]
fn what_ends_too_soon_is_shown_on_the_last_line() {
    let text = "pools:\n  - name: a\n    mod";
    let problems = read(&[File::new("mesh.yaml", text)]).expect_err("a key without a value");
    let place = problems[0].place.expect("a place");
    assert_eq!((place.line, place.column, place.offset), (3, 8, text.len()));
}

#[test]
fn syntax_errors_point_at_the_place() {
    assert_snapshot!(problems("pools:\n  - name: \"a\n"), @r#"
error: not valid YAML: while scanning a quoted scalar, found unexpected end of stream
 --> mesh.yaml:2:11
  |
2 |   - name: "a
  |           ^
"#);
    assert_snapshot!(problems("pools:\n  - name: a\n   models: [x\n"), @r#"
error: not valid YAML: while parsing a block collection, did not find expected '-' indicator
 --> mesh.yaml:3:4
  |
3 |    models: [x
  |    ^
"#);
    assert_snapshot!(problems("pools:\n\t- name: a\n"), @r#"
error: not valid YAML: tabs disallowed within this context (block indentation)
 --> mesh.yaml:2:2
  |
2 |  - name: a
  |  ^
"#);
}

#[test]
fn merge_keys_tags_and_odd_keys_are_refused() {
    assert_snapshot!(problems("pools:\n  - &a {name: a}\n  - <<: *a\n"), @r#"
error: merge keys (`<<`) are not part of YAML 1.2
 --> mesh.yaml:3:5
  |
3 |   - <<: *a
  |     ^^
  = help: write the fields out, or share a whole value with an anchor and an alias
"#);
    assert_snapshot!(problems("pools: !include other.yaml\n"), @r#"
error: the tag `!include` is not understood
 --> mesh.yaml:1:17
  |
1 | pools: !include other.yaml
  |                 ^^^^^^^^^^
  = help: remove it; quote a value to make it text
"#);
    assert_snapshot!(problems("? [pools]\n: x\n"), @r#"
error: a key must be plain text, not a list or a mapping
 --> mesh.yaml:1:3
  |
1 | ? [pools]
  |   ^
"#);
}

#[test]
fn literal_secrets_are_never_shown() {
    let text = "\
x-shared: &key sk-live-anchored
providers:
  - name: a
    apiKey: sk-live-plain
    basUrl: x
  - name: b
    apiKey: |
      sk-live-block
  - {name: c, apiKey: 12345678, models: 1}
  - name: d
    apiKey: *key
  - name: e
    headers:
      - name: Authorization
        value: Bearer sk-live-header
        vale: x
";
    let broken = "providers:\n  - name: f\n    apiKey: \"sk-live-broken\n";
    for text in [text, broken] {
        let shown = problems(text);
        for secret in ["sk-live", "12345678"] {
            assert!(!shown.contains(secret), "{secret} in:\n{shown}");
        }
        let Err(problems) = read(&[File::new("x", text)]) else {
            panic!("accepted")
        };
        for problem in problems {
            assert!(!problem.source.contains("sk-live"), "{problem:?}");
            assert_eq!(problem.source.len(), text.len());
        }
    }
    assert_snapshot!(problems(text), @r#"
error: unknown section `x-shared`
 --> mesh.yaml:1:1
  |
1 | x-shared: &key ****************
  | ^^^^^^^^
  = help: allowed here: `listeners`, `providers`, `pools`, `routes`

error: a secret is given by reference, never literally: write `${env:NAME}` or `${file:/path}`
 --> mesh.yaml:1:16
  |
1 | x-shared: &key ****************
  |                ^^^^^^^^^^^^^^^^

error: a secret is given by reference, never literally: write `${env:NAME}` or `${file:/path}`
 --> mesh.yaml:4:13
  |
4 |     apiKey: *************
  |             ^^^^^^^^^^^^^

error: a secret is given by reference, never literally: write `${env:NAME}` or `${file:/path}`
 --> mesh.yaml:8:7
  |
8 |       *************
  |       ^^^^^^^^^^^^^

error: a secret is given by reference, never literally: write `${env:NAME}` or `${file:/path}`
 --> mesh.yaml:9:23
  |
9 |   - {name: c, apiKey: ********* ******* **
  |                       ^^^^^^^^

error: unknown field `vale`
  --> mesh.yaml:16:9
   |
16 |         vale: x
   |         ^^^^
   = help: did you mean `value`? Allowed here: `name`, `value`
"#);
}

/// The fields that the compiler objects to, each with the text that is marked for it.
fn violations(text: &str) -> String {
    let read = accepted(text);
    let found = mesh::Snapshot::compile(&read.resources, &mesh::Secrets::new()).unwrap_err();
    let marked = |violation: &mesh::Violation| {
        let problem = read.origins.locate(violation);
        let place = problem.place.unwrap();
        let marked = &problem.source[place.offset..place.offset + place.len];
        let kind = violation.resource.kind;
        format!(
            "{kind} {} -> {}:{} {marked}",
            violation.path, place.line, place.column
        )
    };
    found.iter().map(marked).collect::<Vec<_>>().join("\n")
}

#[test]
fn violations_point_at_the_field_or_what_is_around_it() {
    assert_snapshot!(violations("\
listeners: [{name: l, address: nowhere}]
pools:
  - name: a
  - name: a
    endpoints: &e
      - address: 10.0.0.7:8000
  - name: b
    models: [m]
    endpoints: *e
    healthCheck: {interval: 0s}
routes:
  - name: r
    rules:
      - matches:
          - path: {type: RegularExpression, value: '('}
        backendRefs:
          - {pool: bb}
---
apiVersion: sluicegate.dev/v1alpha1
kind: Provider
metadata:
  name: p
spec:
  apiKey: ${env:ABSENT}
"), @r#"
Listener address -> 1:32 nowhere
Provider apiKey -> 24:11 ${env:ABSENT}
Pool name -> 4:11 a
Pool endpoints -> 3:11 a
Pool healthCheck.interval -> 10:29 0s
Route rules[0].matches[0].path.value -> 15:52 '('
Route rules[0].backendRefs[0].pool -> 17:20 bb
Pool models -> 3:11 a
Pool models -> 4:11 a
"#);
}

/// Texts made of what YAML gives meaning to, which random text hardly ever is.
fn yaml_like() -> impl Strategy<Value = String> {
    let pieces = [
        "pools:",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "name",
        ": ",
        "a",
        "[",
        "]",
        "{",
        "}",
        ",",
        "&a ",
        "*a",
        "'",
        "\"",
        "|\n",
        ">-\n",
        "#",
        "---\n",
        "...\n",
        "? ",
        "!!str ",
        "!x ",
        "<<",
        "%TAG",
        "\t",
        "\r",
        "\r\n",
        "é",
        "\u{1f600}",
        "\\",
        "apiKey",
        "${env:X}",
        "1",
        "~",
        "\u{feff}",
        " ",
    ];
    let piece = proptest::sample::select(pieces.to_vec());
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn never_panics(text: &str) {
    let Err(problems) = read(&[File::new("x", text)]) else {
        return;
    };
    for problem in problems {
        let Some(place) = problem.place else { continue };
        let source = &problem.source;
        assert!(
            source.is_char_boundary(place.offset.min(source.len())),
            "{problem:?}"
        );
        assert!(source.is_char_boundary((place.offset + place.len).min(source.len())));
        assert!(place.offset + place.len <= source.len(), "{problem:?}");
        assert!(!problem.to_string().is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_yaml_like_text_is_read_or_refused(text in yaml_like()) {
        never_panics(&text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        never_panics(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_cut_of_a_valid_file_is_read_or_refused(cut in 0..MANIFESTS.len()) {
        never_panics(&MANIFESTS[..cut]);
        never_panics(&MANIFESTS[cut..]);
    }
}
