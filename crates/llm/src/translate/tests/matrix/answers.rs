use bytes::Bytes;
use serde_json::Value;

use super::super::{conversation, translator, unsaid};
use super::told::{Telling, Told};
use super::{Case, FORMS, Form, patched};
use crate::event_stream;
use crate::frames::Decoder;
use crate::response::{Ended, Usage};
use crate::sse::DEFAULT_MAX_FRAME;

#[test]
fn an_answer_of_every_form_is_written_in_every_other() {
    Case::check("answers", |case, (to, client), (from, upstream)| {
        let Some(said) = case.of(from).cloned() else {
            return Ok(());
        };
        let pair = conversation(client, upstream);
        let body = said["answer"].to_string();
        let translated = pair
            .answer(body.as_bytes(), &unsaid())
            .map_err(|fault| fault.to_string())?;
        let told = Told::whole(&client.decode_response(&translated.body).unwrap());
        let source = Told::whole(&upstream.decode_response(body.as_bytes()).unwrap());
        expected(case, (from, &source), (to, client), told)
    });
}

#[test]
fn a_stream_of_every_form_is_written_in_every_other() {
    Case::check("answers", |case, (to, client), (from, upstream)| {
        let Some(said) = case.of(from).cloned() else {
            return Ok(());
        };
        let bytes = written(upstream, &said["stream"]);
        let source = read(upstream, &bytes);
        let pair = conversation(client, upstream);
        let mut translator = translator(pair, Some("alt=sse"), true);
        let mut out = Vec::new();
        for piece in bytes.chunks(7) {
            translator
                .feed(Bytes::copy_from_slice(piece), &mut out)
                .map_err(|bad| bad.to_string())?;
        }
        let report = translator.finish(&mut out);
        if report.ended != Ended::Complete {
            return Err(format!("{:?}", report.ended));
        }
        expected(
            case,
            (from, &source),
            (to, client),
            read(client, &out.concat()),
        )
    });
}

/// What stands in the files is itself consistent: a stream tells what the whole answer does.
#[test]
fn streams_tell_what_whole_answers_do() {
    for case in Case::all("answers") {
        for (name, form) in FORMS {
            let Some(said) = case.of(name) else { continue };
            let body = said["answer"].to_string();
            let whole = Told::whole(&form.decode_response(body.as_bytes()).unwrap());
            let stream = read(form, &written(form, &said["stream"]));
            assert_eq!(stream.normal(), whole.normal(), "{}: {name}", case.name);
        }
    }
}

/// Whether a client is told what it is told by its own provider, as far as the upstream tells it.
fn expected(
    case: &mut Case,
    (from, source): (&str, &Told),
    (to, client): (&str, Form),
    told: Told,
) -> Result<(), String> {
    let exception = case.exception(from, to);
    let said = case.of(to).map(|said| &said["answer"]);
    let Some(said) = said.or(exception.get("answer")) else {
        return Err(format!("nothing says what is expected of {told:?}"));
    };
    let said = patched(said, &exception).to_string();
    let mut wanted = Told::whole(&client.decode_response(said.as_bytes()).unwrap()).normal();
    // Ollama does not know where words come from.
    if ["ollama", "generate"].contains(&from) {
        wanted.cited.clear();
    }
    let mut told = told.normal();
    // Not every answer has one.
    if told.id.is_empty() || wanted.id.is_empty() {
        told.id.clone_from(&wanted.id);
    }
    // Not every provider counts these.
    let figures = |usage: Usage| [usage.cached_input, usage.reasoning];
    let known = figures(source.usage).into_iter().zip(figures(wanted.usage));
    for (told, (known, wanted)) in figures(told.usage).into_iter().zip(known) {
        if known.is_some() && wanted.is_some() && told != wanted {
            return Err(format!("{told:?} tokens, not {wanted:?}"));
        }
    }
    told.usage = Usage {
        input: told.usage.input,
        output: told.usage.output,
        ..wanted.usage
    };
    if told == wanted {
        return Ok(());
    }
    Err(format!("\n  told     {told:?}\n  expected {wanted:?}"))
}

/// A stream as its server writes it.
pub(super) fn written(form: Form, events: &Value) -> Vec<u8> {
    if form == Form::BedrockConverse {
        return messages(events);
    }
    let mut text = String::new();
    for event in events.as_array().unwrap() {
        match (form, event["type"].as_str()) {
            (Form::OllamaChat | Form::OllamaGenerate, _) => text.push_str(&format!("{event}\n")),
            (Form::OpenAiResponses | Form::AnthropicMessages | Form::CohereChat, Some(kind)) => {
                text.push_str(&format!("event: {kind}\ndata: {event}\n\n"));
            }
            _ => text.push_str(&format!("data: {event}\n\n")),
        }
    }
    if matches!(form, Form::OpenAiChat | Form::CohereChat) {
        text.push_str("data: [DONE]\n\n");
    }
    text.into_bytes()
}

/// Messages, each named by the one field that stands for it.
fn messages(events: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let events = events.as_array().unwrap().iter();
    for (name, payload) in events.flat_map(|event| event.as_object().unwrap()) {
        let payload = payload.to_string();
        let kind = match name.ends_with("Exception") {
            true => event_stream::Kind::Exception,
            false => event_stream::Kind::Event,
        };
        event_stream::encode(kind, name, payload.as_bytes(), &mut out);
    }
    out
}

fn read(form: Form, bytes: &[u8]) -> Told {
    let mut frames = Decoder::new(form.api().dialect.framing(), DEFAULT_MAX_FRAME);
    let mut decoder = form.stream_decoder();
    let mut telling = Telling::default();
    frames.push(Bytes::copy_from_slice(bytes));
    while let Some(frame) = frames.next_frame().unwrap() {
        if let Some(data) = frame.data() {
            decoder
                .event(frame.name(), &data, &mut |event| telling.event(&event))
                .unwrap();
        }
    }
    decoder.end(&mut |event| telling.event(&event));
    telling.end()
}
