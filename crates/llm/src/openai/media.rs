//! What answers with images and sound report.
//!
//! Their streams are events with a type: of a part (`image_generation.partial_image`,
//! `speech.audio.delta`, `transcript.text.delta`) and of the end (`….completed`, `….done`), which has
//! the usage.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::event_error;
use crate::response::{EventFacts, Usage};

/// Ends of the types of events that end a stream.
const ENDS: [&str; 2] = [".completed", ".done"];

/// Reads a `usage` object. Whisper's tells seconds.
pub(crate) fn usage(raw: &[u8]) -> Option<Usage> {
    let usage = super::newer_usage(raw)?;
    (usage.input.is_some() || usage.output.is_some()).then_some(usage)
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

/// Whether an event may say more than some further content. Those that do are few and short.
pub(crate) fn is_remarkable(data: &[u8]) -> bool {
    let has = |name: &[u8]| memchr::memmem::find(data, name).is_some();
    has(b".completed\"") || has(b".done\"") || has(b"\"error\"")
}

/// What an event says.
pub(crate) fn event_facts(data: &[u8]) -> EventFacts {
    if data.trim_ascii() == super::DONE {
        return EventFacts {
            done: true,
            ..EventFacts::default()
        };
    }
    if let Some(error) = event_error(data) {
        return EventFacts {
            error: Some(error),
            ..EventFacts::default()
        };
    }
    let Ok(event) = serde_json::from_slice::<Event<'_>>(data) else {
        return EventFacts::default();
    };
    let ends = ENDS.iter().any(|end| event.kind.ends_with(end));
    EventFacts {
        content: !event.kind.is_empty(),
        finished: u64::from(ends),
        usage: event.usage.and_then(|raw| usage(raw.get().as_bytes())),
        ..EventFacts::default()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use crate::response::{Ended, PlainTap, StreamOptions, StreamTap};
    use crate::{Api, Dialect, Operation};

    fn api(operation: Operation) -> Api {
        Api {
            dialect: Dialect::OpenAi,
            operation,
        }
    }

    #[test]
    fn a_stream_of_images_is_watched() {
        let mut tap = StreamTap::new(api(Operation::Images), StreamOptions::default());
        let mut out = Vec::new();
        let part = "event: image_generation.partial_image\ndata: \
                    {\"type\":\"image_generation.partial_image\",\"b64_json\":\"AAAA\"}\n\n";
        let end = "data: {\"type\":\"image_generation.completed\",\"b64_json\":\"AAAA\",\
                   \"usage\":{\"input_tokens\":5,\"output_tokens\":7,\"total_tokens\":12}}\n\n";
        tap.feed(Bytes::from(part), &mut out).unwrap();
        assert!(tap.begun() && !tap.finished());
        tap.feed(Bytes::from(end), &mut out).unwrap();
        let report = tap.finish(&mut out);
        assert_eq!(report.ended, Ended::Complete);
        let usage = report.usage.unwrap();
        assert_eq!((usage.input, usage.output), (Some(5), Some(7)));
        assert_eq!(out.concat(), [part, end].concat().into_bytes());
    }

    #[test]
    fn a_cut_or_failed_stream_is_known() {
        let watch = |text: &str| {
            let mut tap = StreamTap::new(api(Operation::Transcriptions), StreamOptions::default());
            let mut out = Vec::new();
            tap.feed(Bytes::copy_from_slice(text.as_bytes()), &mut out)
                .unwrap();
            tap.finish(&mut out).ended
        };
        let delta = "data: {\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n\n";
        assert_eq!(watch(delta), Ended::Truncated);
        let error = "data: {\"error\":{\"message\":\"no\",\"code\":null}}\n\n";
        assert!(matches!(watch(&[delta, error].concat()), Ended::Failed(_)));
    }

    #[test]
    fn seconds_are_no_tokens() {
        let usage = |body: &str| {
            let mut tap = PlainTap::new(api(Operation::Transcriptions));
            tap.feed(body.as_bytes());
            tap.finish().usage
        };
        assert_eq!(
            usage(r#"{"text":"a","usage":{"type":"duration","seconds":3}}"#),
            None
        );
        let tokens = r#"{"text":"a","usage":{"type":"tokens","input_tokens":3,"output_tokens":1}}"#;
        assert_eq!(usage(tokens).unwrap().input, Some(3));
    }
}
