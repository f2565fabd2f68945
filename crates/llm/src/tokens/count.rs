//! Tokens of a whole request, for a client that asks and an upstream that cannot be asked.

use std::borrow::Cow;

use crate::canonical::{Content, Media, Message, Part, Request, Source};
use crate::translate::{Asked, Fault};
use crate::wire::object;
use crate::{Dialect, anthropic, base64, bedrock, gemini};

use super::{Rate, Vocabulary};
use crate::digest::MEDIUM_BYTES;

/// Tokens that frame a message and prime the answer, as OpenAI documents them for its chats (Cookbook,
/// "How to count tokens with tiktoken"); those of others are of that order.
const PER_MESSAGE: u64 = 3;
const PER_ANSWER: u64 = 3;

/// Tokens that frame the definition of a tool, by the same source.
const PER_TOOL: u64 = 8;

/// By what tokens are counted.
#[derive(Debug, Clone, Copy)]
pub enum Counting<'r> {
    /// One by one.
    Vocabulary(Vocabulary),
    /// By the length.
    Rate(&'r Rate),
}

impl<'r> Counting<'r> {
    /// What `model` is best counted by; `rate` is its own.
    #[must_use]
    pub fn of(model: &str, rate: &'r Rate) -> Self {
        Vocabulary::of_model(model).map_or(Self::Rate(rate), Self::Vocabulary)
    }

    fn text(self, text: &str) -> u64 {
        match self {
            Self::Vocabulary(vocabulary) => vocabulary.count(text),
            Self::Rate(rate) => rate.of_bytes(text.len() as u64),
        }
    }

    /// A document that is text is read as that.
    fn medium(self, media: &Media<'_>) -> u64 {
        let is_text = |media_type: &str| media_type.starts_with("text/");
        match &media.source {
            Source::Text(text) => self.text(text),
            Source::Base64 { media_type, data } if is_text(media_type) => {
                let text = base64::text(&base64::standard(Cow::Borrowed(&**data)));
                text.map_or_else(Self::unseen, |text| self.text(&text))
            }
            _ => Self::unseen(),
        }
    }

    /// What a medium counts as into which nobody looks.
    fn unseen() -> u64 {
        Rate::default().of_bytes(MEDIUM_BYTES.into())
    }

    /// Whether it counts at once: the first time, a vocabulary has to be loaded.
    #[must_use]
    pub fn is_ready(self) -> bool {
        match self {
            Self::Vocabulary(vocabulary) => vocabulary.is_loaded(),
            Self::Rate(_) => true,
        }
    }
}

/// The answer to a question for the tokens of `body` in a dialect that has such questions. It is an
/// estimate: each model has its own template, and what a medium counts as depends on its size.
///
/// # Errors
/// What is wrong with the body.
pub fn count(
    dialect: Dialect,
    asked: Asked<'_>,
    body: &[u8],
    counting: Counting<'_>,
) -> Result<Vec<u8>, Fault> {
    let (request, field) = match dialect {
        Dialect::Anthropic => (anthropic::messages::decode_counted(body)?, "input_tokens"),
        Dialect::Gemini => {
            let model = gemini::path::model_in_path(asked.path).unwrap_or_default();
            let request = gemini::content::decode_counted(body, model.into())?;
            (request, "totalTokens")
        }
        Dialect::Bedrock => {
            let model = bedrock::path::model_in_path(asked.path).unwrap_or_default();
            let request = bedrock::converse::decode_counted(body, model.into())?;
            (request, "inputTokens")
        }
        Dialect::OpenAi | Dialect::Ollama | Dialect::Cohere => {
            return Err(Fault::new("", "tokens cannot be asked for"));
        }
    };
    Ok(object(|o| o.value(field, of_request(&request, counting))))
}

fn of_request(request: &Request<'_>, counting: Counting<'_>) -> u64 {
    let messages = request.messages.iter();
    let messages: u64 = messages.map(|message| of_message(message, counting)).sum();
    let tools = request.tools.iter().map(|tool| {
        let description = tool.description.as_deref().unwrap_or_default();
        let schema = tool.schema.as_deref().unwrap_or_default();
        let texts = [&*tool.name, description, schema].map(|text| counting.text(text));
        PER_TOOL + texts.iter().sum::<u64>()
    });
    PER_ANSWER + messages + tools.sum::<u64>()
}

fn of_message(message: &Message<'_>, counting: Counting<'_>) -> u64 {
    let parts = message.parts.iter().map(|part| of_part(part, counting));
    // The role is a token of its own.
    PER_MESSAGE + 1 + parts.sum::<u64>()
}

/// A result holds text and media alone, so this goes down no further than once.
fn of_part(part: &Part<'_>, counting: Counting<'_>) -> u64 {
    match &part.content {
        Content::Text(text) | Content::Refusal(text) => counting.text(text),
        Content::Media(media) => counting.medium(media),
        Content::ToolCall(call) => counting.text(&call.name) + counting.text(&call.arguments),
        Content::ToolResult(result) => {
            let parts = result.parts.iter().map(|part| match &part.content {
                Content::Text(text) => counting.text(text),
                Content::Media(media) => counting.medium(media),
                _ => 0,
            });
            PER_MESSAGE + parts.sum::<u64>()
        }
        // Providers leave out what was thought in earlier turns.
        Content::Reasoning(_) => 0,
    }
}
