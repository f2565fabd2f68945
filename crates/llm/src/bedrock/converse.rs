//! Converse, and ConverseStream, from and to the model between dialects.
//!
//! What both directions share stands here: the words for why an answer ended, the counting of tokens,
//! the formats of media, and what a model's name tells of its maker.
//!
//! A thing is told by the one field that it has: `{"text": …}` is text, `{"toolUse": …}` a call. A mark
//! for a cache is a thing of its own, behind what it is about. Counts of input leave out what a cache
//! had to do with, while those of the model between dialects include it.

mod citations;
mod decode_request;
mod decode_response;
mod decode_stream;
mod encode_request;
mod encode_response;
mod encode_stream;
mod maker;
#[cfg(test)]
mod tests;

pub(crate) use decode_request::{decode_counted, decode_request};
pub(crate) use decode_response::decode_response;
pub(crate) use decode_stream::StreamDecoder;
pub(crate) use encode_request::{encode_request, takes_url};
pub(crate) use encode_response::encode_response;
pub(crate) use encode_stream::StreamEncoder;

use std::borrow::Cow;

use crate::canonical::{Cache, Finish, MediaKind, Reasoning, ToolCall};
use crate::response::Usage;
use crate::wire::{Fault, ListWriter, ObjectWriter, Value};

/// Formats of media by their names here, each with its media types, of which the first is written.
const FORMATS: [(MediaKind, &str, &[&str]); 35] = [
    (MediaKind::Image, "png", &["image/png"]),
    (MediaKind::Image, "jpeg", &["image/jpeg", "image/jpg"]),
    (MediaKind::Image, "gif", &["image/gif"]),
    (MediaKind::Image, "webp", &["image/webp"]),
    (MediaKind::Document, "pdf", &["application/pdf"]),
    (MediaKind::Document, "csv", &["text/csv"]),
    (MediaKind::Document, "doc", &["application/msword"]),
    (
        MediaKind::Document,
        "docx",
        &["application/vnd.openxmlformats-officedocument.wordprocessingml.document"],
    ),
    (MediaKind::Document, "xls", &["application/vnd.ms-excel"]),
    (
        MediaKind::Document,
        "xlsx",
        &["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"],
    ),
    (MediaKind::Document, "html", &["text/html"]),
    (MediaKind::Document, "txt", &["text/plain"]),
    (MediaKind::Document, "md", &["text/markdown", "text/md"]),
    (MediaKind::Video, "mkv", &["video/x-matroska"]),
    (MediaKind::Video, "mov", &["video/quicktime", "video/mov"]),
    (MediaKind::Video, "mp4", &["video/mp4"]),
    (MediaKind::Video, "webm", &["video/webm"]),
    (MediaKind::Video, "flv", &["video/x-flv"]),
    (MediaKind::Video, "mpeg", &["video/mpeg"]),
    (MediaKind::Video, "mpg", &["video/mpg"]),
    (MediaKind::Video, "wmv", &["video/x-ms-wmv", "video/wmv"]),
    (MediaKind::Video, "three_gp", &["video/3gpp"]),
    (MediaKind::Audio, "mp3", &["audio/mpeg", "audio/mp3"]),
    (MediaKind::Audio, "opus", &["audio/opus"]),
    (
        MediaKind::Audio,
        "wav",
        &["audio/wav", "audio/x-wav", "audio/wave"],
    ),
    (MediaKind::Audio, "aac", &["audio/aac"]),
    (MediaKind::Audio, "flac", &["audio/flac"]),
    (MediaKind::Audio, "mp4", &["audio/mp4"]),
    (MediaKind::Audio, "ogg", &["audio/ogg"]),
    (MediaKind::Audio, "mka", &["audio/x-matroska"]),
    (MediaKind::Audio, "x-aac", &["audio/x-aac"]),
    (MediaKind::Audio, "m4a", &["audio/m4a", "audio/x-m4a"]),
    (MediaKind::Audio, "mpga", &["audio/mpga"]),
    (MediaKind::Audio, "pcm", &["audio/pcm"]),
    (MediaKind::Audio, "webm", &["audio/webm"]),
];

/// The name of the format of a medium.
fn format_of(kind: MediaKind, media_type: &str) -> Option<&'static str> {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let mut known = FORMATS.iter();
    let known = known.find(|(of, _, types)| {
        *of == kind
            && types
                .iter()
                .any(|known| known.eq_ignore_ascii_case(essence))
    });
    known.map(|(_, format, _)| *format)
}

/// The media type of a format.
fn media_type_of(kind: MediaKind, format: &str) -> Option<&'static str> {
    let mut known = FORMATS.iter();
    let (.., types) = known.find(|(of, name, _)| *of == kind && *name == format)?;
    types.first().copied()
}

/// The field that a medium stands in.
const fn field_of(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
        MediaKind::Document => "document",
    }
}

