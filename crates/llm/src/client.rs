//! Clients that want more of OpenAI's dialect than OpenAI promises.
//!
//! Mistral's client asks at the paths of OpenAI's API and reads answers by types of its own, which are
//! stricter in two places; other clients would not understand both everywhere.

/// A client, as far as it makes a difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Client {
    /// Any that takes what OpenAI's API says.
    #[default]
    Any,
    /// Mistral's: a streamed call of a tool comes as a whole, and models have a type and capabilities.
    Mistral,
}

impl Client {
    /// The client that calls itself so in `user-agent`.
    #[must_use]
    pub fn of_agent(agent: &str) -> Self {
        if agent.starts_with("mistral-client-") {
            Self::Mistral
        } else {
            Self::Any
        }
    }
}
