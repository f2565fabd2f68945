//! Media by their URLs.

use super::*;
use crate::canonical::{Content, Media, MediaKind, Message, Part, Request, Role, Source};

const KINDS: [(MediaKind, &str); 4] = [
    (MediaKind::Image, "image/png"),
    (MediaKind::Audio, "audio/wav"),
    (MediaKind::Video, "video/mp4"),
    (MediaKind::Document, "application/pdf"),
];

fn encodes(form: Form, kind: MediaKind, source: Source<'static>) -> bool {
    let medium = Part::new(Content::Media(Media {
        kind,
        source,
        name: None,
        detail: None,
        cited: false,
    }));
    let request = Request {
        model: "m".into(),
        messages: vec![Message {
            role: Role::User,
            name: None,
            parts: vec![Part::text("What is it?"), medium],
        }],
        ..Request::default()
    };
    let dropped = &mut Dropped::default();
    form.encode_request(&request, &Quirks::NONE, dropped)
        .is_ok()
}

/// What a form is said to want within the request is what it refuses by its URL and takes otherwise.
#[test]
fn what_is_wanted_within_is_what_is_refused_by_its_url() {
    let forms = Dialect::ALL.map(Form::of_dialect).into_iter();
    for (form, (kind, media_type)) in forms.flat_map(|form| KINDS.map(|kind| (form, kind))) {
        for url in [
            "https://example.org/a",
            "https://example.org/a.png",
            "s3://b/a.png",
        ] {
            let source = Source::Url(url.into());
            let media = Media {
                kind,
                source: source.clone(),
                name: None,
                detail: None,
                cited: false,
            };
            let within = Source::Base64 {
                media_type: media_type.into(),
                data: "AAAA".into(),
            };
            let expected = !encodes(form, kind, source) && encodes(form, kind, within);
            assert_eq!(
                form.wants_within(&media, &Quirks::NONE),
                expected,
                "{form:?} {kind:?} {url}"
            );
        }
    }
}

fn image(url: &str) -> Value {
    json!({"type": "image_url", "image_url": {"url": url}})
}

#[test]
fn what_was_fetched_stands_for_its_url() {
    let content = json!([
        image("https://a.example/1"),
        image("data:image/gif;base64,R0lGODlh"),
        image("https://a.example/2"),
        image("https://a.example/1"),
    ]);
    let body = json!({"model": "m", "messages": [{"role": "user", "content": content}]});
    let body = body.to_string();
    let pair = pair(CHAT, Dialect::Ollama);
    let urls = pair.media_to_fetch(Asked::default(), body.as_bytes());
    let urls: Vec<_> = urls
        .unwrap()
        .into_iter()
        .map(|one| (one.url, one.uses))
        .collect();
    let expected = [
        ("https://a.example/1".to_owned(), 2),
        ("https://a.example/2".to_owned(), 1),
    ];
    assert_eq!(urls, expected);
    let mut media = FetchedMedia::default();
    let png = b"\x89PNG\r\n\x1a\n".to_vec();
    media.add(
        "https://a.example/1".into(),
        Some("image/png; q=1"),
        png.clone(),
    );
    media.add(
        "https://a.example/2".into(),
        Some("application/octet-stream"),
        png,
    );
    let asked = pair.request_with(Asked::default(), body.as_bytes(), None, &media);
    let body: Value = serde_json::from_slice(&asked.unwrap().body).unwrap();
    let png = "iVBORw0KGgo=";
    let images = json!([png, "R0lGODlh", png, png]);
    assert_eq!(body["messages"][0]["images"], images);
}

#[test]
fn what_is_of_another_kind_is_refused() {
    let page = "https://a.example/page";
    let messages = json!([{"role": "user", "content": [image(page)]}]);
    let body = json!({"model": "m", "messages": messages}).to_string();
    let mut media = FetchedMedia::default();
    media.add(page.into(), Some("text/html"), b"<html>".to_vec());
    let asked =
        pair(CHAT, Dialect::Ollama).request_with(Asked::default(), body.as_bytes(), None, &media);
    let fault = asked.unwrap_err();
    assert_eq!(fault.field, "messages");
    assert!(fault.message.contains("text/html"), "{fault}");
}

#[test]
fn a_page_of_text_is_a_document() {
    let url = "https://a.example/notes";
    let document = json!({"type": "document", "source": {"type": "url", "url": url}});
    let messages = json!([{"role": "user", "content": [document]}]);
    let body = json!({"model": "m", "max_tokens": 9, "messages": messages}).to_string();
    let pair = pair(MESSAGES, Dialect::Bedrock);
    let urls = pair.media_to_fetch(Asked::default(), body.as_bytes());
    assert_eq!(urls.unwrap()[0].url, url);
    let mut media = FetchedMedia::default();
    media.add(url.into(), Some("text/plain"), b"Hm.".to_vec());
    let asked = pair.request_with(Asked::default(), body.as_bytes(), None, &media);
    let body: Value = serde_json::from_slice(&asked.unwrap().body).unwrap();
    let sent = &body["messages"][0]["content"][0]["document"];
    assert_eq!(sent["source"]["bytes"], "SG0u");
}

/// Each is a copy of what was fetched.
#[test]
fn media_are_bounded_in_number_however_often_one_is_named() {
    let content = vec![image("https://a.example/1"); 21];
    let body = json!({"model": "m", "messages": [{"role": "user", "content": content}]});
    let pair = pair(CHAT, Dialect::Ollama);
    let fault = pair.media_to_fetch(Asked::default(), body.to_string().as_bytes());
    assert!(fault.unwrap_err().message.contains("more than 20 media"));
}

/// Anthropic fetches media by itself; clouds that have its models do not.
#[test]
fn clouds_take_anthropics_media_only_within_the_request() {
    for quirks in [&Quirks::VERTEX_ANTHROPIC, &Quirks::BEDROCK_ANTHROPIC] {
        let content = [image("https://a.example/1.png")];
        let body = json!({"model": "m", "messages": [{"role": "user", "content": content}]});
        let body = body.to_string();
        let pair = Pair {
            quirks,
            ..pair(CHAT, Dialect::Anthropic)
        };
        let urls = pair.media_to_fetch(Asked::default(), body.as_bytes());
        assert_eq!(urls.unwrap().len(), 1);
        let fault = pair.request(Asked::default(), body.as_bytes(), None);
        assert_eq!(fault.unwrap_err().field, "messages");
        let mut media = FetchedMedia::default();
        media.add(
            "https://a.example/1.png".into(),
            Some("image/png"),
            vec![0; 3],
        );
        let asked = pair.request_with(Asked::default(), body.as_bytes(), None, &media);
        assert!(String::from_utf8_lossy(&asked.unwrap().body).contains("AAAA"));
    }
}
