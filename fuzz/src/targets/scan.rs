//! The scan of requests: it accepts what serde_json accepts and policy allows, finds what
//! serde_json finds, and neither a split nor another spelling of the same document changes what it
//! found.

use crate::reference::json;
use crate::split::splits;
use llm::scan::{Scan, ScanError, ScanOptions, Scanner, Schema, Span};
use llm::{Api, Dialect, Operation};
use serde_json::value::RawValue;

/// Nesting that the scan follows.
const MAX_DEPTH: usize = 128;

/// What an operation calls its prompt, and the policy fields beside it.
struct Fields {
    operation: Operation,
    counts: &'static [&'static str],
    lists: &'static [&'static str],
    prompt: Option<&'static str>,
    streams: bool,
}

const OPERATIONS: [Fields; 3] = [
    Fields {
        operation: Operation::ChatCompletions,
        counts: &["max_tokens", "max_completion_tokens", "n"],
        lists: &["messages", "tools"],
        prompt: None,
        streams: true,
    },
    Fields {
        operation: Operation::Completions,
        counts: &["max_tokens", "n"],
        lists: &[],
        prompt: Some("prompt"),
        streams: true,
    },
    Fields {
        operation: Operation::Embeddings,
        counts: &[],
        lists: &[],
        prompt: Some("input"),
        streams: false,
    },
];

pub(crate) fn run(data: &[u8]) {
    messages_are_read_alike(data);
    for fields in &OPERATIONS {
        let whole = scan(fields.operation, &[data]);
        for pieces in splits(data) {
            assert_same(data, &whole, &scan(fields.operation, &pieces));
        }
        let is_text = std::str::from_utf8(data).is_ok();
        if !(is_text && json::is_object(data, MAX_DEPTH)) {
            assert!(whole.is_err(), "it is not a JSON object: {whole:?}");
            continue;
        }
        if let Err(error) = &whole {
            assert!(error.field().is_some(), "serde_json reads it: {error}");
        }
        if let Some(expected) = expect(fields, data) {
            assert_eq!(whole.as_ref().ok().map(Found::of), expected);
        }
        if let Ok(scan) = &whole {
            spelling_does_not_matter(fields.operation, data, scan);
            spans_hold_values(data, scan);
        }
    }
}

/// The requests of other dialects have fields of their own; how they are found is the same.
fn messages_are_read_alike(data: &[u8]) {
    for api in [Api::MESSAGES, Api::GENERATE_CONTENT] {
        is_read_alike(api, data);
    }
}

fn is_read_alike(api: Api, data: &[u8]) {
    let whole = scan_api(api, &[data]);
    for pieces in splits(data) {
        assert_same(data, &whole, &scan_api(api, &pieces));
    }
    if let Ok(scan) = &whole {
        spans_hold_values(data, scan);
    }
}

pub(super) fn scan(operation: Operation, pieces: &[&[u8]]) -> Result<Scan, ScanError> {
    let dialect = Dialect::OpenAi;
    scan_api(Api { dialect, operation }, pieces)
}

fn scan_api(api: Api, pieces: &[&[u8]]) -> Result<Scan, ScanError> {
    let options = ScanOptions {
        digest: true,
        ..ScanOptions::default()
    };
    let mut scanner = Scanner::new(Schema::of(api).expect("it has a body"), options);
    pieces.iter().try_for_each(|piece| scanner.push(piece))?;
    scanner.finish()
}

/// Which of two faults is found first may depend on the split where one of them is a byte that is
/// not Unicode, since that is looked for a piece at a time.
fn assert_same(data: &[u8], one: &Result<Scan, ScanError>, other: &Result<Scan, ScanError>) {
    let one_of_several_faults = std::str::from_utf8(data).is_err();
    if one_of_several_faults {
        assert!(one.is_err() && other.is_err());
    } else {
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
}

/// What policy reads in a body.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    model: Option<String>,
    stream: bool,
    usage: bool,
    counts: [Option<u64>; 3],
    messages: bool,
    tools: bool,
    prompt: bool,
    user: Option<String>,
}

impl Found {
    fn of(scan: &Scan) -> Self {
        Self {
            model: scan.model.as_ref().map(|field| field.value.clone()),
            stream: scan.wants_stream(),
            usage: scan.wants_usage(),
            counts: [scan.max_tokens, scan.max_completion_tokens, scan.n],
            messages: scan.messages.is_some(),
            tools: scan.tools.is_some(),
            prompt: scan.prompt.is_some(),
            user: scan.user.clone(),
        }
    }
}

/// The body's values of one field; what is not absent and not `null`.
struct Values<'a> {
    all: Vec<&'a RawValue>,
}

/// A policy field is repeated or of the wrong type.
struct Refused;

