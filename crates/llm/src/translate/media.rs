//! Media that a client names by URL and its model's API takes only within the request.

use std::collections::HashMap;

use crate::canonical::{Content, Media, MediaKind, Part, Request, Source};
use crate::wire::Fault;
use crate::{base64, magic};

/// Media that a request may name so: each is a copy of what was fetched.
const MAX_MEDIA: u64 = 20;

/// A medium that is to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaUrl {
    /// Where it stands.
    pub url: String,
    /// How often the request names it: each time it will have it whole.
    pub uses: u64,
}

/// Media that were fetched for a request, by their URLs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FetchedMedia(HashMap<String, Fetched>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fetched {
    media_type: String,
    data: Data,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Data {
    Base64(String),
    Text(String),
}

impl FetchedMedia {
    /// Adds what stands at `url`. What its server calls the type is believed unless it is none
    /// (`application/octet-stream`) and the bytes tell it.
    pub fn add(&mut self, url: String, content_type: Option<&str>, bytes: Vec<u8>) {
        let named = content_type.and_then(|value| value.split(';').next());
        let named = named.map(|name| name.trim().to_ascii_lowercase());
        let named = named.filter(|name| !name.is_empty() && !is_untold(name));
        let media_type = named
            .or_else(|| magic::media_type(&bytes).map(str::to_owned))
            .unwrap_or_else(|| "application/octet-stream".to_owned());
        let data = match String::from_utf8(bytes) {
            Ok(text) if media_type.starts_with("text/") => Data::Text(text),
            Ok(text) => Data::Base64(base64::encode(text.as_bytes())),
            Err(binary) => Data::Base64(base64::encode(binary.as_bytes())),
        };
        self.0.insert(url, Fetched { media_type, data });
    }
}

fn is_untold(name: &str) -> bool {
    matches!(name, "application/octet-stream" | "binary/octet-stream")
}

/// The URLs that `is_wanted` says must be fetched, each once.
///
/// # Errors
/// If there are too many.
pub(super) fn urls(
    request: &Request<'_>,
    is_wanted: impl Fn(&Media<'_>) -> bool,
) -> Result<Vec<MediaUrl>, Fault> {
    let mut urls: Vec<MediaUrl> = Vec::new();
    let mut uses = 0;
    let mut note = |media: &Media<'_>| {
        let Source::Url(url) = &media.source else {
            return;
        };
        if uses > MAX_MEDIA || !is_wanted(media) {
            return;
        }
        uses += 1;
        match urls.iter_mut().find(|known| known.url == **url) {
            Some(known) => known.uses += 1,
            None => urls.push(MediaUrl {
                url: url.to_string(),
                uses: 1,
            }),
        }
    };
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        each(part, &mut note);
    }
    if uses > MAX_MEDIA {
        let why = format!("name more than {MAX_MEDIA} media by their URLs");
        return Err(Fault::new(super::conversation::CONVERSATION, why));
    }
    Ok(urls)
}

fn each(part: &Part<'_>, look: &mut impl FnMut(&Media<'_>)) {
    match &part.content {
        Content::Media(media) => look(media),
        Content::ToolResult(result) => result.parts.iter().for_each(|part| each(part, look)),
        _ => {}
    }
}

/// Puts what was fetched in the place of its URLs.
///
/// # Errors
/// If something is not of the kind that it was said to be.
pub(super) fn put(request: &mut Request<'_>, fetched: &FetchedMedia) -> Result<(), Fault> {
    if fetched.0.is_empty() {
        return Ok(());
    }
    let messages = request.messages.iter_mut();
    for part in messages.flat_map(|message| &mut message.parts) {
        put_into(part, fetched)?;
    }
    Ok(())
}

fn put_into(part: &mut Part<'_>, fetched: &FetchedMedia) -> Result<(), Fault> {
    match &mut part.content {
        Content::Media(media) => put_at(media, fetched),
        Content::ToolResult(result) => {
            let mut parts = result.parts.iter_mut();
            parts.try_for_each(|part| put_into(part, fetched))
        }
        _ => Ok(()),
    }
}

fn put_at(media: &mut Media<'_>, fetched: &FetchedMedia) -> Result<(), Fault> {
    let Source::Url(url) = &media.source else {
        return Ok(());
    };
    let Some(found) = fetched.0.get(&**url) else {
        return Ok(());
    };
    if !is_of_kind(media.kind, &found.media_type) {
        let what = media.kind.name();
        let kind = &found.media_type;
        let message = format!("name {url} as {what}, where the server has {kind}");
        return Err(Fault::new(super::conversation::CONVERSATION, message));
    }
    media.source = match &found.data {
        Data::Base64(data) => Source::Base64 {
            media_type: found.media_type.clone().into(),
            data: data.clone().into(),
        },
        Data::Text(text) => Source::Text(text.clone().into()),
    };
    Ok(())
}

/// Documents come in too many types to know them all: that is for their API.
fn is_of_kind(kind: MediaKind, media_type: &str) -> bool {
    match kind {
        MediaKind::Image => media_type.starts_with("image/"),
        MediaKind::Audio => media_type.starts_with("audio/"),
        MediaKind::Video => media_type.starts_with("video/"),
        MediaKind::Document => true,
    }
}
