//! What a model can be told of its thinking, by the generation that its name tells.
//!
//! Up to 4.5 models are given a budget of tokens, from 4.6 on they adapt, and from 4.7 on they take
//! neither a budget nor any sampling. Each refuses what the others need.

/// How a generation of models thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    /// Not at all: before 3.7.
    Thoughtless,
    /// Within a budget of tokens.
    Budgeted,
    /// As the model finds right, or within a budget: 4.6.
    Either,
    /// As the model finds right, showing its thoughts only if it is told to; the next token is not
    /// for the client to choose.
    Adaptive,
    /// The name tells no number.
    Unknown,
}

impl Generation {
    /// The generation of a model, however its provider spells the name: `claude-opus-4-1-20250805`,
    /// `us.anthropic.claude-3-7-sonnet-20250219-v1:0`, `anthropic/claude-sonnet-4.5`.
    pub(super) fn of(model: &str) -> Self {
        match version(model) {
            None => Self::Unknown,
            Some((4, 6)) => Self::Either,
            Some((0..=2, _) | (3, 0..=6)) => Self::Thoughtless,
            Some((3, _) | (4, 0..=5)) => Self::Budgeted,
            Some(_) => Self::Adaptive,
        }
    }
}

/// The two numbers of a name, of which the second may be missing.
fn version(model: &str) -> Option<(u8, u8)> {
    let (_, name) = model.split_once("claude-")?;
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let major = words.find_map(number)?;
    Some((major, words.next().and_then(number).unwrap_or(0)))
}

/// A number, unless it has as many digits as a date.
fn number(word: &str) -> Option<u8> {
    word.parse().ok().filter(|_| word.len() <= 2)
}

#[cfg(test)]
mod tests {
    use super::Generation;

    #[test]
    fn names_tell_the_generation() {
        let check = |expect: Generation, models: &[&str]| {
            for model in models {
                assert_eq!(Generation::of(model), expect, "{model}");
            }
        };
        check(
            Generation::Thoughtless,
            &[
                "claude-2.1",
                "claude-3-opus-20240229",
                "claude-3-5-sonnet-latest",
                "anthropic.claude-3-haiku-20240307-v1:0",
                "anthropic/claude-3.5-haiku",
            ],
        );
        check(
            Generation::Budgeted,
            &[
                "claude-3-7-sonnet-20250219",
                "anthropic/claude-3.7-sonnet",
                "claude-opus-4-20250514",
                "claude-sonnet-4-0",
                "claude-sonnet-4@20250514",
                "us.anthropic.claude-opus-4-1-20250805-v1:0",
                "claude-haiku-4-5",
                "anthropic/claude-sonnet-4.5",
                "claude-opus-4-5-20251101",
            ],
        );
        check(
            Generation::Either,
            &["claude-opus-4-6", "anthropic.claude-opus-4-6-v1"],
        );
        check(Generation::Unknown, &["claude", "claude-latest", "ours"]);
        check(
            Generation::Adaptive,
            &[
                "claude-opus-4-7",
                "claude-sonnet-5",
                "claude-fable-5-1",
                "claude-opus-4-10",
            ],
        );
    }
}
