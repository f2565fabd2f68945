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
    /// Of both together: all that is told where nothing is written.
    total: Option<u64>,
    /// As DeepSeek has it.
    cache_hit: Option<u64>,
    /// `cached_tokens` and `reasoning_tokens` of this very object, which count where it is details.
    own_cached: Option<u64>,
    own_reasoning: Option<u64>,
    /// The same of its details.
    cached: Option<u64>,
    reasoning: Option<u64>,
}

impl Figures {
    /// The usage, if this was an object.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.is_object.then_some(Usage {
            input: self.prompt.or(match self.completion {
                None => self.total,
                Some(_) => None,
            }),
            cached_input: self.cached.or(self.cache_hit),
            output: self.completion,
            reasoning: self.reasoning,
            ..Usage::default()
        })
    }

    fn take(&mut self, name: Name, value: Self) {
        match name {
            Name::PromptTokens => self.prompt = value.count,
            Name::CompletionTokens => self.completion = value.count,
            Name::TotalTokens => self.total = value.count,
            Name::PromptCacheHitTokens => self.cache_hit = value.count,
            Name::PromptTokensDetails => self.cached = value.own_cached,
            Name::CompletionTokensDetails => self.reasoning = value.own_reasoning,
            Name::CachedTokens => self.own_cached = value.count,
            Name::ReasoningTokens => self.own_reasoning = value.count,
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
    CachedTokens,
    ReasoningTokens,
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
