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
    check("/openai/models", Some(ListModels));
    check("/openai/models/m", Some(GetModel));
}

/// What is kept of earlier answers lives below the same path, and is not ours.
#[test]
fn responses_are_made_at_one_path() {
    for path in [
        "/v1/responses",
        "/responses",
        "/v1/responses/",
        "/a/v1/responses",
    ] {
        assert_eq!(Api::of_path(path), Some(Api::RESPONSES), "{path}");
        assert_eq!(Api::RESPONSES.resource(path, None), "/responses");
    }
    assert_eq!(Api::RESPONSES.method(), Method::Post);
    for path in [
        "/v1/responses/resp_1",
        "/v1/responses/resp_1/input_items",
        "/v1/responses/resp_1/cancel",
        "/v1/responses/compact",
        "/responses/resp_1",
        "/api/responses",
    ] {
        check(path, None);
    }
}

#[test]
fn anthropics_paths_are_its_own() {
    let check = |path: &str, expect: Option<(Operation, &str)>| {
        let api = Api::of_path(path);
        let told = api.map(|api| (api.operation, api.resource(path, None)));
        let expect = expect.map(|(operation, path)| (operation, path.into()));
        assert_eq!(told, expect, "{path}");
        if let Some(api) = api {
            assert_eq!(api.dialect, Dialect::Anthropic, "{path}");
            assert_eq!(
                (api.method(), api.has_body()),
                (Method::Post, true),
                "{path}"
            );
            assert_eq!(api.model_in_path(path), None, "{path}");
        }
    };
    let messages = Some((Operation::ChatCompletions, "/messages"));
    let count = Some((Operation::CountTokens, "/messages/count_tokens"));
    check("/v1/messages", messages);
    check("/v1/messages/", messages);
    check("/anthropic/v1/messages", messages);
    check("/v1/messages/count_tokens", count);
    check("/a/v1/b/v1/messages/count_tokens/", count);
    for path in [
        "/messages",
        "/messages/",
        "/messages/count_tokens",
        "/xv1/messages",
        "/v1/threads/t/messages",
        "/v1/messages/batches",
        "/v1/messages/count_tokens/x",
    ] {
        check(path, None);
    }
    assert_eq!(
        Api::of_path("/v1/models").map(|api| api.dialect),
        Some(Dialect::OpenAi)
    );
}

#[test]
fn the_models_of_both_dialects_live_at_one_path() {
    let path = "/p/v1/models/org/name";
    let api = |operation| Api {
        dialect: Dialect::Anthropic,
        operation,
    };
    assert_eq!(
        api(Operation::GetModel).model_in_path(path),
        Some("org/name")
    );
    assert_eq!(
        api(Operation::GetModel).resource(path, None),
        "/models/org/name"
    );
    assert_eq!(
        api(Operation::ListModels).resource("/v1/models", None),
        "/models"
    );
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
    check("/p/openai/models/m", Some("m"));
    check("/openai/v1/models/m", Some("m"));
    check("/v1/models/openai/models/b", Some("openai/models/b"));
    check("/models/a/v1/models/", Some("a/v1/models"));
    check("/v1/models", None);
    check("/v1/chat/completions", None);
}

#[test]
fn the_resource_is_the_path_below_the_base() {
    let check = |path: &str, expect: &str| {
        let api = Api::of_path(path).expect("an api");
        assert_eq!(api.resource(path, None), expect, "{path}");
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

#[test]
fn a_deployment_of_azures_is_the_model() {
    let check = |path: &str, expect: Option<(Operation, Option<&str>)>| {
        let api = Api::of_path(path);
        let found = api.map(|api| (api.operation, api.model_in_path(path)));
        assert_eq!(found, expect, "{path}");
    };
    use Operation::*;
    let chat = "/openai/deployments/d/chat/completions";
    check(chat, Some((ChatCompletions, Some("d"))));
    check(&format!("/base{chat}"), Some((ChatCompletions, Some("d"))));
    check(
        "/openai/deployments/d/embeddings",
        Some((Embeddings, Some("d"))),
    );
    check("/openai/responses", Some((Responses, None)));
    check("/openai/v1/chat/completions", Some((ChatCompletions, None)));
    check("/openai/models", Some((ListModels, None)));
    check("/openai/deployments//chat/completions", None);
    check("/openai/deployments/a/b/chat/completions", None);
    check("/deployments/d/chat/completions", None);
}

/// What a client's key or version is called ends here, however it is spelt.
#[test]
fn of_a_query_only_the_apis_own_is_passed_on() {
    let check = |api: Api, query: &str, expect: Option<&str>| {
        assert_eq!(api.query(query).as_deref(), expect, "{query}");
    };
    check(
        Api::CHAT_COMPLETIONS,
        "api-version=1&beta=true",
        Some("beta=true"),
    );
    check(Api::CHAT_COMPLETIONS, "key=k", Some("key=k"));
    check(Api::MESSAGES, "beta=true", Some("beta=true"));
    check(Api::GENERATE_CONTENT, "key=k", None);
    let signed = "X-Amz-Algorithm=AWS4-HMAC-SHA256&x=1&x-amz-Credential=c&X%2DAmz-Signature=s";
    check(Api::CONVERSE, signed, Some("x=1"));
    check(
        Api::GENERATE_CONTENT,
        "alt=sse&%6bey=k&access_token=t",
        Some("alt=sse"),
    );
    check(Api::GENERATE_CONTENT, "$key=k&keys=1&&x", Some("keys=1&&x"));
}
