//! The numbers of a `usage` object.
//!
//! Servers differ in what they put there: `null` for a class they do not count, fractions, objects
//! of their own. So nothing in it is an error; what is not a count is not known.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::response::Usage;

/// A value inside `usage`, read as whatever it may be: a count, or an object with counts.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Figures {
    is_object: bool,
    count: Option<u64>,
    prompt: Option<u64>,
    completion: Option<u64>,
    /// As the Responses API, images and transcriptions have it.
    input: Option<u64>,
    output: Option<u64>,
    /// Of both together: all that is told where nothing is written.
    total: Option<u64>,
    /// As DeepSeek has it.
    cache_hit: Option<u64>,
    /// The classes that stand in this very object, which count where it is details.
    own: Classes,
    /// Those of its details.
    of_prompt: Classes,
    of_completion: Classes,
    of_input: Classes,
    of_output: Classes,
}

/// Parts of a count.
#[derive(Debug, Default, Clone, Copy)]
struct Classes {
    cached: Option<u64>,
    cache_write: Option<u64>,
    reasoning: Option<u64>,
    audio: Option<u64>,
    image: Option<u64>,
}

impl Classes {
    fn or(self, other: Self) -> Self {
        Self {
            cached: self.cached.or(other.cached),
            cache_write: self.cache_write.or(other.cache_write),
            reasoning: self.reasoning.or(other.reasoning),
            audio: self.audio.or(other.audio),
            image: self.image.or(other.image),
        }
    }
}

impl Figures {
    /// The usage, if this was an object. Where both names of a count stand, that of chat completions
    /// counts: some servers write zeros into the other.
    pub(super) fn usage(&self) -> Option<Usage> {
        let input = (self.prompt.or(self.input), self.of_prompt.or(self.of_input));
        let output = (
            self.completion.or(self.output),
            self.of_completion.or(self.of_output),
        );
        self.is_object.then(|| self.of(input, output))
    }

    /// The same of an API that has the newer names.
    pub(super) fn newer_usage(&self) -> Option<Usage> {
        let input = (self.input.or(self.prompt), self.of_input.or(self.of_prompt));
        let output = (
            self.output.or(self.completion),
            self.of_output.or(self.of_completion),
        );
        self.is_object.then(|| self.of(input, output))
    }

    fn of(
        &self,
        (input, read): (Option<u64>, Classes),
        (output, written): (Option<u64>, Classes),
    ) -> Usage {
        Usage {
            input: input.or(match output {
                None => self.total,
                Some(_) => None,
            }),
            cached_input: read.cached.or(self.cache_hit),
            cache_write: read.cache_write,
            cache_write_hour: None,
            input_audio: read.audio,
            input_image: read.image,
            output,
            reasoning: written.reasoning,
            output_audio: written.audio,
            output_image: written.image,
        }
    }

    fn take(&mut self, name: Name, value: Self) {
        match name {
            Name::PromptTokens => self.prompt = value.count,
            Name::CompletionTokens => self.completion = value.count,
            Name::TotalTokens => self.total = value.count,
            Name::PromptCacheHitTokens => self.cache_hit = value.count,
            Name::PromptTokensDetails => self.of_prompt = value.own,
            Name::CompletionTokensDetails => self.of_completion = value.own,
            Name::InputTokens => self.input = value.count,
            Name::OutputTokens => self.output = value.count,
            Name::InputTokensDetails => self.of_input = value.own,
            Name::OutputTokensDetails => self.of_output = value.own,
            Name::CachedTokens => self.own.cached = value.count,
            Name::CacheWriteTokens => self.own.cache_write = value.count,
            Name::ReasoningTokens => self.own.reasoning = value.count,
            Name::AudioTokens => self.own.audio = value.count,
            Name::ImageTokens => self.own.image = value.count,
            Name::Other => {}
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    PromptTokens,
    CompletionTokens,
    TotalTokens,
    PromptCacheHitTokens,
    PromptTokensDetails,
    CompletionTokensDetails,
    InputTokens,
    OutputTokens,
    #[serde(alias = "input_token_details")]
    InputTokensDetails,
    #[serde(alias = "output_token_details")]
    OutputTokensDetails,
    CachedTokens,
    CacheWriteTokens,
    ReasoningTokens,
    AudioTokens,
    ImageTokens,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Figures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Figures;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_u64<E>(self, count: u64) -> Result<Figures, E> {
        Ok(Figures {
            count: Some(count),
            ..Figures::default()
        })
    }

    fn visit_i64<E>(self, _: i64) -> Result<Figures, E> {
        Ok(Figures::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Figures, E> {
        Ok(Figures::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Figures, E> {
        Ok(Figures::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Figures, E> {
        Ok(Figures::default())
    }

    fn visit_unit<E>(self) -> Result<Figures, E> {
        Ok(Figures::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Figures, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Figures::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Figures, A::Error> {
        let mut figures = Figures {
            is_object: true,
            ..Figures::default()
        };
        while let Some(name) = fields.next_key::<Name>()? {
            let value = fields.next_value::<Figures>()?;
            figures.take(name, value);
        }
        Ok(figures)
    }
}
