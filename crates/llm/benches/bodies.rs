//! What a request and an answer cost in this crate, by the sizes that gateways see.
#![expect(clippy::unwrap_used, reason = "a benchmark's input is known")]

use bytes::Bytes;
use divan::{Bencher, counter::BytesCount};
use llm::Api;
use llm::response::{PlainTap, StreamOptions, StreamTap};
use llm::scan::{Scan, ScanOptions, Scanner, Schema};
use llm::splice::{Edits, Rewrite};

fn main() {
    divan::main();
}

const SIZES: [usize; 2] = [1_500, 1_000_000];

/// Bytes that arrive at once.
const PIECE: usize = 16 * 1024;

/// A conversation of about `size` bytes: prose with a line break every 60 characters.
fn request(size: usize) -> Bytes {
    let paragraph =
        "The quick brown fox jumps over the lazy dog; it says \\\"hi\\\".\\n".repeat(15);
    let messages = (size / (paragraph.len() + 40)).max(1);
    let turns: Vec<String> = (0..messages)
        .map(|index| {
            let role = if index % 2 == 0 { "user" } else { "assistant" };
            format!("{{\"role\":\"{role}\",\"content\":\"{paragraph}\"}}")
        })
        .collect();
    format!(
        "{{\"model\":\"llama-3.1-70b\",\"temperature\":0.7,\"messages\":[{}],\"stream\":true}}",
        turns.join(",")
    )
    .into()
}

fn scan(body: &Bytes, options: ScanOptions) -> Scan {
    let schema = Schema::of(Api::of_path("/v1/chat/completions").unwrap()).unwrap();
    let mut scanner = Scanner::new(schema, options);
    body.chunks(PIECE)
        .try_for_each(|piece| scanner.push(piece))
        .unwrap();
    scanner.finish().unwrap()
}

#[divan::bench(args = SIZES)]
fn scan_request(bencher: Bencher, size: usize) {
    let body = request(size);
    bencher
        .counter(BytesCount::new(body.len()))
        .bench_local(|| scan(&body, ScanOptions::default()));
}

#[divan::bench(args = SIZES)]
fn scan_with_digest(bencher: Bencher, size: usize) {
    let body = request(size);
    let options = ScanOptions {
        digest: true,
        ..ScanOptions::default()
    };
    bencher
        .counter(BytesCount::new(body.len()))
        .bench_local(|| scan(&body, options));
}

#[divan::bench(args = SIZES)]
fn validate_with_serde_json(bencher: Bencher, size: usize) {
    let body = request(size);
    bencher
        .counter(BytesCount::new(body.len()))
        .bench_local(|| {
            let text = std::str::from_utf8(&body).unwrap();
            serde_json::from_str::<serde::de::IgnoredAny>(text).unwrap()
        });
}

#[divan::bench(args = SIZES)]
fn splice(bencher: Bencher, size: usize) {
    let body = request(size);
    let scan = scan(&body, ScanOptions::default());
    let rewrite = Rewrite {
        model: Some("another-model"),
        include_usage: true,
        clear_stream_options: false,
    };
    bencher.bench_local(|| {
        let mut out = Vec::new();
        let mut splicer = Edits::rewrite(&scan, &rewrite).splicer();
        let mut rest = body.clone();
        while !rest.is_empty() {
            splicer.push(rest.split_to(rest.len().min(PIECE)), &mut out);
        }
        splicer.finish(&mut out);
        out
    });
}

fn chunk(content: &str, finish: &str) -> Bytes {
    format!(
        "data: {{\"id\":\"chatcmpl-abcdefghijklmnop\",\"object\":\"chat.completion.chunk\",\
         \"created\":1700000000,\"model\":\"llama-3.1-70b\",\"choices\":[{{\"index\":0,\
         \"delta\":{{\"content\":\"{content}\"}},\"logprobs\":null,\"finish_reason\":{finish}}}],\
         \"usage\":null}}\n\n"
    )
    .into()
}

/// A hundred chunks of content, the finish, the usage and the end.
fn stream() -> Vec<Bytes> {
    let mut chunks = vec![chunk(" word", "null"); 100];
    chunks.push(chunk("", "\"stop\""));
    let usage = "{\"prompt_tokens\":10,\"completion_tokens\":100}";
    chunks.push(format!("data: {{\"choices\":[],\"usage\":{usage}}}\n\n").into());
    chunks.push(Bytes::from_static(b"data: [DONE]\n\n"));
    chunks
}

fn watch(chunks: &[Bytes]) -> usize {
    let options = StreamOptions {
        drop_usage: true,
        ..StreamOptions::default()
    };
    let mut tap = StreamTap::new(Api::CHAT_COMPLETIONS, options);
    let mut out = Vec::new();
    let mut forwarded = 0;
    for chunk in chunks {
        tap.feed(chunk.clone(), &mut out).unwrap();
        forwarded += out.drain(..).map(|bytes| bytes.len()).sum::<usize>();
    }
    forwarded
}

#[divan::bench]
fn tap_100_chunks_apart(bencher: Bencher) {
    let chunks = stream();
    bencher.bench_local(|| watch(&chunks));
}

#[divan::bench]
fn tap_100_chunks_at_once(bencher: Bencher) {
    let whole = [Bytes::from(stream().concat())];
    bencher.bench_local(|| watch(&whole));
}

#[divan::bench]
fn tap_plain_answer(bencher: Bencher) {
    let content = "The quick brown fox jumps over the lazy dog.\\n".repeat(40);
    let answer = format!(
        "{{\"id\":\"x\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"message\":{{\"role\":\
         \"assistant\",\"content\":\"{content}\"}}}}],\"usage\":{{\"prompt_tokens\":10}}}}"
    );
    bencher.bench_local(|| {
        let mut tap = PlainTap::new(Api::CHAT_COMPLETIONS);
        tap.feed(answer.as_bytes());
        tap.finish()
    });
}
