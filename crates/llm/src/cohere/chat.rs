//! `/v2/chat`.
//!
//! Content is text and thoughts, without proofs. What a model says before it calls tools is its
//! `tool_plan`, a field of its own. Blocks of content and calls are numbered each by themselves.

mod citations;
mod decode_request;
mod decode_response;
mod decode_stream;
mod encode_request;
mod encode_response;
mod encode_stream;

#[cfg(test)]
mod tests;

pub(crate) use decode_request::decode_request;
pub(crate) use decode_response::decode_response;
pub(crate) use decode_stream::StreamDecoder;
pub(crate) use encode_request::encode_request;
pub(crate) use encode_response::encode_response;
pub(crate) use encode_stream::{StreamEncoder, write_error};

use crate::canonical::{Finish, Token};
use crate::wire::{Fault, ListWriter, Value};

/// The reason of an answer that has failed.
const FAILED: &str = "ERROR";

/// That of an answer which a filter cut off: of the first version, and known to the SDKs.
const FILTERED: &str = "ERROR_TOXIC";

/// Why an answer ended; what says that it failed is a fault.
fn finish_of(reason: &str) -> Result<Finish<'static>, &'static str> {
    match reason {
        "COMPLETE" => Ok(Finish::Stop),
        "STOP_SEQUENCE" => Ok(Finish::StopSequence(None)),
        "MAX_TOKENS" => Ok(Finish::Length),
        "TOOL_CALL" => Ok(Finish::ToolCalls),
        FILTERED => Ok(Finish::ContentFilter),
        FAILED => Err("the model's server could not finish the answer"),
        "TIMEOUT" => Err("the model's server ran out of time for the answer"),
        other => Ok(Finish::Other(other.to_owned().into())),
    }
}

/// The name of a reason. What this API has no name for is complete.
const fn reason(finish: Option<&Finish<'_>>) -> &'static str {
    match finish {
        None | Some(Finish::Stop | Finish::Pause | Finish::Refusal | Finish::Other(_)) => {
            "COMPLETE"
        }
        Some(Finish::StopSequence(_)) => "STOP_SEQUENCE",
        Some(Finish::Length) => "MAX_TOKENS",
        Some(Finish::ToolCalls) => "TOOL_CALL",
        Some(Finish::ContentFilter) => FILTERED,
    }
}

/// Reads how probable a piece of text was: of several tokens, each with its logarithm.
fn probability<'a>(value: Value<'a, '_>) -> Result<Token<'a>, Fault> {
    let mut object = value.object()?;
    let numbers = object.take("logprobs", |list| list.list(|number| number.number()))?;
    Ok(Token {
        text: object.text("text")?.unwrap_or_default(),
        log_probability: numbers.into_iter().flatten().sum(),
        ..Token::default()
    })
}

/// Writes the same. The numbers of tokens are the model's own, and not known.
fn write_probabilities(tokens: &[Token<'_>], list: &mut ListWriter<'_>) {
    for token in tokens {
        list.object(|o| write_probability(token, o));
    }
}

fn write_probability(token: &Token<'_>, o: &mut crate::wire::ObjectWriter<'_>) {
    o.value("text", &token.text);
    o.raw("token_ids", "[]");
    o.list("logprobs", |list| list.value(token.log_probability));
}
