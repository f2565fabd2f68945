//! Where words come from, told in one API and read in another.

use super::*;

const GEMINI: Api = Api::GENERATE_CONTENT;
const CONVERSE: Api = Api::CONVERSE;
const COHERE: Api = Api::COHERE_CHAT;

/// An answer with two sources, of which one is of some words.
fn chat_answer() -> Value {
    let page = |from: usize, to: usize, name: &str| {
        json!({"type": "url_citation", "url_citation": {"start_index": from, "end_index": to,
            "title": name, "url": format!("https://example.org/{name}")}})
    };
    json!({"id": "a1", "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {
        "role": "assistant", "content": "Grüße aus Köln, sagt er.",
        "annotations": [page(10, 14, "koeln"), page(0, 5, "gruss")]}}]})
}

#[test]
fn ranges_become_blocks() {
    let answer = answer(MESSAGES, Dialect::OpenAi, &chat_answer());
    let page = |name: &str| {
        json!([{"type": "web_search_result_location", "cited_text": "", "title": name,
            "url": format!("https://example.org/{name}"), "encrypted_index": ""}])
    };
    assert_eq!(
        answer["content"],
        json!([
            {"type": "text", "text": "Grüße", "citations": page("gruss")},
            {"type": "text", "text": " aus "},
            {"type": "text", "text": "Köln", "citations": page("koeln")},
            {"type": "text", "text": ", sagt er."},
        ])
    );
}

#[test]
fn ranges_of_characters_become_ranges_of_bytes_and_back() {
    let told = answer(GEMINI, Dialect::OpenAi, &chat_answer());
    let grounds = &told["candidates"][0]["groundingMetadata"];
    let segments: Vec<_> = grounds["groundingSupports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|support| support["segment"].clone())
        .collect();
    assert_eq!(
        segments,
        [
            json!({"startIndex": 12, "endIndex": 17}),
            json!({"startIndex": 0, "endIndex": 7})
        ]
    );
    assert_eq!(
        grounds["groundingChunks"][0]["web"]["uri"],
        "https://example.org/koeln"
    );
    let back = answer(CHAT, Dialect::Gemini, &told);
    let message = &chat_answer()["choices"][0]["message"];
    assert_eq!(
        back["choices"][0]["message"]["annotations"],
        message["annotations"]
    );
}

#[test]
fn a_part_of_gemini_is_counted_from_its_own_beginning() {
    let body = json!({"responseId": "a1", "candidates": [{"finishReason": "STOP", "content": {"parts": [
        {"text": "hm", "thought": true}, {"text": "Ja, "}, {"text": "Köln."}]},
        "groundingMetadata": {
            "groundingChunks": [{"web": {"uri": "https://a.example", "title": "a"}},
                {"retrievedContext": {"uri": "gs://b", "title": "b", "text": "words"}}],
            "groundingSupports": [
                {"segment": {"partIndex": 2, "startIndex": 0, "endIndex": 5}, "groundingChunkIndices": [0, 9]},
                {"segment": {"endIndex": 3}, "groundingChunkIndices": [1]}]},
        "citationMetadata": {"citationSources": [{"startIndex": 4, "endIndex": 9, "uri": "https://c.example"}]}}]});
    let said = answer(CHAT, Dialect::Gemini, &body);
    let page = |from: usize, to: usize, url: &str, title: &str| {
        json!({"type": "url_citation", "url_citation": {"start_index": from, "end_index": to,
            "title": title, "url": url}})
    };
    assert_eq!(
        said["choices"][0]["message"]["annotations"],
        json!([
            page(4, 8, "https://a.example", "a"),
            page(4, 8, "https://c.example", "https://c.example")
        ])
    );
    let said = answer(COHERE, Dialect::Gemini, &body);
    let cited = &said["message"]["citations"];
    assert_eq!(cited[0]["text"], "Ja,");
    assert_eq!(
        cited[0]["sources"][0]["document"],
        json!({"title": "b", "snippet": "words"})
    );
    // The thought is a block, and so is each text.
    assert_eq!(
        (&cited[0]["content_index"], &cited[1]["content_index"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(
        (&cited[1]["start"], &cited[1]["end"]),
        (&json!(0), &json!(4))
    );
}

fn document(cited: bool) -> Value {
    json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": [
            {"type": "document", "title": "river", "citations": {"enabled": cited},
             "source": {"type": "text", "media_type": "text/plain", "data": "The Nile is long."}},
            {"type": "text", "text": "How long?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Long.", "citations": [
            {"type": "char_location", "cited_text": "is long", "document_index": 0,
             "document_title": "river", "start_char_index": 9, "end_char_index": 16}]}]},
        {"role": "user", "content": "Sure?"}]})
}

