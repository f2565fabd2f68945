//! What a model answered.

use std::borrow::Cow;

use super::{Part, Token};
use crate::response::Usage;

/// A whole answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Response<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) model: Cow<'a, str>,
    /// Seconds since the Unix epoch, in dialects that tell.
    pub(crate) created: Option<u64>,
    pub(crate) choices: Vec<Choice<'a>>,
    pub(crate) usage: Option<Usage>,
    pub(crate) service_tier: Option<Cow<'a, str>>,
}

/// One of the answers that were asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Choice<'a> {
    pub(crate) parts: Vec<Part<'a>>,
    pub(crate) finish: Option<Finish<'a>>,
    /// How probable the tokens of its text were, where that was asked for.
    pub(crate) tokens: Vec<Token<'a>>,
}

/// Why the model stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finish<'a> {
    /// It was done.
    Stop,
    /// It wrote one of the texts at which it was to stop.
    StopSequence(Option<Cow<'a, str>>),
    /// The bound of tokens was reached.
    Length,
    /// It wants tools called.
    ToolCalls,
    /// It declined.
    Refusal,
    /// A filter cut it off.
    ContentFilter,
    /// It paused, to be asked to go on.
    Pause,
    /// Something else, in the words of the dialect.
    Other(Cow<'a, str>),
}

impl Finish<'_> {
    /// The same, kept beyond the text it was read from. What another dialect calls a reason that no
    /// other knows is not kept.
    pub(crate) fn kind(&self) -> Finish<'static> {
        match self {
            Self::Stop | Self::Other(_) => Finish::Stop,
            Self::StopSequence(sequence) => {
                let sequence = sequence.as_deref();
                Finish::StopSequence(sequence.map(|sequence| sequence.to_owned().into()))
            }
            Self::Length => Finish::Length,
            Self::ToolCalls => Finish::ToolCalls,
            Self::Refusal => Finish::Refusal,
            Self::ContentFilter => Finish::ContentFilter,
            Self::Pause => Finish::Pause,
        }
    }
}
