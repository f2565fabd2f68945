//! What the upstream says: the same answer in each dialect, of about the same length.

/// An answer in one dialect, whole and as a stream.
pub(crate) struct Texts {
    /// An answer of about 1.5 KB.
    pub(crate) whole: &'static str,
    /// What begins a stream, with its first chunk.
    pub(crate) first: &'static str,
    /// Each further chunk.
    pub(crate) chunk: &'static str,
    /// What ends a stream.
    pub(crate) last: &'static str,
}

impl Texts {
    /// In the dialect that is asked at `path`.
    pub(crate) fn at(path: &str) -> &'static Self {
        if path.ends_with("/messages") {
            &MESSAGES
        } else {
            &CHAT_COMPLETIONS
        }
    }
}

/// A thousand characters or so.
macro_rules! text {
    () => {
        concat!(
            "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
            "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
            "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
            "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
            "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
            "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
            "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
            "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
            "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
            "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
            "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
            "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea.",
        )
    };
}

/// A chunk of one token.
macro_rules! chunk {
    () => {
        concat!(
            r#"data: {"id":"chatcmpl-8f14e45fceea167a5a36dedd4bea2543","object":"chat.completion.chunk","#,
            r#""created":1764000000,"model":"bench","#,
            r#""choices":[{"index":0,"delta":{"content":" river"},"logprobs":null,"#,
            r#""finish_reason":null}]}"#,
            "\n\n"
        )
    };
}

/// The same in the other dialect.
macro_rules! delta {
    () => {
        concat!(
            "event: content_block_delta\n",
            r#"data: {"type":"content_block_delta","index":0,"#,
            r#""delta":{"type":"text_delta","text":" river"}}"#,
            "\n\n"
        )
    };
}

static CHAT_COMPLETIONS: Texts = Texts {
    whole: concat!(
        r#"{"id":"chatcmpl-8f14e45fceea167a5a36dedd4bea2543","object":"chat.completion","#,
        r#""created":1764000000,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","#,
        r#""content":""#,
        text!(),
        r#"","tool_calls":[]},"logprobs":null,"finish_reason":"stop"}],"#,
        r#""usage":{"prompt_tokens":310,"total_tokens":562,"completion_tokens":252}}"#,
    ),
    first: chunk!(),
    chunk: chunk!(),
    last: concat!(
        r#"data: {"id":"chatcmpl-8f14e45fceea167a5a36dedd4bea2543","object":"chat.completion.chunk","#,
        r#""created":1764000000,"model":"bench","choices":[],"#,
        r#""usage":{"prompt_tokens":310,"total_tokens":410,"completion_tokens":100}}"#,
        "\n\ndata: [DONE]\n\n"
    ),
};

static MESSAGES: Texts = Texts {
    whole: concat!(
        r#"{"id":"msg_8f14e45fceea167a5a36dedd4bea2543","type":"message","role":"assistant","#,
        r#""model":"bench","content":[{"type":"text","text":""#,
        text!(),
        r#""}],"stop_reason":"end_turn","stop_sequence":null,"#,
        r#""usage":{"input_tokens":310,"cache_creation_input_tokens":0,"#,
        r#""cache_read_input_tokens":0,"output_tokens":252,"service_tier":"standard"}}"#,
    ),
    first: concat!(
        "event: message_start\n",
        r#"data: {"type":"message_start","message":{"id":"msg_8f14e45fceea167a5a36dedd4bea2543","#,
        r#""type":"message","role":"assistant","model":"bench","content":[],"stop_reason":null,"#,
        r#""stop_sequence":null,"usage":{"input_tokens":310,"output_tokens":1}}}"#,
        "\n\nevent: content_block_start\n",
        r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        "\n\n",
        delta!(),
    ),
    chunk: delta!(),
    last: concat!(
        "event: content_block_stop\n",
        r#"data: {"type":"content_block_stop","index":0}"#,
        "\n\nevent: message_delta\n",
        r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"#,
        r#""usage":{"output_tokens":100}}"#,
        "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ),
};

#[cfg(test)]
mod tests {
    use super::Texts;
    use serde_json::Value;

    #[test]
    fn what_the_upstream_says_is_json_of_the_promised_length() {
        for path in ["/v1/chat/completions", "/v1/messages"] {
            let texts = Texts::at(path);
            assert!(
                texts.whole.len().abs_diff(1500) < 150,
                "{}",
                texts.whole.len()
            );
            let _: Value = serde_json::from_str(texts.whole).unwrap();
            for line in [texts.first, texts.chunk, texts.last].concat().lines() {
                let data = line.strip_prefix("data: ").unwrap_or("[DONE]");
                assert!(
                    data == "[DONE]" || serde_json::from_str::<Value>(data).is_ok(),
                    "{data}"
                );
            }
        }
    }
}
