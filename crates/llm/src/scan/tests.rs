use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::testing::{chat_request, cuts, pieces, write};
use crate::{Api, Dialect, Operation};

fn schema(operation: Operation) -> &'static Schema {
    Schema::of(Api {
        dialect: Dialect::OpenAi,
        operation,
    })
    .expect("a body")
}

fn scan_pieces(
    operation: Operation,
    pieces: &[&[u8]],
    options: ScanOptions,
) -> Result<Scan, ScanError> {
    let mut scanner = Scanner::new(schema(operation), options);
    pieces.iter().try_for_each(|piece| scanner.push(piece))?;
    scanner.finish()
}

fn scan(body: &str) -> Result<Scan, ScanError> {
    let options = ScanOptions::default();
    let whole = scan_pieces(Operation::ChatCompletions, &[body.as_bytes()], options);
    let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
    let split = scan_pieces(Operation::ChatCompletions, &bytes, options);
    assert_eq!(format!("{whole:?}"), format!("{split:?}"));
    whole
}

#[track_caller]
fn refuses(body: &str, expect: &str) {
    let error = scan(body).expect_err(body);
    assert_eq!(error.to_string(), expect, "{body}");
}

/// Texts to embed are read wherever they stand, and beside them what calls the model by its name.
#[test]
fn a_batch_of_embeddings_is_read() {
    let schema = Schema::of(Api {
        dialect: Dialect::Gemini,
        operation: Operation::Embeddings,
    });
    let scan = |body: &str, digest| {
        let options = ScanOptions {
            digest,
            ..ScanOptions::default()
        };
        let scan = |size| {
            let mut scanner = Scanner::new(schema.expect("a body"), options);
            let mut pieces = body.as_bytes().chunks(size);
            pieces
                .try_for_each(|piece| scanner.push(piece))
                .expect("valid");
            scanner.finish().expect("valid")
        };
        let whole = scan(body.len());
        assert_eq!(format!("{whole:?}"), format!("{:?}", scan(1)));
        whole
    };
    let one = r#"{"content":{"parts":[{"text":"abcd"},{"text":"ef"}]}}"#;
    let batch = r#"{"requests":[
        {"model":"models/m","title":"not read","content":{"parts":[{"text":"abcd"}],"role":"user"}},
        {"content":{"parts":[{"text":"ef"},{"inlineData":{"data":"AAAA"}}]},"model":"m"}]}"#;
    for digest in [false, true] {
        assert_eq!(scan(one, digest).prompt_bytes, 6);
        let batch = scan(batch, digest);
        let medium = u64::from(crate::digest::MEDIUM_BYTES);
        assert_eq!((batch.prompt_bytes, batch.media), (6 + medium, 1));
        let names = batch.named_again.iter().map(|name| &*name.value);
        assert_eq!(names.collect::<Vec<_>>(), ["models/m", "m"]);
    }
}

#[test]
fn a_request_is_understood() {
    let body = r#"{"model":"gpt-5","stream":true,"max_tokens":10,"max_completion_tokens":20,"n":2,
        "user":"u1","stream_options":{"include_usage":true},"temperature":0.5,
        "messages":[{"role":"system","content":"abc"},
            {"content":[{"type":"text","text":"d\u00e9"},{"type":"image_url","image_url":{"url":"data:x"}}],"role":"user"}],
        "tools":[{"type":"function"}]}"#;
    let scan = scan(body).expect("valid");
    let raw = |span: Span| &body[span.start as usize..span.end as usize];
    let model = scan.model.as_ref().expect("a model");
    assert_eq!(
        (model.value.as_str(), raw(model.span)),
        ("gpt-5", "\"gpt-5\"")
    );
    assert!(scan.wants_stream() && scan.wants_usage());
    assert_eq!((scan.output_bound(), scan.choices()), (Some(20), 2));
    assert_eq!(scan.user.as_deref(), Some("u1"));
    assert_eq!(raw(scan.tools.expect("tools")), "[{\"type\":\"function\"}]");
    assert!(raw(scan.messages.expect("messages")).starts_with("[{\"role\":\"system\""));
    let roles: Vec<_> = scan
        .message_spans
        .iter()
        .map(|message| message.role)
        .collect();
    assert_eq!(roles, [MessageRole::System, MessageRole::User]);
    assert_eq!(
        raw(scan.message_spans[0].span),
        r#"{"role":"system","content":"abc"}"#
    );
    assert_eq!((scan.message_count, scan.media), (2, 1));
    let tools = "type".len() + "function".len();
    let medium = u64::from(crate::digest::MEDIUM_BYTES);
    assert_eq!(scan.prompt_bytes, 3 + 3 + tools as u64 + medium);
    assert_eq!(
        (scan.body_len, scan.first_field, scan.empty),
        (body.len() as u64, 1, false)
    );
    assert!(scan.digest.is_none());
}

