//! How a server of chat completions wants things said that others want otherwise.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_128;

use crate::canonical::{Dropped, Given, Message, Request};
use crate::quirks::ChatQuirks;
use crate::wire::{Fault, ListWriter};

/// How one request is said to one server.
pub(super) struct Manner<'q> {
    /// The field that bounds the answer.
    pub(super) bound: &'static str,
    /// The role of what the developer says.
    pub(super) developer: &'static str,
    /// The field of the seed.
    pub(super) seed: &'static str,
    quirks: &'q ChatQuirks,
}

impl<'q> Manner<'q> {
    /// OpenAI's reasoning models refuse `max_tokens`, many other servers do not know the newer name
    /// and would let an answer run on, and none takes both. So it is the newer one if the client used
    /// it or the model is OpenAI's. The role `developer` is OpenAI's alone; elsewhere it is `system`.
    pub(super) fn of(request: &Request<'_>, quirks: &'q ChatQuirks) -> Self {
        const NEWER: &str = "max_completion_tokens";
        let is_openais = quirks.is_openais || is_openais(&request.model);
        let bound = request.max_output.as_ref();
        let asked_newer =
            quirks.knows_newer_bound && bound.is_some_and(|bound| bound.field == NEWER);
        Self {
            bound: if is_openais || asked_newer {
                NEWER
            } else {
                "max_tokens"
            },
            developer: if is_openais { "developer" } else { "system" },
            seed: quirks.seed,
            quirks,
        }
    }

    /// The hint, unless the server would refuse the request for it.
    pub(super) fn hint<'g, T>(
        &self,
        field: &str,
        given: Option<&'g Given<T>>,
        dropped: &mut Dropped,
    ) -> Option<&'g Given<T>> {
        if self.quirks.unknown.contains(&field) {
            dropped.hint(given);
            return None;
        }
        given
    }

    /// Who of several says a message, unless the server would refuse the request for it.
    pub(super) fn name<'m>(
        &self,
        message: &'m Message<'_>,
        dropped: &mut Dropped,
    ) -> Option<&'m str> {
        let name = message.name.as_deref();
        if name.is_some() && self.quirks.unknown.contains(&"name") {
            dropped.add("messages.name");
            return None;
        }
        name
    }

    /// Refuses more answers than the server gives.
    pub(super) fn check_choices(&self, request: &Request<'_>) -> Result<(), Fault> {
        match &request.choices {
            Some(choices) if choices.value > 1 && !self.quirks.gives_choices => {
                Err(choices.refuse("cannot be more than 1: this provider gives one answer"))
            }
            _ => Ok(()),
        }
    }

    /// Has the model reply to the results of its calls, where nobody else may speak before it did.
    pub(super) fn write_reply(&self, list: &mut ListWriter<'_>) {
        if let Some(reply) = self.quirks.reply_to_results {
            list.object(|o| {
                o.value("role", "assistant");
                o.value("content", reply);
            });
        }
    }

    /// The id of a tool call in a form that the server takes, the same for the call and its result.
    pub(super) fn call_id<'i>(&self, id: &'i str) -> Cow<'i, str> {
        match self.quirks.call_id_len {
            Some(len) if !is_plain(id, len) => Cow::Owned(digest(id, len)),
            _ => Cow::Borrowed(id),
        }
    }
}

fn is_plain(id: &str, len: usize) -> bool {
    id.len() == len && id.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// `len` letters and digits that stand for `id`.
fn digest(id: &str, len: usize) -> String {
    const SIGNS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = xxh3_128(id.as_bytes());
    let mut sign = || {
        let index = usize::try_from(rest % 62).unwrap_or_default();
        rest /= 62;
        SIGNS.get(index).copied().map_or('0', char::from)
    };
    (0..len).map(|_| sign()).collect()
}

/// Whether a model is one that OpenAI alone serves: `gpt-5`, `openai/o3-mini`, `ft:gpt-4o:us::1`.
fn is_openais(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.strip_prefix("ft:").unwrap_or(name);
    let is_series = |name: &str| name.starts_with(|c: char| c.is_ascii_digit());
    match name.strip_prefix("gpt-") {
        Some(rest) => !rest.starts_with("oss"),
        None => name.starts_with("chatgpt-") || name.strip_prefix('o').is_some_and(is_series),
    }
}
