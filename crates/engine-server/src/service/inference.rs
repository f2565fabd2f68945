//! Chat, text completion and embedding.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::{Request, Sequence, salt};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::json;
use tokio::sync::mpsc;

use super::adapters::Target;
use super::{Aborted, Outcome, Service, error_response, typed};
use crate::api::{
    self, ApiError, ChatRequest, CompletionRequest, EmbeddingRequest, EncodingFormat, Sampling,
};
use crate::body::{EngineBody, InFlight, TokenStream};
use crate::embed;
use crate::generate::{Answer, mix, seed_of, text_seed};
use crate::render::{Choice, Dialect, Envelope, Usage};
use crate::replica::{Command, Submission};
use crate::template;

/// A prompt with what was derived from it.
struct Prompt {
    ids: Vec<u32>,
    echo: String,
}

/// A checked API request that only needs computing.
struct Job {
    envelope: Envelope,
    target: Target,
    sampling: Sampling,
    max_tokens: Option<i64>,
    prompts: Vec<Prompt>,
}

impl Service {
    pub(super) async fn chat(&self, headers: &HeaderMap, body: &Bytes) -> Outcome {
        match self.chat_job(headers, body) {
            Ok(job) => self.generate(headers, job).await,
            Err(error) => Ok(error_response(&error)),
        }
    }

    pub(super) async fn completion(&self, headers: &HeaderMap, body: &Bytes) -> Outcome {
        match self.completion_job(headers, body) {
            Ok(job) => self.generate(headers, job).await,
            Err(error) => Ok(error_response(&error)),
        }
    }

    pub(super) async fn embedding(&self, headers: &HeaderMap, body: &Bytes) -> Outcome {
        if let Err(error) = self.misbehave().await {
            return Ok(error_response(&error));
        }
        let mut response = match self.embed(headers, body).await {
            Ok(response) => response,
            Err(error) => error_response(&error),
        };
        self.report_load(headers, &mut response).await;
        Ok(response)
    }

    fn chat_job(&self, headers: &HeaderMap, body: &Bytes) -> Result<Job, ApiError> {
        let request: ChatRequest = api::parse(body)?;
        request.sampling.check()?;
        request.check_tool_choice()?;
        let target = self.resolve(request.model.as_deref())?;
        api::check_messages(&request.messages, &target.name)?;
        let ids = template::encode(&request.messages, request.tools.as_ref());
        Ok(Job {
            envelope: self.envelope(Dialect::Chat, headers, &target),
            target,
            max_tokens: request
                .max_completion_tokens
                .or(request.sampling.max_tokens),
            sampling: request.sampling,
            prompts: vec![Prompt {
                ids,
                echo: String::new(),
            }],
        })
    }

