//! Parts of messages.

use std::borrow::Cow;

use crate::canonical::refusals::cannot;
use crate::canonical::{Cache, Content, Dropped, Media, MediaKind, Part, Reasoning, Source};
use crate::openai::cache::breakpoint;
use crate::wire::{Fault, ListWriter, Object, Value};

/// Fields that nobody reads, each with its name and its value: hints, all of them.
pub(super) type Rest<'a> = Vec<(Cow<'a, str>, &'a str)>;

const TEXT: &str = "text";
const THINKING: &str = "thinking";

/// Keeps what is left of an object.
pub(super) fn set_aside<'a>(object: Object<'a, '_>, name: &str, rest: &mut Rest<'a>) {
    let left = object.rest();
    rest.extend(left.map(|(field, raw)| (format!("{name}.{field}").into(), raw)));
}

/// Reads the content of a message: a text or a list of parts.
pub(super) fn decode<'a>(
    value: Value<'a, '_>,
    rest: &mut Rest<'a>,
) -> Result<Vec<Part<'a>>, Fault> {
    if value.is_list() {
        return value.list(|value| part(value, rest));
    }
    let text = value.text()?;
    Ok(vec![Part::text(text)])
}

/// Reads what the model said in an earlier turn, which may be thoughts: see [`answer`].
pub(super) fn decode_answer<'a>(
    value: Value<'a, '_>,
    rest: &mut Rest<'a>,
) -> Result<Vec<Part<'a>>, Fault> {
    if !value.is_list() {
        return decode(value, rest);
    }
    value.list(|value| match kind(value)?.as_deref() {
        Some(THINKING) => Ok(Part::new(thoughts(value)?)),
        _ => part(value, rest),
    })
}

/// Reads what a model says: a text, or a list of parts as Mistral has it where the model thinks. Parts
/// of other kinds, such as references, say nothing that others know.
pub(super) fn answer<'a>(value: Value<'a, '_>) -> Result<Vec<Content<'a>>, Fault> {
    let mut said = Vec::new();
    if !value.is_list() {
        said.push(Content::Text(value.text()?));
        return Ok(said);
    }
    value.each(|value| {
        match kind(value)?.as_deref() {
            Some(THINKING) => said.push(thoughts(value)?),
            Some(TEXT) => said.push(Content::Text(value.object()?.require_text(TEXT)?)),
            _ => {}
        }
        Ok(())
    })?;
    Ok(said)
}

fn kind<'a>(value: Value<'a, '_>) -> Result<Option<Cow<'a, str>>, Fault> {
    value.object()?.text("type")
}

/// The texts of thoughts, as one.
fn thoughts<'a>(value: Value<'a, '_>) -> Result<Content<'a>, Fault> {
    let mut all = Cow::Borrowed("");
    value.object()?.require(THINKING, |list| {
        list.each(|thought| {
            let text = thought.object()?.text(TEXT)?.unwrap_or_default();
            if all.is_empty() {
                all = text;
            } else {
                all.to_mut().push_str(&text);
            }
            Ok(())
        })
    })?;
    Ok(Content::Reasoning(Reasoning {
        text: Some(all),
        ..Reasoning::default()
    }))
}

/// Reads a mark for a cache.
pub(super) fn cache<'a>(value: Value<'a, '_>, rest: &mut Rest<'a>) -> Result<Cache<'a>, Fault> {
    let mut object = value.object()?;
    let ttl = object.text("ttl")?;
    // There is but one.
    object.ignore(&["type"]);
    set_aside(object, "cache_control", rest);
    Ok(Cache { ttl })
}

/// Reads Google's proof of the thoughts behind a call.
pub(super) fn google_signature<'a>(
    value: Value<'a, '_>,
    rest: &mut Rest<'a>,
) -> Result<Option<Cow<'a, str>>, Fault> {
    let mut extra = value.object()?;
    let signature = extra.take("google", |value| {
        let mut google = value.object()?;
        let signature = google.text("thought_signature")?;
        set_aside(google, "messages.tool_calls.extra_content.google", rest);
        Ok(signature)
    })?;
    set_aside(extra, "messages.tool_calls.extra_content", rest);
    Ok(signature.flatten())
}

fn part<'a>(value: Value<'a, '_>, rest: &mut Rest<'a>) -> Result<Part<'a>, Fault> {
    let mut object = value.object()?;
    let mark = object.take("cache_control", |value| cache(value, rest))?;
    let own_mark = object.take("prompt_cache_breakpoint", breakpoint)?;
    let cache = mark.or(own_mark);
    let kind = object.require_text("type")?;
    let content = match &*kind {
        "text" => {
            object.ignore(&["annotations"]);
            Content::Text(object.require_text("text")?)
        }
        "refusal" => Content::Refusal(object.require_text("refusal")?),
        "image_url" => Content::Media(object.require("image_url", |value| image(value, rest))?),
        "video_url" => Content::Media(object.require("video_url", |value| video(value, rest))?),
        "input_audio" => Content::Media(object.require("input_audio", |value| audio(value, rest))?),
        "file" => Content::Media(object.require("file", file)?),
        other => {
            let message = format!("`{other}` is no kind of content that is understood");
            return Err(object.fault("type", message));
        }
    };
    object.finish()?;
    Ok(Part {
        cache,
        ..Part::new(content)
    })
}

