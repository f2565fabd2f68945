//! What chat and text completions have in common: sampling, lengths, stops and streaming.

use serde::Deserialize;

use super::ApiError;
use crate::generate::Limits;

/// Sampling parameters. Integers are signed and wide, so that a value out of bounds is refused
/// with vLLM's message and not by the schema.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Sampling {
    pub(crate) max_tokens: Option<i64>,
    min_tokens: Option<i64>,
    n: Option<i64>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    presence_penalty: Option<f64>,
    frequency_penalty: Option<f64>,
    stop: Option<Stop>,
    #[serde(default)]
    include_stop_str_in_output: bool,
    #[serde(default)]
    ignore_eos: bool,
    pub(crate) cache_salt: Option<String>,
    pub(crate) stream: Option<bool>,
    pub(crate) stream_options: Option<StreamOptions>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Stop {
    One(String),
    Several(Vec<String>),
}

/// `stream_options`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
    #[serde(default)]
    continuous_usage_stats: Option<bool>,
}

impl StreamOptions {
    /// Whether a last chunk reports usage.
    pub(crate) fn include_usage(self) -> bool {
        self.include_usage.unwrap_or(false)
    }

    /// Whether every chunk reports usage.
    pub(crate) fn continuous_usage(self) -> bool {
        self.include_usage() && self.continuous_usage_stats.unwrap_or(false)
    }
}

impl Sampling {
    /// Choices asked for, 1 if not said; valid after [`Sampling::check`].
    pub(crate) fn choices(&self) -> u32 {
        self.n.and_then(|n| u32::try_from(n).ok()).unwrap_or(1)
    }

    /// Whether to stream.
    pub(crate) fn streams(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    /// Checks bounds, with vLLM's messages.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        if self.stream_options.is_some() && !self.streams() {
            let message = "Stream options can only be defined when `stream=True`.";
            return Err(ApiError::schema(message));
        }
        if self.cache_salt.as_deref() == Some("") {
            let message = "Parameter 'cache_salt' must be a non-empty string if provided.";
            return Err(ApiError::schema(message));
        }
        self.check_numbers()?;
        if self.stops().iter().any(String::is_empty) {
            return Err(ApiError::bad_request(
                "stop cannot contain an empty string.",
            ));
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), ApiError> {
        let refuse = |param, message: String| Err(ApiError::bad_field(param, &message));
        let n = self.n.unwrap_or(1);
        let temperature = self.temperature.unwrap_or(1.0);
        if n < 1 {
            return refuse("n", format!("n must be at least 1, got {n}."));
        }
        if temperature < 0.0 {
            let message = format!("temperature must be non-negative, got {temperature}.");
            return refuse("temperature", message);
        }
        if temperature < 1e-5 && n > 1 {
            return refuse(
                "n",
                format!("n must be 1 when using greedy sampling, got {n}."),
            );
        }
        if let Some(top_p) = self.top_p
            && !(top_p > 0.0 && top_p <= 1.0)
        {
            return refuse("top_p", format!("top_p must be in (0, 1], got {top_p}."));
        }
        for (name, penalty) in [
            ("presence_penalty", self.presence_penalty),
            ("frequency_penalty", self.frequency_penalty),
        ] {
            if let Some(penalty) = penalty
                && !(-2.0..=2.0).contains(&penalty)
            {
                return refuse(name, format!("{name} must be in [-2, 2], got {penalty}."));
            }
        }
        match self.min_tokens {
            Some(min_tokens) if min_tokens < 0 => {
                let message =
                    format!("min_tokens must be greater than or equal to 0, got {min_tokens}.");
                refuse("min_tokens", message)
            }
            _ => Ok(()),
        }
    }

    /// The limits of an answer to a prompt of `prompt_tokens`, where `max_tokens` was asked for
    /// and the model takes `max_model_len` tokens.
    pub(crate) fn limits(
        &self,
        max_tokens: Option<i64>,
        prompt_tokens: u32,
        max_model_len: u32,
        natural_tokens: (u32, u32),
    ) -> Result<Limits, ApiError> {
        if prompt_tokens >= max_model_len {
            let message = format!(
                "This model's maximum context length is {max_model_len} tokens. However, your \
                 request has {prompt_tokens} input tokens. Please reduce the length of the input \
                 messages."
            );
            return Err(ApiError::bad_field("input_tokens", &message));
        }
        let room = max_model_len - prompt_tokens;
        let max_tokens = match max_tokens {
            None => room,
            Some(asked) => checked_max_tokens(asked, prompt_tokens, max_model_len)?,
        };
        let min_tokens = self
            .min_tokens
            .and_then(|min| u32::try_from(min).ok())
            .unwrap_or(0);
        if min_tokens > max_tokens {
            let message = format!(
                "min_tokens must be less than or equal to max_tokens={max_tokens}, got \
                 {min_tokens}."
            );
            return Err(ApiError::bad_field("min_tokens", &message));
        }
        Ok(Limits {
            max_tokens,
            min_tokens,
            ignore_eos: self.ignore_eos,
            stop: self.stops().to_vec(),
            include_stop: self.include_stop_str_in_output,
            natural_tokens,
        })
    }

    fn stops(&self) -> &[String] {
        match &self.stop {
            None => &[],
            Some(Stop::One(stop)) => std::slice::from_ref(stop),
            Some(Stop::Several(stops)) => stops,
        }
    }
}

fn checked_max_tokens(asked: i64, prompt_tokens: u32, max_model_len: u32) -> Result<u32, ApiError> {
    if asked < 1 {
        let message = format!("max_tokens must be at least 1, got {asked}.");
        return Err(ApiError::bad_field("max_tokens", &message));
    }
    match u32::try_from(asked) {
        Ok(tokens) if tokens <= max_model_len - prompt_tokens => Ok(tokens),
        _ => {
            let message = format!(
                "'max_tokens' or 'max_completion_tokens' is too large: {asked}. This model's \
                 maximum context length is {max_model_len} tokens and your request has \
                 {prompt_tokens} input tokens ({asked} > {max_model_len} - {prompt_tokens})."
            );
            Err(ApiError::bad_field("max_tokens", &message))
        }
    }
}
