use super::{Outcome, RequestRecord, Tokens};
use crate::ErrorType;
use std::time::{Duration, UNIX_EPOCH};

/// A record with every field set.
pub(crate) fn full_record() -> RequestRecord<'static> {
    RequestRecord {
        timestamp: UNIX_EPOCH + Duration::from_micros(1_764_000_000_123_456),
        request_id: "0193-abc",
        listener: "public",
        route: Some("chat"),
        rule: Some("0"),
        method: "POST",
        path: "/v1/chat/completions?key=secret",
        status: 200,
        outcome: Outcome::UpstreamFailed,
        error: Some(ErrorType::UpstreamReset),
        error_detail: Some("connection reset after 12 chunks"),
        dialect: Some("openai"),
        operation: Some("chat"),
        model_requested: Some("llama \"3\""),
        model_served: Some("llama-3.1-8b"),
        backend: Some("pool"),
        endpoint: Some("gpu-0"),
        attempts: 2,
        stream: true,
        tokens: Tokens {
            input: Some(1_000),
            output: Some(100),
            cached_input: Some(512),
            cache_creation_input: Some(0),
            reasoning: Some(40),
            estimated: true,
            ..Tokens::default()
        },
        duration: Duration::from_micros(1_500_250),
        time_to_first_token: Some(Duration::from_millis(120)),
        time_per_output_token: Some(Duration::from_micros(13_935)),
        overhead: Duration::from_nanos(84_900),
        bytes_received: 1_536,
        bytes_sent: 20_480,
        caller: Some("team-a"),
        client_ip: Some([192, 0, 2, 7].into()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        user_agent: Some("OpenAI/Python 2.54.0"),
    }
}

/// A request that was refused before anything was known of it.
pub(crate) fn bare_record() -> RequestRecord<'static> {
    RequestRecord {
        route: None,
        rule: None,
        path: "/",
        status: 404,
        outcome: Outcome::Rejected,
        error: Some(ErrorType::NotFound),
        error_detail: None,
        dialect: None,
        operation: None,
        model_requested: None,
        model_served: None,
        backend: None,
        endpoint: None,
        attempts: 0,
        stream: false,
        tokens: Tokens::default(),
        duration: Duration::from_micros(50),
        time_to_first_token: None,
        time_per_output_token: None,
        overhead: Duration::from_micros(50),
        bytes_received: 0,
        bytes_sent: 20,
        caller: None,
        client_ip: None,
        traceparent: None,
        user_agent: None,
        ..full_record()
    }
}

/// The record as its line, without the end of it.
pub(crate) fn line(record: &RequestRecord<'_>) -> String {
    let mut line = Vec::new();
    record.write_line(&mut line);
    let line = String::from_utf8(line).unwrap();
    assert!(
        serde_json::from_str::<serde_json::Value>(&line)
            .unwrap()
            .is_object()
    );
    line
}

#[test]
fn a_full_line() {
    insta::assert_snapshot!(line(&full_record()));
}

#[test]
fn what_is_not_known_is_left_out() {
    insta::assert_snapshot!(line(&bare_record()));
}

#[test]
fn no_query_reaches_the_log() {
    assert!(!line(&full_record()).contains("secret"));
}

#[test]
fn strings_from_outside_are_bounded() {
    let long = "é\u{1}".repeat(100_000);
    let record = RequestRecord {
        request_id: &long,
        path: &long,
        method: &long,
        model_requested: Some(&long),
        model_served: Some(&long),
        error_detail: Some(&long),
        caller: Some(&long),
        traceparent: Some(&long),
        user_agent: Some(&long),
        ..full_record()
    };
    // A control character takes six bytes in JSON.
    assert!(line(&record).len() < 20_000);
    assert!(!line(&record).contains('\n'));
}

#[test]
fn all_outcomes_are_at_their_own_index() {
    for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
        assert_eq!(outcome as usize, index);
    }
}
