//! Texts become vectors: what the same question and the same answer are in each dialect.

use super::*;

const DIALECTS: [Dialect; 4] = [
    Dialect::OpenAi,
    Dialect::Gemini,
    Dialect::Ollama,
    Dialect::Cohere,
];

const SEVERAL: &str = "/v1beta/models/m:batchEmbedContents";
const ONE: &str = "/v1beta/models/m:embedContent";

fn between(client: Dialect, upstream: Dialect) -> Pair {
    let operation = Operation::Embeddings;
    let dialect = client;
    pair(Api { dialect, operation }, upstream)
}

/// The pair of a question about so many texts.
fn asked_for(texts: usize, pair: Pair) -> Pair {
    let body = json!({"model": "m", "input": vec!["a"; texts]}).to_string();
    pair.request(Asked::default(), body.as_bytes(), None)
        .unwrap()
        .pair
}

fn asked_at(path: &str) -> Asked<'_> {
    Asked {
        path,
        ..Asked::default()
    }
}

/// Two texts, by the hundred numbers each.
fn question(dialect: Dialect) -> Value {
    let one = |text| {
        json!({"model": "models/theirs", "content": {"parts": [{"text": text}]},
               "outputDimensionality": 100})
    };
    match dialect {
        Dialect::OpenAi => {
            json!({"model": "theirs", "input": ["a river", "sea"], "dimensions": 100})
        }
        Dialect::Gemini => json!({"requests": [one("a river"), one("sea")]}),
        Dialect::Ollama => json!({"model": "theirs", "input": ["a river", "sea"],
            "truncate": false, "dimensions": 100}),
        _ => json!({"model": "theirs", "texts": ["a river", "sea"],
            "input_type": "search_document", "output_dimension": 100,
            "embedding_types": ["float"], "truncate": "NONE"}),
    }
}

fn vectors(dialect: Dialect) -> Value {
    match dialect {
        Dialect::OpenAi => json!({"id": "a1", "object": "list", "model": "theirs", "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -1.25]},
            {"object": "embedding", "index": 1, "embedding": [1e-7, 0]}],
            "usage": {"prompt_tokens": 5, "total_tokens": 5}}),
        Dialect::Gemini => json!({
            "embeddings": [{"values": [0.5, -1.25]}, {"values": [1e-7, 0]}],
            "usageMetadata": {"promptTokenCount": 5}}),
        Dialect::Ollama => json!({"model": "theirs", "prompt_eval_count": 5,
            "embeddings": [[0.5, -1.25], [1e-7, 0]]}),
        _ => json!({"id": "a1", "response_type": "embeddings_by_type",
            "embeddings": {"float": [[0.5, -1.25], [1e-7, 0]]},
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 5}}}),
    }
}

fn cells() -> impl Iterator<Item = (Dialect, Dialect)> {
    let all = DIALECTS.into_iter();
    all.flat_map(|client| DIALECTS.map(|upstream| (client, upstream)))
        .filter(|(client, upstream)| client != upstream)
}

#[test]
fn a_question_of_every_dialect_is_asked_in_every_other() {
    for (client, upstream) in cells() {
        let body = question(client).to_string();
        let pair = between(client, upstream);
        let asked = pair.request(asked_at(SEVERAL), body.as_bytes(), Some("theirs"));
        let asked = asked.unwrap();
        let written: Value = serde_json::from_slice(&asked.body).unwrap();
        let told: &[String] = match (client, upstream) {
            // What these ask beyond what all can be asked.
            (Dialect::Cohere, Dialect::OpenAi) => &["input_type".to_owned()],
            (Dialect::Cohere, Dialect::Ollama) => &["input_type".to_owned()],
            (Dialect::Cohere | Dialect::Ollama, Dialect::Gemini) => &["truncate".to_owned()],
            _ => &[],
        };
        assert_eq!(asked.dropped.fields(), told, "{client:?} {upstream:?}");
        let mut expected = question(upstream);
        if (client, upstream) == (Dialect::Cohere, Dialect::Gemini) {
            for one in expected["requests"].as_array_mut().unwrap() {
                one["taskType"] = "RETRIEVAL_DOCUMENT".into();
            }
        }
        assert_eq!(written, expected, "{client:?} {upstream:?}");
    }
}

#[test]
fn an_answer_of_every_dialect_is_written_in_every_other() {
    for (client, upstream) in cells() {
        let pair = between(client, upstream);
        let body = question(client).to_string();
        let asked = pair.request(asked_at(SEVERAL), body.as_bytes(), Some("theirs"));
        let body = vectors(upstream).to_string();
        let unsaid = Unsaid {
            model: "theirs".into(),
            ..unsaid()
        };
        let answer = asked
            .unwrap()
            .pair
            .answer(body.as_bytes(), &unsaid)
            .unwrap();
        assert_eq!(answer.usage.unwrap().input, Some(5));
        let written: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(written, vectors(client), "{client:?} {upstream:?}");
    }
}

