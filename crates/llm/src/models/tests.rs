use crate::Client;
use serde_json::{Value, json};

use super::*;

#[test]
fn models_are_described_as_openai_does() {
    let model = |id: &str| Model {
        id: id.into(),
        created: 1700000000,
        owned_by: "o".into(),
    };
    let value =
        |id: &str| json!({"id": id, "object": "model", "created": 1700000000, "owned_by": "o"});
    let parse = |body: Bytes| serde_json::from_slice::<Value>(&body).expect("JSON");
    assert_eq!(
        parse(encode_model(Dialect::OpenAi, Client::Any, &model("a/b"))),
        value("a/b")
    );
    let list = encode_list(Dialect::OpenAi, Client::Any, &[model("x"), model("y")]);
    assert_eq!(
        parse(list),
        json!({"object": "list", "data": [value("x"), value("y")]})
    );
}
