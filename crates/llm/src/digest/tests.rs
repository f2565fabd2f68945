use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::scan::{ScanOptions, Scanner, Schema};
use crate::testing::{chat_request, cuts, pieces, text, value, write};
use crate::{Api, Dialect, Operation};

fn digest_of(operation: Operation, pieces: &[&[u8]]) -> PromptDigest {
    let schema = Schema::of(Api {
        dialect: Dialect::OpenAi,
        operation,
    })
    .expect("a body");
    let options = ScanOptions {
        digest: true,
        ..ScanOptions::default()
    };
    let mut scanner = Scanner::new(schema, options);
    pieces
        .iter()
        .for_each(|piece| scanner.push(piece).expect("valid"));
    scanner.finish().expect("valid").digest.expect("asked for")
}

fn chat(body: &Value) -> PromptDigest {
    digest_of(Operation::ChatCompletions, &[body.to_string().as_bytes()])
}

fn messages(messages: Value) -> PromptDigest {
    chat(&json!({ "messages": messages }))
}

fn chained(digest: &PromptDigest) -> Vec<ChainedBlock> {
    digest.chain(&Salt::new("m", "", "")).collect()
}

#[test]
fn text_is_cut_at_block_boundaries() {
    let digest = messages(json!([{"role": "user", "content": "x".repeat(2500)}]));
    let bytes: Vec<u32> = digest.blocks.iter().map(|block| block.bytes).collect();
    assert_eq!(bytes, [1024, 1024, 452]);
    assert_eq!(digest.bytes(), 2500);
    assert_ne!(
        digest.blocks[0], digest.blocks[1],
        "the role is in the first"
    );
}

#[test]
fn one_text_part_is_a_plain_text() {
    let plain = messages(json!([{"role": "user", "content": "hello"}]));
    let part = json!([{"role": "user", "content": [
        {"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}}
    ]}]);
    assert_eq!(messages(part), plain);
}

#[test]
fn contents_that_differ_hash_differently() {
    let call = |arguments: &str| {
        json!([{"role": "assistant", "content": null, "tool_calls": [
        {"id": "1", "function": {"name": "f", "arguments": arguments}}]}])
    };
    let image = |url: &str| {
        json!([{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": url}}]}])
    };
    let variants = [
        json!([]),
        json!([{"role": "user", "content": "ab"}]),
        json!([{"role": "system", "content": "ab"}]),
        json!([{"role": "user", "content": "ac"}]),
        json!([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]),
        json!([{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}]),
        json!([{"role": "user", "content": "ab", "name": "x"}]),
        json!([{"role": "user", "content": ""}]),
        call("{}"),
        call("{\"a\":1}"),
        image("data:1"),
        image("data:2"),
    ];
    for (index, one) in variants.iter().enumerate() {
        for other in variants.iter().skip(index + 1) {
            assert_ne!(
                messages(one.clone()),
                messages(other.clone()),
                "{one} {other}"
            );
        }
    }
}

#[test]
fn media_are_one_block_each() {
    let content = json!([
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "x".repeat(5000)}},
        {"type": "text", "text": "b"},
    ]);
    let digest = messages(json!([{"role": "user", "content": content}]));
    let bytes: Vec<u32> = digest.blocks.iter().map(|block| block.bytes).collect();
    assert_eq!(bytes, [1, MEDIUM_BYTES, 2]);
}

#[test]
fn tools_come_first_wherever_they_stand() {
    let turns = json!([{"role": "user", "content": "hi"}]);
    let tools = json!([{"name": "f"}, {"name": "g"}]);
    let before = digest_of(
        Operation::ChatCompletions,
        &[format!("{{\"tools\":{tools},\"messages\":{turns}}}").as_bytes()],
    );
    let behind = digest_of(
        Operation::ChatCompletions,
        &[format!("{{\"messages\":{turns},\"tools\":{tools}}}").as_bytes()],
    );
    assert_eq!(before, behind);
    assert_eq!(before.blocks.len(), 3);
    assert_eq!(before.blocks[2], messages(turns).blocks[0]);
}

#[test]
fn the_salt_separates() {
    let digest = messages(json!([{"role": "user", "content": "hi"}]));
    let salts = [
        ("m", "", ""),
        ("n", "", ""),
        ("m", "a", ""),
        ("m", "", "a"),
        ("", "m", ""),
    ];
    let mut hashes: Vec<u64> = salts
        .iter()
        .flat_map(|(model, adapter, domain)| digest.chain(&Salt::new(model, adapter, domain)))
        .map(|block| block.hash)
        .collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), salts.len());
}

#[test]
fn hashes_are_stable_across_versions() {
    let digest =
        chat(&json!({"messages": [{"role": "user", "content": "hi"}], "tools": [{"a": 1}]}));
    let hashes: Vec<u64> = chained(&digest).iter().map(|block| block.hash).collect();
    assert_eq!(hashes, [0x9714_04d6_d600_ada0, 0xb8f8_c289_2f0d_7103]);
}

