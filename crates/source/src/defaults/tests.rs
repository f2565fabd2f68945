use mesh::SecretRef;
use mesh::resources::ProviderDialect;

use super::*;

const PORT: u16 = ListenerSpec::DEFAULT_PORT;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

/// Providers by name and URL, rules by name, and the notes.
fn served(variables: &[(&str, &str)]) -> (Vec<(String, String)>, Vec<String>, Vec<String>) {
    let Defaults { resources, notes } = resources(&environment(variables), PORT).unwrap();
    let provider = |provider: Resource<ProviderSpec>| {
        (
            provider.meta.name,
            provider.spec.base_url().unwrap().into_owned(),
        )
    };
    let rules = resources
        .routes
        .into_iter()
        .flat_map(|route| route.spec.rules);
    (
        resources.providers.into_iter().map(provider).collect(),
        rules.filter_map(|rule| rule.name).collect(),
        notes,
    )
}

fn names(providers: &[(String, String)]) -> Vec<&str> {
    providers.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn one_key_makes_one_provider_of_all_models() {
    let (providers, rules, notes) = served(&[("GROQ_API_KEY", "x"), ("OTHER_API_KEY", "x")]);
    assert_eq!(
        providers,
        [("groq".into(), "https://api.groq.com/openai/v1".into())]
    );
    assert!(rules.is_empty() && notes.is_empty());
}

#[test]
fn the_first_serves_all_but_what_others_names_claim() {
    let (providers, rules, notes) = served(&[
        ("DEEPSEEK_API_KEY", "x"),
        ("OPENAI_API_KEY", "x"),
        ("TOGETHER_API_KEY", "x"),
        ("XAI_API_KEY", ""),
    ]);
    assert_eq!(names(&providers), ["openai", "deepseek"]);
    assert_eq!(rules, ["deepseek"]);
    assert!(
        notes.len() == 1 && notes[0].contains("TOGETHER_API_KEY"),
        "{notes:?}"
    );
}

#[test]
fn anthropic_is_asked_in_its_own_dialect_and_takes_nothing_from_others() {
    let both = [("ANTHROPIC_API_KEY", "x"), ("GROQ_API_KEY", "x")];
    let resources = resources(&environment(&both), PORT).unwrap().resources;
    let [groq, anthropic] = &*resources.providers else {
        panic!("two providers")
    };
    assert_eq!(
        (&*groq.meta.name, groq.spec.dialect()),
        ("groq", ProviderDialect::Openai)
    );
    assert_eq!(
        (&*anthropic.meta.name, anthropic.spec.dialect()),
        ("anthropic", ProviderDialect::Anthropic)
    );
    let matches = &resources.routes[0].spec.rules[0].matches;
    let model = matches[0].model.as_ref().unwrap();
    assert_eq!((&*model.value, matches.len()), ("claude-", 1));
}

#[test]
fn a_base_url_alone_is_a_provider_without_a_key() {
    let defaults = resources(
        &environment(&[("OPENAI_BASE_URL", "http://10.0.0.1:8000/v1/")]),
        PORT,
    );
    let provider = &defaults.unwrap().resources.providers[0].spec;
    assert_eq!(
        provider.base_url.as_deref(),
        Some("http://10.0.0.1:8000/v1")
    );
    assert_eq!(provider.api_key(), None);
}

#[test]
fn the_own_address_is_not_followed() {
    let check = |url, expect| assert_eq!(is_own_address(url, PORT), expect, "{url}");
    check("http://localhost:8080/v1", true);
    check("http://[::1]:8080", true);
    check("http://127.0.0.1:8000/v1", false);
    check("https://api.openai.com/v1", false);
    check("nonsense", false);
    let (providers, _, notes) = served(&[
        ("OPENAI_API_KEY", "x"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1"),
    ]);
    assert_eq!(providers[0].1, "https://api.openai.com/v1");
    assert_eq!(notes.len(), 1);
}

#[test]
fn no_key_is_told_with_what_to_do() {
    let error = resources(&environment(&[]), PORT).unwrap_err();
    assert!(error.to_string().contains("OPENAI_API_KEY"), "{error}");
}

#[test]
fn every_provider_compiles() {
    for (preset, key) in known() {
        let defaults = resources(&environment(&[(key, "x")]), PORT).unwrap();
        let secrets = [(SecretRef::Env(key.into()), "x".into())].into();
        let snapshot = mesh::Snapshot::compile(&defaults.resources, &secrets);
        assert!(snapshot.is_ok(), "{preset:?}: {:?}", snapshot.err());
    }
}
