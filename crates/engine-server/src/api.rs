//! Requests as vLLM takes them, and its refusals.
//!
//! vLLM refuses in three layers: the schema (FastAPI and pydantic: 400 `Bad Request`), its own
//! checks of the request (400 `BadRequestError`), and the model's name (404). Fields that it does
//! not know it ignores, and so does this.

mod error;
mod sampling;

use serde::Deserialize;

pub(crate) use self::error::ApiError;
pub(crate) use self::sampling::{Sampling, StreamOptions};

/// `/v1/chat/completions`.
#[derive(Debug, Deserialize)]
pub(crate) struct ChatRequest {
    pub(crate) messages: Vec<Message>,
    pub(crate) model: Option<String>,
    #[serde(default)]
    pub(crate) max_completion_tokens: Option<i64>,
    pub(crate) tools: Option<serde_json::Value>,
    tool_choice: Option<serde_json::Value>,
    #[serde(flatten)]
    pub(crate) sampling: Sampling,
}

impl ChatRequest {
    /// Refuses what a replica without tool calls cannot answer.
    pub(crate) fn check_tool_choice(&self) -> Result<(), ApiError> {
        match &self.tool_choice {
            None => Ok(()),
            Some(choice) if choice == "auto" || choice == "none" => Ok(()),
            Some(_) => Err(ApiError::bad_field(
                "tool_choice",
                "tool_choice that requires a call needs --tool-call-parser to be set",
            )),
        }
    }
}

/// One message of a conversation.
#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    pub(crate) role: String,
    pub(crate) content: Option<MessageContent>,
    pub(crate) tool_calls: Option<serde_json::Value>,
}

/// A message's content.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum MessageContent {
    Text(String),
    Parts(Vec<Part>),
}

/// A part of a message's content.
#[derive(Debug, Deserialize)]
pub(crate) struct Part {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) text: Option<String>,
}

/// `/v1/completions`.
#[derive(Debug, Deserialize)]
pub(crate) struct CompletionRequest {
    pub(crate) prompt: Input,
    pub(crate) model: Option<String>,
    #[serde(default)]
    pub(crate) echo: bool,
    #[serde(flatten)]
    pub(crate) sampling: Sampling,
}

/// One prompt or several, as text or as tokens.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Input {
    Text(String),
    Tokens(Vec<u32>),
    Texts(Vec<String>),
    TokenLists(Vec<Vec<u32>>),
}

impl Input {
    /// The prompts, each with its text (if it came as text) and its tokens.
    pub(crate) fn prompts(self) -> Vec<(Option<String>, Vec<u32>)> {
        let encoded = |text: String| {
            let mut ids = Vec::with_capacity(text.len() / 4);
            crate::tokenizer::encode(&text, &mut ids);
            (Some(text), ids)
        };
        match self {
            Self::Text(text) => vec![encoded(text)],
            Self::Tokens(ids) => vec![(None, ids)],
            Self::Texts(texts) => texts.into_iter().map(encoded).collect(),
            Self::TokenLists(lists) => lists.into_iter().map(|ids| (None, ids)).collect(),
        }
    }
}

/// `/v1/embeddings`.
#[derive(Debug, Deserialize)]
pub(crate) struct EmbeddingRequest {
    pub(crate) input: Input,
    pub(crate) model: Option<String>,
    #[serde(default)]
    pub(crate) encoding_format: EncodingFormat,
    pub(crate) dimensions: Option<i64>,
    pub(crate) cache_salt: Option<String>,
}

/// How an embedding is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EncodingFormat {
    #[default]
    Float,
    Base64,
}

/// `/tokenize`: of a text, or of a conversation under the chat template.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum TokenizeRequest {
    Chat {
        messages: Vec<Message>,
        model: Option<String>,
        tools: Option<serde_json::Value>,
    },
    Completion {
        prompt: String,
        model: Option<String>,
    },
}

/// `/v1/load_lora_adapter` and `/v1/unload_lora_adapter`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct AdapterRequest {
    #[serde(default)]
    pub(crate) lora_name: String,
    #[serde(default)]
    pub(crate) lora_path: String,
    #[serde(default)]
    pub(crate) load_inplace: bool,
}

/// Reads a request body.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::schema(&error.to_string()))
}

/// Checks a conversation as far as the schema does not.
pub(crate) fn check_messages(messages: &[Message], model: &str) -> Result<(), ApiError> {
    if messages.is_empty() {
        return Err(ApiError::bad_request("list object has no element 0"));
    }
    let parts = messages
        .iter()
        .filter_map(|message| match &message.content {
            Some(MessageContent::Parts(parts)) => Some(parts),
            _ => None,
        });
    for part in parts.flatten() {
        match part.kind.as_str() {
            "text" if part.text.is_some() => {}
            "text" => return Err(ApiError::schema("messages: a text part has no text")),
            "refusal" | "thinking" => {}
            "image_url" | "input_audio" | "audio_url" | "video_url" | "image_embeds" => {
                return Err(ApiError::bad_request(&format!(
                    "{model} is not a multimodal model"
                )));
            }
            other => {
                return Err(ApiError::bad_request(&format!(
                    "Unknown part type: {other}"
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
