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
        if maker == Maker::Anthropic {
            let depth = Depth::of(request, forced, dropped);
            return Self {
                sampling: Sampling::of(request, &depth, dropped),
                bound: depth.bound(request),
                manner: Manner::Anthropics(depth),
            };
        }
        let effort = request
            .thinking
            .as_ref()
            .and_then(|thinking| effort(thinking.value));
        let manner = match maker {
            Maker::Nova => Manner::Novas(effort),
            Maker::OpenAi => Manner::OpenAis(effort),
            _ => Manner::None,
        };
        let is_unsaid = matches!(
            manner,
            Manner::None | Manner::Novas(None) | Manner::OpenAis(None)
        );
        let thinking = request.thinking.as_ref();
        dropped.hint(thinking.filter(|thinking| is_unsaid && thinking.value != Thinking::Off));
        Self {
            sampling: sampling(request, maker, dropped),
            bound,
            manner,
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

/// The effort nearest to what is asked for, of which there are three.
const fn effort(thinking: Thinking) -> Option<&'static str> {
    match thinking {
        Thinking::Off | Thinking::Adaptive => None,
        Thinking::Effort(Effort::Minimal | Effort::Low) | Thinking::Budget(..=4096) => Some("low"),
        Thinking::Effort(Effort::Medium) | Thinking::Budget(..=16_384) => Some("medium"),
        Thinking::Effort(Effort::High | Effort::XHigh) | Thinking::Budget(_) => Some("high"),
    }
}
