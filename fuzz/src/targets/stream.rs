//! The tap of streamed answers: every split reports the same, and nothing is lost or made up.

use crate::reference::sse::blocks;
use crate::split::splits;
use bytes::Bytes;
use llm::Api;
use llm::response::{Ended, StreamOptions, StreamReport, StreamTap};

pub(crate) fn run(data: &[u8]) {
    for (api, drop_usage, choices) in [
        (Api::CHAT_COMPLETIONS, false, 1),
        (Api::CHAT_COMPLETIONS, true, 2),
        (Api::RESPONSES, false, 1),
        (Api::MESSAGES, false, 1),
        (Api::OLLAMA_CHAT, false, 1),
    ] {
        let options = StreamOptions {
            drop_usage,
            choices,
            ..StreamOptions::default()
        };
        let whole = watch(api, &[data], options);
        for pieces in splits(data) {
            whole.assert_same(&watch(api, &pieces, options));
        }
        // The frames of the other are lines.
        if !drop_usage && api != Api::OLLAMA_CHAT {
            nothing_is_lost(data, &whole);
        }
        is_consistent(&whole);
    }
}

/// What was seen of a stream.
struct Seen {
    /// What was forwarded while it went by.
    forwarded: Vec<u8>,
    /// What was added at its end.
    rest: Vec<u8>,
    begun: bool,
    report: StreamReport,
}

impl Seen {
    fn bytes(&self) -> Vec<u8> {
        [&self.forwarded[..], &self.rest].concat()
    }

    fn assert_same(&self, other: &Self) {
        assert_eq!(self.report, other.report);
        assert_eq!(self.begun, other.begun);
        assert_eq!(self.bytes(), other.bytes());
    }
}

fn watch(api: Api, pieces: &[&[u8]], options: StreamOptions) -> Seen {
    let mut tap = StreamTap::new(api, options);
    let mut out = Vec::new();
    for piece in pieces {
        tap.feed(Bytes::copy_from_slice(piece), &mut out)
            .expect("no event is too long");
    }
    let begun = tap.begun();
    let mut rest = Vec::new();
    let report = tap.finish(&mut rest);
    assert!(
        out.iter().chain(&rest).all(|bytes| !bytes.is_empty()),
        "an empty piece would end a body"
    );
    Seen {
        forwarded: out.concat(),
        rest: rest.concat(),
        begun,
        report,
    }
}

/// What is forwarded is what came, but for an event that is cut; what is added is the end of it.
fn nothing_is_lost(data: &[u8], seen: &Seen) {
    const DONE: &[u8] = b"data: [DONE]\n\n";
    let left = data
        .strip_prefix(&seen.forwarded[..])
        .expect("the beginning of what came");
    let rest = seen.rest.strip_suffix(DONE).unwrap_or(&seen.rest);
    let completed = [left, b"\n\n"].concat();
    let is_cut = rest.is_empty();
    let is_completed = rest == completed || seen.rest == completed;
    assert!(is_cut || is_completed, "{rest:?} of {left:?}");
    assert!(
        blocks(left).len() <= 1,
        "a whole event was held back: {left:?}"
    );
}

fn is_consistent(seen: &Seen) {
    let StreamReport {
        ended,
        content_events,
        ..
    } = &seen.report;
    assert!(!seen.begun || *content_events > 0);
    if *ended == Ended::Truncated {
        assert!(!seen.rest.ends_with(b"data: [DONE]\n\n"), "made whole");
    }
}
