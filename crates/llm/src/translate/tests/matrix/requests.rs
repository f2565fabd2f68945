use serde_json::{Value, json};

use super::super::{Asked, conversation};
use super::{Case, Form, Named, patched};

/// How a client of this form asks, of whom some say in the path what they ask for.
fn asked(client: Form) -> Asked<'static> {
    Asked {
        path: match client {
            Form::BedrockConverse => "/model/m/converse",
            _ => "/v1beta/models/m:generateContent",
        },
        query: None,
        betas: None,
    }
}

#[test]
fn a_request_of_every_form_is_written_in_every_other() {
    Case::check("requests", cell);
}

fn cell(case: &mut Case, (from, client): Named, (to, upstream): Named) -> Result<(), String> {
    let Some(said) = case.of(from).cloned() else {
        return Ok(());
    };
    let exception = case.exception(from, to);
    let pair = conversation(client, upstream);
    let translated = match pair.request(asked(client), said.to_string().as_bytes(), Some("m")) {
        Ok(translated) => translated,
        Err(fault) if is_expected(&exception, client, &fault.field) => return Ok(()),
        Err(fault) => return Err(format!("refused: {fault}")),
    };
    if let Some(field) = exception.get("refused") {
        return Err(format!("{field} is not refused"));
    }
    let dropped = json!(translated.dropped.fields());
    let expected = exception
        .get("dropped")
        .cloned()
        .unwrap_or_else(|| json!([]));
    if dropped != expected {
        return Err(format!("dropped {dropped}"));
    }
    let written: Value = serde_json::from_slice(&translated.body).unwrap();
    let Some(wanted) = case.of(to) else {
        let Some(whole) = exception.get("written") else {
            return Err(format!("nothing says what is expected of {written}"));
        };
        return same(&written, whole);
    };
    same(&written, &patched(wanted, &exception))
}

/// Whether the field is the one that the case names. Where that is the conversation, each client has
/// a word of its own for it.
fn is_expected(exception: &Value, client: Form, field: &str) -> bool {
    match exception["refused"].as_str() {
        Some("messages") => field == client.conversation(),
        refused => refused == Some(field),
    }
}

fn same(written: &Value, expected: &Value) -> Result<(), String> {
    if written == expected {
        return Ok(());
    }
    Err(format!("\n  written  {written}\n  expected {expected}"))
}
