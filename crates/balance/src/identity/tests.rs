use proptest::prelude::*;

use super::*;

fn check(text: &str, expect: Option<&str>) {
    let parsed = text.parse::<Address>();
    assert_eq!(
        parsed.as_ref().ok().map(ToString::to_string).as_deref(),
        expect,
        "{text}"
    );
}

#[test]
fn an_address_is_a_host_or_an_ip_address_with_a_port() {
    check("10.0.0.1:8000", Some("10.0.0.1:8000"));
    check("[::1]:8000", Some("[::1]:8000"));
    check("engine-0.engines:80", Some("engine-0.engines:80"));
    check("engine", None);
    check("engine:", None);
    check(":80", None);
    check("engine:70000", None);
    check("engine:+80", None);
    check("::1:80", None);
    check("http://engine:80", None);
}

#[test]
fn text_of_an_ip_address_becomes_a_socket_address() {
    let expect = Address::Socket("[::1]:80".parse().unwrap());
    assert_eq!(Address::new("::1", 80), expect);
    assert_eq!(Address::new("[::1]", 80), expect);
    assert_eq!(Address::new("engine", 80).port(), 80);
    assert!(matches!(Address::new("engine", 80), Address::Host { .. }));
}

proptest! {
    #[test]
    fn what_is_parsed_is_printed_the_same(text in ".{0,40}") {
        if let Ok(address) = text.parse::<Address>() {
            prop_assert_eq!(address.to_string().parse(), Ok(address));
        }
    }
}
