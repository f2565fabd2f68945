//! The fields of a request that policy reads, as data.

use crate::json::Token;
use crate::{Api, Dialect, anthropic, openai};

/// What an operation's request body calls the things that policy reads.
#[derive(Debug, PartialEq, Eq)]
pub struct Schema {
    /// Top-level fields; at most 32.
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
            Dialect::Gemini => None,
        }
    }

    /// Whether a request has to ask for the usage of a stream, because none is reported unasked.
    pub(crate) fn asks_for_usage(&self) -> bool {
        let mut roles = self.fields.iter().map(|spec| spec.role);
        roles.any(|role| role == Role::StreamOptions)
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<(u32, &'static FieldSpec)> {
        let mut bits = (0..32).map(|index| 1 << index);
        self.fields.iter().find_map(|spec| {
            let bit = bits.next()?;
            (spec.name.as_bytes() == name).then_some((bit, spec))
        })
    }
}

/// A top-level field and what it means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FieldSpec {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
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
}

impl Role {
    /// Whether two of it in a body are an error: what the gateway would enforce on one of them, an
    /// engine might not find in the other.
    pub(crate) const fn is_unique(self) -> bool {
        !matches!(self, Self::User | Self::Metadata)
    }

    pub(crate) const fn accepts(self, token: Token) -> bool {
        match self {
            _ if matches!(token, Token::Null) => true,
            Self::User | Self::Metadata => true,
            Self::Model => matches!(token, Token::String),
            Self::Stream => matches!(token, Token::True | Token::False),
            Self::StreamOptions => matches!(token, Token::Object),
            Self::Messages | Self::Tools => matches!(token, Token::Array),
            Self::Prompt | Self::Input | Self::System => {
                matches!(token, Token::String | Token::Array)
            }
            Self::MaxTokens | Self::MaxCompletionTokens | Self::Choices => {
                matches!(token, Token::Number)
            }
        }
    }

    /// The one field that is read of an object of this meaning.
    pub(crate) const fn inner(self) -> Option<&'static str> {
        match self {
            Self::StreamOptions => Some("include_usage"),
            Self::Metadata => Some("user_id"),
            _ => None,
        }
    }

    /// The type to name in an error.
    pub(crate) const fn expected(self) -> &'static str {
        match self {
            Self::Model | Self::User => "a string",
            Self::Stream => "a boolean",
            Self::StreamOptions | Self::Metadata => "an object",
            Self::Messages | Self::Tools => "an array",
            Self::Prompt | Self::Input | Self::System => "a string or an array",
            Self::MaxTokens | Self::MaxCompletionTokens | Self::Choices => "a non-negative integer",
        }
    }
}
