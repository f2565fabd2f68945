//! The answers that list and describe models.

use bytes::Bytes;

use crate::{Client, Dialect, anthropic, bedrock, cohere, gemini, ollama, openai};

/// A model as clients may ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// The name to ask for it by.
    pub id: String,
    /// When it came, in seconds since the Unix epoch; 0 if nobody knows.
    pub created: u64,
    /// Who serves it.
    pub owned_by: String,
}

/// The body that lists models in the order given.
#[must_use]
pub fn encode_list(dialect: Dialect, client: Client, models: &[Model]) -> Bytes {
    match dialect {
        Dialect::OpenAi => openai::model_list(models, client),
        Dialect::Anthropic => anthropic::model_list(models),
        Dialect::Gemini => gemini::model_list(models),
        Dialect::Ollama => ollama::model_list(models),
        Dialect::Bedrock => bedrock::model_list(models),
        Dialect::Cohere => cohere::model_list(models),
    }
}

/// The body that describes one model.
#[must_use]
pub fn encode_model(dialect: Dialect, client: Client, model: &Model) -> Bytes {
    match dialect {
        Dialect::OpenAi => openai::model(model, client),
        Dialect::Anthropic => anthropic::model(model),
        Dialect::Gemini => gemini::model(model),
        Dialect::Ollama => ollama::model(model),
        Dialect::Bedrock => bedrock::model(model),
        Dialect::Cohere => cohere::model(model),
    }
}

#[cfg(test)]
mod tests;
