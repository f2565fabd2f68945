//! `/api/chat`, and `/api/generate` as a conversation of one turn.
//!
//! A message is one text, with images beside it. Arguments of calls are objects, calls have ids only
//! since lately, and results name the tool or the call that they are of, or neither.

mod decode_request;
mod decode_response;
mod decode_stream;
mod encode_request;
mod encode_response;
mod encode_stream;

#[cfg(test)]
mod tests;

pub(crate) use decode_request::{decode_generate, decode_request};
pub(crate) use decode_response::decode_response;
pub(crate) use decode_stream::StreamDecoder;
pub(crate) use encode_request::encode_request;
pub(crate) use encode_response::encode_response;
pub(crate) use encode_stream::StreamEncoder;

use crate::canonical::Finish;

/// At which of the two paths an answer was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Chat,
    Generate,
}

/// The reason of that name. Calls end an answer like anything else.
fn finish_of(reason: Option<&str>, has_calls: bool) -> Finish<'static> {
    match reason {
        Some("length") => Finish::Length,
        None | Some("stop") if has_calls => Finish::ToolCalls,
        None | Some("stop") => Finish::Stop,
        Some("content_filter") => Finish::ContentFilter,
        Some("refusal") => Finish::Refusal,
        Some(other) => Finish::Other(other.to_owned().into()),
    }
}

/// The name of a reason. Clients know the first two, and show what they do not know. That an answer
/// refuses in words says nothing of it in other dialects, where the words have a place of their own.
fn reason<'f>(finish: Option<&'f Finish<'_>>, refuses: bool) -> &'f str {
    let Some(finish) = finish.filter(|finish| !(refuses && **finish == Finish::Stop)) else {
        return if refuses { "refusal" } else { "stop" };
    };
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls | Finish::Pause => "stop",
        Finish::Length => "length",
        Finish::Refusal => "refusal",
        Finish::ContentFilter => "content_filter",
        Finish::Other(reason) => reason,
    }
}

/// Arguments as the object they are to be; what a model wrote that is none is kept under this name.
const NOT_AN_OBJECT: &str = "_arguments";

/// Writes arguments.
fn write_arguments(arguments: &str, o: &mut crate::wire::ObjectWriter<'_>) {
    let is_object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(arguments);
    match is_object {
        Ok(_) => o.raw("arguments", arguments),
        Err(_) if arguments.trim_ascii().is_empty() => o.raw("arguments", "{}"),
        Err(_) => o.object("arguments", |o| o.value(NOT_AN_OBJECT, arguments)),
    }
}
