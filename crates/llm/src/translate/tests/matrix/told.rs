//! What an answer tells, whether it came whole or as a stream.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::canonical::{Citation, Content, Delta, Event, Finish, Opening, Part, Response};
use crate::response::Usage;

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    Text(String),
    Refusal(String),
    Reasoning {
        text: String,
        signature: String,
        redacted: String,
    },
    Call {
        id: String,
        name: String,
        arguments: String,
        signature: String,
    },
}

/// An answer of one choice.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) said: Vec<Said>,
    /// Words, and the address and the title of what they come from.
    pub(super) cited: Vec<[String; 3]>,
    pub(super) finish: String,
    pub(super) usage: Usage,
}

impl Told {
    pub(super) fn whole(response: &Response<'_>) -> Self {
        let [choice] = &response.choices[..] else {
            panic!("{} choices", response.choices.len());
        };
        Self {
            id: response.id.to_string(),
            model: response.model.to_string(),
            said: choice
                .parts
                .iter()
                .map(|part| said(&part.content))
                .collect(),
            cited: choice.parts.iter().flat_map(cited).collect(),
            finish: choice.finish.as_ref().map(reason).unwrap_or_default(),
            usage: response.usage.unwrap_or_default(),
        }
    }

    /// Two answers that differ in how their arguments are spelt or what they leave empty tell the same.
    pub(super) fn normal(mut self) -> Self {
        for said in &mut self.said {
            if let Said::Call { arguments, .. } = said {
                let read: Value = serde_json::from_str(arguments).unwrap_or_default();
                *arguments = read.to_string();
            }
        }
        self.said.retain(|said| *said != Said::Text(String::new()));
        self
    }
}

fn cited(part: &Part<'_>) -> Vec<[String; 3]> {
    let Content::Text(text) = &part.content else {
        return Vec::new();
    };
    part.citations
        .iter()
        .map(|citation| source(text, citation))
        .collect()
}

fn source(text: &str, citation: &Citation<'_>) -> [String; 3] {
    let words = match &citation.span {
        Some(span) => text.chars().skip(span.start).take(span.len()).collect(),
        None => text.to_owned(),
    };
    let title = citation.title.as_deref().unwrap_or_default();
    [
        words,
        citation.link().unwrap_or_default().into(),
        title.into(),
    ]
}

fn said(content: &Content<'_>) -> Said {
    match content {
        Content::Text(text) => Said::Text(text.to_string()),
        Content::Refusal(text) => Said::Refusal(text.to_string()),
        Content::Reasoning(reasoning) => Said::Reasoning {
            text: reasoning.text.as_deref().unwrap_or_default().into(),
            signature: reasoning.signature.as_deref().unwrap_or_default().into(),
            redacted: reasoning.redacted.as_deref().unwrap_or_default().into(),
        },
        Content::ToolCall(call) => Said::Call {
            id: call.id.to_string(),
            name: call.name.to_string(),
            arguments: call.arguments.to_string(),
            signature: call.signature.as_deref().unwrap_or_default().into(),
        },
        other => panic!("{other:?}"),
    }
}

fn reason(finish: &Finish<'_>) -> String {
    format!("{finish:?}")
}

/// An answer, event by event.
#[derive(Debug, Default)]
pub(super) struct Telling {
    told: Told,
    parts: BTreeMap<u32, Said>,
    citations: Vec<(u32, Citation<'static>)>,
    open: Vec<u32>,
    is_over: bool,
}

impl Telling {
    pub(super) fn event(&mut self, event: &Event<'_>) {
        assert!(!self.is_over, "{event:?} after the end");
        match event {
            Event::Start { id, model, .. } => {
                self.told.id = id.to_string();
                self.told.model = model.to_string();
            }
            Event::Open { part, opening, .. } => {
                self.open.push(*part);
                assert!(self.parts.insert(*part, opened(opening)).is_none());
            }
            Event::Delta { part, delta, .. } => {
                assert!(self.open.contains(part));
                add(self.parts.get_mut(part).unwrap(), delta);
            }
            Event::Close { part, .. } => self.open.retain(|open| open != part),
            Event::Finish { finish, .. } => {
                assert!(self.open.is_empty());
                self.told.finish = reason(finish);
            }
            Event::Usage(usage) => self.told.usage.update(*usage),
            Event::End => self.is_over = true,
            Event::Cite { part, citation, .. } => {
                self.citations.push((*part, citation.clone().into_owned()));
            }
            Event::Tokens { .. } | Event::Ping => {}
            Event::Error(error) => panic!("{error:?}"),
        }
    }

    pub(super) fn end(mut self) -> Told {
        assert!(self.is_over, "the stream has no end");
        for (part, citation) in &self.citations {
            let Some(Said::Text(text)) = self.parts.get(part) else {
                panic!("{citation:?} is not of a text");
            };
            self.told.cited.push(source(text, citation));
        }
        self.told.said = self.parts.into_values().collect();
        self.told
    }
}

fn opened(opening: &Opening<'_>) -> Said {
    let none = String::new;
    match opening {
        Opening::Text => Said::Text(none()),
        Opening::Refusal => Said::Refusal(none()),
        Opening::Reasoning => Said::Reasoning {
            text: none(),
            signature: none(),
            redacted: none(),
        },
        Opening::Redacted(redacted) => Said::Reasoning {
            text: none(),
            signature: none(),
            redacted: redacted.to_string(),
        },
        Opening::ToolCall { id, name } => Said::Call {
            id: id.to_string(),
            name: name.to_string(),
            arguments: none(),
            signature: none(),
        },
    }
}

fn add(said: &mut Said, delta: &Delta<'_>) {
    match (said, delta) {
        (
            Said::Text(text) | Said::Refusal(text) | Said::Reasoning { text, .. },
            Delta::Text(more),
        )
        | (
            Said::Call {
                arguments: text, ..
            },
            Delta::Arguments(more),
        )
        | (
            Said::Reasoning {
                signature: text, ..
            }
            | Said::Call {
                signature: text, ..
            },
            Delta::Signature(more),
        ) => text.push_str(more),
        (said, delta) => panic!("{delta:?} of {said:?}"),
    }
}
