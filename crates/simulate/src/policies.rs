//! Policies by name, as a command line or a table has them.

use std::num::NonZeroU32;

use balance::{Policy, Rule};

/// The names, each with what a number behind a colon changes.
pub const NAMES: [(&str, &str); 10] = [
    ("round-robin", ""),
    ("random", ""),
    ("least-request", "how many are drawn; 2 without it"),
    ("least-pending-work", ""),
    ("lmetric", ""),
    ("dynamo", "the weight of prefilling; 1 without it"),
    ("sglang", ""),
    ("llm-d", ""),
    ("aibrix", ""),
    (
        "predicted-latency",
        "the weight of others' delay; 1 without it",
    ),
];

/// The policy of a name, such as `round-robin` or `dynamo:32`.
#[must_use]
pub fn named(name: &str) -> Option<Policy> {
    let (name, number) = match name.split_once(':') {
        Some((name, number)) => (name, Some(number)),
        None => (name, None),
    };
    let weight = |default: f64| match number {
        Some(number) => number
            .parse()
            .ok()
            .filter(|one: &f64| one.is_finite() && *one >= 0.0),
        None => Some(default),
    };
    let rule = match name {
        "round-robin" if number.is_none() => return Some(Policy::RoundRobin),
        "random" if number.is_none() => return Some(Policy::Random),
        "least-request" => {
            let choices = match number {
                Some(number) => number.parse::<NonZeroU32>().ok()?,
                None => return Some(Policy::P2C),
            };
            return Some(Policy::LeastRequest { choices });
        }
        "least-pending-work" if number.is_none() => Rule::LeastPendingWork,
        "lmetric" if number.is_none() => Rule::LMetric,
        "dynamo" => Rule::Dynamo {
            scale: weight(1.0)?,
        },
        "sglang" if number.is_none() => Rule::Sglang,
        "llm-d" if number.is_none() => Rule::LlmD,
        "aibrix" if number.is_none() => Rule::AiBrix,
        "predicted-latency" if number.is_none() => return Some(Policy::PREDICTED_LATENCY),
        "predicted-latency" => Rule::PredictedLatency {
            weight: weight(1.0)?,
        },
        _ => return None,
    };
    Some(Policy::Cost(rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one() {
        for (name, changes) in NAMES {
            assert!(named(name).is_some(), "{name}");
            let numbered = named(&format!("{name}:3"));
            assert_eq!(numbered.is_some(), !changes.is_empty(), "{name}");
        }
        for wrong in [
            "",
            "dynamo:",
            "dynamo:-1",
            "dynamo:inf",
            "least-request:0",
            "Random",
        ] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }
}
