use super::*;

#[test]
fn hosts_are_compared_without_case() {
    let hosts = ["Example.com", "*.models.internal", "[::1]", "127.0.0.1"];
    let hosts = AllowedHosts(
        hosts
            .iter()
            .map(|host| syntax::hostname(host).unwrap())
            .collect(),
    );
    let check = |host: &str, expect: bool| assert_eq!(hosts.allows(host), expect, "{host}");
    check("example.COM", true);
    check("www.example.com", false);
    check("a.models.internal", true);
    check("a.b.MODELS.internal", true);
    check("models.internal", false);
    check(".models.internal", false);
    check("amodels.internal", false);
    check("[::1]", true);
    check("127.0.0.1", true);
    check("", false);
    check("é.models.internal", true);
    assert!(AllowedHosts::default().allows("anything"));
}

#[test]
fn origins_are_those_listed() {
    let origins = AllowedOrigins {
        any: false,
        origins: vec!["https://a.com".into()],
    };
    assert!(origins.allows("https://A.com"));
    assert!(!origins.allows("http://a.com"));
    assert!(!origins.allows("null"));
    assert!(!AllowedOrigins::default().allows("https://a.com"));
    assert!(
        AllowedOrigins {
            any: true,
            origins: Vec::new()
        }
        .allows("null")
    );
}
