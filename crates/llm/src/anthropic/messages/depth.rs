//! How much to think, and how the next token is chosen.

use crate::canonical::{Content, Dropped, Effort, Message, Request, Role, Thinking};
use crate::wire::ObjectWriter;

use super::generation::Generation;

/// Tokens of an answer whose client did not bound it: the API wants a bound, and every model can do
/// this many.
const DEFAULT_MAX_TOKENS: u64 = 4096;
/// The API takes no lower budget for thinking.
const LEAST_BUDGET: u64 = 1024;
/// With thinking, the API takes no lower `top_p`.
const LEAST_TOP_P_OF_THINKING: f64 = 0.95;

/// How much to think, and the bound of tokens that includes the thoughts.
pub(crate) struct Depth {
    generation: Generation,
    mode: Option<Mode>,
    effort: Option<&'static str>,
    /// Whether the API takes a budget for thoughts.
    takes_budget: bool,
    pub(crate) max_tokens: u64,
}

enum Mode {
    Disabled,
    Adaptive,
    Budget(u64),
}

impl Depth {
    /// `forced`: the model must call a tool. The API does not let it think then.
    pub(crate) fn of(request: &Request<'_>, forced: bool, dropped: &mut Dropped) -> Self {
        let bound = request.max_output.as_ref().map(|bound| bound.value);
        let mut depth = Self {
            generation: Generation::of(&request.model),
            mode: None,
            effort: None,
            takes_budget: !forced && !has_lost_thoughts(&request.messages),
            max_tokens: bound.unwrap_or(DEFAULT_MAX_TOKENS),
        };
        let Some(thinking) = &request.thinking else {
            return depth;
        };
        match depth.generation {
            // It does what is wanted anyway.
            Generation::Thoughtless => {
                if !matches!(thinking.value, Thinking::Off | Thinking::Budget(0)) {
                    dropped.hint(Some(thinking));
                }
                return depth;
            }
            Generation::Budgeted => depth.budgeted(thinking.value, bound),
            Generation::Either | Generation::Adaptive | Generation::Unknown => {
                depth.adaptive(thinking.value, forced, bound);
            }
        }
        if depth.mode.is_none() && depth.effort.is_none() {
            dropped.hint(Some(thinking));
        }
        depth
    }

    fn budgeted(&mut self, thinking: Thinking, bound: Option<u64>) {
        // Half of the tokens are for the answer where the client has not said how many for thoughts.
        let half = bound.map_or(u64::MAX, |bound| (bound / 2).max(LEAST_BUDGET));
        match thinking {
            Thinking::Off | Thinking::Budget(0) => self.mode = Some(Mode::Disabled),
            _ if !self.takes_budget => {}
            Thinking::Budget(budget) => self.budget(budget, bound),
            Thinking::Effort(effort) => self.budget(budget_of(effort).min(half), bound),
            Thinking::Adaptive => self.budget(budget_of(Effort::Medium).min(half), bound),
        }
    }

    fn adaptive(&mut self, thinking: Thinking, forced: bool, bound: Option<u64>) {
        let knows_budgets = self.generation != Generation::Adaptive;
        match thinking {
            Thinking::Off | Thinking::Budget(0) => self.mode = Some(Mode::Disabled),
            Thinking::Effort(effort) => {
                self.effort = Some(effort_name(effort, self.generation));
                self.mode = (!forced).then_some(Mode::Adaptive);
            }
            Thinking::Adaptive if !forced => self.mode = Some(Mode::Adaptive),
            Thinking::Budget(budget) if knows_budgets && self.takes_budget => {
                self.budget(budget, bound);
            }
            Thinking::Budget(budget) if !knows_budgets => {
                self.adaptive(Thinking::Effort(effort_of(budget)), forced, bound);
            }
            Thinking::Adaptive | Thinking::Budget(_) => {}
        }
    }

    /// Settles the budget, which must be below the bound of all tokens. Where the client set none,
    /// as much is left for the answer as if it did not think.
    fn budget(&mut self, budget: u64, bound: Option<u64>) {
        let budget = budget.max(LEAST_BUDGET);
        let budget = match bound {
            Some(bound) => budget.min(bound.saturating_sub(1)),
            None => budget,
        };
        if budget < LEAST_BUDGET {
            return;
        }
        self.mode = Some(Mode::Budget(budget));
        if bound.is_none() {
            self.max_tokens = budget.saturating_add(DEFAULT_MAX_TOKENS);
        }
    }

    const fn thinks(&self) -> bool {
        matches!(self.mode, Some(Mode::Adaptive | Mode::Budget(_)))
    }

    /// The bound where an API does not need one: the client's, or that of a budget for thoughts.
    pub(crate) fn bound(&self, request: &Request<'_>) -> Option<u64> {
        let is_needed = request.max_output.is_some() || matches!(self.mode, Some(Mode::Budget(_)));
        is_needed.then_some(self.max_tokens)
    }

