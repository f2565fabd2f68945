//! What encoders say of what their API cannot be told, in the same words whichever it is.

use super::{Content, Dropped, Media, Message, Part};
use crate::wire::Fault;

/// The refusal of a medium that the API does not take so, such as `by its URL`.
pub(crate) fn cannot(media: &Media<'_>, how: &str) -> Fault {
    let what = media.kind.name();
    Fault::new(
        "messages",
        format!("hold {what}, which the API of this model does not take {how}"),
    )
}

/// The refusal of what another provider has signed.
pub(crate) fn signed(what: &str) -> Fault {
    Fault::new(
        "messages",
        format!(
            "hold {what} signed by another provider, which the API of this model does not take: \
             go on with the model that signed it, or leave it out"
        ),
    )
}

/// Notes a mark for a cache, of which the API has none.
pub(crate) fn uncache(part: &Part<'_>, dropped: &mut Dropped) {
    if part.cache.is_some() {
        dropped.add("cache_control");
    }
}

/// How it is told that the sources of an earlier answer are left out.
pub(crate) const CITATIONS: &str = "citations";

/// Refuses documents that the answer is to cite, where the API has no words for it, and notes the
/// sources of earlier answers.
///
/// # Errors
/// If a message has such a document.
pub(crate) fn uncite(messages: &[Message<'_>], dropped: &mut Dropped) -> Result<(), Fault> {
    for part in messages.iter().flat_map(|message| &message.parts) {
        if is_to_be_cited(part) {
            return Err(Fault::new(
                "messages.content.citations",
                "cannot be wanted of this model: its API knows no documents that are to be cited",
            ));
        }
        if !part.citations.is_empty() {
            dropped.add(CITATIONS);
        }
    }
    Ok(())
}

fn is_to_be_cited(part: &Part<'_>) -> bool {
    match &part.content {
        Content::Media(media) => media.cited,
        Content::ToolResult(result) => result.parts.iter().any(is_to_be_cited),
        _ => false,
    }
}
