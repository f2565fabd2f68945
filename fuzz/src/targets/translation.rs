//! Translation between dialects: what is written is JSON, the model is the one that was asked for, and
//! the split of a stream does not matter.

use crate::split::splits;
use bytes::Bytes;
use llm::event_stream::Decoder;
use llm::response::StreamReport;
use llm::translate::{Asked, BadStream, Pair, StreamTranslator, Unsaid, Way};
use llm::{Api, Dialect, Operation, Quirks};
use serde::de::IgnoredAny;
use serde_json::Value;

/// What the URL of a request says, for dialects that name the model there.
const fn asked(api: Api) -> Asked<'static> {
    Asked {
        path: match (api.dialect, api.operation) {
            (Dialect::Bedrock, _) => "/model/m/converse",
            (_, Operation::Embeddings) => "/v1beta/models/m:batchEmbedContents",
            _ => "/v1beta/models/m:generateContent",
        },
        query: None,
        betas: Some("a,b"),
    }
}

/// Every two dialects of which one can be asked by the clients of the other, and how those ask.
fn pairs() -> impl Iterator<Item = (Asked<'static>, Pair)> {
    let ways = Api::ALL
        .into_iter()
        .flat_map(|api| Dialect::ALL.map(|dialect| (api, dialect)));
    let ways = ways.flat_map(|(api, dialect)| {
        [
            &Quirks::NONE,
            &Quirks::VERTEX_ANTHROPIC,
            &Quirks::BEDROCK_ANTHROPIC,
        ]
        .map(|quirks| (api, Way::of(api, dialect, quirks)))
    });
    ways.filter_map(|(api, way)| match way {
        Some(Way::Translated(pair)) => Some((asked(api), pair)),
        Some(Way::PassedOn | Way::Answered) | None => None,
    })
}

/// A request, and the same bytes as an answer.
pub(crate) fn whole(data: &[u8]) {
    for (asked, pair) in pairs() {
        if let Ok(request) = pair.request(asked, data, Some("theirs")) {
            let body = json(&request.body);
            match (pair.upstream().dialect, body) {
                (Dialect::Gemini, _) => assert!(request.resource.starts_with("/models/theirs:")),
                (Dialect::Bedrock, _) => assert!(request.resource.starts_with("/model/theirs/")),
                // Or it stands in the path.
                (_, Some(body)) => {
                    let is_named = body["model"] == "theirs";
                    assert!(is_named || request.resource.contains("/theirs"), "{body}");
                }
                (_, None) => {}
            }
            assert!(
                request
                    .dropped
                    .fields()
                    .iter()
                    .all(|field| !field.is_empty())
            );
            let again = pair
                .request(asked, data, Some("theirs"))
                .expect("as before");
            assert_eq!(again, request);
        }
        if let Ok(answer) = pair.answer(data, &Unsaid::default()) {
            assert!(json(&answer.body).is_none_or(|body| body.is_object()));
        }
    }
}

/// What is opaque is passed on as it is; `None` if it has half a character, which is JSON all the same,
/// and which serde reads only if it need not know the text.
fn json(body: &[u8]) -> Option<Value> {
    serde_json::from_slice::<IgnoredAny>(body).expect("JSON");
    serde_json::from_slice(body).ok()
}

/// A stream.
pub(crate) fn stream(data: &[u8]) {
    for (_, pair) in pairs() {
        let begin = || StreamTranslator::new(pair, Some("alt=sse"), 1, true, Unsaid::default());
        // What is never streamed has none.
        let Some(translator) = begin() else {
            continue;
        };
        let whole = translate(translator, &[data]);
        for pieces in splits(data) {
            let translator = begin().expect("as before");
            assert_eq!(translate(translator, &pieces), whole);
        }
        if let Ok((written, content_type, _)) = whole {
            match content_type {
                "application/vnd.amazon.eventstream" => check_messages(written),
                "application/x-ndjson" => check_lines(written, is_json),
                _ => check_lines(written, is_frame),
            }
        }
    }
}

fn check_lines(written: Vec<u8>, is_good: fn(&str) -> bool) {
    let text = String::from_utf8(written).expect("text");
    for line in text.lines() {
        assert!(is_good(line), "{line}");
    }
}

fn check_messages(written: Vec<u8>) {
    let mut decoder = Decoder::new(written.len());
    decoder.push(written.into());
    while let Some(message) = decoder.next_message().expect("messages") {
        assert!(message.name().is_some());
        serde_json::from_slice::<IgnoredAny>(&message.data()).expect("JSON");
    }
    assert!(!decoder.is_within_message());
}

/// What is written, as what, and what was seen.
type Seen = Result<(Vec<u8>, &'static str, StreamReport), BadStream>;

fn translate(mut translator: StreamTranslator, pieces: &[&[u8]]) -> Seen {
    let mut out = Vec::new();
    for piece in pieces {
        translator.feed(Bytes::copy_from_slice(piece), &mut out)?;
    }
    let content_type = translator.content_type();
    let report = translator.finish(&mut out);
    Ok((out.concat(), content_type, report))
}

fn is_json(line: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(line).is_ok()
}

fn is_frame(line: &str) -> bool {
    match line.split_once(": ") {
        Some(("data", data)) => data == "[DONE]" || is_json(data),
        Some(("event", name)) => !name.is_empty(),
        Some((comment, _)) => comment.is_empty(),
        None => line.is_empty(),
    }
}
