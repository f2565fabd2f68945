//! What the tests of several modules share: JSON written in many ways, and bytes cut in pieces.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

/// Cuts `bytes` at offsets made from `cuts`.
pub(crate) fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    let mut pieces = Vec::new();
    let mut start = 0;
    for cut in cuts {
        pieces.push(&bytes[start..cut]);
        start = cut;
    }
    pieces.push(&bytes[start..]);
    pieces
}

pub(crate) fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..4096usize, 0..12)
}

/// Any JSON value of moderate size.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i16>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            fields(inner).prop_map(Value::from),
        ]
    })
}

/// Text with everything that JSON escapes, and beyond the basic plane.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,20}",
        "[a-z\"\\\\\n\t/\u{1}é漢😀 ]{0,60}",
        "[ab]{1000,1100}"
    ]
}

fn fields(
    inner: impl Strategy<Value = Value>,
) -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let name = prop_oneof!["[a-z_]{1,8}", text(), Just("role".to_owned())];
    prop::collection::vec((name, inner), 0..5).prop_map(|fields| fields.into_iter().collect())
}

/// A chat request with the fields that policy reads, and others.
pub(crate) fn chat_request() -> impl Strategy<Value = Value> {
    let others = fields(value());
    let content = prop_oneof![
        text().prop_map(Value::from),
        prop::collection::vec(part(), 0..3).prop_map(Value::from),
        Just(Value::Null)
    ];
    let role = prop_oneof![
        Just("system"),
        Just("user"),
        Just("assistant"),
        Just("tool")
    ];
    let message = (role, content, prop::option::of(value())).prop_map(|(role, content, calls)| {
        let mut message = serde_json::json!({"role": role, "content": content});
        if let Some(calls) = calls {
            message["tool_calls"] = calls;
        }
        message
    });
    let messages = prop::collection::vec(message, 0..5);
    let policy = (
        prop::option::of(prop_oneof![
            ".{0,20}".prop_map(Value::from),
            Just(Value::Null)
        ]),
        prop::option::of(any::<Option<bool>>()),
        prop::option::of(stream_options()),
        prop::option::of(any::<Option<u64>>()),
        prop::option::of(prop::collection::vec(value(), 0..3)),
    );
    (others, messages, policy).prop_map(|(others, messages, policy)| {
        let (model, stream, options, max_tokens, tools) = policy;
        let mut body = others;
        body.retain(|name, _| !["n", "user"].contains(&name.as_str()));
        body.insert("messages".into(), messages.into());
        let optional = [
            ("model", model),
            ("stream", stream.map(Value::from)),
            ("stream_options", options),
            ("max_tokens", max_tokens.map(Value::from)),
            ("tools", tools.map(Value::from)),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                body.insert(name.into(), value);
            }
        }
        body.into()
    })
}

fn part() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(|text| serde_json::json!({"type": "text", "text": text})),
        text().prop_map(|url| serde_json::json!({"type": "image_url", "image_url": {"url": url}})),
    ]
}

fn stream_options() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(serde_json::json!({})),
        any::<Option<bool>>().prop_map(|asked| serde_json::json!({"include_usage": asked})),
        (value(), any::<bool>()).prop_map(|(other, asked)| {
            serde_json::json!({"other": other, "include_usage": asked})
        }),
        value().prop_map(|other| serde_json::json!({"other": other})),
    ]
}

/// Writes a value with white space, escapes and an order of fields that depend on `seed`.
pub(crate) fn write(value: &Value, seed: u64) -> Vec<u8> {
    let mut writer = Writer {
        out: Vec::new(),
        state: seed,
    };
    writer.value(value);
    writer.blank();
    writer.out
}

struct Writer {
    out: Vec<u8>,
    state: u64,
}

impl Writer {
    fn below(&mut self, bound: u64) -> u64 {
        self.state = self
            .state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.state >> 33) % bound
    }

    fn blank(&mut self) {
        let blanks: [&[u8]; 6] = [b"", b"", b" ", b"\n", b"\r\n\t", b"   "];
        let index = self.below(6) as usize;
        self.out.extend_from_slice(blanks[index]);
    }

    fn string(&mut self, text: &str) {
        self.out.push(b'"');
        for character in text.chars() {
            let must = character < ' ' || matches!(character, '"' | '\\');
            if must || self.below(8) == 0 {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    self.out
                        .extend_from_slice(format!("\\u{unit:04X}").as_bytes());
                }
            } else {
                self.out
                    .extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        self.out.push(b'"');
    }

    fn value(&mut self, value: &Value) {
        self.blank();
        match value {
            Value::String(text) => self.string(text),
            Value::Array(items) => {
                self.out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    self.value(item);
                    self.blank();
                }
                self.blank();
                self.out.push(b']');
            }
            Value::Object(fields) => self.object(fields),
            scalar => self.out.extend_from_slice(scalar.to_string().as_bytes()),
        }
    }

    fn object(&mut self, fields: &serde_json::Map<String, Value>) {
        let shuffled: BTreeMap<_, _> = fields
            .iter()
            .map(|(name, value)| ((self.below(1 << 20), name), value))
            .collect();
        self.out.push(b'{');
        for (index, ((_, name), value)) in shuffled.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.blank();
            self.string(name);
            self.blank();
            self.out.push(b':');
            self.value(value);
            self.blank();
        }
        self.blank();
        self.out.push(b'}');
    }
}
