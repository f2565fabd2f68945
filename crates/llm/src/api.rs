//! Which API a request speaks, told from its path alone.
//!
//! The path decides and nothing else: a client chooses its dialect by the SDK it uses, and the SDK
//! chooses the path. Matching by suffix lets a gateway sit below any base path.

use crate::{anthropic, gemini, openai};

/// A family of LLM APIs with one wire form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's API, also spoken by vLLM, SGLang, Ollama and most providers.
    OpenAi,
    /// Anthropic's API, also spoken by vLLM, Ollama and some providers.
    Anthropic,
    /// Google's Gemini API.
    Gemini,
}

/// How a key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHeader {
    /// The header's name, lower case.
    pub name: &'static str,
    /// What stands before the key in its value.
    pub prefix: &'static str,
}

impl KeyHeader {
    /// As HTTP itself has it (RFC 6750).
    pub const BEARER: Self = Self {
        name: "authorization",
        prefix: "Bearer ",
    };
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::OpenAi, Self::Anthropic, Self::Gemini];

    /// The dialect's name as logs and configuration spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }

    /// How a caller's key is sent.
    #[must_use]
    pub const fn key_header(self) -> KeyHeader {
        match self {
            Self::OpenAi => KeyHeader::BEARER,
            Self::Anthropic => KeyHeader {
                name: "x-api-key",
                prefix: "",
            },
            Self::Gemini => KeyHeader {
                name: "x-goog-api-key",
                prefix: "",
            },
        }
    }

    /// Headers, lower case, that a request must have, with the values to send where a client sends
    /// none.
    #[must_use]
    pub const fn default_headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::OpenAi | Self::Gemini => &[],
            Self::Anthropic => &anthropic::DEFAULT_HEADERS,
        }
    }
}

/// What a request wants done, independent of the dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Continue a conversation.
    ChatCompletions,
    /// Continue a conversation by OpenAI's Responses API.
    Responses,
    /// Continue a text.
    Completions,
    /// Turn texts into vectors.
    Embeddings,
    /// Count the tokens that a conversation would be read as.
    CountTokens,
    /// List the models that can be asked.
    ListModels,
    /// Describe one model, named in the path.
    GetModel,
}

impl Operation {
    /// The operation's name in metrics and logs: `gen_ai.operation.name` of OpenTelemetry's semantic
    /// conventions where they name it. Those tell OpenAI's two APIs of conversations apart by another
    /// attribute.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions | Self::Responses => "chat",
            Self::Completions => "text_completion",
            Self::Embeddings => "embeddings",
            Self::CountTokens => "count_tokens",
            Self::ListModels => "list_models",
            Self::GetModel => "get_model",
        }
    }
}

/// The HTTP method an operation is asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
}

impl Method {
    /// The method as it stands in a request line or an `allow` header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// An operation in a dialect: all that decides how a body is read and an answer watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Api {
    /// The wire form.
    pub dialect: Dialect,
    /// What is asked for.
    pub operation: Operation,
}

impl Api {
    /// Google's Gemini API, which clients cannot ask yet.
    pub(crate) const GENERATE_CONTENT: Self =
        Self::new(Dialect::Gemini, Operation::ChatCompletions);
    /// OpenAI's Chat Completions API.
    pub const CHAT_COMPLETIONS: Self = Self::new(Dialect::OpenAi, Operation::ChatCompletions);
    /// OpenAI's Responses API.
    pub const RESPONSES: Self = Self::new(Dialect::OpenAi, Operation::Responses);
    /// Anthropic's Messages API.
    pub const MESSAGES: Self = Self::new(Dialect::Anthropic, Operation::ChatCompletions);

    /// Those that clients may ask.
    pub const ALL: [Self; 8] = [
        Self::CHAT_COMPLETIONS,
        Self::RESPONSES,
        Self::new(Dialect::OpenAi, Operation::Completions),
        Self::new(Dialect::OpenAi, Operation::Embeddings),
        Self::new(Dialect::OpenAi, Operation::ListModels),
        Self::new(Dialect::OpenAi, Operation::GetModel),
        Self::MESSAGES,
        Self::new(Dialect::Anthropic, Operation::CountTokens),
    ];

    const fn new(dialect: Dialect, operation: Operation) -> Self {
        Self { dialect, operation }
    }

    /// The API that lives at `path` (without its query), or `None` if none does.
    ///
    /// Any prefix may stand before `/v1/…`; without `/v1` the path must be the operation's own
    /// (`/chat/completions`, as LiteLLM's SDK sends it). One trailing slash is ignored. `/models`
    /// is the same path in both dialects and counts as OpenAI's.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let of = |dialect| move |operation| Self { dialect, operation };
        openai::operation(path)
            .map(of(Dialect::OpenAi))
            .or_else(|| anthropic::operation(path).map(of(Dialect::Anthropic)))
    }

    /// The only method this API accepts; any other is answered 405 with it in `allow`.
    #[must_use]
    pub const fn method(self) -> Method {
        if self.has_body() {
            Method::Post
        } else {
            Method::Get
        }
    }

    /// Whether a request carries a JSON body that [`scan`](crate::scan) reads.
    #[must_use]
    pub const fn has_body(self) -> bool {
        match self.operation {
            Operation::ChatCompletions
            | Operation::Responses
            | Operation::Completions
            | Operation::Embeddings
            | Operation::CountTokens => true,
            Operation::ListModels | Operation::GetModel => false,
        }
    }

    /// The path below an upstream's base path at which it has the same API, such as
    /// `/chat/completions`. `path` is the client's; of it only what names a model is kept.
    #[must_use]
    pub fn resource(self, path: &str) -> &str {
        match self.dialect {
            Dialect::OpenAi => openai::resource(self.operation, path),
            Dialect::Anthropic => anthropic::resource(self.operation)
                .unwrap_or_else(|| openai::resource(self.operation, path)),
            Dialect::Gemini => gemini::resource(path),
        }
    }

    /// The model that the path itself names, still percent-encoded.
    ///
    /// `None` when the model stands in the body or the operation has none. A name may hold slashes
    /// (`org/model`), so it is everything behind `/models/`.
    #[must_use]
    pub fn model_in_path(self, path: &str) -> Option<&str> {
        match (self.dialect, self.operation) {
            (Dialect::OpenAi | Dialect::Anthropic, Operation::GetModel) => {
                openai::model_in_path(path)
            }
            (Dialect::Gemini, _) => gemini::model_in_path(path),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
