use super::*;
use proptest::prelude::*;

#[test]
fn reads_hosts_with_ports() {
    let check = |text: &str, expect: Option<(&str, u16)>| {
        let expect = expect.map(|(host, port)| HostPort {
            host: host.into(),
            port,
        });
        assert_eq!(host_port(text).ok(), expect, "{text}");
    };
    check("10.0.0.7:8000", Some(("10.0.0.7", 8000)));
    check("VLLM.svc:80", Some(("vllm.svc", 80)));
    check("[fd00::7]:8000", Some(("fd00::7", 8000)));
    for text in [
        "",
        ":80",
        "a",
        "a:",
        "a:0",
        "a:65536",
        "fd00::7:80",
        "http://a:80",
        "a b:80",
    ] {
        check(text, None);
    }
    assert_eq!(
        host_port("[fd00::7]:8000").unwrap().to_string(),
        "[fd00::7]:8000"
    );
}

#[test]
fn reads_base_urls() {
    let check = |text: &str, expect: Option<(bool, &str, &str, &str)>| {
        let url = base_url(text).ok();
        let parts = url.as_ref().map(|url| {
            let authority = url.authority.to_str().unwrap();
            (url.tls, url.address.to_string(), &*url.path, authority)
        });
        let expect = expect.map(|(tls, address, path, host)| (tls, address.to_owned(), path, host));
        assert_eq!(parts, expect, "{text}");
    };
    check("https://a.com", Some((true, "a.com:443", "", "a.com")));
    check(
        "https://a.com:443/v1/",
        Some((true, "a.com:443", "/v1", "a.com")),
    );
    check(
        "http://a.com:8080/x",
        Some((false, "a.com:8080", "/x", "a.com:8080")),
    );
    check(
        "http://[::1]:8080",
        Some((false, "[::1]:8080", "", "[::1]:8080")),
    );
    for text in [
        "",
        "a.com",
        "/v1",
        "ftp://a",
        "https://",
        "http://a:0",
        "http://a/?q",
        "http://a/#f",
    ] {
        check(text, None);
    }
}

#[test]
fn names_are_those_of_kubernetes() {
    let check = |text: &str, expect: bool| assert_eq!(check_name(text).is_ok(), expect, "{text}");
    check("a", true);
    check("llama-3.1-8b", true);
    for text in [
        "",
        "A",
        "a_b",
        "-a",
        "a-",
        "a..b",
        ".a",
        "é",
        &"a".repeat(254),
    ] {
        check(text, false);
    }
}

#[test]
fn listeners_clash_where_the_second_could_not_be_bound() {
    let check = |a: &str, b: &str, expect: bool| {
        let (a, b) = (a.parse().unwrap(), b.parse().unwrap());
        assert_eq!((clash(a, b), clash(b, a)), (expect, expect), "{a} {b}");
    };
    check("127.0.0.1:80", "127.0.0.1:80", true);
    check("127.0.0.1:80", "127.0.0.1:81", false);
    check("127.0.0.1:80", "127.0.0.2:80", false);
    check("0.0.0.0:80", "127.0.0.1:80", true);
    check("0.0.0.0:80", "[::1]:80", false);
    check("[::]:80", "127.0.0.1:80", true);
    check("127.0.0.1:0", "127.0.0.1:0", false);
}

proptest! {
    #[test]
    fn no_text_breaks_the_parsers(text in r"\PC{0,20}|[a-z0-9.:/@#?*\[\]-]{0,20}") {
        let _ = (check_name(&text), hostname(&text), socket_address(&text), host_port(&text));
        let _ = (base_url(&text), base_url(&format!("http://{text}")), origin(&text));
        let _ = (header_name(&text), header_value(&text), path(&text));
    }
}