#[test]
fn null_is_absent() {
    let scan = scan(
        r#"{"model":null,"stream":null,"stream_options":null,"max_tokens":null,"n":null,
           "messages":null,"tools":null,"user":null}"#,
    )
    .expect("valid");
    assert!(scan.model.is_none() && scan.stream.is_none() && scan.user.is_none());
    assert!(scan.messages.is_none() && scan.tools.is_none());
    assert_eq!((scan.output_bound(), scan.choices()), (None, 1));
    assert!(!scan.wants_stream() && !scan.wants_usage());
}

#[test]
fn policy_fields_have_their_types() {
    refuses(r#"{"model":1}"#, "`model` must be a string");
    refuses(r#"{"stream":"true"}"#, "`stream` must be a boolean");
    refuses(
        r#"{"stream_options":[]}"#,
        "`stream_options` must be an object",
    );
    refuses(
        r#"{"stream_options":{"include_usage":1}}"#,
        "`stream_options.include_usage` must be a boolean",
    );
    refuses(r#"{"messages":{}}"#, "`messages` must be an array");
    refuses(r#"{"tools":"x"}"#, "`tools` must be an array");
    for number in [
        "-1",
        "1.5",
        "1e3",
        "18446744073709551616",
        "111111111111111111111",
        "111111111111111111111e",
        "\"1\"",
    ] {
        let body = format!("{{\"n\":{number}}}");
        refuses(&body, "`n` must be a non-negative integer");
    }
    assert_eq!(
        scan(r#"{"n":18446744073709551615}"#).expect("valid").n,
        Some(u64::MAX)
    );
    assert!(
        scan(r#"{"user":{"a":[1]},"messages":[]}"#)
            .expect("valid")
            .user
            .is_none()
    );
}

#[test]
fn policy_fields_stand_once() {
    for field in [
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "n",
        "tools",
    ] {
        let expect = format!("`{field}` is given more than once; give it once");
        refuses(
            &format!("{{\"{field}\":null,\"x\":1,\"{field}\":null}}"),
            &expect,
        );
        let escaped = format!("\\u00{:02x}{}", field.as_bytes()[0], &field[1..]);
        refuses(&format!("{{\"{field}\":null,\"{escaped}\":null}}"), &expect);
    }
    refuses(
        r#"{"stream_options":{"include_usage":true,"\u0069nclude_usage":false}}"#,
        "`stream_options.include_usage` is given more than once; give it once",
    );
    assert!(scan(r#"{"seed":1,"seed":2,"user":"a","user":"b"}"#).is_ok());
    assert!(scan(r#"{"a":{"model":1,"model":2,"stream":"x"}}"#).is_ok());
    let long = format!("{{\"model\":\"m\",\"model{}\":1}}", "x".repeat(64));
    assert!(scan(&long).is_ok());
}

#[test]
fn small_fields_are_bounded() {
    let model = |len: usize| format!("{{\"model\":\"{}\"}}", "m".repeat(len));
    assert!(scan(&model(512)).is_ok());
    refuses(&model(513), "`model` is longer than 512 bytes");
    let user = format!("{{\"user\":\"{}\"}}", "u".repeat(513));
    assert!(scan(&user).expect("valid").user.is_none());
}

#[test]
fn remembered_messages_are_bounded() {
    let body = format!(
        "{{\"messages\":[{}{{}}]}}",
        "{\"role\":\"user\"},".repeat(99)
    );
    let options = ScanOptions {
        max_messages: 10,
        ..ScanOptions::default()
    };
    let scan = scan_pieces(Operation::ChatCompletions, &[body.as_bytes()], options);
    let scan = scan.expect("valid");
    assert_eq!((scan.message_spans.len(), scan.message_count), (10, 100));
}

#[test]
fn roles_do_not_carry_over() {
    let scan = scan(r#"{"messages":[{"role":"developer"},{},{"role":"function"},{"role":1}]}"#);
    let spans = scan.expect("valid").message_spans;
    let roles: Vec<_> = spans.iter().map(|message| message.role).collect();
    use MessageRole::{Developer, Other, Tool};
    assert_eq!(roles, [Developer, Other, Tool, Other]);
}

#[test]
fn prompts_count_their_bytes() {
    let check = |operation, body: &str, expect: u64| {
        let scan = scan_pieces(operation, &[body.as_bytes()], ScanOptions::default());
        let scan = scan.expect("valid");
        assert_eq!(
            (scan.prompt_bytes, scan.prompt.is_some()),
            (expect, true),
            "{body}"
        );
    };
    check(Operation::Completions, r#"{"prompt":"abc\n"}"#, 4);
    check(Operation::Completions, r#"{"prompt":["abc","d"]}"#, 4);
    check(Operation::Completions, r#"{"prompt":[1,22222,3]}"#, 12);
    check(Operation::Embeddings, r#"{"input":[[1,2],[3]]}"#, 12);
    let completions = Operation::Completions;
    let refused = scan_pieces(completions, &[br#"{"prompt":1}"#], ScanOptions::default());
    assert_eq!(
        refused.expect_err("a number").to_string(),
        "`prompt` must be a string or an array"
    );
}

#[test]
fn text_is_counted_decoded_and_only_what_the_model_reads() {
    let body = r#"{"messages":[{"role":"user","content":"\u00e9","cache_control":{"a":"zzz"},
        "name":"n","x":null,"tool_calls":[{"id":"12"}]}, "stray", 1]}"#;
    assert_eq!(scan(body).expect("valid").prompt_bytes, 2 + 1 + 4);
}

#[test]
fn a_request_of_the_responses_api_is_understood() {
    let body = r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"ab"},
          {"type":"input_image","image_url":"http","detail":"low"},
          {"type":"input_file","file_id":"f"}]},
        {"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[
          {"type":"output_text","text":"cde","annotations":[{"url":"zzz"}],"logprobs":[]}]},
        {"type":"function_call","id":"fc_1","call_id":"1","name":"f","arguments":"{}"},
        {"type":"function_call_output","call_id":"1","output":"ghij"}],
        "max_output_tokens":10,"stream":true,"instructions":"xyz","user":"u","model":"m",
        "max_tokens":"any","stream_options":{"include_usage":3},"n":2}"#;
    let responses = |body: &str| {
        let body = [body.as_bytes()];
        scan_pieces(Operation::Responses, &body, ScanOptions::default())
    };
    let scan = responses(body).expect("valid");
    let raw = |span: Span| &body[span.start as usize..span.end as usize];
    assert_eq!(scan.model.as_ref().expect("a model").value, "m");
    assert!(scan.wants_stream() && !scan.asks_for_usage);
    assert_eq!((scan.output_bound(), scan.choices()), (Some(10), 1));
    assert_eq!(scan.user.as_deref(), Some("u"));
    assert_eq!(scan.system.map(raw), Some("\"xyz\""));
    assert!(raw(scan.messages.expect("input")).starts_with('['));
    assert_eq!((scan.message_count, scan.media), (4, 2));
    assert_eq!(raw(scan.message_spans[0].span).chars().next(), Some('{'));
    assert_eq!(scan.message_spans[1].role, MessageRole::Assistant);
    let words = "ab".len() + "low".len() + "cde".len() + "xyz".len();
    let calls = "1f{}".len() + "1ghij".len();
    let media = 2 * u64::from(crate::digest::MEDIUM_BYTES);
    assert_eq!(scan.prompt_bytes, (words + calls) as u64 + media);

    let scan = responses(r#"{"input":"abc"}"#).expect("valid");
    assert_eq!((scan.message_count, scan.prompt_bytes), (1, 3));
    assert_eq!(scan.message_spans[0].role, MessageRole::User);
    let refused = responses(r#"{"input":{}}"#).expect_err("an object");
    assert_eq!(refused.to_string(), "`input` must be a string or an array");
    let refused = responses(r#"{"input":"a","\u0069nput":"b"}"#);
    assert_eq!(refused.expect_err("twice").field(), Some("input"));
}

fn scan_messages(body: &str) -> Result<Scan, ScanError> {
    let schema = Schema::of(Api {
        dialect: Dialect::Anthropic,
        operation: Operation::ChatCompletions,
    })
    .expect("a body");
    let scan = |pieces: &[&[u8]]| {
        let mut scanner = Scanner::new(schema, ScanOptions::default());
        pieces.iter().try_for_each(|piece| scanner.push(piece))?;
        scanner.finish()
    };
    let whole = scan(&[body.as_bytes()]);
    let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
    assert_eq!(format!("{whole:?}"), format!("{:?}", scan(&bytes)));
    whole
}

#[test]
fn a_request_of_anthropic_is_understood() {
    let body = r#"{"metadata":{"x":"long","user_id":"u\u0031","y":["z"]},"model":"claude","stream":true,
        "max_tokens":10,"system":[{"type":"text","text":"abc","cache_control":{"type":"ephemeral"}}],
        "messages":[{"role":"user","content":[{"type":"text","text":"de"},
            {"type":"image","source":{"type":"base64","media_type":"image/png","data":"xxxx"}}]},
          {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"ssss"},
            {"type":"tool_use","id":"i1","name":"f","input":{"a":"b"}}]},
          {"role":"user","content":[{"type":"tool_result","tool_use_id":"i1","is_error":true,
            "content":[{"type":"text","text":"fgh"},
              {"type":"image","source":{"type":"url","url":"http"}}]},
            {"type":"tool_result","tool_use_id":"i2","content":"xyz"}]}],
        "tools":[{"name":"f"}],"n":"any"}"#;
    let scan = scan_messages(body).expect("valid");
    let raw = |span: Span| &body[span.start as usize..span.end as usize];
    assert_eq!(scan.model.as_ref().expect("a model").value, "claude");
    assert!(scan.wants_stream() && !scan.wants_usage());
    assert_eq!((scan.output_bound(), scan.choices()), (Some(10), 1));
    assert_eq!(scan.user.as_deref(), Some("u1"));
    assert!(
        raw(scan.system.expect("instructions")).starts_with("[{\"type\":\"text\",\"text\":\"abc\"")
    );
    let roles: Vec<_> = scan
        .message_spans
        .iter()
        .map(|message| message.role)
        .collect();
    use MessageRole::{Assistant, User};
    assert_eq!(roles, [User, Assistant, User]);
    assert_eq!(scan.media, 2);
    let tool = "name".len() + "f".len();
    let call = "i1".len() + "f".len() + "a".len() + "b".len();
    let results = "i1".len() + "fgh".len() + "i2".len() + "xyz".len();
    let text = "abc".len() + "de".len() + "hm".len() + call + results + tool;
    let media = 2 * u64::from(crate::digest::MEDIUM_BYTES);
    assert_eq!(scan.prompt_bytes, text as u64 + media);
}

#[test]
fn the_end_user_of_anthropic_is_in_the_metadata() {
    let user = |metadata: &str| {
        let body = format!("{{\"user\":\"no\",\"metadata\":{metadata}}}");
        scan_messages(&body).expect("valid").user
    };
    assert_eq!(user(r#"{"user_id":"a"}"#).as_deref(), Some("a"));
    assert_eq!(
        user(r#"{"user_id":"a","user_id":"b"}"#).as_deref(),
        Some("b")
    );
    let long = format!("{{\"user_id\":\"{}\"}}", "u".repeat(513));
    for none in [
        "null",
        "{}",
        "\"user_id\"",
        "[\"user_id\",\"a\"]",
        r#"{"user_id":null}"#,
        r#"{"user_id":7}"#,
        r#"{"user_id":{"user_id":"a"}}"#,
        r#"{"a":{"user_id":"a"}}"#,
        &long,
    ] {
        assert_eq!(user(none), None, "{none}");
    }
}

#[test]
fn policy_fields_of_anthropic_have_their_types_and_stand_once() {
    let refuses = |body: &str, expect: &str| {
        let error = scan_messages(body).expect_err(body);
        assert_eq!(error.to_string(), expect, "{body}");
    };
    refuses(r#"{"system":{}}"#, "`system` must be a string or an array");
    let twice = "`system` is given more than once; give it once";
    refuses(r#"{"system":"a","messages":[],"syst\u0065m":"b"}"#, twice);
    refuses(
        r#"{"max_tokens":"1"}"#,
        "`max_tokens` must be a non-negative integer",
    );
    assert!(scan_messages(r#"{"system":null,"n":null,"n":1}"#).is_ok());
}

proptest! {
    #[test]
    fn spans_hold_what_a_parser_reads(body in chat_request(), seed: u64, cuts in cuts()) {
        let bytes = write(&body, seed);
        let options = ScanOptions { digest: seed % 2 == 0, ..ScanOptions::default() };
        let scan = scan_pieces(Operation::ChatCompletions, &pieces(&bytes, &cuts), options);
        let scan = scan.expect("valid");
        let at = |span: Span| -> Value {
            serde_json::from_slice(&bytes[span.start as usize..span.end as usize]).expect("JSON")
        };
        let model = scan.model.as_ref().map(|field| field.value.as_str());
        prop_assert_eq!(model, body["model"].as_str());
        prop_assert_eq!(scan.model.as_ref().map(|field| at(field.span)), body["model"].as_str().map(Value::from));
        prop_assert_eq!(scan.stream.as_ref().map(|field| field.value), body["stream"].as_bool());
        prop_assert_eq!(scan.max_tokens, body["max_tokens"].as_u64());
        prop_assert_eq!(scan.messages.map(at), Some(body["messages"].clone()));
        let options = scan.stream_options.as_ref();
        prop_assert_eq!(options.map(|field| at(field.span)), body.get("stream_options").cloned());
        let asked = options.and_then(|field| field.include_usage.as_ref());
        prop_assert_eq!(
            asked.and_then(|field| field.value),
            body["stream_options"]["include_usage"].as_bool()
        );
        let spans: Vec<Value> = scan.message_spans.iter().map(|message| at(message.span)).collect();
        prop_assert_eq!(Value::from(spans), body["messages"].clone());
        prop_assert_eq!(bytes[scan.first_field as usize - 1], b'{');
        prop_assert_eq!(scan.body_len, bytes.len() as u64);
    }

    #[test]
    fn what_is_read_counts_as_what_is_passed_over(
        body in chat_request(), seed: u64, cuts in cuts()
    ) {
        let bytes = write(&body, seed);
        let counts = |digest| {
            let options = ScanOptions { digest, ..ScanOptions::default() };
            let pieces = pieces(&bytes, &cuts);
            let scan = scan_pieces(Operation::ChatCompletions, &pieces, options).expect("valid");
            (scan.prompt_bytes, scan.media, scan.message_spans, scan.user)
        };
        prop_assert_eq!(counts(true), counts(false));
    }

    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..64), cuts in cuts()
    ) {
        let body = [b"{\"messages\":[{\"content\":", &bytes[..]].concat();
        let options = ScanOptions { digest: true, ..ScanOptions::default() };
        let _ = scan_pieces(Operation::ChatCompletions, &pieces(&body, &cuts), options);
    }
}
