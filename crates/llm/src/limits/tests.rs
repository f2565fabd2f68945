use super::{headers_for, time};
use crate::Dialect;

/// 2026-01-27T12:00:00Z.
const NOW: u64 = 1_769_515_200;

#[track_caller]
fn check(client: Dialect, headers: &[(&str, &str)], expect: &[(&str, &str)]) {
    let find = |name: &str| {
        let mut headers = headers.iter();
        headers
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    };
    let found = headers_for(client, find, NOW);
    let found: Vec<_> = found
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(found, expect);
}

#[test]
fn limits_of_openai_are_told_as_anthropics() {
    check(
        Dialect::Anthropic,
        &[
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-reset-requests", "1.2s"),
            ("x-ratelimit-limit-tokens", "150000"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-tokens", "6m0s"),
            ("x-request-id", "req_1"),
        ],
        &[
            ("anthropic-ratelimit-requests-limit", "60"),
            ("anthropic-ratelimit-requests-remaining", "59"),
            ("anthropic-ratelimit-requests-reset", "2026-01-27T12:00:02Z"),
            ("anthropic-ratelimit-tokens-limit", "150000"),
            ("anthropic-ratelimit-tokens-remaining", "149984"),
            ("anthropic-ratelimit-tokens-reset", "2026-01-27T12:06:00Z"),
            ("request-id", "req_1"),
        ],
    );
}

#[test]
fn limits_of_anthropic_are_told_as_openais() {
    check(
        Dialect::OpenAi,
        &[
            ("anthropic-ratelimit-requests-limit", "1000"),
            ("anthropic-ratelimit-requests-remaining", "999"),
            ("anthropic-ratelimit-requests-reset", "2026-01-27T12:00:30Z"),
            ("anthropic-ratelimit-input-tokens-limit", "80000"),
            ("anthropic-ratelimit-input-tokens-remaining", "70000"),
            (
                "anthropic-ratelimit-input-tokens-reset",
                "2026-01-27T13:01:00+01:00",
            ),
            ("anthropic-ratelimit-output-tokens-limit", "16000"),
            ("anthropic-ratelimit-output-tokens-remaining", "9000"),
            (
                "anthropic-ratelimit-output-tokens-reset",
                "2026-01-27T14:00:00.250Z",
            ),
            ("request-id", "req_1"),
        ],
        &[
            ("x-ratelimit-limit-requests", "1000"),
            ("x-ratelimit-remaining-requests", "999"),
            ("x-ratelimit-reset-requests", "30s"),
            ("x-ratelimit-limit-tokens", "16000"),
            ("x-ratelimit-remaining-tokens", "9000"),
            ("x-ratelimit-reset-tokens", "2h0m0.25s"),
        ],
    );
    // The limit on both is the one that is in effect.
    check(
        Dialect::OpenAi,
        &[
            ("anthropic-ratelimit-tokens-limit", "100"),
            ("anthropic-ratelimit-tokens-remaining", "50"),
            ("anthropic-ratelimit-tokens-reset", "in the past"),
            ("anthropic-ratelimit-input-tokens-limit", "80"),
            ("anthropic-ratelimit-input-tokens-remaining", "7"),
        ],
        &[
            ("x-ratelimit-limit-tokens", "100"),
            ("x-ratelimit-remaining-tokens", "50"),
        ],
    );
}

#[test]
fn nothing_is_made_up_or_replaced() {
    check(Dialect::OpenAi, &[("retry-after", "3")], &[]);
    check(Dialect::Gemini, &[("x-ratelimit-limit-tokens", "3")], &[]);
    check(
        Dialect::Anthropic,
        &[
            ("x-ratelimit-limit-tokens", "many"),
            ("x-ratelimit-reset-tokens", "6m0s"),
            ("x-amzn-requestid", "a b"),
        ],
        &[],
    );
    check(
        Dialect::Anthropic,
        &[("request-id", "theirs"), ("x-amzn-requestid", "other")],
        &[],
    );
    check(
        Dialect::Anthropic,
        &[("x-amzn-requestid", "other")],
        &[("request-id", "other")],
    );
}

#[test]
fn times_are_read_and_written() {
    let until = |text: &str, expect: Option<u64>| {
        assert_eq!(time::until(text, NOW), expect, "{text}");
    };
    until("0s", Some(0));
    until("12", Some(12_000));
    until("1d2h3m4.5s6ms", Some(93_784_506));
    until("2026-01-27T12:00:01.5Z", Some(1500));
    until("2026-01-27T11:00:00Z", Some(0));
    until("2028-02-29T00:00:00-00:30", Some(65_881_800_000));
    for text in [
        "",
        "s",
        "1",
        "-1s",
        "1x",
        "1.2.3s",
        "1e9",
        "NaN",
        "inf",
        "T",
        "2026-01-27T12:00:00",
        "2026-13-27T12:00:00Z",
        "99999999999999999999s",
        "2026-01-27T12:00:00+99999:00",
        "1é",
    ] {
        let expect = if text == "1" { Some(1000) } else { None };
        until(text, expect);
    }
    for seconds in [
        0,
        951_782_399,
        951_782_400,
        1_709_164_800,
        NOW,
        4_102_444_799,
    ] {
        let date = time::date(seconds);
        assert_eq!(time::until(&date, 0), Some(seconds * 1000), "{date}");
    }
    assert_eq!(time::date(NOW), "2026-01-27T12:00:00Z");
    assert_eq!(time::date(u64::MAX), "9999-12-31T23:59:59Z");
    for (millis, expect) in [
        (0, "0s"),
        (20, "20ms"),
        (360_000, "6m0s"),
        (3_600_500, "1h0m0.5s"),
    ] {
        assert_eq!(time::duration(millis), expect);
        assert_eq!(time::until(expect, NOW), Some(millis));
    }
}
