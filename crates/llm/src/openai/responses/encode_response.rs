//! Answers to clients that speak this API.

use super::{COMPLETED, Frame, INCOMPLETE, Item, Kind, Piece, Proof, outcome};
use crate::canonical::{Citation, Content, Part, Reasoning, Response, ToolCall};
use crate::openai::citations::has_annotation;
use crate::wire::object;

/// Writes an answer. There is one choice here: a client of this API cannot ask for more.
pub(crate) fn encode_response(response: &Response<'_>, now: u64) -> Vec<u8> {
    let choice = response.choices.first();
    let mut items = Vec::new();
    let parts = choice.map(|choice| choice.parts.as_slice());
    for (number, part) in (0..).zip(parts.unwrap_or_default()) {
        add(&mut items, &response.id, number, part);
    }
    let mut pieces = items.iter_mut().flat_map(Item::pieces);
    if let (Some(choice), Some(text)) = (choice, pieces.find(|piece| !piece.is_refusal)) {
        text.tokens.clone_from(&choice.tokens);
    }
    drop(pieces);
    let finish = choice.and_then(|choice| choice.finish.as_ref());
    let (status, reason) = outcome(finish, items.iter().any(Item::refuses));
    for item in &mut items {
        item.status = COMPLETED;
    }
    if let Some(last) = items.last_mut().filter(|last| last.is_message()) {
        last.status = if reason.is_some() {
            INCOMPLETE
        } else {
            COMPLETED
        };
    }
    let frame = Frame {
        id: &response.id,
        model: &response.model,
        created: response.created.unwrap_or(now),
        status,
        reason,
        error: None,
        usage: response.usage,
        service_tier: response.service_tier.as_deref(),
    };
    object(|o| frame.write(&items, o))
}

/// Adds the part of a number to the items.
fn add<'r>(items: &mut Vec<Item<'r>>, id: &str, number: u32, part: &'r Part<'r>) {
    match &part.content {
        Content::Text(text) => add_words(items, id, number, words(text, &part.citations)),
        Content::Refusal(text) => {
            let piece = Piece::new(true, text.as_ref().into());
            add_words(items, id, number, piece);
        }
        Content::ToolCall(call) => {
            let item = Item::new(id, number, call_kind(call));
            let proof = item.proof_of_call(id, number);
            items.push(item);
            items.extend(proof);
        }
        Content::Reasoning(reasoning) => add_reasoning(items, id, number, reasoning),
        // No answer of this API has them without a tool that its server runs.
        Content::Media(_) | Content::ToolResult(_) => {}
    }
}

/// A text, with those of its citations that this API has.
fn words<'r>(text: &'r str, citations: &'r [Citation<'r>]) -> Piece<'r> {
    let mut piece = Piece::new(false, text.into());
    if citations.is_empty() {
        return piece;
    }
    piece.characters = text.chars().count();
    for citation in citations.iter().filter(|one| has_annotation(one)) {
        let range = piece.place(citation);
        piece.annotations.push((range, citation.clone()));
    }
    piece
}

/// Words that follow each other are parts of one message.
fn add_words<'r>(items: &mut Vec<Item<'r>>, id: &str, number: u32, piece: Piece<'r>) {
    if let Some(Item {
        kind: Kind::Message(pieces),
        ..
    }) = items.last_mut()
    {
        pieces.push(piece);
    } else {
        items.push(Item::new(id, number, Kind::Message(vec![piece])));
    }
}

fn call_kind<'r>(call: &'r ToolCall<'r>) -> Kind<'r> {
    Kind::Call {
        id: call.id.as_ref().into(),
        name: call.name.as_ref().into(),
        arguments: call.arguments.as_ref().into(),
        signature: call.proof().map(Into::into),
    }
}

/// What only the provider can read belongs to the text before it, if that has no proof.
fn add_reasoning<'r>(
    items: &mut Vec<Item<'r>>,
    id: &str,
    number: u32,
    reasoning: &'r Reasoning<'r>,
) {
    let signature = reasoning.proof();
    if reasoning.text.is_some() || signature.is_some() {
        let proof = signature.map(|signature| Proof::Signature(signature.into()).write());
        let kind = Kind::Reasoning {
            summary: reasoning.text.as_deref().map(Into::into),
            encrypted: proof.map(Into::into),
        };
        items.push(Item::new(id, number, kind));
    }
    let Some(redacted) = reasoning.redacted.as_deref() else {
        return;
    };
    if let Some(Item {
        kind: Kind::Reasoning {
            encrypted: encrypted @ None,
            ..
        },
        ..
    }) = items.last_mut()
    {
        *encrypted = Some(redacted.into());
    } else {
        let kind = Kind::Reasoning {
            summary: None,
            encrypted: Some(redacted.into()),
        };
        items.push(Item::new(id, number, kind));
    }
}