/// What a `stopReason` means.
fn finish(reason: Cow<'_, str>) -> Finish<'_> {
    match &*reason {
        "end_turn" => Finish::Stop,
        "tool_use" => Finish::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "stop_sequence" => Finish::StopSequence(None),
        "guardrail_intervened" | "content_filtered" => Finish::ContentFilter,
        _ => Finish::Other(reason),
    }
}

/// The `stopReason` of an answer. Clients make its calls if this says so, but servers of other dialects
/// say of an answer that calls that it simply ended.
const fn stop_reason(finish: Option<&Finish<'_>>, has_calls: bool) -> &'static str {
    match finish {
        None | Some(Finish::Stop | Finish::Other(_) | Finish::Pause) if has_calls => "tool_use",
        None | Some(Finish::Stop | Finish::Other(_) | Finish::Pause) => "end_turn",
        Some(Finish::StopSequence(_)) => "stop_sequence",
        Some(Finish::Length) => "max_tokens",
        Some(Finish::ToolCalls) => "tool_use",
        Some(Finish::Refusal | Finish::ContentFilter) => "content_filtered",
    }
}

/// Reads a `usage` object.
pub(crate) fn usage(value: Value<'_, '_>) -> Result<Usage, Fault> {
    let mut object = value.object()?;
    let mut count = |name| object.take(name, |v| v.count());
    let (read, write) = (
        count("cacheReadInputTokens")?,
        count("cacheWriteInputTokens")?,
    );
    let cached = [read, write].into_iter().flatten();
    let input = count("inputTokens")?;
    let output = count("outputTokens")?;
    let mut hour = None;
    object.take("cacheDetails", |list| {
        list.each(|detail| {
            let mut detail = detail.object()?;
            let tokens = detail.take("inputTokens", |v| v.count())?;
            if detail.text("ttl")?.as_deref() == Some("1h") {
                hour = tokens;
            }
            Ok(())
        })
    })?;
    Ok(Usage {
        input: input.map(|input| cached.fold(input, u64::saturating_add)),
        cached_input: read,
        cache_write: write,
        cache_write_hour: hour,
        output,
        ..Usage::default()
    })
}

/// Writes a `usage` object.
fn write_usage(o: &mut ObjectWriter<'_>, usage: &Usage) {
    let read = usage.cached_input.unwrap_or(0);
    let written = usage.cache_write.unwrap_or(0);
    let input = usage.input.unwrap_or(0);
    let output = usage.output.unwrap_or(0);
    let plain = input.saturating_sub(read.saturating_add(written));
    o.object("usage", |o| {
        o.value("inputTokens", plain);
        o.value("outputTokens", output);
        o.value("totalTokens", input.saturating_add(output));
        o.maybe("cacheReadInputTokens", usage.cached_input);
        o.maybe("cacheWriteInputTokens", usage.cache_write);
        if let Some(hour) = usage.cache_write_hour {
            o.list("cacheDetails", |list| {
                let details = [("5m", written.saturating_sub(hour)), ("1h", hour)];
                for (ttl, tokens) in details.into_iter().filter(|(_, tokens)| *tokens > 0) {
                    list.object(|o| {
                        o.value("ttl", ttl);
                        o.value("inputTokens", tokens);
                    });
                }
            });
        }
    });
    // How long the model took is not known here, but is demanded.
    o.object("metrics", |o| o.value("latencyMs", 0));
}

fn write_text(list: &mut ListWriter<'_>, text: &str) {
    list.object(|o| o.value("text", text));
}

/// Writes a mark for a cache, behind what it is about.
fn write_cache(list: &mut ListWriter<'_>, cache: Option<&Cache<'_>>) {
    if let Some(cache) = cache {
        list.object(|o| {
            o.object("cachePoint", |o| {
                o.value("type", "default");
                o.maybe("ttl", cache.ttl.as_deref());
            });
        });
    }
}

/// Writes reasoning: text, or what is readable for the provider alone.
fn write_reasoning(list: &mut ListWriter<'_>, reasoning: &Reasoning<'_>) {
    if reasoning.text.is_some() || reasoning.proof().is_some() {
        list.object(|o| {
            o.object("reasoningContent", |o| {
                o.object("reasoningText", |o| {
                    o.value("text", reasoning.text.as_deref().unwrap_or_default());
                    o.maybe("signature", reasoning.proof());
                });
            });
        });
    }
    if let Some(data) = &reasoning.redacted {
        list.object(|o| {
            o.object("reasoningContent", |o| o.value("redactedContent", data));
        });
    }
}

fn write_call(list: &mut ListWriter<'_>, id: &str, call: &ToolCall<'_>) {
    let input = crate::anthropic::messages::arguments(&call.arguments);
    list.object(|o| {
        o.object("toolUse", |o| {
            o.value("toolUseId", id);
            o.value("name", &call.name);
            o.raw("input", &input);
        });
    });
}