fn image<'a>(value: Value<'a, '_>, rest: &mut Rest<'a>) -> Result<Media<'a>, Fault> {
    // Some clients send the bare URL.
    if value.is_text() {
        return Ok(media(MediaKind::Image, Source::of_url(value.text()?)));
    }
    let mut object = value.object()?;
    let source = Source::of_url(object.require_text("url")?);
    let detail = object.text("detail")?;
    set_aside(object, "messages.content.image_url", rest);
    Ok(Media {
        detail,
        ..media(MediaKind::Image, source)
    })
}

fn video<'a>(value: Value<'a, '_>, rest: &mut Rest<'a>) -> Result<Media<'a>, Fault> {
    let mut object = value.object()?;
    let url = object.require_text("url")?;
    set_aside(object, "messages.content.video_url", rest);
    Ok(media(MediaKind::Video, Source::of_url(url)))
}

fn audio<'a>(value: Value<'a, '_>, rest: &mut Rest<'a>) -> Result<Media<'a>, Fault> {
    let mut object = value.object()?;
    let format = object.require_text("format")?;
    let media_type = match &*format {
        "mp3" => Cow::Borrowed("audio/mpeg"),
        other => Cow::Owned(format!("audio/{other}")),
    };
    let data = object.require_text("data")?;
    set_aside(object, "messages.content.input_audio", rest);
    Ok(media(MediaKind::Audio, Source::Base64 { media_type, data }))
}

fn file<'a>(value: Value<'a, '_>) -> Result<Media<'a>, Fault> {
    let mut object = value.object()?;
    let name = object.text("filename")?;
    let source = match (object.text("file_data")?, object.text("file_id")?) {
        (Some(data), _) => Source::of_url(data),
        (None, Some(id)) => Source::File(id),
        (None, None) => return Err(object.fault("file_data", "is missing")),
    };
    object.finish()?;
    Ok(Media {
        name,
        ..media(MediaKind::Document, source)
    })
}

fn media<'a>(kind: MediaKind, source: Source<'a>) -> Media<'a> {
    Media {
        kind,
        source,
        name: None,
        detail: None,
        cited: false,
    }
}

/// Whether the parts say what one text says.
pub(super) fn is_text_alone(parts: &[Part<'_>]) -> bool {
    matches!(
        parts,
        [Part {
            content: Content::Text(_),
            ..
        }]
    )
}

/// Writes a part of what a user or the system says.
pub(super) fn encode(
    part: &Part<'_>,
    list: &mut ListWriter<'_>,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    if part.cache.is_some() {
        dropped.add("cache_control");
    }
    match &part.content {
        Content::Text(text) => {
            write_text(list, text);
            Ok(())
        }
        Content::Media(media) => {
            note_unsaid(media, dropped);
            encode_media(media, list)
        }
        Content::ToolCall(_) => Err(misplaced("a tool call")),
        Content::ToolResult(_) => Err(misplaced("a tool's result")),
        Content::Reasoning(_) => Err(misplaced("reasoning")),
        Content::Refusal(_) => Err(misplaced("a refusal")),
    }
}

fn misplaced(what: &str) -> Fault {
    Fault::new(
        "messages",
        format!("hold {what} in a place where it cannot stand"),
    )
}

pub(super) fn write_text(list: &mut ListWriter<'_>, text: &str) {
    list.object(|o| {
        o.value("type", "text");
        o.value("text", text);
    });
}

/// Notes what has no place beside such a medium: only files have names, and images a detail.
fn note_unsaid(media: &Media<'_>, dropped: &mut Dropped) {
    let is_file = media.kind == MediaKind::Document && !matches!(media.source, Source::Text(_));
    if media.name.is_some() && !is_file {
        dropped.add("title");
    }
    if media.detail.is_some() && media.kind != MediaKind::Image {
        dropped.add("detail");
    }
}

fn encode_media(media: &Media<'_>, list: &mut ListWriter<'_>) -> Result<(), Fault> {
    match (media.kind, &media.source) {
        (_, Source::File(_)) => Err(cannot(media, "that was uploaded to another provider")),
        (_, Source::Text(text)) => {
            write_text(list, text);
            Ok(())
        }
        (MediaKind::Image, source) => {
            write_image(list, &source.url(), media.detail.as_deref());
            Ok(())
        }
        (MediaKind::Audio, Source::Base64 { media_type, data }) => {
            let format = audio_format(media_type).ok_or_else(|| cannot(media, "of this type"))?;
            list.object(|o| {
                o.value("type", "input_audio");
                o.object("input_audio", |o| {
                    o.value("data", data);
                    o.value("format", format);
                });
            });
            Ok(())
        }
        (MediaKind::Document, Source::Base64 { .. }) => {
            let name = media.name.as_deref().unwrap_or("document.pdf");
            list.object(|o| {
                o.value("type", "file");
                o.object("file", |o| {
                    o.value("filename", name);
                    o.value("file_data", media.source.url());
                });
            });
            Ok(())
        }
        (MediaKind::Audio | MediaKind::Document, Source::Url(_)) => {
            Err(cannot(media, "by its URL: send it in the request"))
        }
        (MediaKind::Video, _) => Err(cannot(media, "at all")),
    }
}

fn write_image(list: &mut ListWriter<'_>, url: &str, detail: Option<&str>) {
    list.object(|o| {
        o.value("type", "image_url");
        o.object("image_url", |o| {
            o.value("url", url);
            o.maybe("detail", detail);
        });
    });
}

fn audio_format(media_type: &str) -> Option<&str> {
    match media_type {
        "audio/mpeg" | "audio/mp3" => Some("mp3"),
        "audio/wav" | "audio/x-wav" | "audio/wave" => Some("wav"),
        _ => None,
    }
}
