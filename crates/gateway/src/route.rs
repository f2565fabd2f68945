//! Which rule a request falls under, and what follows from that for all of its attempts.

use std::sync::Arc;

use balance::Cost;
use http::header::USER_AGENT;
use http::request::Parts;
use llm::scan::Scan;
use llm::tokens::{self, Rate};
use llm::{Api, Client, Operation};
use mesh::snapshot::{ListedModel, Match, Rule, Unmatched};
use net::replay::Replay;

use crate::classify::{Classified, Kind};
use crate::counting::Question;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::rates::Lesson;
use crate::runtime::Entry;
use crate::targets;

/// Tokens assumed for an answer that the request does not bound; the order of what chat answers
/// have in published traces (Azure 2023: 211, Mooncake: 343).
const DEFAULT_OUTPUT_TOKENS: u64 = 256;

/// A request with a rule.
pub(crate) struct Routed {
    pub(crate) head: Parts,
    pub(crate) host: String,
    pub(crate) entry: Arc<Entry>,
    pub(crate) body: Replay,
    pub(crate) rule: Arc<Rule>,
    /// Length of the path prefix that matched.
    pub(crate) prefix_len: usize,
    pub(crate) prompt: Option<Prompt>,
    /// The API of a request without a prompt, such as the list of models.
    pub(crate) query: Option<Api>,
    pub(crate) cost: Cost,
    pub(crate) client: http::HeaderValue,
    pub(crate) tls: bool,
}

/// The LLM side of a request.
pub(crate) struct Prompt {
    pub(crate) api: Api,
    pub(crate) scan: Box<Scan>,
}

/// Where a request goes.
pub(crate) enum Destination {
    /// To the backends of a rule, or the rule's own answer.
    Rule(Box<Routed>),
    /// Nowhere: the gateway itself tells which models there are.
    Models(Listing),
    /// Nowhere: no backend can count these tokens.
    Count(Box<Question>),
}

/// A question for models that the gateway answers itself.
pub(crate) struct Listing {
    pub(crate) api: Api,
    pub(crate) client: Client,
    pub(crate) models: Vec<ListedModel>,
}

/// Finds the rule.
pub(crate) fn route(exchange: &mut Exchange, request: Classified) -> Result<Destination, Failure> {
    let Classified {
        head,
        host,
        entry,
        body,
        kind,
    } = request;
    let (found, prompt, query) = match kind {
        Kind::Plain(found) => (found, None, None),
        Kind::Query(api) => match query(&entry, &host, &head, api)? {
            Query::Answer(models) => {
                let client = client_of(&head);
                return Ok(Destination::Models(Listing {
                    api,
                    client,
                    models,
                }));
            }
            Query::Forward(found) => (found, None, Some(api)),
        },
        Kind::Prompt(api, scan) => {
            let found = by_model(&entry, &host, &head, &scan)?;
            (found, Some(Prompt { api, scan }), None)
        }
    };
    exchange.rule = Some(Arc::clone(&found.rule));
    let api = prompt.as_ref().map(|prompt| prompt.api).or(query);
    let rate = rate(exchange);
    if !is_served(&found.rule, api) {
        return match (prompt, rate) {
            (Some(prompt), Some(rate)) => by_itself(head, body, prompt, rate),
            (prompt, _) => Err(foreign(prompt.as_ref(), api, &head)),
        };
    }
    let cost = match (&prompt, rate) {
        (Some(prompt), Some(rate)) => prompt.cost(exchange, rate),
        _ => Cost::default(),
    };
    Ok(Destination::Rule(Box::new(Routed {
        head,
        host,
        entry,
        body,
        rule: found.rule,
        prefix_len: found.prefix_len,
        prompt,
        query,
        cost,
        client: exchange.connection.peer_ip.clone(),
        tls: exchange.connection.tls.is_some(),
    })))
}

impl Routed {
    /// The LLM side, if the request has one.
    pub(crate) fn prompt(&self) -> Option<&Prompt> {
        self.prompt.as_ref()
    }

    /// The API at whose path it came; `None` for a plain request.
    pub(crate) fn api(&self) -> Option<Api> {
        self.prompt.as_ref().map(|prompt| prompt.api).or(self.query)
    }

    /// Whether a streamed answer was asked for.
    pub(crate) fn is_streamed(&self) -> bool {
        self.prompt
            .as_ref()
            .is_some_and(|prompt| prompt.scan.wants_stream())
    }

    /// Whether the request may be repeated although an upstream has acted on it.
    ///
    /// An LLM request changes nothing at the other end. Of a plain one we know only what HTTP says
    /// of its method (RFC 9110, section 9.2.2).
    pub(crate) fn repeats_answers(&self) -> bool {
        self.api().is_some() || self.head.method.is_idempotent()
    }
}

