//! How many bytes a token has, for each model that the configuration knows.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::fast::FixedState;
use llm::tokens::Rate;

/// Rates by the label of the model that was asked for. Labels come from the configuration, so there
/// are as many as it has had.
#[derive(Debug, Default)]
pub(crate) struct Rates(ArcSwap<HashMap<Arc<str>, Arc<Rate>, FixedState>>);

impl Rates {
    /// The rate of a model, at first the rule of thumb.
    pub(crate) fn of(&self, label: &Arc<str>) -> Arc<Rate> {
        if let Some(rate) = self.0.load().get(label) {
            return Arc::clone(rate);
        }
        self.0.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.entry(Arc::clone(label)).or_default();
            known
        });
        self.0.load().get(label).cloned().unwrap_or_default()
    }
}

/// What a prompt teaches once it is known how many tokens it was.
#[derive(Debug)]
pub(crate) struct Lesson {
    rate: Arc<Rate>,
    bytes: u64,
}

impl Lesson {
    /// Of a prompt of so many bytes of text.
    pub(crate) fn new(rate: Arc<Rate>, bytes: u64) -> Self {
        Self { rate, bytes }
    }

    /// The prompt was so many tokens.
    pub(crate) fn learn(&self, tokens: u64) {
        self.rate.learn(self.bytes, tokens);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Lesson, Rates};

    #[test]
    fn each_model_has_its_own() {
        let rates = Rates::default();
        let (ours, theirs): (Arc<str>, Arc<str>) = ("ours".into(), "theirs".into());
        for _ in 0..100 {
            Lesson::new(rates.of(&ours), 8000).learn(4000);
        }
        let rate = |label| rates.of(label).bytes_per_token();
        assert!((rate(&ours) - 2.0).abs() < 0.1);
        assert!((rate(&theirs) - 4.0).abs() < f64::EPSILON);
    }
}
