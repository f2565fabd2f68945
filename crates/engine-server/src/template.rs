//! The chat template: how messages become the tokens of one prompt.
//!
//! It is ChatML, which Qwen uses. Contents are tokenized apart from the marks around them, so a
//! conversation's next turn begins with exactly the tokens of the turn before and its answer.

use crate::api::{Message, MessageContent};
use crate::tokenizer;

/// Begins a message.
const START: &str = "<|im_start|>";

/// Ends a message, and is what the model generates to end its own.
pub(crate) const END: &str = "<|im_end|>";

/// The tokens of a conversation, up to where the assistant begins to answer.
pub(crate) fn encode(messages: &[Message], tools: Option<&serde_json::Value>) -> Vec<u32> {
    let mut ids = Vec::new();
    if let Some(tools) = tools {
        message("system", &tools.to_string(), &mut ids);
    }
    for one in messages {
        message(&one.role, &text_of(one), &mut ids);
    }
    open("assistant", &mut ids);
    ids
}

fn open(role: &str, ids: &mut Vec<u32>) {
    ids.push(tokenizer::id(START));
    tokenizer::encode(role, ids);
    tokenizer::encode("\n", ids);
}

fn message(role: &str, text: &str, ids: &mut Vec<u32>) {
    open(role, ids);
    tokenizer::encode(text, ids);
    ids.push(tokenizer::id(END));
    tokenizer::encode("\n", ids);
}

fn text_of(message: &Message) -> String {
    let mut text = match &message.content {
        None => String::new(),
        Some(MessageContent::Text(text)) => text.clone(),
        Some(MessageContent::Parts(parts)) => parts
            .iter()
            .filter_map(|part| part.text.as_deref())
            .collect::<Vec<_>>()
            .join("\n"),
    };
    if let Some(calls) = &message.tool_calls {
        text.push_str(&calls.to_string());
    }
    text
}