impl Values<'_> {
    fn one(&self) -> Result<Option<&str>, Refused> {
        match self.all.as_slice() {
            [] => Ok(None),
            [value] => Ok(Some(value.get()).filter(|raw| *raw != "null")),
            _ => Err(Refused),
        }
    }

    fn begins_with(&self, first: &[char]) -> Result<bool, Refused> {
        match self.one()? {
            Some(raw) if raw.starts_with(first) => Ok(true),
            Some(_) => Err(Refused),
            None => Ok(false),
        }
    }

    fn boolean(&self) -> Result<bool, Refused> {
        match self.one()? {
            Some("true") => Ok(true),
            Some("false") | None => Ok(false),
            Some(_) => Err(Refused),
        }
    }

    fn count(&self) -> Result<Option<u64>, Refused> {
        self.one()?
            .map(|raw| raw.parse().map_err(|_| Refused))
            .transpose()
    }
}

/// What the scan must find (`None` in it: refuse); `None` where serde_json has no opinion because a
/// string holds half a surrogate pair.
fn expect(fields: &Fields, body: &[u8]) -> Option<Option<Found>> {
    let all = json::fields(body)?;
    let values = |name: &str| Values {
        all: all
            .iter()
            .filter(|(field, _)| field == name)
            .map(|(_, value)| *value)
            .collect(),
    };
    let texts = [values("model"), values("user")];
    let half_pair = |raw: &&RawValue| {
        raw.get().starts_with('"') && serde_json::from_str::<String>(raw.get()).is_err()
    };
    if texts.iter().flat_map(|values| &values.all).any(half_pair) {
        return None;
    }
    let options = values("stream_options");
    let inner = options.all.first().copied();
    if fields.streams && inner.is_some_and(is_unreadable) {
        return None;
    }
    Some(policy(fields, values).ok())
}

fn is_unreadable(raw: &RawValue) -> bool {
    raw.get().starts_with('{') && json::fields(raw.get().as_bytes()).is_none()
}

fn policy<'a>(fields: &Fields, values: impl Fn(&str) -> Values<'a>) -> Result<Found, Refused> {
    let mut found = Found {
        model: model(&values("model"))?,
        user: user(&values("user")),
        ..Found::default()
    };
    if fields.streams {
        found.stream = values("stream").boolean()?;
        found.usage = usage(&values("stream_options"))?;
    }
    let counts = ["max_tokens", "max_completion_tokens", "n"];
    for (name, count) in counts.into_iter().zip(&mut found.counts) {
        if fields.counts.contains(&name) {
            *count = values(name).count()?;
        }
    }
    let lists = [
        ("messages", &mut found.messages),
        ("tools", &mut found.tools),
    ];
    for (name, is_there) in lists {
        if fields.lists.contains(&name) {
            *is_there = values(name).begins_with(&['['])?;
        }
    }
    if let Some(name) = fields.prompt {
        found.prompt = values(name).begins_with(&['[', '"'])?;
    }
    Ok(found)
}

fn model(values: &Values<'_>) -> Result<Option<String>, Refused> {
    let name: Option<String> = values
        .one()?
        .map(|raw| serde_json::from_str(raw).map_err(|_| Refused))
        .transpose()?;
    match name {
        Some(name) if name.len() > llm::scan::MAX_MODEL_BYTES => Err(Refused),
        name => Ok(name),
    }
}

/// The only field that may be repeated, since no policy is made of it.
fn user(values: &Values<'_>) -> Option<String> {
    let last: String = serde_json::from_str(values.all.last()?.get()).ok()?;
    Some(last).filter(|user| user.len() <= llm::scan::MAX_MODEL_BYTES)
}

fn usage(options: &Values<'_>) -> Result<bool, Refused> {
    if !options.begins_with(&['{'])? {
        return Ok(false);
    }
    let raw = options.one()?.unwrap_or_default();
    let inner = json::fields(raw.as_bytes()).unwrap_or_default();
    let asked = inner.iter().filter(|(name, _)| name == "include_usage");
    let asked = Values {
        all: asked.map(|(_, value)| *value).collect(),
    };
    asked.boolean()
}

fn spelling_does_not_matter(operation: Operation, body: &[u8], scan: &Scan) {
    let Some(respelled) = json::respelled(body) else {
        return;
    };
    let other = self::scan(operation, &[&respelled]).expect("the same document is accepted");
    assert_eq!(Found::of(scan), Found::of(&other));
    assert_eq!(scan.prompt_bytes, other.prompt_bytes);
    assert_eq!(scan.media, other.media);
    assert_eq!(scan.message_count, other.message_count);
    assert_eq!(scan.empty, other.empty);
    assert_eq!(scan.digest, other.digest);
}

fn spans_hold_values(body: &[u8], scan: &Scan) {
    let at = |span: Span| {
        let bytes = body.get(span.start as usize..span.end as usize);
        let value = serde_json::from_slice::<&RawValue>(bytes.expect("a span of the body"));
        let raw = value.expect("one JSON value").get();
        assert_eq!(raw.len() as u64, span.len(), "it begins and ends the span");
    };
    let fields = [scan.system, scan.messages, scan.tools, scan.prompt];
    let model = scan.model.as_ref().map(|field| field.span);
    let options = scan.stream_options.as_ref().map(|options| options.span);
    let messages = scan.message_spans.iter().map(|message| message.span);
    let fields = fields.into_iter().chain([model, options]).flatten();
    fields.chain(messages).for_each(at);
    assert_eq!(scan.body_len, body.len() as u64);
}
