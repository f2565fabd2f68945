use super::*;

#[test]
fn hosts_are_known_by_their_urls() {
    let check = |url: &str, expect: &Quirks| {
        assert_eq!(Quirks::of_url(Dialect::OpenAi, url), expect, "{url}");
    };
    check("https://api.openai.com/v1", &Quirks::OPENAI);
    check("https://API.OpenAI.com:443/v1", &Quirks::OPENAI);
    check("https://me.openai.azure.com/openai/v1", &Quirks::AZURE);
    check("https://me.services.ai.azure.com/openai/v1", &Quirks::AZURE);
    check("https://api.mistral.ai/v1", &Quirks::MISTRAL);
    check("https://api.groq.com/openai/v1", &Quirks::GROQ);
    check("https://openai.azure.com.evil.test/v1", &Quirks::NONE);
    check("https://evil.test/api.openai.com", &Quirks::NONE);
    check("http://[::1]:8000/v1", &Quirks::NONE);
    check("", &Quirks::NONE);
    check("https://aiplatform.googleapis.com/v1", &Quirks::NONE);
}

#[test]
fn clouds_that_serve_anthropics_models_are_known_by_their_urls() {
    let check = |url: &str, expect: &Quirks| {
        assert_eq!(Quirks::of_url(Dialect::Anthropic, url), expect, "{url}");
    };
    check(
        "https://aiplatform.googleapis.com/v1",
        &Quirks::VERTEX_ANTHROPIC,
    );
    let regional = "https://europe-west1-aiplatform.googleapis.com/v1/projects/p";
    check(regional, &Quirks::VERTEX_ANTHROPIC);
    let bedrock = "https://bedrock-runtime.eu-west-1.amazonaws.com";
    check(bedrock, &Quirks::BEDROCK_ANTHROPIC);
    let own = "https://bedrock-runtime.eu-west-1.amazonaws.com/anthropic/v1";
    check(own, &Quirks::NONE);
    let government = "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com/";
    check(government, &Quirks::BEDROCK_ANTHROPIC);
    let multi_regional = "https://aiplatform.eu.rep.googleapis.com/v1/projects/p";
    check(multi_regional, &Quirks::VERTEX_ANTHROPIC);
    check("https://evilaiplatform.googleapis.com/v1", &Quirks::NONE);
    check("https://api.anthropic.com/v1", &Quirks::NONE);
    check("https://api.openai.com/v1", &Quirks::NONE);
}