#[test]
fn documents_are_cited_where_both_can() {
    let (body, dropped) = request(MESSAGES, Dialect::Bedrock, &document(true));
    assert_eq!(dropped, [""; 0]);
    let turns = &body["messages"];
    let shown = &turns[0]["content"][0]["document"];
    assert_eq!(
        (&shown["name"], &shown["citations"]),
        (&json!("river"), &json!({"enabled": true}))
    );
    let said = &turns[1]["content"];
    let cited = json!([{"citationsContent": {"content": [{"text": "Long."}], "citations": [
        {"title": "river", "sourceContent": [{"text": "is long"}],
         "location": {"documentChar": {"documentIndex": 0, "start": 9, "end": 16}}}]}}]);
    assert_eq!(said, &cited);
    // And back.
    let asked = Asked {
        path: "/model/m/converse",
        ..Asked::default()
    };
    let between = pair(CONVERSE, Dialect::Anthropic);
    let back = between
        .request(asked, body.to_string().as_bytes(), None)
        .unwrap();
    assert_eq!(back.dropped.fields(), [""; 0]);
    let back: Value = serde_json::from_slice(&back.body).unwrap();
    assert_eq!(
        back["messages"][0]["content"][0]["citations"],
        json!({"enabled": true})
    );
    assert_eq!(
        back["messages"][1]["content"],
        document(true)["messages"][1]["content"]
    );
}

#[test]
fn documents_are_refused_where_none_can_be_cited() {
    for dialect in [
        Dialect::OpenAi,
        Dialect::Gemini,
        Dialect::Cohere,
        Dialect::Ollama,
    ] {
        let field = refused(MESSAGES, dialect, &document(true));
        assert_eq!(field, "messages.content.citations", "{dialect:?}");
        let (_, dropped) = request(MESSAGES, dialect, &document(false));
        assert!(
            dropped.contains(&"citations".to_owned()),
            "{dialect:?}: {dropped:?}"
        );
    }
}

#[test]
fn what_earlier_answers_cited_is_never_lost_in_silence() {
    let turns = |said: Value| {
        json!({"model": "m", "max_tokens": 9, "messages": [
            {"role": "user", "content": "a"}, said, {"role": "user", "content": "b"}]})
    };
    let page = chat_answer()["choices"][0]["message"].clone();
    let unknown = json!({"role": "assistant", "content": "a", "annotations": [{"type": "new"}]});
    let none = json!({"role": "assistant", "content": "a", "annotations": []});
    for dialect in [
        Dialect::Anthropic,
        Dialect::Bedrock,
        Dialect::Cohere,
        Dialect::Ollama,
    ] {
        for said in [&page, &unknown] {
            let (_, dropped) = request(CHAT, dialect, &turns(said.clone()));
            assert_eq!(dropped, ["citations"], "{dialect:?}: {said}");
        }
        let (_, dropped) = request(CHAT, dialect, &turns(none.clone()));
        assert_eq!(dropped, [""; 0]);
    }
    for cites in [
        json!({"start": 0, "end": 1}),
        json!("?"),
        json!({"sources": [7]}),
    ] {
        let said = json!({"role": "assistant", "content": "a", "citations": [cites]});
        let (_, dropped) = request(COHERE, Dialect::OpenAi, &turns(said.clone()));
        assert!(dropped.contains(&"citations".to_owned()), "{said}");
    }
}

