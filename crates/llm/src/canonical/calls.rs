//! Calls whose ids say nothing.
//!
//! An id links the result of a call to it. Some servers give none that lasts: the calls of every
//! answer are `call_0`, `call_1` and so on, and a client sends them all back. APIs refuse a
//! conversation in which an id stands twice, or take the result of one call for that of another. So
//! a call whose id has been given before gets another, and so does its result.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{Content, Message};

/// The calls that came with one id, in their order.
#[derive(Debug, Default)]
struct Namesakes {
    ids: Vec<String>,
    /// The message that has the last of them.
    message: usize,
    /// Those that no further result can belong to.
    answered: usize,
}

/// Gives ids to calls that have another's.
///
/// A result belongs to the last message that has calls of its id: to the first of them that has no
/// result yet.
pub(crate) fn tell_apart(messages: &mut [Message<'_>]) {
    if !has_namesakes(messages) {
        return;
    }
    let mut all: BTreeMap<String, Namesakes> = BTreeMap::new();
    for (index, message) in messages.iter_mut().enumerate() {
        for part in &mut message.parts {
            match &mut part.content {
                Content::ToolCall(call) => {
                    if let Some(id) = add(&mut all, &call.id, index) {
                        call.id = Cow::Owned(id);
                    }
                }
                Content::ToolResult(result) => {
                    if let Some(id) = answer(&mut all, &result.call) {
                        result.call = Cow::Owned(id);
                    }
                }
                _ => {}
            }
        }
    }
}

fn has_namesakes(messages: &[Message<'_>]) -> bool {
    let mut known = BTreeSet::new();
    let mut parts = messages.iter().flat_map(|message| &message.parts);
    parts.any(|part| match &part.content {
        Content::ToolCall(call) => !known.insert(&*call.id),
        _ => false,
    })
}

/// Notes a call; its new id if it needs one.
fn add(all: &mut BTreeMap<String, Namesakes>, id: &str, message: usize) -> Option<String> {
    let before = all.get(id).map_or(0, |namesakes| namesakes.ids.len());
    let other = (before > 0).then(|| free(all, id, before));
    if let Some(other) = &other {
        // Lest a call further on has just this.
        all.entry(other.clone())
            .or_default()
            .ids
            .push(other.clone());
    }
    let namesakes = all.entry(id.to_owned()).or_default();
    if namesakes.message != message {
        namesakes.message = message;
        namesakes.answered = before;
    }
    let own = other.clone().unwrap_or_else(|| id.to_owned());
    namesakes.ids.push(own);
    other
}

fn free(all: &BTreeMap<String, Namesakes>, id: &str, before: usize) -> String {
    let mut number = before;
    loop {
        let other = format!("{id}_{number}");
        if !all.contains_key(&other) {
            return other;
        }
        number += 1;
    }
}

/// The id of the call that a result belongs to, if it is another than the result's.
fn answer(all: &mut BTreeMap<String, Namesakes>, id: &str) -> Option<String> {
    let namesakes = all.get_mut(id)?;
    let own = namesakes.ids.get(namesakes.answered);
    let own = own.or(namesakes.ids.last())?.clone();
    namesakes.answered += 1;
    (own != id).then_some(own)
}

#[cfg(test)]
mod tests;
