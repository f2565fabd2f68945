//! Answers as vLLM writes them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::StreamOptions;
use crate::generate::Answer;

/// Which API an answer is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Chat,
    Completion,
}

/// What every part of one API response carries.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) dialect: Dialect,
    pub(crate) id: String,
    pub(crate) created: u64,
    pub(crate) model: String,
}

/// Token counts of an API response.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) prompt: u32,
    pub(crate) completion: u32,
    pub(crate) cached: u32,
}

impl Usage {
    /// The `usage` object. Like vLLM it details cached tokens only if there are any.
    pub(crate) fn json(self) -> Value {
        let details = (self.cached > 0).then(|| json!({"cached_tokens": self.cached}));
        json!({
            "prompt_tokens": self.prompt,
            "total_tokens": u64::from(self.prompt) + u64::from(self.completion),
            "completion_tokens": self.completion,
            "prompt_tokens_details": details,
        })
    }
}

/// One choice of a response.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) answer: Arc<Answer>,
    /// Text before the answer (`echo`).
    pub(crate) echo: String,
}

impl Envelope {
    /// The body of an answer that is not streamed.
    pub(crate) fn whole(&self, choices: &[Choice], usage: Usage) -> String {
        let choices: Vec<Value> = choices
            .iter()
            .enumerate()
            .map(|(index, choice)| self.choice(index, choice))
            .collect();
        let object = match self.dialect {
            Dialect::Chat => "chat.completion",
            Dialect::Completion => "text_completion",
        };
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "choices": choices,
            "service_tier": null,
            "system_fingerprint": null,
            "usage": usage.json(),
            "prompt_logprobs": null,
            "kv_transfer_params": null,
        })
        .to_string()
    }

    fn choice(&self, index: usize, choice: &Choice) -> Value {
        let finish = &choice.answer.finish;
        let text = format!("{}{}", choice.echo, choice.answer.text());
        match self.dialect {
            Dialect::Chat => json!({
                "index": index,
                "message": {
                    "role": "assistant",
                    "content": text,
                    "refusal": null,
                    "annotations": null,
                    "audio": null,
                    "function_call": null,
                    "tool_calls": [],
                    "reasoning_content": null,
                },
                "logprobs": null,
                "finish_reason": finish.reason(),
                "stop_reason": finish.stop_string(),
            }),
            Dialect::Completion => json!({
                "index": index,
                "text": text,
                "logprobs": null,
                "finish_reason": finish.reason(),
                "stop_reason": finish.stop_string(),
                "prompt_logprobs": null,
            }),
        }
    }

    /// A writer of this response's stream.
    pub(crate) fn chunks(&self, options: StreamOptions) -> Chunks {
        let object = match self.dialect {
            Dialect::Chat => "chat.completion.chunk",
            Dialect::Completion => "text_completion",
        };
        let head = format!(
            r#"data: {{"id":{},"object":"{object}","created":{},"model":{},"choices":["#,
            quoted(&self.id),
            self.created,
            quoted(&self.model),
        );
        Chunks {
            dialect: self.dialect,
            head,
            options,
        }
    }
}

/// Writes the events of a stream. All that the events share is written once.
#[derive(Clone, Debug)]
pub(crate) struct Chunks {
    dialect: Dialect,
    head: String,
    options: StreamOptions,
}

impl Chunks {
    /// A chat's first event of a choice, which says who speaks. Text completions have none.
    pub(crate) fn role(&self, index: usize, usage: Usage) -> Option<String> {
        let delta = r#""delta":{"role":"assistant","content":""}"#;
        (self.dialect == Dialect::Chat).then(|| self.event(index, delta, None, usage))
    }

    /// Some text of a choice; the last has the answer it ends.
    pub(crate) fn text(
        &self,
        index: usize,
        text: &str,
        ended: Option<&Answer>,
        usage: Usage,
    ) -> String {
        let text = quoted(text);
        let delta = match self.dialect {
            Dialect::Chat => format!(r#""delta":{{"content":{text}}}"#),
            Dialect::Completion => format!(r#""text":{text}"#),
        };
        self.event(index, &delta, ended, usage)
    }

    /// The last event before the end, if the client asked for it.
    pub(crate) fn usage(&self, usage: Usage) -> Option<String> {
        self.options
            .include_usage()
            .then(|| format!("{}],\"usage\":{}}}\n\n", self.head, usage.json()))
    }

    /// The end of every stream.
    pub(crate) fn done() -> &'static str {
        "data: [DONE]\n\n"
    }

    fn event(&self, index: usize, delta: &str, ended: Option<&Answer>, usage: Usage) -> String {
        let finish = match ended.map(|answer| &answer.finish) {
            None => r#""finish_reason":null"#.to_owned(),
            Some(finish) => format!(
                r#""finish_reason":"{}","stop_reason":{}"#,
                finish.reason(),
                finish
                    .stop_string()
                    .map_or_else(|| "null".to_owned(), quoted),
            ),
        };
        let usage = match self.options.continuous_usage() {
            true => format!(r#","usage":{}"#, usage.json()),
            false => String::new(),
        };
        let head = &self.head;
        format!("{head}{{\"index\":{index},{delta},\"logprobs\":null,{finish}}}]{usage}}}\n\n")
    }
}

/// `text` as a JSON string.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
