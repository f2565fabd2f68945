//! The tap of plain answers: every split reports the same, and what serde_json reads.

use crate::reference::json;
use crate::split::splits;
use llm::Api;
use llm::response::{Plain, PlainTap};

/// Nesting that the tap follows.
const MAX_DEPTH: usize = 128;

/// Bytes of a value above which the tap does not report it.
const MAX_CAPTURE: usize = 16 * 1024;

pub(crate) fn run(data: &[u8]) {
    for api in [Api::CHAT_COMPLETIONS, Api::RESPONSES, Api::MESSAGES] {
        let whole = watch(api, &[data]);
        for pieces in splits(data) {
            assert_eq!(watch(api, &pieces), whole);
        }
        assert_eq!(whole.complete, json::is_object(data, MAX_DEPTH));
        if whole.complete {
            model_is_read(data, whole.model.as_deref());
        }
    }
}

fn watch(api: Api, pieces: &[&[u8]]) -> Plain {
    let mut tap = PlainTap::new(api);
    for piece in pieces {
        tap.feed(piece);
    }
    tap.finish()
}

fn model_is_read(body: &[u8], model: Option<&str>) {
    let Some(fields) = json::fields(body) else {
        return;
    };
    let last = fields.into_iter().rfind(|(name, _)| name == "model");
    let raw = last
        .map(|(_, value)| value.get())
        .filter(|raw| raw.len() <= MAX_CAPTURE);
    let expected: Option<String> = raw.and_then(|raw| serde_json::from_str(raw).ok());
    assert_eq!(model, expected.as_deref());
}
