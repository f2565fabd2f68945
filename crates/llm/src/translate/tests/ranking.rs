//! Documents are put in order, by Cohere's API and by that which other servers have.

use super::*;

const JINA: Api = Api {
    dialect: Dialect::OpenAi,
    operation: Operation::Rerank,
};
const COHERE: Api = Api {
    dialect: Dialect::Cohere,
    operation: Operation::Rerank,
};

#[test]
fn documents_in_objects_are_their_texts() {
    let body = json!({"model": "m", "query": "rivers", "top_n": 1, "return_documents": false,
        "documents": ["sea", {"text": "a river"}], "max_tokens_per_doc": 9});
    let (sent, dropped) = request(JINA, Dialect::Cohere, &body);
    let expected = json!({"model": "theirs", "query": "rivers", "top_n": 1,
        "documents": ["sea", "a river"], "max_tokens_per_doc": 9});
    assert_eq!((sent, dropped), (expected, vec![]));
    let image = json!({"model": "m", "query": "q", "documents": [{"image": "data:"}]});
    assert_eq!(refused(JINA, Dialect::Cohere, &image), "documents[0].text");
    let ranked = json!({"model": "m", "query": "q", "documents": [{"text": "a", "title": "b"}]});
    assert_eq!(
        refused(JINA, Dialect::Cohere, &ranked),
        "documents[0].title"
    );
    let (_, dropped) = request(
        JINA,
        Dialect::Cohere,
        &json!({"model": "m", "query": "q", "documents": ["a"], "return_documents": true}),
    );
    assert_eq!(dropped, ["return_documents"]);
}

#[test]
fn the_order_is_told() {
    let body = json!({"model": "m", "query": "q", "documents": ["a", "b"], "priority": 3,
        "max_tokens_per_doc": 9});
    let (sent, dropped) = request(COHERE, Dialect::OpenAi, &body);
    let expected = json!({"model": "theirs", "query": "q", "documents": ["a", "b"]});
    assert_eq!(
        (sent, dropped),
        (
            expected,
            vec!["max_tokens_per_doc".into(), "priority".into()]
        )
    );
    let answer_of = |client, upstream, body: Value| {
        let asked = json!({"model": "m", "query": "q", "documents": ["a", "b"]}).to_string();
        let asked = pair(client, upstream).request(Asked::default(), asked.as_bytes(), None);
        let answer = asked
            .unwrap()
            .pair
            .answer(body.to_string().as_bytes(), &unsaid());
        serde_json::from_slice::<Value>(&answer.unwrap().body).unwrap()
    };
    let jina = json!({"id": "r", "model": "theirs", "usage": {"total_tokens": 7}, "results": [
        {"index": 1, "relevance_score": 0.987_654_321_098_765_4, "document": {"text": "b"}},
        {"index": 0, "relevance_score": -1.5}]});
    let told = answer_of(COHERE, Dialect::OpenAi, jina);
    let results = json!([{"index": 1, "relevance_score": 0.987_654_321_098_765_4},
        {"index": 0, "relevance_score": -1.5}]);
    let meta = json!({"api_version": {"version": "2"}, "billed_units": {"input_tokens": 7}});
    assert_eq!(told, json!({"id": "r", "results": results, "meta": meta}));
    let cohere = json!({"id": "r", "results": results,
        "meta": {"billed_units": {"search_units": 1}}});
    let told = answer_of(JINA, Dialect::Cohere, cohere);
    assert_eq!(told, json!({"id": "r", "model": "m", "results": results}));
}

#[test]
fn others_have_no_such_thing() {
    assert_eq!(Way::of(COHERE, Dialect::Anthropic, &Quirks::NONE), None);
    assert_eq!(Way::of(JINA, Dialect::Gemini, &Quirks::NONE), None);
}
