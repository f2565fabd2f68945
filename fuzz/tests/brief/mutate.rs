//! Mutations of inputs, without knowledge of what they reach.

use fastrand::Rng;

const SEED: u64 = 1;

/// Bytes of the longest input.
const MAX_LEN: usize = 4096;

/// Makes inputs of a corpus and tokens.
pub(crate) struct Mutator {
    random: Rng,
    corpus: Vec<Vec<u8>>,
    tokens: Vec<Vec<u8>>,
}

impl Mutator {
    pub(crate) fn new(corpus: Vec<Vec<u8>>, tokens: Vec<Vec<u8>>) -> Self {
        let random = Rng::with_seed(SEED);
        Self {
            random,
            corpus,
            tokens,
        }
    }

    /// An input of the corpus, changed in one to four places.
    pub(crate) fn mutation(&mut self) -> Vec<u8> {
        let mut input = self.pick();
        for _ in 0..self.random.u8(1..=4) {
            self.change(&mut input);
        }
        input.truncate(MAX_LEN);
        input
    }

    fn pick(&mut self) -> Vec<u8> {
        self.random
            .choice(&self.corpus)
            .cloned()
            .unwrap_or_default()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.random.usize(..=input.len());
        let end = (at + self.random.usize(..16)).min(input.len());
        match self.random.u8(..8) {
            0 => drop(input.drain(at..end)),
            1 => input.insert(at, self.random.u8(..)),
            2 => input.truncate(at),
            3 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.random.u8(..8);
                }
            }
            4 => {
                let part = input[at..end].repeat(self.random.usize(1..4));
                self.put(input, at, part);
            }
            5 => {
                let other = self.pick();
                let from = self.random.usize(..=other.len());
                let to = (from + self.random.usize(..64)).min(other.len());
                self.put(input, at, other[from..to].to_vec());
            }
            _ => {
                let token = self.random.choice(&self.tokens).cloned();
                self.put(input, at, token.unwrap_or_default());
            }
        }
    }

    fn put(&self, input: &mut Vec<u8>, at: usize, part: Vec<u8>) {
        drop(input.splice(at..at, part));
    }
}

/// The tokens of a dictionary in libFuzzer's form: a line each, in quotes, with `\\`, `\"` and
/// `\xNN`; lines that begin with `#` are comments.
pub(crate) fn dictionary(text: &str) -> Vec<Vec<u8>> {
    let lines = text.lines().map(str::trim);
    let tokens = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    tokens
        .map(|line| {
            let token = line
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            unescaped(
                token
                    .unwrap_or_else(|| panic!("not a token: {line}"))
                    .as_bytes(),
            )
        })
        .collect()
}

fn unescaped(mut text: &[u8]) -> Vec<u8> {
    let mut token = Vec::new();
    while let Some((&first, rest)) = text.split_first() {
        let (byte, rest) = match (first, rest) {
            (b'\\', [b'x', high, low, rest @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).unwrap();
                (u8::from_str_radix(digits, 16).unwrap(), rest)
            }
            (b'\\', [escaped, rest @ ..]) => (*escaped, rest),
            (plain, rest) => (plain, rest),
        };
        token.push(byte);
        text = rest;
    }
    token
}

#[test]
fn dictionaries_are_read() {
    let text = "# comment\n\n\"a\\\"b\"\n \"\\x0a\\\\\"\n";
    assert_eq!(dictionary(text), [b"a\"b".to_vec(), b"\n\\".to_vec()]);
}

#[test]
fn mutations_are_the_same_every_time() {
    let mutations = || {
        let mut mutator = Mutator::new(vec![b"abc".to_vec()], vec![b"token".to_vec()]);
        (0..100).map(|_| mutator.mutation()).collect::<Vec<_>>()
    };
    assert_eq!(mutations(), mutations());
    let different: std::collections::BTreeSet<_> = mutations().into_iter().collect();
    assert!(different.len() > 50);
}