/// OpenAI's client asks for base64 of its own accord.
#[test]
fn vectors_are_written_as_they_are_wanted() {
    let ask = |client, path, body: Value| {
        let pair = between(client, Dialect::Ollama);
        let asked = pair.request(asked_at(path), body.to_string().as_bytes(), None);
        let body = json!({"model": "m", "embeddings": [[0.5, -1.25]]}).to_string();
        let answer = asked.unwrap().pair.answer(body.as_bytes(), &unsaid());
        serde_json::from_slice::<Value>(&answer.unwrap().body).unwrap()
    };
    let base64 = "AAAAPwAAoL8=";
    let body = json!({"model": "m", "input": "a", "encoding_format": "base64"});
    let answer = ask(Dialect::OpenAi, "", body);
    assert_eq!(answer["data"][0]["embedding"], base64);
    assert_eq!(answer["usage"]["prompt_tokens"], 0);
    let both = json!({"model": "m", "texts": ["a"], "embedding_types": ["float", "base64"]});
    let answer = ask(Dialect::Cohere, "", both);
    let expected = json!({"float": [[0.5, -1.25]], "base64": [base64]});
    assert_eq!(answer["embeddings"], expected);
    let answer = ask(
        Dialect::Gemini,
        ONE,
        json!({"content": {"parts": [{"text": "a"}]}}),
    );
    assert_eq!(answer, json!({"embedding": {"values": [0.5, -1.25]}}));
}

#[test]
fn vectors_are_read_however_they_are_written() {
    let pair = asked_for(2, between(Dialect::Ollama, Dialect::OpenAi));
    let answer = json!({"data": [
        {"index": 1, "embedding": "AAAAPwAAoL8="},
        {"index": 0, "embedding": [1.0]},
    ]});
    let answer = pair
        .answer(answer.to_string().as_bytes(), &unsaid())
        .unwrap();
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["embeddings"], json!([[1.0], [0.5, -1.25]]));
    for bad in ["AAAAPwAAoL", "§", "A"] {
        let answer = json!({"data": [{"index": 0, "embedding": bad}]});
        assert!(
            pair.answer(answer.to_string().as_bytes(), &unsaid())
                .is_err()
        );
    }
    let pair = between(Dialect::OpenAi, Dialect::Ollama);
    let body = json!({"model": "m", "input": "a", "encoding_format": "base64"});
    let asked = pair.request(asked_at(""), body.to_string().as_bytes(), None);
    let answer = json!({"embeddings": [["a"]]}).to_string();
    assert!(
        asked
            .unwrap()
            .pair
            .answer(answer.as_bytes(), &unsaid())
            .is_err()
    );
}

#[test]
fn one_text_is_asked_for_alone() {
    let pair = between(Dialect::OpenAi, Dialect::Gemini);
    let ask = |input: Value| {
        let body = json!({"model": "m", "input": input, "input_type": "query"}).to_string();
        pair.request(asked_at(""), body.as_bytes(), Some("theirs"))
            .unwrap()
    };
    let asked = ask(json!("a"));
    assert_eq!(asked.resource, "/models/theirs:embedContent");
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    let expected = json!({"content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY"});
    assert_eq!(body, expected);
    assert_eq!(
        ask(json!(["a", "b"])).resource,
        "/models/theirs:batchEmbedContents"
    );
}

#[test]
fn what_would_be_another_vector_is_refused() {
    let refused = |client, path, body: Value| {
        let pair = between(client, Dialect::Ollama);
        let fault = pair.request(asked_at(path), body.to_string().as_bytes(), Some("theirs"));
        fault.unwrap_err().field
    };
    let openai = |body| refused(Dialect::OpenAi, "", body);
    assert_eq!(openai(json!({"model": "m", "input": [1, 2]})), "input[0]");
    assert_eq!(openai(json!({"model": "m", "input": [[1, 2]]})), "input[0]");
    assert_eq!(openai(json!({"model": "m"})), "input");
    let half = json!({"model": "m", "input": "a", "encoding_format": "half"});
    assert_eq!(openai(half), "encoding_format");
    let cohere = |body| refused(Dialect::Cohere, "", body);
    let types = json!({"texts": ["a"], "embedding_types": ["float", "int8"]});
    assert_eq!(cohere(types), "embedding_types[1]");
    assert_eq!(
        cohere(json!({"texts": ["a"], "images": ["data:"]})),
        "images"
    );
    assert_eq!(
        cohere(json!({"texts": ["a"], "input_type": "image"})),
        "input_type"
    );
    let part = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
    let image = json!({"content": {"parts": [{"text": "a"}, part]}});
    assert_eq!(refused(Dialect::Gemini, ONE, image), "content.parts[1]");
    let one = |kind| json!({"content": {"parts": [{"text": "a"}]}, "task_type": kind});
    let mixed = json!({"requests": [one("RETRIEVAL_QUERY"), one("CLUSTERING")]});
    assert_eq!(refused(Dialect::Gemini, SEVERAL, mixed), "requests[1]");
    assert_eq!(
        refused(Dialect::Gemini, SEVERAL, json!({"requests": []})),
        "requests"
    );
}

