use super::decoded;

#[test]
fn percent_encoding_is_undone_where_it_is_valid() {
    let check = |text: &str, expect: &str| assert_eq!(decoded(text), expect);
    check("qwen%2Fqwen3-32b", "qwen/qwen3-32b");
    check("a%3Ab%20c", "a:b c");
    check("100%", "100%");
    check("%zz%4", "%zz%4");
    check("%F0%9F%A6%80", "🦀");
}
