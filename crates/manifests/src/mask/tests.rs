use super::*;

#[test]
fn what_looks_like_a_secret_is_masked() {
    let check = |text: &str, expect: &str| {
        assert_eq!(mask(text, std::iter::empty()), expect);
    };
    check("apiKey: sk-1\nname: a\n", "apiKey: ****\nname: a\n");
    check("- apiKey: sk-1\n  name: a\n", "- apiKey: ****\n  name: a\n");
    check(
        "{\"api_key\": \"sk-1\", \"a\": 1}",
        "{\"api_key\": ******* **** **",
    );
    check("apiKey: ${env:KEY}", "apiKey: ${env:KEY}");
    check(
        "{apiKey: \"${env:KEY}\", name: a}",
        "{apiKey: \"${env:KEY}\", name: a}",
    );
    check("apiKey: ${env:KEY}sk-1", "apiKey: **************");
    check(
        "password: |\n  one\n\n  two\nname: a",
        "password: *\n  ***\n\n  ***\nname: a",
    );
    check("token:\n  sk-1\nname: a", "token:\n  ****\nname: a");
    check(
        "  - name: X-Api-Key\n    value: sk-1\n",
        "  - name: X-Api-Key\n    value: ****\n",
    );
    check("{name: Cookie, value: a=b}", "{name: Cookie, value: ****");
    check("name: team\nvalue: /v1", "name: team\nvalue: /v1");
    check(
        "maxTokens: 5\nkeyFile: /k\ntokens: [1]",
        "maxTokens: 5\nkeyFile: /k\ntokens: [1]",
    );
    check("apiKey: é→sk", "apiKey: *******");
    check("url: http://me:sk@h:1/v1", "url: http://*****@h:1/v1");
    check("[\"https://é@h\", a@b]", "[\"https://**@h\", a@b]");
    check("url: https://u:pa'ss@h", "url: https://*******@h");
    check(
        "url: 'https://u:p\"s@h' # a@b",
        "url: 'https://*****@h' # a@b",
    );
    check("url: http://h/v1", "url: http://h/v1");
}

#[test]
fn ranges_outside_the_text_are_no_harm() {
    assert_eq!(mask("abc", [2..9, 7..8].into_iter()), "ab*");
    assert_eq!(mask("aé", std::iter::once(0..2)), "***");
}
