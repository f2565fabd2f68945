//! What a translation between dialects costs, beside what serde takes to read and write the same as a
//! tree.
#![expect(clippy::unwrap_used, reason = "a benchmark's input is known")]

use bytes::Bytes;
use divan::{Bencher, black_box, counter::ItemsCount};
use llm::translate::{Asked, Pair, StreamTranslator, Unsaid, Way};
use llm::{Api, Dialect};
use serde_json::Value;

fn main() {
    divan::main();
}

const CHUNKS: usize = 100;

fn pair(path: &str, dialect: Dialect) -> Pair {
    match Way::of(Api::of_path(path).unwrap(), dialect, &llm::Quirks::NONE) {
        Some(Way::Translated(pair)) => pair,
        Some(Way::PassedOn | Way::Answered) | None => unreachable!(),
    }
}

/// A conversation of about 1.5 KB.
fn chat() -> String {
    let text = "The quick brown fox jumps over the lazy dog; it says hi. ".repeat(7);
    format!(
        r#"{{"model":"m","temperature":0.7,"max_tokens":100,"messages":[{{"role":"system","content":"{text}"}},{{"role":"user","content":"{text}"}},{{"role":"assistant","content":"{text}"}},{{"role":"user","content":"and?"}}]}}"#
    )
}

fn completion() -> String {
    let text = "The quick brown fox jumps over the lazy dog; it says hi. ".repeat(22);
    format!(
        r#"{{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":300,"completion_tokens":300,"total_tokens":600}}}}"#
    )
}

fn chunk() -> String {
    r#"{"id":"chatcmpl-8f14e45fceea167a5a36dedd4bea2543","object":"chat.completion.chunk","created":1760000000,"model":"llama-3.1-70b","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}"#.to_owned()
}

#[divan::bench]
fn request(bencher: Bencher) {
    let (pair, body) = (pair("/v1/chat/completions", Dialect::Anthropic), chat());
    bencher.bench_local(|| {
        pair.request(Asked::default(), black_box(body.as_bytes()), None)
            .unwrap()
    });
}

#[divan::bench]
fn request_by_serde(bencher: Bencher) {
    let body = chat();
    bencher.bench_local(|| again(black_box(body.as_bytes())));
}

#[divan::bench]
fn answer(bencher: Bencher) {
    let (pair, body) = (pair("/v1/messages", Dialect::OpenAi), completion());
    bencher.bench_local(|| {
        pair.answer(black_box(body.as_bytes()), &Unsaid::default())
            .unwrap()
    });
}

#[divan::bench]
fn answer_by_serde(bencher: Bencher) {
    let body = completion();
    bencher.bench_local(|| again(black_box(body.as_bytes())));
}

/// A stream of [`CHUNKS`] chunks that come one by one.
#[divan::bench]
fn stream(bencher: Bencher) {
    let pair = pair("/v1/messages", Dialect::OpenAi);
    let frame = Bytes::from(format!("data: {}\n\n", chunk()));
    bencher.counter(ItemsCount::new(CHUNKS)).bench_local(|| {
        let mut translator =
            StreamTranslator::new(pair, None, 1, false, Unsaid::default()).unwrap();
        let mut out = Vec::new();
        for _ in 0..CHUNKS {
            out.clear();
            translator.feed(black_box(frame.clone()), &mut out).unwrap();
        }
    });
}

#[divan::bench]
fn stream_by_serde(bencher: Bencher) {
    let chunk = chunk();
    bencher.counter(ItemsCount::new(CHUNKS)).bench_local(|| {
        for _ in 0..CHUNKS {
            black_box(again(black_box(chunk.as_bytes())));
        }
    });
}

fn again(body: &[u8]) -> Vec<u8> {
    let value: Value = serde_json::from_slice(body).unwrap();
    serde_json::to_vec(&value).unwrap()
}