#[test]
fn blocks_are_bounded() {
    let body = format!("{{\"messages\":[{}{{}}]}}", "{},".repeat(MAX_BLOCKS));
    let digest = digest_of(Operation::ChatCompletions, &[body.as_bytes()]);
    assert_eq!(digest.blocks.len(), MAX_BLOCKS);
}

#[test]
fn a_longer_prompt_keeps_the_full_blocks() {
    let prompt = |len: usize| {
        let body = json!({ "prompt": "p".repeat(len) }).to_string();
        digest_of(Operation::Completions, &[body.as_bytes()])
    };
    let (short, long) = (chained(&prompt(2100)), chained(&prompt(3000)));
    assert_eq!(short[..2], long[..2]);
    assert_ne!(short[2], long[2]);
}

fn anthropic(body: &str, cuts: &[usize]) -> PromptDigest {
    let api = Api {
        dialect: Dialect::Anthropic,
        operation: Operation::ChatCompletions,
    };
    let options = ScanOptions {
        digest: true,
        ..ScanOptions::default()
    };
    let mut scanner = Scanner::new(Schema::of(api).expect("a body"), options);
    pieces(body.as_bytes(), cuts)
        .iter()
        .for_each(|piece| scanner.push(piece).expect("valid"));
    scanner.finish().expect("valid").digest.expect("asked for")
}

/// The operator's instructions are the same wherever they stand, and what a message of that role is:
/// an engine that speaks both dialects computes the same tokens.
#[test]
fn instructions_come_before_the_messages_wherever_they_stand() {
    let turns = json!([{"role": "user", "content": [{"type": "text", "text": "a"}]}]);
    let tools = json!([{"name": "f"}]);
    let parts = json!([{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]);
    let expect = chat(&json!({
        "tools": tools,
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}],
    }));
    for body in [
        format!(r#"{{"system":"s","tools":{tools},"messages":{turns}}}"#),
        format!(r#"{{"tools":{tools},"messages":{turns},"system":"s"}}"#),
        format!(r#"{{"messages":{turns},"system":{parts},"tools":{tools}}}"#),
    ] {
        assert_eq!(anthropic(&body, &[]), expect, "{body}");
        assert_eq!(anthropic(&body, &[3, 20, 40]), expect, "{body}");
    }
    let without = format!(r#"{{"tools":{tools},"messages":{turns},"system":null}}"#);
    let turn = chat(&json!({"tools": tools, "messages": [{"role": "user", "content": "a"}]}));
    assert_eq!(anthropic(&without, &[]), turn);
}

fn responses(body: &Value) -> PromptDigest {
    digest_of(Operation::Responses, &[body.to_string().as_bytes()])
}

/// An engine that serves both APIs computes the same tokens of them.
#[test]
fn items_are_what_messages_are() {
    let tools = json!([{"type": "function", "name": "f"}]);
    let expect = chat(&json!({
        "tools": tools,
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}],
    }));
    let part = json!([{"type": "input_text", "text": "a"}]);
    for input in [
        json!("a"),
        json!([{"role": "user", "content": "a"}]),
        json!([{"type": "message", "id": "msg_1", "role": "user", "content": part}]),
    ] {
        let body = json!({"input": input, "instructions": "s", "tools": tools});
        assert_eq!(responses(&body), expect, "{body}");
    }
    let call = |name: &str| json!({"type": "function_call", "name": name, "call_id": "1"});
    let output =
        |text: &str| json!({"type": "function_call_output", "call_id": "1", "output": text});
    let image =
        |url: &str| json!({"role": "user", "content": [{"type": "input_image", "image_url": url}]});
    let inputs = [
        json!([call("f")]),
        json!([call("g")]),
        json!([output("f")]),
        json!([output("g")]),
        json!([image("f")]),
        json!([image("g")]),
        json!("f"),
        json!([{"role": "assistant", "content": "f"}]),
    ];
    let digests: Vec<_> = inputs
        .iter()
        .map(|input| responses(&json!({ "input": input })))
        .collect();
    for (at, digest) in digests.iter().enumerate() {
        assert!(!digests[..at].contains(digest), "{}", inputs[at]);
    }
}

/// The turns that a client sends back are the prefix of its next request.
#[test]
fn a_conversation_of_items_grows_at_its_end() {
    let said = json!({"role": "user", "content": "a"});
    let answer = json!({"type": "message", "id": "msg_1", "status": "completed",
        "role": "assistant", "content": [{"type": "output_text", "text": "b", "annotations": []}]});
    let first = chained(&responses(&json!({"instructions": "s", "input": [said]})));
    let next = json!({"input": [said, answer, {"role": "user", "content": "c"}],
        "instructions": "s"});
    let next = chained(&responses(&next));
    assert_eq!(next[..first.len()], first[..]);
    assert_eq!(next.len(), first.len() + 2);
}

#[test]
fn blocks_that_differ_hash_differently() {
    let call =
        |input: &str| json!({"type": "tool_use", "id": "1", "name": "f", "input": {"a": input}});
    let result =
        |content: Value| json!({"type": "tool_result", "tool_use_id": "1", "content": content});
    let image = |data: &str| json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}});
    let text = |text: &str| json!({"type": "text", "text": text});
    let variants = [
        json!([text("ab")]),
        json!([text("a"), text("b")]),
        json!([{"type": "thinking", "thinking": "ab", "signature": "s"}]),
        json!([{"type": "redacted_thinking", "data": "ab"}]),
        json!([image("1")]),
        json!([image("2")]),
        json!([{"type": "image", "source": {"type": "url", "url": "1"}}]),
        json!([call("1")]),
        json!([call("2")]),
        json!([call("1"), call("2")]),
        json!([result(json!("ab")), text("c")]),
        json!([result(json!([text("ab"), text("c")]))]),
        json!([result(json!([text("ab"), image("1")]))]),
        json!([result(json!([text("ab"), image("2")]))]),
        json!([{"type": "tool_result", "tool_use_id": "1", "content": "ab", "is_error": true}, text("c")]),
    ];
    let digests: Vec<PromptDigest> = variants
        .iter()
        .map(|content| {
            let body = json!({"messages": [{"role": "user", "content": content}]});
            anthropic(&body.to_string(), &[])
        })
        .collect();
    for (index, one) in digests.iter().enumerate() {
        for (other, digest) in digests.iter().enumerate().skip(index + 1) {
            assert_ne!(one, digest, "{} {}", variants[index], variants[other]);
        }
    }
}

