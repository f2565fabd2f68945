//! Counters by HTTP status code.
//!
//! A code is what the upstream says, so it is a string from outside: the codes that servers really
//! send have a counter each, any other is counted under its class. That bounds the series and makes
//! a table of counters out of what would otherwise be a map.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The codes with a counter of their own, ascending: those of the IANA registry that a gateway can
/// meet, nginx's 499 (client closed request), Cloudflare's 520–526 and Anthropic's 529 (overloaded).
const KNOWN: [u16; 52] = [
    101, 200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 406,
    408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 424, 425, 426, 428, 429, 431, 451,
    499, 500, 501, 502, 503, 504, 505, 507, 520, 522, 524, 525, 526, 529,
];

/// The classes that collect the rest; the last is for what is no HTTP status at all.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "unknown"];

/// One counter per known status code and one per class.
#[derive(Debug)]
pub(crate) struct StatusCodes {
    known: [AtomicU64; KNOWN.len()],
    classes: [AtomicU64; CLASSES.len()],
}

impl Default for StatusCodes {
    fn default() -> Self {
        Self {
            known: [const { AtomicU64::new(0) }; KNOWN.len()],
            classes: [const { AtomicU64::new(0) }; CLASSES.len()],
        }
    }
}

impl StatusCodes {
    pub(crate) fn increment(&self, code: u16) {
        let counter = match KNOWN.binary_search(&code) {
            Ok(index) => &self.known[index],
            Err(_) => match code {
                100..=599 => &self.classes[usize::from(code / 100 - 1)],
                _ => &self.classes[CLASSES.len() - 1],
            },
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Label value and count of every code that was seen.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (String, u64)> {
        let known = KNOWN.iter().map(u16::to_string).zip(&self.known);
        let classes = CLASSES.iter().map(ToString::to_string).zip(&self.classes);
        known
            .chain(classes)
            .map(|(label, counter)| (label, counter.load(Relaxed)))
            .filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, StatusCodes};

    fn check(code: u16, expected: &str) {
        let codes = StatusCodes::default();
        codes.increment(code);
        assert_eq!(
            codes.counts().collect::<Vec<_>>(),
            [(expected.to_string(), 1)]
        );
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(KNOWN.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn known_codes_are_exact_and_others_are_their_class() {
        for code in KNOWN {
            check(code, &code.to_string());
        }
        check(100, "1xx");
        check(299, "2xx");
        check(499, "499");
        check(498, "4xx");
        check(599, "5xx");
        check(0, "unknown");
        check(99, "unknown");
        check(600, "unknown");
        check(u16::MAX, "unknown");
    }
}
