//! Vocabularies that are public, so that a model's tokens can be counted without it.

use std::fmt;
use std::sync::OnceLock;

use bpe_openai::Tokenizer;

/// A vocabulary of OpenAI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Vocabulary {
    /// Of GPT-3.5, GPT-4 and the embeddings: `cl100k_base`.
    Cl100k,
    /// Of GPT-4o and all that came after it: `o200k_base`.
    O200k,
}

/// How names of models begin, by vocabulary; the first that fits counts. From OpenAI's own table
/// (tiktoken, `model.py`).
const BEGINNINGS: [(&str, Vocabulary); 15] = [
    ("gpt-4o", Vocabulary::O200k),
    ("gpt-4.1", Vocabulary::O200k),
    ("gpt-4.5", Vocabulary::O200k),
    ("gpt-4", Vocabulary::Cl100k),
    ("gpt-35", Vocabulary::Cl100k),
    ("gpt-3.5", Vocabulary::Cl100k),
    ("gpt-5", Vocabulary::O200k),
    ("gpt-oss", Vocabulary::O200k),
    ("chatgpt-", Vocabulary::O200k),
    ("codex-", Vocabulary::O200k),
    ("o1", Vocabulary::O200k),
    ("o3", Vocabulary::O200k),
    ("o4", Vocabulary::O200k),
    ("text-embedding-3", Vocabulary::Cl100k),
    ("text-embedding-ada-002", Vocabulary::Cl100k),
];

impl Vocabulary {
    /// The vocabulary of a model, by its name: also if it is fine-tuned (`ft:gpt-4o:…`) or named with
    /// its provider (`openai/gpt-4o`).
    #[must_use]
    pub fn of_model(name: &str) -> Option<Self> {
        let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
        let name = name.strip_prefix("ft:").unwrap_or(name);
        let known = BEGINNINGS
            .iter()
            .find(|(beginning, _)| name.starts_with(beginning));
        known.map(|(_, vocabulary)| *vocabulary)
    }

    /// Tokens of a text that stands by itself. Takes about 0.1 µs for a byte, and the first time
    /// some tens of milliseconds to load the vocabulary.
    #[must_use]
    pub fn count(self, text: &str) -> u64 {
        self.tokenizer().count(text) as u64
    }

    /// Whether it has been loaded.
    pub(super) fn is_loaded(self) -> bool {
        self.shelf().get().is_some()
    }

    fn tokenizer(self) -> &'static Tokenizer {
        self.shelf().get_or_init(|| match self {
            Self::Cl100k => bpe_openai::cl100k_base(),
            Self::O200k => bpe_openai::o200k_base(),
        })
    }

    /// Where it is kept once it is loaded.
    fn shelf(self) -> &'static OnceLock<&'static Tokenizer> {
        static CL100K: OnceLock<&Tokenizer> = OnceLock::new();
        static O200K: OnceLock<&Tokenizer> = OnceLock::new();
        match self {
            Self::Cl100k => &CL100K,
            Self::O200k => &O200K,
        }
    }
}

impl fmt::Display for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cl100k => "cl100k_base",
            Self::O200k => "o200k_base",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Vocabulary;

    #[test]
    fn models_have_the_vocabularies_that_openai_says() {
        let check = |name: &str, expect| assert_eq!(Vocabulary::of_model(name), expect, "{name}");
        for name in [
            "gpt-4o-mini",
            "openai/gpt-5.1",
            "ft:gpt-4o:acme::x",
            "o3-mini",
            "gpt-oss-20b",
        ] {
            check(name, Some(Vocabulary::O200k));
        }
        for name in ["gpt-4-turbo", "gpt-35-turbo", "text-embedding-3-small"] {
            check(name, Some(Vocabulary::Cl100k));
        }
        for name in ["claude-opus-4-5", "llama-3", "", "omni"] {
            check(name, None);
        }
    }

    /// The counts are tiktoken's.
    #[test]
    fn tokens_are_counted_as_openai_counts_them() {
        let text = "antidisestablishmentarianism";
        assert_eq!(Vocabulary::Cl100k.count(text), 6);
        assert_eq!(Vocabulary::O200k.count(text), 6);
        let text = "お誕生日おめでとう";
        assert_eq!(Vocabulary::Cl100k.count(text), 9);
        assert_eq!(Vocabulary::O200k.count(text), 8);
        assert_eq!(Vocabulary::O200k.count(""), 0);
        assert!(Vocabulary::Cl100k.is_loaded() && Vocabulary::O200k.is_loaded());
    }
}
