//! What the model says: plain words, as a function of the prompt.
//!
//! The answer is planned whole when the request arrives, with its end: the token limit, a stop
//! string, or the model's own end-of-sequence token, which counts as a token without text.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::{template, tokenizer};

/// When to end an answer.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Tokens at most, at least 1.
    pub(crate) max_tokens: u32,
    /// Tokens before any stop string or the model itself may end it.
    pub(crate) min_tokens: u32,
    /// The model never ends it by itself.
    pub(crate) ignore_eos: bool,
    /// Strings that end it.
    pub(crate) stop: Vec<String>,
    /// Whether the stop string belongs to the text.
    pub(crate) include_stop: bool,
    /// Bounds of the model's own length.
    pub(crate) natural_tokens: (u32, u32),
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The token limit.
    Length,
    /// The model's end-of-sequence token.
    Eos,
    /// A stop string.
    Stop(String),
}

impl Finish {
    /// The API's `finish_reason`.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Eos | Self::Stop(_) => "stop",
        }
    }

    /// vLLM's `stop_reason`: the stop string that was met.
    pub(crate) fn stop_string(&self) -> Option<&str> {
        match self {
            Self::Stop(stop) => Some(stop),
            Self::Length | Self::Eos => None,
        }
    }
}

/// A planned answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    text: String,
    ids: Vec<u32>,
    /// Where in `text` each token ends.
    ends: Vec<usize>,
    pub(crate) finish: Finish,
}

impl Answer {
    /// The answer that `seed` gives.
    pub(crate) fn plan(seed: u64, limits: &Limits) -> Self {
        let natural = natural_length(seed, limits);
        let most = limits.max_tokens.min(natural);
        let mut answer = Self::empty();
        answer.write(seed, most as usize);
        if natural < limits.max_tokens {
            answer.push(template::END, "");
            answer.finish = Finish::Eos;
        }
        answer.cut_at_stop(limits);
        answer
    }

    fn empty() -> Self {
        Self {
            text: String::new(),
            ids: Vec::new(),
            ends: Vec::new(),
            finish: Finish::Length,
        }
    }

    /// The ids of its tokens, that of the end of sequence included.
    pub(crate) fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The whole text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The text of the tokens from `from` up to `to`.
    pub(crate) fn delta(&self, from: u32, to: u32) -> &str {
        let end = |tokens: u32| match tokens.checked_sub(1) {
            None => 0,
            Some(last) => self
                .ends
                .get(last as usize)
                .copied()
                .unwrap_or(self.text.len()),
        };
        self.text.get(end(from)..end(to)).unwrap_or_default()
    }

    fn push(&mut self, piece: &str, text: &str) {
        self.ids.push(tokenizer::id(piece));
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    /// Writes sentences until there are `tokens` tokens.
    fn write(&mut self, seed: u64, tokens: usize) {
        let mut words = Words {
            state: seed,
            left_in_sentence: 0,
        };
        while self.ids.len() < tokens {
            let word = words.next(self.ids.is_empty());
            for piece in tokenizer::pieces(&word).take(tokens - self.ids.len()) {
                self.push(piece, piece);
            }
        }
    }

    /// Ends the answer at the first stop string that is complete after `min_tokens`.
    fn cut_at_stop(&mut self, limits: &Limits) {
        let from = match limits.min_tokens.checked_sub(1) {
            None => 0,
            Some(last) => self
                .ends
                .get(last as usize)
                .copied()
                .unwrap_or(self.text.len()),
        };
        let found = limits.stop.iter().filter_map(|stop| {
            let ends = self
                .text
                .match_indices(stop.as_str())
                .map(|(at, _)| at + stop.len());
            ends.into_iter()
                .find(|end| *end > from)
                .map(|end| (end, stop))
        });
        let Some((end, stop)) = found.min_by_key(|(end, stop)| (*end, usize::MAX - stop.len()))
        else {
            return;
        };
        let tokens = self.ends.partition_point(|token_end| *token_end < end) + 1;
        let text_end = if limits.include_stop {
            end
        } else {
            end - stop.len()
        };
        self.finish = Finish::Stop(stop.clone());
        self.ids.truncate(tokens);
        self.ends.truncate(tokens);
        self.ends
            .iter_mut()
            .for_each(|token_end| *token_end = (*token_end).min(text_end));
        self.text.truncate(text_end);
    }
}

/// The seed of a prompt's answer: the same prompt is answered in the same way.
pub(crate) fn seed_of(prompt: &[u32], salt: u64, choice: u64) -> u64 {
    prompt
        .iter()
        .fold(mix(salt ^ choice.rotate_left(48)), |hash, id| {
            mix(hash ^ u64::from(*id))
        })
}

/// Tokens after which the model ends by itself.
fn natural_length(seed: u64, limits: &Limits) -> u32 {
    if limits.ignore_eos {
        return u32::MAX;
    }
    let (least, most) = limits.natural_tokens;
    let spread = u64::from(most - least) + 1;
    let length = least + (xxh3_64_with_seed(b"length", seed) % spread) as u32;
    length.max(limits.min_tokens)
}

/// The finalizer of SplitMix64.
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// An endless text.
struct Words {
    state: u64,
    left_in_sentence: u64,
}

impl Words {
    fn next(&mut self, first: bool) -> String {
        self.state = mix(self.state);
        let word = VOCABULARY
            .get((self.state >> 8) as usize % VOCABULARY.len())
            .copied()
            .unwrap_or_default();
        let begins = self.left_in_sentence == 0;
        self.left_in_sentence = if begins {
            5 + self.state % 12
        } else {
            self.left_in_sentence - 1
        };
        let space = if first { "" } else { " " };
        let stop = if self.left_in_sentence == 0 { "." } else { "" };
        match begins {
            true => format!("{space}{}{stop}", capitalised(word)),
            false => format!("{space}{word}{stop}"),
        }
    }
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// A number that identifies a text.
pub(crate) fn text_seed(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// Words of one to three tokens; some outside ASCII, since real answers are.
const VOCABULARY: [&str; 64] = [
    "water", "gate", "river", "stone", "light", "house", "letter", "window", "garden", "morning",
    "quiet", "heavy", "small", "bright", "narrow", "ancient", "early", "open", "slow", "warm",
    "carries", "holds", "turns", "follows", "finds", "leaves", "keeps", "opens", "moves", "rests",
    "the", "a", "and", "of", "in", "to", "with", "under", "over", "beside", "because", "while",
    "engine", "channel", "measure", "balance", "harbour", "mountain", "café", "naïve", "über",
    "señor", "crème", "façade", "then", "now", "here", "often", "never", "again", "almost",
    "together", "without", "between",
];

#[cfg(test)]
mod tests;