#[test]
fn a_block_may_write_its_fields_in_any_order() {
    let check = |one: &str, other: &str| {
        let of = |block: &str| {
            anthropic(
                &format!(r#"{{"messages":[{{"role":"user","content":[{block}]}}]}}"#),
                &[],
            )
        };
        assert_eq!(of(one), of(other), "{one} {other}");
    };
    check(
        r#"{"type":"tool_use","id":"1","name":"f","input":{"a":1,"b":2}}"#,
        r#"{"input":{"b":2,"a":1},"cache_control":{"type":"ephemeral"},"name":"f","id":"1","type":"tool_use"}"#,
    );
    check(
        r#"{"type":"tool_result","tool_use_id":"1","content":[{"type":"search_result","source":"u","title":"t","content":[{"type":"text","text":"x"}]}],"is_error":false}"#,
        r#"{"is_error":false,"content":[{"title":"t","content":[{"text":"x","type":"text"}],"source":"u","type":"search_result"}],"tool_use_id":"1","type":"tool_result"}"#,
    );
}

fn block() -> impl Strategy<Value = Value> {
    let text = || text().prop_map(|text| json!({"type": "text", "text": text}));
    prop_oneof![
        text(),
        (text(), value()).prop_map(|(mut block, mark)| {
            block["cache_control"] = mark;
            block
        }),
        value().prop_map(|source| json!({"type": "image", "source": {"data": source}})),
        value().prop_map(|input| json!({"type": "tool_use", "id": "1", "name": "f", "input": input})),
        (prop::collection::vec(text(), 0..3), any::<bool>()).prop_map(|(content, failed)| {
            json!({"type": "tool_result", "tool_use_id": "1", "content": content, "is_error": failed})
        }),
    ]
}

proptest! {
    #[test]
    fn writing_does_not_matter_to_anthropic(
        system in prop::collection::vec(block(), 0..3),
        content in prop::collection::vec(block(), 0..4),
        seeds: (u64, u64),
        cuts in cuts(),
    ) {
        let body = json!({
            "system": system, "tools": [{"name": "f"}],
            "messages": [{"role": "user", "content": content}, {"role": "user", "content": "x"}],
        });
        let written = |seed| String::from_utf8(write(&body, seed)).expect("UTF-8");
        prop_assert_eq!(
            anthropic(&written(seeds.0), &cuts),
            anthropic(&written(seeds.1), &[])
        );
    }

    #[test]
    fn writing_does_not_matter(
        body in chat_request(), seeds: (u64, u64), first in cuts(), second in cuts()
    ) {
        let (one, other) = (write(&body, seeds.0), write(&body, seeds.1));
        let one = digest_of(Operation::ChatCompletions, &pieces(&one, &first));
        let other = digest_of(Operation::ChatCompletions, &pieces(&other, &second));
        prop_assert_eq!(one, other);
    }

    #[test]
    fn an_appended_message_extends(body in chat_request(), seed: u64) {
        let before = digest_of(Operation::ChatCompletions, &[&write(&body, seed)]);
        let mut longer = body;
        let turns = longer["messages"].as_array_mut().expect("messages");
        turns.push(json!({"role": "user", "content": "more"}));
        let after = digest_of(Operation::ChatCompletions, &[&write(&longer, !seed)]);
        let (before, after) = (chained(&before), chained(&after));
        prop_assert_eq!(after.len(), before.len() + 1);
        prop_assert_eq!(&after[..before.len()], &before[..]);
    }
}
