//! Sampling and thinking. Converse has fields for little of it; the rest is said in the way of the
//! model's maker.

use crate::anthropic::messages::{Depth, Sampling};
use crate::canonical::{Dropped, Effort, Request, Thinking, ToolChoice};
use crate::wire::{ObjectWriter, object};

use super::super::maker::Maker;

/// How a model is to sample and to think.
pub(super) struct Extras {
    sampling: Sampling,
    bound: Option<u64>,
    manner: Manner,
}

enum Manner {
    Anthropics(Depth),
    /// Of Nova: how hard to think.
    Novas(Option<&'static str>),
    /// Of OpenAI's open models: likewise.
    OpenAis(Option<&'static str>),
    None,
}

impl Extras {
    /// `forced`: the model must call a tool.
    pub(super) fn of(
        request: &Request<'_>,
        maker: Maker,
        forced: bool,
        dropped: &mut Dropped,
    ) -> Self {
        let bound = request.max_output.as_ref().map(|bound| bound.value);
        match maker {
            Maker::Anthropic => {
                let depth = Depth::of(request, forced, dropped);
                Self {
                    sampling: Sampling::of(request, &depth, dropped),
                    bound: depth.bound(request),
                    manner: Manner::Anthropics(depth),
                }
            }
            Maker::Nova => Self::novas(request, bound, dropped),
            Maker::OpenAi => {
                let effort = said(request, dropped);
                Self {
                    sampling: sampling(request, maker, dropped),
                    bound,
                    manner: Manner::OpenAis(effort),
                }
            }
            // Whether they think, and how they are told, their names do not say.
            Maker::Other | Maker::Unknown => {
                dropped.hint(request.thinking.as_ref());
                Self {
                    sampling: sampling(request, maker, dropped),
                    bound,
                    manner: Manner::None,
                }
            }
        }
    }

    /// Nova thinks since its second generation, and only if it is told to. At its highest effort it
    /// takes neither a bound nor sampling; a client that sets a bound gets the effort below, since the
    /// bound is what it pays for.
    fn novas(request: &Request<'_>, bound: Option<u64>, dropped: &mut Dropped) -> Self {
        const HIGHEST: &str = "high";
        let mut effort = None;
        if request
            .thinking
            .as_ref()
            .is_some_and(|it| it.value != Thinking::Off)
        {
            if thinks(&request.model) {
                effort = said(request, dropped);
            } else {
                dropped.hint(request.thinking.as_ref());
            }
        }
        if effort == Some(HIGHEST) && bound.is_some() {
            effort = Some("medium");
            dropped.hint(request.thinking.as_ref());
        }
        let sampling = if effort == Some(HIGHEST) {
            dropped.hint(request.temperature.as_ref());
            dropped.hint(request.top_p.as_ref());
            dropped.hint(request.top_k.as_ref());
            Sampling::default()
        } else {
            sampling(request, Maker::Nova, dropped)
        };
        Self {
            sampling,
            bound,
            manner: Manner::Novas(effort),
        }
    }

    /// The effort that has a field of its own.
    pub(super) const fn effort(&self) -> Option<&'static str> {
        match &self.manner {
            Manner::Anthropics(depth) => depth.effort(),
            _ => None,
        }
    }

    /// Writes what Converse has fields for.
    pub(super) fn write_inference(&self, o: &mut ObjectWriter<'_>, request: &Request<'_>) {
        let stop = request.stop.as_ref().filter(|stop| !stop.value.is_empty());
        let config = object(|o| {
            o.maybe("maxTokens", self.bound);
            o.maybe("temperature", self.sampling.temperature);
            o.maybe("topP", self.sampling.top_p);
            o.maybe("stopSequences", stop.map(|stop| &stop.value));
        });
        write_unless_empty(o, "inferenceConfig", &config);
    }

    /// Writes the rest; `one`: which tool Anthropic's models are to call, but one at a time.
    pub(super) fn write(&self, o: &mut ObjectWriter<'_>, one: Option<&ToolChoice<'_>>) {
        let fields = object(|o| {
            match &self.manner {
                Manner::Anthropics(depth) => {
                    o.maybe("top_k", self.sampling.top_k);
                    depth.write_mode(o);
                }
                Manner::Novas(effort) => {
                    if let Some(top_k) = self.sampling.top_k {
                        o.object("inferenceConfig", |o| o.value("topK", top_k));
                    }
                    if let Some(effort) = effort {
                        o.object("reasoningConfig", |o| {
                            o.value("type", "enabled");
                            o.value("maxReasoningEffort", effort);
                        });
                    }
                }
                Manner::OpenAis(effort) => o.maybe("reasoning_effort", *effort),
                Manner::None => {}
            }
            if let Some(choice) = one {
                o.object("tool_choice", |o| {
                    match choice {
                        ToolChoice::Auto | ToolChoice::None => o.value("type", "auto"),
                        ToolChoice::Required => o.value("type", "any"),
                        ToolChoice::Named(name) => {
                            o.value("type", "tool");
                            o.value("name", name);
                        }
                    }
                    o.value("disable_parallel_tool_use", true);
                });
            }
        });
        write_unless_empty(o, "additionalModelRequestFields", &fields);
    }
}

fn write_unless_empty(o: &mut ObjectWriter<'_>, name: &str, fields: &[u8]) {
    let fields = std::str::from_utf8(fields).unwrap_or_default();
    if fields.len() > "{}".len() {
        o.raw(name, fields);
    }
}

/// Sampling of models that are not Anthropic's.
fn sampling(request: &Request<'_>, maker: Maker, dropped: &mut Dropped) -> Sampling {
    let temperature = request.temperature.as_ref().map(|given| {
        let value = given.value.clamp(0.0, 1.0);
        if value != given.value {
            dropped.hint(Some(given));
        }
        value
    });
    let top_k = request.top_k.as_ref();
    dropped.hint(top_k.filter(|_| maker != Maker::Nova));
    Sampling {
        temperature,
        top_p: request.top_p.as_ref().map(|given| given.value),
        top_k: top_k
            .filter(|_| maker == Maker::Nova)
            .map(|given| given.value),
    }
}

/// Whether a model of Amazon's is of Nova's second generation or a later one: `amazon.nova-2-lite-v1:0`.
fn thinks(model: &str) -> bool {
    let generation = model.split_once("nova-").map(|(_, rest)| rest);
    generation.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// The effort to ask for; what is asked for is named where there is none that says it.
fn said(request: &Request<'_>, dropped: &mut Dropped) -> Option<&'static str> {
    let thinking = request.thinking.as_ref()?;
    let effort = effort(thinking.value);
    if effort.is_none() {
        dropped.hint(Some(thinking));
    }
    effort
}

/// The effort nearest to what is asked for, of which there are three.
const fn effort(thinking: Thinking) -> Option<&'static str> {
    match thinking {
        Thinking::Off | Thinking::Adaptive => None,
        Thinking::Effort(Effort::Minimal | Effort::Low) | Thinking::Budget(..=4096) => Some("low"),
        Thinking::Effort(Effort::Medium) | Thinking::Budget(..=16_384) => Some("medium"),
        Thinking::Effort(Effort::High | Effort::XHigh) | Thinking::Budget(_) => Some("high"),
    }
}
