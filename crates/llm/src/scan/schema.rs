//! The fields of a request that policy reads, as data.

use crate::json::Token;
use crate::{Api, Dialect, anthropic, bedrock, cohere, gemini, ollama, openai};

/// What an operation's request body calls the things that policy reads.
#[derive(Debug, PartialEq, Eq)]
pub struct Schema {
    /// Top-level fields. Two with one role are two names of one field.
    pub(crate) fields: &'static [FieldSpec],
}

impl Schema {
    /// The schema of the request body of `api`, or `None` if policy reads nothing in it: it has no
    /// body, or what a request asks for stands in its path.
    #[must_use]
    pub fn of(api: Api) -> Option<&'static Self> {
        match api.dialect {
            Dialect::OpenAi => openai::schema(api.operation),
            Dialect::Anthropic => anthropic::schema(api.operation),
            Dialect::Gemini => gemini::schema(api.operation),
            Dialect::Ollama => ollama::schema(api.operation),
            Dialect::Bedrock => bedrock::schema(api.operation),
            Dialect::Cohere => cohere::schema(api.operation),
        }
    }

    /// Whether a request has to ask for the usage of a stream, because none is reported unasked.
    pub(crate) fn asks_for_usage(&self) -> bool {
        let mut roles = self.fields.iter().map(|spec| spec.role);
        roles.any(|role| role == Role::StreamOptions)
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<&'static FieldSpec> {
        self.fields.iter().find(|spec| spec.name.as_bytes() == name)
    }
}

/// A top-level field and what it means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FieldSpec {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
}

/// A field of this name and meaning.
pub(crate) const fn field(name: &'static str, role: Role) -> FieldSpec {
    FieldSpec { name, role }
}

/// What a field means to policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Model,
    Stream,
    StreamOptions,
    MaxTokens,
    MaxCompletionTokens,
    Choices,
    System,
    Messages,
    /// Messages, calls, results and reasoning as items of one list, or one text.
    Input,
    Prompt,
    Tools,
    User,
    /// An object in which the end user is named.
    Metadata,
    /// An object with parts: the operator's instructions, or a text to embed.
    Instruction,
    /// Messages whose content is their parts.
    Contents,
    /// An object in which answers are bounded.
    GenerationConfig,
    /// The same, of Ollama: a negative bound is none.
    Options,
    /// The same, of Bedrock.
    InferenceConfig,
    /// The model, as one names it that the path names already.
    Named,
    /// A request in which the model is named so.
    Wrapped,
    /// A list of such requests.
    Batch,
}

/// A field that is read of a top-level object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inner {
    IncludeUsage,
    UserId,
    MaxOutputTokens,
    CandidateCount,
    NumPredict,
    MaxTokens,
    Named,
}

impl Inner {
    /// Its path.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::IncludeUsage => "stream_options.include_usage",
            Self::UserId => "metadata.user_id",
            Self::MaxOutputTokens => "generationConfig.maxOutputTokens",
            Self::CandidateCount => "generationConfig.candidateCount",
            Self::NumPredict => "options.num_predict",
            Self::MaxTokens => "inferenceConfig.maxTokens",
            Self::Named => "model",
        }
    }

    pub(crate) const fn accepts(self, token: Token) -> bool {
        match self {
            _ if matches!(token, Token::Null) => true,
            Self::IncludeUsage => matches!(token, Token::True | Token::False),
            Self::UserId | Self::Named => true,
            Self::MaxOutputTokens | Self::CandidateCount | Self::NumPredict | Self::MaxTokens => {
                matches!(token, Token::Number)
            }
        }
    }

    /// The type to name in an error.
    pub(crate) const fn expected(self) -> &'static str {
        match self {
            Self::IncludeUsage => "a boolean",
            Self::UserId => "a string",
            Self::MaxOutputTokens | Self::CandidateCount | Self::MaxTokens => {
                "a non-negative integer"
            }
            Self::NumPredict => "an integer",
            Self::Named => "a string",
        }
    }

    /// Whether two of it in a body are an error.
    pub(crate) const fn is_unique(self) -> bool {
        !matches!(self, Self::UserId | Self::Named)
    }
}

impl Role {
    /// Whether two of it in a body are an error: what the gateway would enforce on one of them, an
    /// engine might not find in the other.
    pub(crate) const fn is_unique(self) -> bool {
        !matches!(
            self,
            Self::User | Self::Metadata | Self::Named | Self::Wrapped | Self::Batch
        )
    }

    pub(crate) const fn accepts(self, token: Token) -> bool {
        match self {
            _ if matches!(token, Token::Null) => true,
            Self::User | Self::Metadata | Self::Named | Self::Wrapped | Self::Batch => true,
            Self::Model => matches!(token, Token::String),
            Self::Stream => matches!(token, Token::True | Token::False),
            Self::StreamOptions
            | Self::Instruction
            | Self::GenerationConfig
            | Self::Options
            | Self::InferenceConfig => {
                matches!(token, Token::Object)
            }
            Self::Messages | Self::Contents | Self::Tools => matches!(token, Token::Array),
            Self::Prompt | Self::Input | Self::System => {
                matches!(token, Token::String | Token::Array)
            }
            Self::MaxTokens | Self::MaxCompletionTokens | Self::Choices => {
                matches!(token, Token::Number)
            }
        }
    }

    /// How many containers are open where fields are read of a value of this meaning, the body's
    /// object included; `None` if none are.
    pub(crate) const fn inner_depth(self) -> Option<u32> {
        match self {
            Self::StreamOptions
            | Self::Metadata
            | Self::GenerationConfig
            | Self::Options
            | Self::InferenceConfig
            | Self::Wrapped => Some(2),
            Self::Batch => Some(3),
            _ => None,
        }
    }

    /// The field of this name that is read of an object of this meaning.
    pub(crate) fn inner(self, name: &[u8]) -> Option<Inner> {
        match (self, name) {
            (Self::StreamOptions, b"include_usage") => Some(Inner::IncludeUsage),
            (Self::Metadata, b"user_id") => Some(Inner::UserId),
            (Self::GenerationConfig, b"maxOutputTokens" | b"max_output_tokens") => {
                Some(Inner::MaxOutputTokens)
            }
            (Self::GenerationConfig, b"candidateCount" | b"candidate_count") => {
                Some(Inner::CandidateCount)
            }
            (Self::Options, b"num_predict") => Some(Inner::NumPredict),
            (Self::InferenceConfig, b"maxTokens") => Some(Inner::MaxTokens),
            (Self::Wrapped | Self::Batch, b"model") => Some(Inner::Named),
            _ => None,
        }
    }

    /// The type to name in an error.
    pub(crate) const fn expected(self) -> &'static str {
        match self {
            Self::Model | Self::User | Self::Named => "a string",
            Self::Stream => "a boolean",
            Self::StreamOptions
            | Self::Metadata
            | Self::Instruction
            | Self::GenerationConfig
            | Self::Options
            | Self::InferenceConfig
            | Self::Wrapped => "an object",
            Self::Messages | Self::Contents | Self::Tools | Self::Batch => "an array",
            Self::Prompt | Self::Input | Self::System => "a string or an array",
            Self::MaxTokens | Self::MaxCompletionTokens | Self::Choices => "a non-negative integer",
        }
    }
}
