use super::*;
use proptest::prelude::*;

#[test]
fn reads_references() {
    let check = |text: &str, expect: Option<SecretRef>| {
        assert_eq!(text.parse().ok(), expect, "{text}");
    };
    check(
        "${env:OPENAI_API_KEY}",
        Some(SecretRef::Env("OPENAI_API_KEY".into())),
    );
    check(
        "${file:/run/secrets/key}",
        Some(SecretRef::File("/run/secrets/key".into())),
    );
    for text in [
        "",
        "${}",
        "${env:}",
        "${env:1X}",
        "${env:A-B}",
        "${file:}",
        "$env:X",
        "sk-1",
    ] {
        check(text, None);
    }
}

#[test]
fn a_literal_is_refused_without_repeating_it() {
    for literal in ["\"sk-12345\"", "12345", "-12345", "123.45"] {
        let error = serde_json::from_str::<SecretRef>(literal)
            .unwrap_err()
            .to_string();
        assert!(!error.contains("123"), "{error}");
    }
}

#[test]
fn a_secret_is_masked_however_it_is_printed() {
    let secret = Secret::from("hunter2");
    assert_eq!(format!("{secret:?}"), MASK);
    assert_eq!(
        serde_json::to_string(&secret).unwrap(),
        format!("\"{MASK}\"")
    );
    assert_eq!(secret.expose(), "hunter2");
}

proptest! {
    #[test]
    fn references_are_printed_as_they_are_read(text in r"\$\{(env|file):[a-zA-Z_/.]{1,20}\}") {
        if let Ok(reference) = text.parse::<SecretRef>() {
            prop_assert_eq!(reference.to_string(), text);
        }
    }
}