#[test]
fn sources_that_are_named_without_end_are_bounded() {
    let title = format!("\n{}", "a".repeat(100_000));
    let supports = json!([{"segment": {"endIndex": 1}, "groundingChunkIndices": vec![0; 60_000]}]);
    let body = json!({"responseId": "a1", "candidates": [{"finishReason": "STOP",
        "content": {"parts": [{"text": "abc"}]}, "groundingMetadata": {
            "groundingChunks": [{"web": {"uri": "https://a.example", "title": title}}],
            "groundingSupports": supports}}]});
    let said = answer(CHAT, Dialect::Gemini, &body);
    let annotations = said["choices"][0]["message"]["annotations"]
        .as_array()
        .unwrap();
    assert!(
        (1..100).contains(&annotations.len()),
        "{}",
        annotations.len()
    );
}

#[test]
fn what_is_cited_by_many_is_not_repeated_for_each() {
    let page = json!({"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 9_999_999,
        "title": "a", "url": "https://a.example"}});
    let body = json!({"id": "a1", "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message":
        {"role": "assistant", "content": "a".repeat(10_000), "annotations": vec![page; 1000]}}]});
    let said = answer(COHERE, Dialect::OpenAi, &body).to_string();
    assert!(said.len() < 400_000, "{}", said.len());
}

