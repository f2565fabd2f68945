//! How the upstream answers, as the load generator asks for it.
//!
//! The wish travels in a header rather than in the upstream's arguments, so that one upstream and
//! one set of proxies serve every kind of load, and rather than in the body, so that the upstream
//! need not look into a prompt of a megabyte.

use clap::ValueEnum;
use http::HeaderMap;

/// Header that names the [`Answer`].
pub(crate) const HEADER: &str = "x-bench-answer";

/// A way to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Answer {
    /// A chat completion of 1.5 KB, at once
    Whole,
    /// The same, 300 ms after the end of the request
    Late,
    /// A stream of 100 chunks, 10 ms apart
    Paced,
    /// A stream of 100 chunks, all at once
    Burst,
    /// A stream of one chunk that does not end
    Held,
}

impl Answer {
    /// The name in the header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Late => "late",
            Self::Paced => "paced",
            Self::Burst => "burst",
            Self::Held => "held",
        }
    }

    /// What a request asks for; [`Answer::Whole`] where it says nothing that is known.
    pub(crate) fn asked(headers: &HeaderMap) -> Self {
        let name = headers.get(HEADER).map(http::HeaderValue::as_bytes);
        Self::value_variants()
            .iter()
            .copied()
            .find(|answer| Some(answer.name().as_bytes()) == name)
            .unwrap_or(Self::Whole)
    }

    /// Whether it is a stream of events.
    pub(crate) fn is_stream(self) -> bool {
        matches!(self, Self::Paced | Self::Burst | Self::Held)
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, HEADER};
    use clap::ValueEnum;
    use http::{HeaderMap, HeaderName, HeaderValue};

    #[test]
    fn every_answer_can_be_asked_for() {
        for answer in Answer::value_variants() {
            let value = HeaderValue::from_static(answer.name());
            let headers = HeaderMap::from_iter([(HeaderName::from_static(HEADER), value)]);
            assert_eq!(Answer::asked(&headers), *answer);
        }
        assert_eq!(Answer::asked(&HeaderMap::new()), Answer::Whole);
    }
}