    /// The name of the effort, where one is to be made.
    pub(crate) const fn effort(&self) -> Option<&'static str> {
        self.effort
    }

    /// Writes how to think.
    pub(crate) fn write_mode(&self, o: &mut ObjectWriter<'_>) {
        if let Some(mode) = &self.mode {
            o.object("thinking", |o| match mode {
                Mode::Disabled => o.value("type", "disabled"),
                Mode::Adaptive => {
                    o.value("type", "adaptive");
                    if self.generation == Generation::Adaptive {
                        o.value("display", "summarized");
                    }
                }
                Mode::Budget(tokens) => {
                    o.value("type", "enabled");
                    o.value("budget_tokens", tokens);
                }
            });
        }
    }

    /// Writes how to think, and in the same place what form the answer shall have.
    pub(crate) fn write(&self, o: &mut ObjectWriter<'_>, schema: Option<&str>) {
        self.write_mode(o);
        if self.effort.is_none() && schema.is_none() {
            return;
        }
        o.object("output_config", |o| {
            o.maybe("effort", self.effort);
            if let Some(schema) = schema {
                o.object("format", |o| {
                    o.value("type", "json_schema");
                    o.raw("schema", schema);
                });
            }
        });
    }
}

/// Whether tools have been called in the present turn and none of the thoughts that led to them has come
/// back: most clients of other APIs do not keep them. With a budget, which tells the model that it has to
/// think, the API refuses such a turn; where the model may choose, it does not.
fn has_lost_thoughts(messages: &[Message<'_>]) -> bool {
    let is_answer = |message: &&Message<'_>| message.role == Role::Assistant;
    let is_call = |content: &Content<'_>| matches!(content, Content::ToolCall(_));
    let mut answers = messages
        .iter()
        .rev()
        .skip_while(|message| !is_answer(message))
        .take_while(|message| !begins_turn(message))
        .filter(is_answer)
        .peekable();
    answers.peek().is_some_and(|last| has(last, is_call))
        && !answers.any(|message| has(message, is_proven))
}

/// Whether the user says more than what tools came to.
fn begins_turn(message: &Message<'_>) -> bool {
    let is_result = |content: &Content<'_>| matches!(content, Content::ToolResult(_));
    message.role == Role::User && !has(message, is_result)
}

fn has(message: &Message<'_>, is: impl Fn(&Content<'_>) -> bool) -> bool {
    message.parts.iter().any(|part| is(&part.content))
}

/// Whether it is a thought that the API takes for its own.
fn is_proven(content: &Content<'_>) -> bool {
    match content {
        Content::Reasoning(thought) => thought.signature.is_some() || thought.redacted.is_some(),
        _ => false,
    }
}

const fn effort_name(effort: Effort, generation: Generation) -> &'static str {
    match (effort, generation) {
        (Effort::Minimal | Effort::Low, _) => "low",
        (Effort::Medium, _) => "medium",
        (Effort::High, _) => "high",
        // What 4.6 has above `high`.
        (Effort::XHigh, Generation::Either) => "max",
        (Effort::XHigh, _) => "xhigh",
    }
}

/// The tokens that stand for an effort. The most leave every model room for an answer.
const fn budget_of(effort: Effort) -> u64 {
    match effort {
        Effort::Minimal => LEAST_BUDGET,
        Effort::Low => 4096,
        Effort::Medium => 16_384,
        Effort::High | Effort::XHigh => 24_576,
    }
}

/// The effort nearest to a budget.
const fn effort_of(budget: u64) -> Effort {
    match budget {
        0..=4096 => Effort::Low,
        4097..=16_384 => Effort::Medium,
        _ => Effort::High,
    }
}

/// How the next token is chosen.
#[derive(Default)]
pub(crate) struct Sampling {
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) top_k: Option<u64>,
}

impl Sampling {
    /// Newer models refuse `temperature` and `top_p` together, the newest any of them, and thinking
    /// goes with hardly any. A value of 1 changes nothing, and many clients send it.
    pub(crate) fn of(request: &Request<'_>, depth: &Depth, dropped: &mut Dropped) -> Self {
        let thinks = depth.thinks();
        let takes_none = depth.generation == Generation::Adaptive;
        let mut sampling = Self::default();
        if let Some(temperature) = &request.temperature {
            let value = temperature.value.clamp(0.0, 1.0);
            if value != temperature.value || ((thinks || takes_none) && value < 1.0) {
                dropped.hint(Some(temperature));
            }
            sampling.temperature = (!thinks && !takes_none).then_some(value);
        }
        if let Some(top_p) = request.top_p.as_ref().filter(|top_p| top_p.value < 1.0) {
            if takes_none
                || thinks && top_p.value < LEAST_TOP_P_OF_THINKING
                || sampling.temperature.is_some_and(|value| value < 1.0)
            {
                dropped.hint(Some(top_p));
            } else {
                sampling.temperature = None;
                sampling.top_p = Some(top_p.value);
            }
        }
        match &request.top_k {
            Some(top_k) if thinks || takes_none => dropped.hint(Some(top_k)),
            top_k => sampling.top_k = top_k.as_ref().map(|top_k| top_k.value),
        }
        sampling
    }

    pub(crate) fn write(&self, o: &mut ObjectWriter<'_>) {
        o.maybe("temperature", self.temperature);
        o.maybe("top_p", self.top_p);
        o.maybe("top_k", self.top_k);
    }
}
