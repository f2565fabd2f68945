//! How many tokens a prompt has, told by the gateway where no backend can be asked.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use llm::tokens::{self, Counting, Rate};
use llm::translate::Asked;
use net::replay::Replay;

use crate::answer::Answer;
use crate::failure::Failure;
use crate::headers::X_ESTIMATED;
use crate::route::Prompt;
use crate::shared::Shared;
use crate::translation::aside;

/// A body longer than this is counted beside the threads that serve requests: a vocabulary takes about
/// a millisecond for each 10 KiB. To be loaded it takes longer, so the first body is, whatever its
/// length.
const LONG: usize = 4096;

/// A question for the tokens of a prompt.
pub(crate) struct Question {
    pub(crate) head: Parts,
    pub(crate) body: Replay,
    pub(crate) prompt: Prompt,
    pub(crate) rate: Arc<Rate>,
}

/// Counts.
pub(crate) async fn answer(shared: &Shared, question: Question) -> Result<Answer, Failure> {
    let Question {
        head,
        body,
        prompt,
        rate,
    } = question;
    let mut room = shared.bodies.reservation();
    let body = body.to_bytes(&mut room).await.map_err(Failure::Body)?;
    let is_ready = Counting::of(model(&prompt), &rate).is_ready();
    let long = if is_ready { LONG } else { 0 };
    let counted = aside(body.len(), long, move || {
        let asked = Asked {
            path: head.uri.path(),
            query: head.uri.query(),
            betas: None,
        };
        let counting = Counting::of(model(&prompt), &rate);
        tokens::count(prompt.api.dialect, asked, &body, counting)
    });
    let body = counted.await.map_err(Failure::Untranslatable)?;
    drop(room);
    let mut response = Response::new(Bytes::from(body));
    let headers = response.headers_mut();
    let json = HeaderValue::from_static(llm::CONTENT_TYPE_JSON);
    headers.insert(CONTENT_TYPE, json);
    headers.insert(X_ESTIMATED, HeaderValue::from_static("tokens"));
    Ok(Answer::Local(response))
}

/// The model that is asked about.
fn model(prompt: &Prompt) -> &str {
    let model = prompt.scan.model.as_ref();
    model.map_or("", |model| model.value.as_str())
}
