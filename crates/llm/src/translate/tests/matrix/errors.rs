//! Errors: what a provider says of a request, or in the middle of an answer, is said in the client's words.

use bytes::Bytes;
use serde_json::Value;

use super::super::{conversation, translator};
use super::answers::written;
use super::{Case, Form};
use crate::canonical::Event;
use crate::error::{self, ApiError, ErrorKind};
use crate::frames::Decoder;
use crate::response::{Ended, UpstreamError};
use crate::sse::DEFAULT_MAX_FRAME;

/// Fields that differ though two bodies say the same: what only some providers tell, and our own ids.
const LOOSE: [&str; 4] = ["code", "param", "request_id", "details"];

#[test]
fn an_error_of_every_form_is_written_in_every_other() {
    Case::check("errors", |case, (to, client), (from, upstream)| {
        let status = u16::try_from(case.body["status"].as_u64().unwrap()).unwrap();
        let said = case.of(from).unwrap()["answer"].to_string();
        let pair = conversation(client, upstream);
        let told = pair.error(said.as_bytes());
        let told = told.ok_or("no error is read")?;
        let error = ApiError {
            status,
            kind: ErrorKind::of_status(status),
            message: told.message,
            param: told.param,
            code: told.code,
        };
        let body = error::encode(client.api().dialect, &error);
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        let mut wanted = case.of(to).unwrap()["answer"].clone();
        // In Gemini's bodies it is a status, as it is in our own.
        let is_loose = client != Form::GeminiContent;
        for one in [&mut body, &mut wanted] {
            loosen(one, is_loose);
        }
        (body == wanted)
            .then_some(())
            .ok_or_else(|| format!("\n  told     {body}\n  expected {wanted}"))
    });
}

fn loosen(value: &mut Value, is_loose: bool) {
    let Some(fields) = value.as_object_mut() else {
        return;
    };
    fields.retain(|name, _| !(is_loose && LOOSE.contains(&&**name)));
    fields
        .values_mut()
        .for_each(|value| loosen(value, is_loose));
}

#[test]
fn an_error_in_a_stream_of_every_form_ends_every_other() {
    Case::check("errors", |case, (to, client), (from, upstream)| {
        let bytes = written(upstream, &case.of(from).unwrap()["stream"]);
        let source = failure(upstream, &bytes).ok_or("the source has no error")?;
        let mut translator = translator(conversation(client, upstream), Some("alt=sse"), true);
        let mut out = Vec::new();
        for piece in bytes.chunks(11) {
            translator
                .feed(Bytes::copy_from_slice(piece), &mut out)
                .map_err(|bad| bad.to_string())?;
        }
        let Ended::Failed(reported) = translator.finish(&mut out).ended else {
            return Err("the stream does not fail".into());
        };
        let told = failure(client, &out.concat()).ok_or("no error is told")?;
        let wanted = failure(client, &written(client, &case.of(to).unwrap()["stream"]));
        let wanted = wanted.ok_or("nothing is expected")?;
        if [&reported.message, &told.message] != [&source.message, &wanted.message] {
            return Err(format!("{told:?}, not {wanted:?}"));
        }
        // Where the source tells what kind of failure it was, and the client's form can say it.
        match source.status.is_some() && wanted.status.is_some() && told.status != wanted.status {
            true => Err(format!("status {:?}, not {:?}", told.status, wanted.status)),
            false => Ok(()),
        }
    });
}

/// The error by which a stream ends.
fn failure(form: Form, bytes: &[u8]) -> Option<UpstreamError> {
    let mut frames = Decoder::new(form.api().dialect.framing(), DEFAULT_MAX_FRAME);
    let mut decoder = form.stream_decoder();
    let mut failure = None;
    frames.push(Bytes::copy_from_slice(bytes));
    while let Some(frame) = frames.next_frame().unwrap() {
        if let Some(data) = frame.data() {
            let note = &mut |event: Event<'_>| {
                if let Event::Error(error) = event {
                    failure = Some(error);
                }
            };
            decoder.event(frame.name(), &data, note).unwrap();
        }
    }
    failure
}
