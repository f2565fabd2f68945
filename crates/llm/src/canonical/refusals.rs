//! What encoders say of what their API cannot be told, in the same words whichever it is.

use super::{Dropped, Media, Part};
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
