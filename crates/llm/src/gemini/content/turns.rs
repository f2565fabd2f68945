//! Turns put together of what clients hold of them.
//!
//! Chats of Google's SDKs keep a content for each event of a stream, so a turn comes back in as
//! many pieces as it went out. But a proof is of the whole thought, and other APIs take no blank
//! text, as a piece of one may be.

use std::borrow::Cow;

use crate::canonical::{Content, Message, Part, Reasoning, Role};

/// Adds a message. What the model says in a row is one: other APIs want all calls of a turn
/// together, before their results.
pub(super) fn add<'a>(message: Message<'a>, messages: &mut Vec<Message<'a>>) {
    let mut parts = message.parts.into_iter().peekable();
    if parts.peek().is_none() {
        return;
    }
    let is_model = message.role == Role::Assistant;
    let goes_on = messages
        .last()
        .is_some_and(|last| last.role == message.role);
    if !(is_model && goes_on) {
        messages.push(Message {
            role: message.role,
            name: message.name,
            parts: Vec::with_capacity(parts.len()),
        });
    }
    let Some(last) = messages.last_mut() else {
        return;
    };
    for part in parts {
        let part = match is_model {
            true => join(part, &mut last.parts),
            false => Some(part),
        };
        last.parts.extend(part);
    }
}

/// Joins a part to the last one if it goes on with it; gives it back if not.
fn join<'a>(part: Part<'a>, parts: &mut [Part<'a>]) -> Option<Part<'a>> {
    let last = parts.last_mut().map(|last| &mut last.content);
    match (last, part.content) {
        (Some(Content::Text(text)), Content::Text(more)) => append(text, &more),
        (
            Some(Content::Reasoning(Reasoning {
                text: Some(text),
                signature: signature @ None,
                redacted: None,
            })),
            Content::Reasoning(Reasoning {
                text: more,
                signature: proof,
                redacted: None,
            }),
        ) => {
            append(text, &more.unwrap_or_default());
            *signature = proof;
        }
        (_, content) => {
            return Some(Part { content, ..part });
        }
    }
    None
}

fn append<'a>(text: &mut Cow<'a, str>, more: &str) {
    text.to_mut().push_str(more);
}
