//! Which API a request speaks, told from its path.
//!
//! A client chooses its dialect by the SDK it uses, and the SDK chooses the path. Only where dialects
//! share a path, that of the list of models, do the headers decide that their SDKs always send.
//! Matching by suffix lets a gateway sit below any base path.

use std::borrow::Cow;

use crate::frames::Framing;
use crate::{anthropic, bedrock, cohere, decoded, gemini, ollama, openai};

/// A family of LLM APIs with one wire form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's API, also spoken by vLLM, SGLang, Ollama and most providers.
    OpenAi,
    /// Anthropic's API, also spoken by vLLM, Ollama and some providers.
    Anthropic,
    /// Google's Gemini API.
    Gemini,
    /// Ollama's own API.
    Ollama,
    /// Amazon Bedrock's Converse.
    Bedrock,
    /// Cohere's API, version 2.
    Cohere,
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
    pub const ALL: [Self; 6] = [
        Self::OpenAi,
        Self::Anthropic,
        Self::Gemini,
        Self::Ollama,
        Self::Bedrock,
        Self::Cohere,
    ];

    /// The dialect's name as logs and configuration spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
            Self::Bedrock => "bedrock",
            Self::Cohere => "cohere",
        }
    }

    /// How the events of its streams are told apart.
    #[must_use]
    pub const fn framing(self) -> Framing {
        match self {
            Self::OpenAi | Self::Anthropic | Self::Gemini | Self::Cohere => Framing::Events,
            Self::Ollama => Framing::Lines,
            Self::Bedrock => Framing::Messages,
        }
    }

    /// How a caller's key is sent.
    #[must_use]
    pub const fn key_header(self) -> KeyHeader {
        match self {
            Self::OpenAi | Self::Ollama | Self::Bedrock | Self::Cohere => KeyHeader::BEARER,
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
            Self::OpenAi | Self::Gemini | Self::Ollama | Self::Bedrock | Self::Cohere => &[],
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
    /// Make images.
    Images,
    /// Change images.
    ImageEdits,
    /// Say a text.
    Speech,
    /// Write down what is said.
    Transcriptions,
    /// Write down in English what is said.
    Translations,
    /// Judge whether content is harmful.
    Moderations,
    /// Order documents by what they have to do with a question.
    Rerank,
    /// Count the tokens that a conversation would be read as.
    CountTokens,
    /// List the models that can be asked.
    ListModels,
    /// Describe one model, named in the path.
    GetModel,
    /// Describe one model, named in the body.
    ShowModel,
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
            Self::Images => "image_generation",
            Self::ImageEdits => "image_edit",
            Self::Speech => "speech",
            Self::Transcriptions => "transcription",
            Self::Translations => "translation",
            Self::Moderations => "moderation",
            Self::Rerank => "rerank",
            Self::CountTokens => "count_tokens",
            Self::ListModels => "list_models",
            Self::GetModel | Self::ShowModel => "get_model",
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
    /// Content generated by Google's Gemini API.
    pub const GENERATE_CONTENT: Self = Self::new(Dialect::Gemini, Operation::ChatCompletions);
    /// OpenAI's Chat Completions API.
    pub const CHAT_COMPLETIONS: Self = Self::new(Dialect::OpenAi, Operation::ChatCompletions);
    /// OpenAI's Responses API.
    pub const RESPONSES: Self = Self::new(Dialect::OpenAi, Operation::Responses);
    /// Anthropic's Messages API.
    pub const MESSAGES: Self = Self::new(Dialect::Anthropic, Operation::ChatCompletions);
    /// Ollama's chat.
    pub const OLLAMA_CHAT: Self = Self::new(Dialect::Ollama, Operation::ChatCompletions);
    /// Bedrock's Converse.
    pub const CONVERSE: Self = Self::new(Dialect::Bedrock, Operation::ChatCompletions);
    /// Cohere's chat.
    pub const COHERE_CHAT: Self = Self::new(Dialect::Cohere, Operation::ChatCompletions);
    /// Ollama's chat of one turn.
    pub const OLLAMA_GENERATE: Self = Self::new(Dialect::Ollama, Operation::Completions);

    /// Those that clients may ask.
    pub const ALL: [Self; 36] = [
        Self::CHAT_COMPLETIONS,
        Self::RESPONSES,
        Self::new(Dialect::OpenAi, Operation::Completions),
        Self::new(Dialect::OpenAi, Operation::Embeddings),
        Self::new(Dialect::OpenAi, Operation::Images),
        Self::new(Dialect::OpenAi, Operation::ImageEdits),
        Self::new(Dialect::OpenAi, Operation::Speech),
        Self::new(Dialect::OpenAi, Operation::Transcriptions),
        Self::new(Dialect::OpenAi, Operation::Translations),
        Self::new(Dialect::OpenAi, Operation::Moderations),
        Self::new(Dialect::OpenAi, Operation::Rerank),
        Self::new(Dialect::OpenAi, Operation::ListModels),
        Self::new(Dialect::OpenAi, Operation::GetModel),
        Self::MESSAGES,
        Self::new(Dialect::Anthropic, Operation::CountTokens),
        Self::new(Dialect::Anthropic, Operation::ListModels),
        Self::new(Dialect::Anthropic, Operation::GetModel),
        Self::GENERATE_CONTENT,
        Self::new(Dialect::Gemini, Operation::CountTokens),
        Self::new(Dialect::Gemini, Operation::Embeddings),
        Self::new(Dialect::Gemini, Operation::ListModels),
        Self::new(Dialect::Gemini, Operation::GetModel),
        Self::OLLAMA_CHAT,
        Self::OLLAMA_GENERATE,
        Self::new(Dialect::Ollama, Operation::Embeddings),
        Self::new(Dialect::Ollama, Operation::ListModels),
        Self::new(Dialect::Ollama, Operation::ShowModel),
        Self::CONVERSE,
        Self::new(Dialect::Bedrock, Operation::CountTokens),
        Self::new(Dialect::Bedrock, Operation::ListModels),
        Self::new(Dialect::Bedrock, Operation::GetModel),
        Self::COHERE_CHAT,
        Self::new(Dialect::Cohere, Operation::Embeddings),
        Self::new(Dialect::Cohere, Operation::Rerank),
        Self::new(Dialect::Cohere, Operation::ListModels),
        Self::new(Dialect::Cohere, Operation::GetModel),
    ];

    const fn new(dialect: Dialect, operation: Operation) -> Self {
        Self { dialect, operation }
    }

    /// The API that lives at `path` (without its query), or `None` if none does.
    ///
    /// Any prefix may stand before `/v1/…`; without `/v1` the path must be the operation's own
    /// (`/chat/completions`, as LiteLLM's SDK sends it) or one of Azure's. One trailing slash is
    /// ignored. `/v1/models` is the same path in several dialects and counts as OpenAI's; see
    /// [`Api::asked`].
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let of = |dialect| move |operation| Self { dialect, operation };
        gemini::path::operation(path)
            .map(of(Dialect::Gemini))
            .or_else(|| cohere::operation(path).map(of(Dialect::Cohere)))
            .or_else(|| openai::operation(path).map(of(Dialect::OpenAi)))
            .or_else(|| anthropic::operation(path).map(of(Dialect::Anthropic)))
            .or_else(|| ollama::operation(path).map(of(Dialect::Ollama)))
            .or_else(|| bedrock::path::operation(path).map(of(Dialect::Bedrock)))
    }

    /// The API that a request asks at `path` with headers of which `has_header` tells whether they
    /// are there, by their names in lower case.
    #[must_use]
    pub fn asked(path: &str, has_header: impl Fn(&str) -> bool) -> Option<Self> {
        let mut api = Self::of_path(path)?;
        let is_shared = matches!(api.operation, Operation::ListModels | Operation::GetModel)
            && api.dialect == Dialect::OpenAi;
        if is_shared && has_header("anthropic-version") {
            api.dialect = Dialect::Anthropic;
        } else if is_shared && has_header(Dialect::Gemini.key_header().name) {
            api.dialect = Dialect::Gemini;
        } else if is_shared && has_header(cohere::SDK_HEADER) {
            api.dialect = Dialect::Cohere;
        }
        Some(api)
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

    /// Whether a request carries a body that [`scan`](crate::scan) reads: JSON, or a form where
    /// [`takes_forms`](Self::takes_forms) says so.
    #[must_use]
    pub const fn has_body(self) -> bool {
        match self.operation {
            Operation::ChatCompletions
            | Operation::Responses
            | Operation::Completions
            | Operation::Embeddings
            | Operation::Images
            | Operation::ImageEdits
            | Operation::Speech
            | Operation::Transcriptions
            | Operation::Translations
            | Operation::Moderations
            | Operation::Rerank
            | Operation::CountTokens
            | Operation::ShowModel => true,
            Operation::ListModels | Operation::GetModel => false,
        }
    }

    /// The path below an upstream's base path at which it has the same API, such as
    /// `/chat/completions`. `path` is the client's; of it only what names a model is kept, or
    /// replaced by `model` where the upstream knows another name.
    #[must_use]
    pub fn resource<'a>(self, path: &'a str, model: Option<&str>) -> Cow<'a, str> {
        match self.dialect {
            Dialect::OpenAi => openai::resource(self.operation, path).into(),
            Dialect::Anthropic => anthropic::resource(self.operation)
                .unwrap_or_else(|| openai::resource(self.operation, path))
                .into(),
            Dialect::Gemini => gemini::path::resource(path, model),
            Dialect::Ollama => ollama::resource(self.operation).into(),
            Dialect::Bedrock => bedrock::path::resource(path, model),
            Dialect::Cohere => cohere::resource(self.operation)
                .unwrap_or_else(|| openai::resource(self.operation, path))
                .into(),
        }
    }

    /// The path as a manual writes it.
    #[must_use]
    pub fn pattern(self) -> String {
        match (self.dialect, self.operation) {
            (Dialect::Gemini, Operation::ChatCompletions) => {
                "/v1beta/models/{model}:generateContent".to_owned()
            }
            (Dialect::Gemini, Operation::CountTokens) => {
                "/v1beta/models/{model}:countTokens".to_owned()
            }
            (Dialect::Gemini, Operation::Embeddings) => {
                "/v1beta/models/{model}:embedContent".to_owned()
            }
            (Dialect::Gemini, _) => "/v1beta/models".to_owned(),
            (Dialect::Ollama, _) => ollama::resource(self.operation).to_owned(),
            (Dialect::Bedrock, Operation::ChatCompletions) => "/model/{model}/converse".to_owned(),
            (Dialect::Bedrock, Operation::CountTokens) => "/model/{model}/count-tokens".to_owned(),
            (Dialect::Bedrock, _) => bedrock::path::resource("", None).into_owned(),
            (Dialect::Cohere, Operation::ListModels | Operation::GetModel) => {
                format!("/v1{}", self.resource("", None))
            }
            (Dialect::Cohere, _) => format!("/v2{}", self.resource("", None)),
            (Dialect::OpenAi | Dialect::Anthropic, _) => format!("/v1{}", self.resource("", None)),
        }
    }

    /// What of a client's query an upstream of the same dialect may see: neither its key or signature,
    /// which end here, nor the version of an API that is told by its path.
    #[must_use]
    pub fn query(self, query: &str) -> Option<Cow<'_, str>> {
        let own: &[&str] = match self.dialect {
            Dialect::OpenAi => &["api-version"],
            Dialect::Anthropic | Dialect::Ollama | Dialect::Bedrock | Dialect::Cohere => &[],
            Dialect::Gemini => &["key", "$key", "access_token", "$access_token"],
        };
        let is_kept = |pair: &&str| {
            let name = decoded(pair.split_once('=').map_or(*pair, |(name, _)| name));
            !own.contains(&&*name) && !is_signature(&name)
        };
        if query.split('&').all(|pair| is_kept(&pair)) {
            return Some(query.into());
        }
        let kept: Vec<&str> = query.split('&').filter(is_kept).collect();
        (!kept.is_empty()).then(|| kept.join("&").into())
    }

    /// The model that the path itself names, still percent-encoded.
    ///
    /// `None` when the model stands in the body or the operation has none. A name may hold slashes
    /// (`org/model`), so it is everything behind `/models/`.
    #[must_use]
    pub fn model_in_path(self, path: &str) -> Option<&str> {
        match (self.dialect, self.operation) {
            (Dialect::OpenAi | Dialect::Anthropic | Dialect::Cohere, Operation::GetModel) => {
                openai::model_in_path(path)
            }
            (Dialect::OpenAi, _) => openai::deployment(path),
            (Dialect::Gemini, _) => gemini::path::model_in_path(path),
            (Dialect::Bedrock, _) => bedrock::path::model_in_path(path),
            _ => None,
        }
    }

    /// Whether the path itself asks for a stream, or for a whole answer; `None` if the body says so.
    #[must_use]
    pub fn stream_in_path(self, path: &str) -> Option<bool> {
        match self.dialect {
            Dialect::Gemini => Some(gemini::path::generation(path)?.1),
            Dialect::Bedrock => Some(bedrock::path::conversation(path)?.1),
            Dialect::OpenAi | Dialect::Anthropic | Dialect::Ollama | Dialect::Cohere => None,
        }
    }

    /// Whether a body may be a form: files come in one.
    #[must_use]
    pub const fn takes_forms(self) -> bool {
        matches!(
            self.operation,
            Operation::ImageEdits | Operation::Transcriptions | Operation::Translations
        )
    }

    /// Whether an answer may be something else than JSON or a stream: sound, or text.
    #[must_use]
    pub const fn answers_files(self) -> bool {
        matches!(
            self.operation,
            Operation::Speech | Operation::Transcriptions | Operation::Translations
        )
    }

    /// The model that is meant where a request names none.
    #[must_use]
    pub const fn default_model(self) -> Option<&'static str> {
        match self.operation {
            Operation::Moderations => Some("omni-moderation-latest"),
            _ => None,
        }
    }

    /// Whether an answer is streamed unless the body says otherwise.
    #[must_use]
    pub const fn streams_unasked(self) -> bool {
        matches!(self.dialect, Dialect::Ollama)
            && matches!(
                self.operation,
                Operation::ChatCompletions | Operation::Completions
            )
    }
}

/// Whether a parameter of a query is of a signature of Amazon's (`X-Amz-Signature`), by which a URL is
/// a credential.
fn is_signature(name: &str) -> bool {
    const BEGINNING: &str = "x-amz-";
    let beginning = name.get(..BEGINNING.len());
    beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(BEGINNING))
}

#[cfg(test)]
mod tests;