#[test]
fn sources_that_come_before_their_words_wait_for_them() {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        format!(
            "data: {}\n\n",
            json!({"id": "a1", "model": "m", "choices": [choice]})
        )
    };
    let page = json!([{"type": "url_citation", "url_citation":
        {"start_index": 0, "end_index": 4, "title": "a", "url": "https://a.example"}}]);
    let events = [
        chunk(json!({"role": "assistant", "content": ""}), Value::Null),
        chunk(json!({"annotations": page}), Value::Null),
        chunk(json!({"content": "Kö"}), Value::Null),
        chunk(json!({"annotations": page}), Value::Null),
        chunk(json!({"content": "ln"}), Value::Null),
        chunk(json!({}), json!("stop")),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat();
    let (told, _) = stream(COHERE, Dialect::OpenAi, &events, 13);
    assert_eq!(told.matches("citation-start").count(), 2, "{told}");
    assert!(told.contains(r#""start":0,"end":4"#), "{told}");
}

#[test]
fn what_a_tool_came_to_is_cited_by_its_id() {
    let cites = json!({"start": 0, "end": 4, "text": "Köln", "type": "TEXT_CONTENT", "sources": [
        {"type": "tool", "id": "look:0", "tool_output": {"url": "https://example.org/k", "title": 7}},
        {"type": "document", "id": "d1", "document": {"title": "Atlas", "text": "Köln …"}}]});
    let body = json!({"id": "a1", "finish_reason": "COMPLETE", "message": {"role": "assistant",
        "content": [{"type": "text", "text": "Köln."}], "citations": [cites, {"start": "?"}, 7]}});
    let said = answer(CONVERSE, Dialect::Cohere, &body);
    let cited = &said["output"]["message"]["content"];
    assert_eq!(
        cited,
        &json!([
            {"citationsContent": {"content": [{"text": "Köln"}], "citations": [
                {"source": "look:0", "location": {"web": {"url": "https://example.org/k", "domain": "example.org"}}},
                {"title": "Atlas", "source": "d1", "sourceContent": [{"text": "Köln …"}]}]}},
            {"text": "."}])
    );
    // Of what has no address nothing is told where only pages are known.
    let said = answer(CHAT, Dialect::Cohere, &body);
    let annotations = said["choices"][0]["message"]["annotations"]
        .as_array()
        .unwrap();
    assert_eq!(annotations.len(), 1);
    assert_eq!(
        annotations[0]["url_citation"]["url"],
        "https://example.org/k"
    );
}

#[test]
fn a_block_that_is_cited_before_its_words_is_told_as_a_range_when_it_is_complete() {
    let events = [
        json!({"type": "message_start", "message": {"id": "a1", "model": "m", "content": []}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Ja: "}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "", "citations": []}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation":
            {"type": "web_search_result_location", "cited_text": "", "url": "https://example.org/k",
             "title": null, "encrypted_index": "E"}}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": {"type": "?"}}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Köl"}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "n"}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}),
        json!({"type": "message_stop"}),
    ];
    let text: String = events
        .iter()
        .map(|event| {
            format!(
                "event: {}\ndata: {event}\n\n",
                event["type"].as_str().unwrap()
            )
        })
        .collect();
    for cut in [1, 7, 10_000] {
        let (told, report) = stream(CHAT, Dialect::Anthropic, &text, cut);
        assert_eq!(report.ended, Ended::Complete);
        let cited = r#""delta":{"annotations":[{"type":"url_citation","url_citation":{"start_index":4,"end_index":8,"title":"https://example.org/k","url":"https://example.org/k"}}]}"#;
        assert_eq!(told.matches(cited).count(), 1, "{told}");
        let (told, _) = stream(COHERE, Dialect::Anthropic, &text, cut);
        let cited = r#""citations":{"start":0,"end":4,"sources":"#;
        assert_eq!(told.matches(cited).count(), 1, "{told}");
        assert!(told.contains(r#""content_index":1"#), "{told}");
        let (told, _) = stream(Api::RESPONSES, Dialect::Anthropic, &text, cut);
        assert_eq!(
            told.matches("response.output_text.annotation.added")
                .count(),
            2
        );
        assert_eq!(
            told.matches(r#""start_index":0,"end_index":4"#).count(),
            4,
            "{told}"
        );
        let (told, _) = stream(GEMINI, Dialect::Anthropic, &text, cut);
        assert!(
            told.contains(r#""segment":{"startIndex":4,"endIndex":9}"#),
            "{told}"
        );
    }
}

#[test]
fn grounds_that_are_told_again_count_once() {
    let chunk = |text: &str, last: bool| {
        let mut candidate = json!({"index": 0, "content": {"parts": [{"text": text}]},
            "groundingMetadata": {"groundingChunks": [{"web": {"uri": "https://a.example", "title": "a"}}],
                "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 2}, "groundingChunkIndices": [0]}]}});
        if last {
            candidate["finishReason"] = json!("STOP");
        }
        format!(
            "data: {}\n\n",
            json!({"responseId": "a1", "candidates": [candidate]})
        )
    };
    let events = [chunk("Ja", false), chunk(", ja", true)].concat();
    let (told, _) = stream(CHAT, Dialect::Gemini, &events, 11);
    assert_eq!(told.matches("annotations").count(), 1, "{told}");
}

#[test]
fn tokens_of_each_kind_are_told() {
    let body = json!({"responseId": "a1", "candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 90, "candidatesTokenCount": 30,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 60},
                {"modality": "AUDIO", "tokenCount": 20}, {"modality": "IMAGE", "tokenCount": 10}],
            "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 30}]}});
    let said = answer(CHAT, Dialect::Gemini, &body);
    let usage = &said["usage"];
    assert_eq!(
        usage["prompt_tokens_details"],
        json!({"audio_tokens": 20, "image_tokens": 10})
    );
    assert_eq!(
        usage["completion_tokens_details"],
        json!({"audio_tokens": 30})
    );
    let back = answer(GEMINI, Dialect::OpenAi, &said);
    for name in ["promptTokensDetails", "candidatesTokensDetails"] {
        assert_eq!(
            back["usageMetadata"][name], body["usageMetadata"][name],
            "{name}"
        );
    }
}
