use super::*;

#[track_caller]
fn check(path: &str, expect: Option<Operation>) {
    assert_eq!(
        Api::of_path(path).map(|api| api.operation),
        expect,
        "{path}"
    );
}

#[test]
fn paths_name_operations() {
    use Operation::*;
    check("/v1/chat/completions", Some(ChatCompletions));
    check("/v1/chat/completions/", Some(ChatCompletions));
    check("/chat/completions", Some(ChatCompletions));
    check("/openai/v1/chat/completions", Some(ChatCompletions));
    check("/a/v1/b/v1/embeddings", Some(Embeddings));
    check("/v1/completions", Some(Completions));
    check("/completions", Some(Completions));
    check("/v1/models", Some(ListModels));
    check("/models/", Some(ListModels));
    check("/v1/models/gpt-5", Some(GetModel));
    check("/team/v1/models/meta-llama/Llama-3", Some(GetModel));
    check("/models/m", Some(GetModel));
}

#[test]
fn other_paths_name_nothing() {
    for path in [
        "",
        "/",
        "/v1",
        "/v1/",
        "/v1/chat",
        "/xv1/chat/completions",
        "/v11/chat/completions",
        "/v1/chat/completions//",
        "/v1/chat/completions/x",
        "/v1chat/completions",
        "/foo/chat/completions",
        "v1/chat/completions",
        "/v1/models//",
        "/v1/models/..",
        "/v1/models/../../metrics",
        "/v1/models/a/.%2e/load_lora_adapter",
        "/v1/models/%2E%2e%2fmetrics",
        "/v1/load_lora_adapter",
        "/v1/Chat/Completions",
    ] {
        check(path, None);
    }
}

#[test]
fn the_model_is_what_follows_models() {
    let check = |path: &str, expect: Option<&str>| {
        let api = Api::of_path(path).expect("an api");
        assert_eq!(api.model_in_path(path), expect, "{path}");
    };
    check("/v1/models/gpt-5", Some("gpt-5"));
    check("/v1/models/gpt-5/", Some("gpt-5"));
    check("/p/v1/models/org/name", Some("org/name"));
    check("/v1/models/org%2Fname", Some("org%2Fname"));
    check("/v1/models/a/v1/models/b", Some("a/v1/models/b"));
    check("/models/a/v1/models/", Some("a/v1/models"));
    check("/v1/models", None);
    check("/v1/chat/completions", None);
}

#[test]
fn the_resource_is_the_path_below_the_base() {
    let check = |path: &str, expect: &str| {
        let api = Api::of_path(path).expect("an api");
        assert_eq!(api.resource(path), expect, "{path}");
    };
    check("/p/v1/chat/completions/", "/chat/completions");
    check("/completions", "/completions");
    check("/v1/models", "/models");
    check("/models/v1/models/org/v1.5.b", "/models/org/v1.5.b");
    check("/models/m", "/models/m");
    check("/v1/models/m/", "/models/m");
    check("/models/a/v1/models/", "/models/a/v1/models");
}

#[test]
fn only_bodies_are_posted() {
    let get = Api {
        dialect: Dialect::OpenAi,
        operation: Operation::ListModels,
    };
    let post = Api {
        dialect: Dialect::OpenAi,
        operation: Operation::Embeddings,
    };
    assert_eq!((get.method().as_str(), get.has_body()), ("GET", false));
    assert_eq!((post.method().as_str(), post.has_body()), ("POST", true));
}