    fn completion_job(&self, headers: &HeaderMap, body: &Bytes) -> Result<Job, ApiError> {
        /// Tokens of a text completion when the request does not say, as in OpenAI's API.
        const DEFAULT_MAX_TOKENS: i64 = 16;
        let request: CompletionRequest = api::parse(body)?;
        request.sampling.check()?;
        let target = self.resolve(request.model.as_deref())?;
        let echo = |text: Option<String>| text.filter(|_| request.echo).unwrap_or_default();
        let prompts: Vec<Prompt> = request
            .prompt
            .prompts()
            .into_iter()
            .map(|(text, ids)| Prompt {
                ids,
                echo: echo(text),
            })
            .collect();
        if prompts.is_empty() || prompts.iter().any(|prompt| prompt.ids.is_empty()) {
            let message = "Either prompt or prompt_embeds must be provided and non-empty.";
            return Err(ApiError::bad_request(message));
        }
        Ok(Job {
            envelope: self.envelope(Dialect::Completion, headers, &target),
            target,
            max_tokens: Some(request.sampling.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS)),
            sampling: request.sampling,
            prompts,
        })
    }

    /// Plans the answers, has the engine compute them and sends them.
    async fn generate(&self, headers: &HeaderMap, job: Job) -> Outcome {
        if let Err(error) = self.misbehave().await {
            return Ok(error_response(&error));
        }
        let death = self
            .faults
            .get()
            .death
            .filter(|death| self.faults.hits(death.rate));
        let (choices, in_flight) = match self.submit(&job) {
            Ok(submitted) => submitted,
            Err(error) => return Ok(error_response(&error)),
        };
        let prompt_tokens = job
            .prompts
            .iter()
            .map(|prompt| prompt.ids.len() as u32)
            .sum();
        if job.sampling.streams() {
            let chunks = job
                .envelope
                .chunks(job.sampling.stream_options.unwrap_or_default());
            let dies_after = death.map(|death| death.after_tokens);
            let stream = TokenStream::new(in_flight, chunks, choices, prompt_tokens, dies_after);
            return Ok(event_stream(stream));
        }
        let dies_after = death.map(|death| death.after_tokens);
        let mut response = match whole(
            &job.envelope,
            in_flight,
            &choices,
            prompt_tokens,
            dies_after,
        )
        .await?
        {
            Some(body) => typed(StatusCode::OK, "application/json", body),
            None => error_response(&ApiError::engine_dead()),
        };
        self.report_load(headers, &mut response).await;
        Ok(response)
    }

    /// Submits every choice of every prompt.
    fn submit(&self, job: &Job) -> Result<(Vec<Choice>, InFlight), ApiError> {
        let ticket = self.next_ticket();
        let salt = self.salt(&job.target, job.sampling.cache_salt.as_deref());
        let (sender, ticks) = mpsc::unbounded_channel();
        let mut submissions = Vec::new();
        let mut choices = Vec::new();
        for prompt in &job.prompts {
            let prompt_tokens = prompt.ids.len() as u32;
            let max_model_len = self.profile.max_model_len;
            let limits = job.sampling.limits(
                job.max_tokens,
                prompt_tokens,
                max_model_len,
                self.natural_tokens,
            )?;
            for nth in 0..job.sampling.choices() {
                let text_salt = self.seed ^ text_seed(&job.target.name);
                let seed = seed_of(&prompt.ids, text_salt, nth.into());
                let answer = Arc::new(Answer::plan(seed, &limits));
                submissions.push(Submission {
                    ticket,
                    choice: choices.len() as u32,
                    request: self.request(&prompt.ids, answer.ids(), salt, &job.target)?,
                    finish_reason: answer.finish.reason(),
                    ticks: sender.clone(),
                });
                choices.push(Choice {
                    answer,
                    echo: prompt.echo.clone(),
                });
            }
        }
        let commands = self.commands.clone();
        let in_flight = InFlight {
            ticket,
            ticks,
            commands,
            open: choices.len(),
        };
        for submission in submissions {
            drop(self.commands.send(Command::Submit(submission)));
        }
        Ok((choices, in_flight))
    }

    async fn embed(
        &self,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response<EngineBody>, ApiError> {
        let request: EmbeddingRequest = api::parse(body)?;
        let target = self.resolve(request.model.as_deref())?;
        if request.dimensions.is_some() {
            return Err(ApiError::bad_request(&format!(
                "Model \"{}\" does not support matryoshka representation, changing output \
                 dimensions will lead to poor results.",
                target.name
            )));
        }
        let format = request.encoding_format;
        let prompts: Vec<Vec<u32>> = request
            .input
            .prompts()
            .into_iter()
            .map(|(_, ids)| ids)
            .collect();
        self.check_inputs(&prompts)?;
        let salt = self.salt(&target, request.cache_salt.as_deref());
        let cached = self.prefill(&prompts, salt, &target).await?;
        let data: Vec<_> = prompts
            .iter()
            .enumerate()
            .map(|(index, ids)| {
                let vector = embed::vector(seed_of(ids, text_seed(&target.name), 0));
                let embedding = match format {
                    EncodingFormat::Float => json!(vector),
                    EncodingFormat::Base64 => json!(embed::base64(&vector)),
                };
                json!({"index": index, "object": "embedding", "embedding": embedding})
            })
            .collect();
        let prompt = prompts.iter().map(|ids| ids.len() as u32).sum();
        let body = json!({
            "id": format!("embd-{}", self.request_id(headers)),
            "object": "list",
            "created": self.unix_time(),
            "model": target.name,
            "data": data,
            "usage": Usage { prompt, completion: 0, cached }.json(),
        });
        Ok(typed(StatusCode::OK, "application/json", body.to_string()))
    }

    fn check_inputs(&self, prompts: &[Vec<u32>]) -> Result<(), ApiError> {
        if prompts.is_empty() || prompts.iter().any(Vec::is_empty) {
            return Err(ApiError::bad_request("input must not be empty"));
        }
        let max_model_len = self.profile.max_model_len;
        match prompts
            .iter()
            .map(Vec::len)
            .find(|len| *len > max_model_len as usize)
        {
            None => Ok(()),
            Some(len) => Err(ApiError::bad_field(
                "input_tokens",
                &format!(
                    "This model's maximum context length is {max_model_len} tokens. However, you \
                     requested {len} tokens in the input for embedding generation. Please reduce \
                     the length of the input."
                ),
            )),
        }
    }

    /// Has the engine compute prompts without output; returns how many tokens were cached.
    async fn prefill(
        &self,
        prompts: &[Vec<u32>],
        salt: u64,
        target: &Target,
    ) -> Result<u32, ApiError> {
        let ticket = self.next_ticket();
        let (sender, ticks) = mpsc::unbounded_channel();
        let commands = self.commands.clone();
        let mut in_flight = InFlight {
            ticket,
            ticks,
            commands,
            open: prompts.len(),
        };
        for (choice, ids) in prompts.iter().enumerate() {
            let submission = Submission {
                ticket,
                choice: choice as u32,
                request: self.request(ids, &[], salt, target)?,
                finish_reason: "stop",
                ticks: sender.clone(),
            };
            drop(self.commands.send(Command::Submit(submission)));
        }
        drop(sender);
        let mut cached = 0;
        while in_flight.open > 0 {
            let tick = in_flight
                .ticks
                .recv()
                .await
                .ok_or_else(ApiError::engine_dead)?;
            in_flight.note(tick);
            cached += tick.cached_tokens;
        }
        Ok(cached)
    }

    /// Fails, hangs or does nothing, as commanded.
    async fn misbehave(&self) -> Result<(), ApiError> {
        let spec = self.faults.get();
        if let Some(errors) = spec.errors
            && self.faults.hits(errors.rate)
        {
            let status =
                StatusCode::from_u16(errors.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return Err(ApiError::commanded(status, errors.retry_after));
        }
        if let Some(hang) = spec.hang
            && self.faults.hits(hang.rate)
        {
            match hang.for_ms {
                Some(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
                None => std::future::pending().await,
            }
        }
        Ok(())
    }

    fn request(
        &self,
        prompt: &[u32],
        output: &[u32],
        salt: u64,
        target: &Target,
    ) -> Result<Request, ApiError> {
        let sequence = Sequence::from_tokens(prompt, output, salt, self.profile.block_size)
            .map_err(|error| ApiError::bad_request(&error.to_string()))?;
        Ok(Request {
            sequence,
            adapter: target.adapter,
        })
    }

    /// What keeps prefix caches apart.
    fn salt(&self, target: &Target, cache_salt: Option<&str>) -> u64 {
        let adapter = target
            .adapter
            .map_or_else(String::new, |id| id.0.to_string());
        salt(&[&adapter, cache_salt.unwrap_or_default()])
    }

    fn envelope(&self, dialect: Dialect, headers: &HeaderMap, target: &Target) -> Envelope {
        let prefix = match dialect {
            Dialect::Chat => "chatcmpl",
            Dialect::Completion => "cmpl",
        };
        Envelope {
            dialect,
            id: format!("{prefix}-{}", self.request_id(headers)),
            created: self.unix_time(),
            model: target.name.clone(),
        }
    }

    /// The client's `x-request-id`, or one of our own.
    fn request_id(&self, headers: &HeaderMap) -> String {
        let given = headers
            .get("x-request-id")
            .and_then(|value| value.to_str().ok());
        given.map_or_else(
            || {
                let high = mix(self.seed ^ self.next_ticket());
                format!("{high:016x}{:016x}", mix(high ^ self.started))
            },
            str::to_owned,
        )
    }
}

fn event_stream(stream: TokenStream) -> Response<EngineBody> {
    let mut response = Response::new(EngineBody::Stream(Box::new(stream)));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Waits for the whole answer; `None` when the engine went away, an error to die on command.
async fn whole(
    envelope: &Envelope,
    mut in_flight: InFlight,
    choices: &[Choice],
    prompt_tokens: u32,
    dies_after: Option<u32>,
) -> Result<Option<String>, Aborted> {
    let mut usage = Usage {
        prompt: prompt_tokens,
        ..Usage::default()
    };
    let mut generated = 0;
    while in_flight.open > 0 {
        if dies_after.is_some_and(|tokens| generated >= tokens) {
            return Err(Aborted);
        }
        let Some(tick) = in_flight.ticks.recv().await else {
            return Ok(None);
        };
        in_flight.note(tick);
        generated += 1;
        usage.cached = usage.cached.max(tick.cached_tokens);
        usage.completion += if tick.finished { tick.generated } else { 0 };
    }
    Ok(Some(envelope.whole(choices, usage)))
}
