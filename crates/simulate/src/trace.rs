//! What is asked of a fleet, and when.

use std::num::NonZeroU32;

use engine::{Nanos, Sequence, SequenceError};
use serde::Deserialize;

/// Tokens that a hash of Mooncake's traces stands for.
const CHUNK: NonZeroU32 = NonZeroU32::MIN.saturating_add(511);

/// A request of a trace.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When it arrives, after the beginning of the trace.
    pub at: Nanos,
    /// Its prompt and its answer.
    pub sequence: Sequence,
}

/// Requests in the order in which they arrive.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    arrivals: Vec<Arrival>,
}

/// Why a text is no trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// A line is not what Mooncake's traces have.
    #[error("line {line} is no request of a Mooncake trace: {error}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// A request cannot be computed.
    #[error("line {line}: {error}")]
    Sequence {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        error: SequenceError,
    },
    /// There is none.
    #[error("the trace has no requests")]
    Empty,
}

/// A line of a Mooncake trace (FAST'25): milliseconds, tokens, and a hash of each 512 tokens of the prompt
/// with all before them.
#[derive(Deserialize)]
struct Line {
    timestamp: u64,
    input_length: u32,
    output_length: u32,
    hash_ids: Vec<u64>,
}

impl Trace {
    /// Reads a Mooncake trace, a JSON object a line, for engines with KV blocks of so many tokens.
    ///
    /// # Errors
    /// The first line that is not one of it.
    pub fn mooncake(text: &str, block_size: NonZeroU32) -> Result<Self, TraceError> {
        let mut arrivals = Vec::new();
        let lines = text
            .lines()
            .zip(1..)
            .filter(|(line, _)| !line.trim().is_empty());
        for (text, line) in lines {
            let asked: Line =
                serde_json::from_str(text).map_err(|error| TraceError::Line { line, error })?;
            // An answer of no tokens is none; the trace has some of failed requests.
            let output = asked.output_length.max(1);
            let sequence = Sequence::from_chunks(
                &asked.hash_ids,
                CHUNK,
                asked.input_length.max(1),
                output,
                line as u64 | 1 << 63,
                block_size,
            );
            arrivals.push(Arrival {
                at: Nanos::from_millis(asked.timestamp),
                sequence: sequence.map_err(|error| TraceError::Sequence { line, error })?,
            });
        }
        Self::new(arrivals)
    }

    /// A trace of these requests.
    ///
    /// # Errors
    /// If there are none.
    pub fn new(mut arrivals: Vec<Arrival>) -> Result<Self, TraceError> {
        if arrivals.is_empty() {
            return Err(TraceError::Empty);
        }
        arrivals.sort_by_key(|arrival| arrival.at);
        Ok(Self { arrivals })
    }

    /// The requests, by their arrival.
    #[must_use]
    pub fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    /// The first so many requests.
    #[must_use]
    pub fn first(mut self, requests: usize) -> Self {
        self.arrivals.truncate(requests.max(1));
        self
    }

    /// Requests per second, from the first to the last.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let (first, last) = (self.arrivals.first(), self.arrivals.last());
        let span = first.zip(last).map(|(first, last)| last.at.since(first.at));
        let seconds = span.unwrap_or_default().as_secs_f64();
        if seconds > 0.0 {
            self.arrivals.len() as f64 / seconds
        } else {
            0.0
        }
    }

    /// The same requests, so many times as fast.
    #[must_use]
    pub fn faster(&self, factor: f64) -> Self {
        let stretched = |arrival: &Arrival| Arrival {
            at: Nanos::from_secs_f64(arrival.at.as_secs_f64() / factor),
            sequence: arrival.sequence.clone(),
        };
        Self {
            arrivals: self.arrivals.iter().map(stretched).collect(),
        }
    }

    /// The same requests, each as much later as chance has it, but less than `grid`: timestamps that were
    /// rounded, as Mooncake's are to three seconds, arrive together else.
    #[must_use]
    pub fn spread(&self, grid: Nanos, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut arrivals = self.arrivals.clone();
        if grid > Nanos::ZERO {
            for arrival in &mut arrivals {
                arrival.at += Nanos(rng.u64(0..grid.0));
            }
        }
        arrivals.sort_by_key(|arrival| arrival.at);
        Self { arrivals }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"timestamp": 3000, "input_length": 600, "output_length": 5, "hash_ids": [0, 2]}
{"timestamp": 0, "input_length": 700, "output_length": 0, "hash_ids": [0, 1]}

{"timestamp": 3000, "input_length": 10, "output_length": 5, "hash_ids": [7]}
"#;

    fn block() -> NonZeroU32 {
        NonZeroU32::new(16).unwrap()
    }

    #[test]
    fn lines_are_requests_in_order() {
        let trace = Trace::mooncake(TEXT, block()).unwrap();
        let at: Vec<_> = trace.arrivals().iter().map(|one| one.at).collect();
        assert_eq!(at, [0, 3000, 3000].map(Nanos::from_millis));
        let [first, second, _] = trace.arrivals() else {
            panic!("{trace:?}");
        };
        assert_eq!(
            (
                first.sequence.prompt_tokens(),
                first.sequence.output_tokens()
            ),
            (700, 1)
        );
        // The first 512 tokens are the same, and no more.
        let same = first.sequence.hashes().iter().zip(second.sequence.hashes());
        assert_eq!(same.take_while(|(a, b)| a == b).count(), 32);
        assert!((trace.rate() - 1.0).abs() < 1e-9);
        assert!((trace.faster(2.0).rate() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn spreading_is_by_the_seed_alone() {
        let trace = Trace::mooncake(TEXT, block()).unwrap();
        let at = |seed| -> Vec<Nanos> {
            let spread = trace.spread(Nanos::from_secs(3), seed);
            spread.arrivals().iter().map(|one| one.at).collect()
        };
        assert_eq!(at(1), at(1));
        assert_ne!(at(1), at(2));
        assert!(at(1).iter().all(|at| *at < Nanos::from_secs(6)));
        assert_eq!(trace.spread(Nanos::ZERO, 1).arrivals().len(), 3);
    }

    #[test]
    fn what_is_no_trace_is_told_by_its_line() {
        let told = |text| Trace::mooncake(text, block()).unwrap_err().to_string();
        assert!(
            told("{}\n").starts_with("line 1 is no request of a Mooncake trace: missing field")
        );
        let short = r#"{"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [0]}"#;
        assert!(told(short).starts_with("line 1: a prompt of 600 tokens needs 2 chunk hashes"));
        assert_eq!(told("\n"), "the trace has no requests");
    }
}
