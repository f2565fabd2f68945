use super::*;

#[test]
fn the_path_names_model_and_method() {
    let check = |model: &str, expect: &str| {
        let path = generate(model, false);
        assert_eq!(path, format!("{expect}:generateContent"));
        let below = format!("/v1beta{path}");
        assert_eq!(resource(&below, None), path);
        let (read, stream) = generation(&below).unwrap();
        assert_eq!(read, model.strip_prefix("models/").unwrap_or(model));
        assert!(!stream);
    };
    check("gemini-3-pro", "/models/gemini-3-pro");
    check("models/gemini-3-pro", "/models/gemini-3-pro");
    check("tunedModels/mine", "/tunedModels/mine");
    check("a/b:c?d#é%2f", "/models/a%2Fb%3Ac%3Fd%23%C3%A9%252f");
    check("..", "/models/..");
    let streamed = generate("m", true);
    assert_eq!(streamed, "/models/m:streamGenerateContent");
    assert_eq!(generation(&streamed), Some(("m".into(), true)));
    assert_eq!(generation("/v1beta/models/m:countTokens"), None);
    assert_eq!(generation("/v1beta/models/m"), None);
}

#[test]
fn the_query_tells_the_framing() {
    assert!(asks_for_events(Some("key=x&alt=sse")));
    assert!(asks_for_events(Some("$alt=sse")));
    assert!(!asks_for_events(Some("alt=json")));
    assert!(!asks_for_events(None));
}

#[test]
fn paths_are_googles_and_vertexs() {
    use Operation::*;
    let check = |path: &str, expect: Option<(Operation, &str)>| {
        let found = operation(path).map(|operation| (operation, model_in_path(path).unwrap_or("")));
        assert_eq!(found, expect, "{path}");
    };
    let vertex = "/v1beta1/projects/p/locations/l/publishers/google/models/m";
    check(
        "/v1beta/models/m:generateContent",
        Some((ChatCompletions, "m")),
    );
    check(
        "/v1/models/m:streamGenerateContent",
        Some((ChatCompletions, "m")),
    );
    check(
        &format!("{vertex}:generateContent"),
        Some((ChatCompletions, "m")),
    );
    check(&format!("{vertex}:countTokens"), Some((CountTokens, "m")));
    check("/v1/models/m:embedContent", Some((Embeddings, "m")));
    check("/v1/models/m:batchEmbedContents", Some((Embeddings, "m")));
    check(
        "/v1beta/tunedModels/t:generateContent",
        Some((ChatCompletions, "tunedModels/t")),
    );
    check(
        "/v1beta/models/a%2Fb:generateContent",
        Some((ChatCompletions, "a%2Fb")),
    );
    check("/v1beta/models", Some((ListModels, "")));
    check("/v1beta/models/", Some((ListModels, "")));
    check("/p/v1beta/models/m", Some((GetModel, "m")));
    for other in [
        "/v1/models",
        "/v1/models/m",
        "/v1/models/ft:gpt:org::1",
        "/v1beta/models/m:predict",
        "/v1beta/models/:generateContent",
        "/v1beta/models/..:generateContent",
        "/v1beta/models/a%2f%2e%2e%2fb:generateContent",
        "/v1beta/models/m/operations",
        "/v1beta/cachedContents",
        ":generateContent",
    ] {
        check(other, None);
    }
}

#[test]
fn another_name_goes_into_the_path() {
    let check = |path, model, expect| assert_eq!(resource(path, model), expect, "{path}");
    let vertex = "/v1/projects/p/locations/l/publishers/google/models/m:countTokens";
    check(vertex, None, "/models/m:countTokens");
    check(vertex, Some("a/b"), "/models/a%2Fb:countTokens");
    check("/v1beta/models/m", Some("x"), "/models/m");
    check(
        "/v1beta/tunedModels/t:generateContent",
        None,
        "/tunedModels/t:generateContent",
    );
}

#[test]
fn a_body_goes_on_to_name_the_model_as_it_did() {
    let check = |name, to, expect: Option<&str>| {
        assert_eq!(renamed(name, "a", to).as_deref(), expect, "{name} {to}");
    };
    check("models/a", "b", Some("models/b"));
    check("a", "b", Some("b"));
    check("models/a", "tunedModels/b", Some("tunedModels/b"));
    check("models/a", "models/b", Some("models/b"));
    check("models/ab", "b", None);
    check("tunedModels/a", "b", None);
}