impl Prompt {
    /// What it is expected to cost, from which the exchange will learn. To count tokens costs an
    /// endpoint no room for them.
    fn cost(&self, exchange: &mut Exchange, rate: Arc<Rate>) -> Cost {
        if self.api.operation == Operation::CountTokens {
            return Cost::default();
        }
        let estimate = tokens::estimate(&self.scan, &rate, DEFAULT_OUTPUT_TOKENS);
        // Media teach nothing of text.
        let is_text = self.scan.media == 0;
        exchange.lesson = is_text.then(|| Lesson::new(rate, self.scan.prompt_bytes));
        let bounded = |tokens| u32::try_from(tokens).unwrap_or(u32::MAX);
        Cost {
            prompt_tokens: bounded(estimate.input),
            output_tokens: bounded(estimate.output),
        }
    }
}

/// What the gateway can tell by itself of a model whose backends have no such API.
fn by_itself(
    head: Parts,
    body: Replay,
    prompt: Prompt,
    rate: Arc<Rate>,
) -> Result<Destination, Failure> {
    match (prompt.api.operation, &prompt.scan.model) {
        (Operation::CountTokens, _) => Ok(Destination::Count(Box::new(Question {
            head,
            body,
            prompt,
            rate,
        }))),
        (Operation::ShowModel, Some(model)) => {
            let listed = ListedModel {
                name: model.value.as_str().into(),
                owner: Arc::default(),
            };
            let (api, models) = (prompt.api, vec![listed]);
            let client = client_of(&head);
            Ok(Destination::Models(Listing {
                api,
                client,
                models,
            }))
        }
        _ => Err(foreign(Some(&prompt), Some(prompt.api), &head)),
    }
}

/// The client, as it calls itself.
pub(crate) fn client_of(head: &Parts) -> Client {
    let agent = head.headers.get(USER_AGENT);
    let agent = agent.and_then(|agent| agent.to_str().ok());
    agent.map_or(Client::Any, Client::of_agent)
}

/// The rate of the model that is asked for.
fn rate(exchange: &Exchange) -> Option<Arc<Rate>> {
    let label = exchange.model_label.as_ref()?;
    Some(exchange.shared.rates.of(label))
}

fn by_model(entry: &Entry, host: &str, head: &Parts, scan: &Scan) -> Result<Match, Failure> {
    let Some(model) = &scan.model else {
        return Err(Failure::NoModel);
    };
    entry
        .route(host, head, Some(&model.value))
        .map_err(|unmatched| unserved(unmatched, head, &model.value))
}

/// Who answers a question for models.
enum Query {
    Answer(Vec<ListedModel>),
    Forward(Match),
}

/// The configuration answers where it names models; a backend that serves whatever it has is
/// asked itself.
fn query(entry: &Entry, host: &str, head: &Parts, api: Api) -> Result<Query, Failure> {
    let mut models = entry.models(host, head);
    let Some(model) = api.model_in_path(head.uri.path()) else {
        let forward = match models.is_empty() {
            true => entry.route(host, head, None).ok(),
            false => None,
        };
        return Ok(forward.map_or(Query::Answer(models), Query::Forward));
    };
    let model = llm::decoded(model);
    models.retain(|listed| *listed.name == *model);
    if !models.is_empty() {
        return Ok(Query::Answer(models));
    }
    let forward = entry.route(host, head, Some(&model));
    forward
        .map(Query::Forward)
        .map_err(|unmatched| unserved(unmatched, head, &model))
}

/// Whether any of the rule's targets can be asked at `api`. A rule without targets answers by itself.
fn is_served(rule: &Rule, api: Option<Api>) -> bool {
    let mut targets = rule.targets().peekable();
    targets.peek().is_none() || targets.any(|target| targets::serves(target, api))
}

/// The failure of a request whose rule has targets of other dialects only.
fn foreign(prompt: Option<&Prompt>, api: Option<Api>, head: &Parts) -> Failure {
    let in_body = prompt.and_then(|prompt| prompt.scan.model.as_ref());
    let in_path = || {
        api?.model_in_path(head.uri.path())
            .map(|name| llm::decoded(name).into_owned())
    };
    in_body
        .map(|model| model.value.clone())
        .or_else(in_path)
        .map_or(Failure::ForeignModels, Failure::ForeignDialect)
}

fn unserved(unmatched: Unmatched, head: &Parts, model: &str) -> Failure {
    match unmatched {
        Unmatched::UnknownModel => Failure::UnknownModel(model.to_owned()),
        Unmatched::NoRoute => Failure::NoRoute(head.uri.path().to_owned()),
    }
}