#[test]
fn texts_are_cut_only_where_the_client_says_so() {
    let sent = |client, upstream, body: Value| {
        let pair = between(client, upstream);
        let body = body.to_string();
        let asked = pair
            .request(asked_at(""), body.as_bytes(), Some("theirs"))
            .unwrap();
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        (body["truncate"].clone(), asked.dropped.fields().to_vec())
    };
    let none: Vec<String> = Vec::new();
    let ollama = json!({"input": "a", "truncate": true});
    let to = |upstream| sent(Dialect::Ollama, upstream, ollama.clone());
    assert_eq!(to(Dialect::Cohere), (json!("END"), none.clone()));
    assert_eq!(
        to(Dialect::OpenAi),
        (json!(null), vec!["truncate".to_owned()])
    );
    let start = json!({"texts": ["a"], "truncate": "START"});
    let (cut, dropped) = sent(Dialect::Cohere, Dialect::Ollama, start);
    assert_eq!((cut, dropped), (json!(false), vec!["truncate".to_owned()]));
    let openai = json!({"model": "m", "input": "a", "user": "u-1"});
    let (cut, dropped) = sent(Dialect::OpenAi, Dialect::Cohere, openai);
    assert_eq!((cut, dropped), (json!("NONE"), vec!["user".to_owned()]));
}

#[test]
fn a_server_with_another_name_for_the_length_is_told_by_it() {
    let pair = Pair {
        quirks: &Quirks::MISTRAL,
        ..between(Dialect::Ollama, Dialect::OpenAi)
    };
    let body = json!({"model": "m", "input": "a", "dimensions": 100}).to_string();
    let asked = pair.request(asked_at(""), body.as_bytes(), None).unwrap();
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(
        body,
        json!({"model": "m", "input": ["a"], "output_dimension": 100})
    );
}

#[test]
fn vectors_are_never_streamed() {
    let pair = between(Dialect::OpenAi, Dialect::Ollama);
    assert!(StreamTranslator::new(pair, None, 1, true, unsaid()).is_none());
}

#[test]
fn an_answer_that_is_none_is_a_fault() {
    let pair = asked_for(2, between(Dialect::OpenAi, Dialect::Ollama));
    let faulty = |vectors: &str| {
        let answer = format!(r#"{{"embeddings":{vectors}}}"#);
        pair.answer(answer.as_bytes(), &unsaid()).is_err()
    };
    assert!(!faulty("[[1, -2.5e-3], [0.0]]"));
    for vectors in [
        "[[1]]",
        "[[1], [\"a\"]]",
        "[[1], [null]]",
        "[[1], [[2]]]",
        "[[1], 2]",
        "{}",
    ] {
        assert!(faulty(vectors), "{vectors}");
    }
    let pair = asked_for(1, between(Dialect::Ollama, Dialect::OpenAi));
    let nan = r#"{"data":[{"index":0,"embedding":"AADAfw=="}]}"#;
    assert!(pair.answer(nan.as_bytes(), &unsaid()).is_err());
}

/// As Google's client asks for vectors at Vertex AI.
#[test]
fn terms_may_stand_in_a_configuration() {
    let config = json!({"taskType": "CLUSTERING", "outputDimensionality": 64, "title": "t"});
    let body = json!({"content": {"parts": [{"text": "a"}]}, "embedContentConfig": config});
    let pair = between(Dialect::Gemini, Dialect::Cohere);
    let asked = pair.request(asked_at(ONE), body.to_string().as_bytes(), Some("theirs"));
    let asked = asked.unwrap();
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(
        (&body["output_dimension"], &body["input_type"]),
        (&json!(64), &json!("clustering"))
    );
    assert_eq!(asked.dropped.fields(), ["title"]);
}
