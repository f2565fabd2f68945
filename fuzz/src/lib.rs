//! Everything that reads bytes from outside, each as a function of bytes that must not panic.
//!
//! A target is a plain function, so that one definition serves two runners. `tests/brief` mutates
//! the checked-in corpus from a fixed seed for a few seconds with every test run; it finds again what
//! was found before. The binary `guided` gives the function to libFuzzer, which is led by coverage
//! and finds what is new; it takes a C++ compiler and time (`cargo xtask fuzz`).
//!
//! Not to panic is the least. Wherever there is a second opinion a target asks for it: serde_json of
//! JSON, a parser of server-sent events that is as plain as the standard's own words, the same bytes
//! in other pieces, the result read again.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a target reports what it finds by panicking"
)]

mod reference;
mod split;
mod targets;

/// Something that reads bytes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of its corpus in `corpus/`.
    pub name: &'static str,
    /// Name of the list of tokens in `dictionaries/` that its inputs are made of.
    pub dictionary: &'static str,
    /// Reads an input; panics if it is read wrongly.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "sse",
        dictionary: "stream",
        run: targets::sse::run,
    },
    Target {
        name: "stream",
        dictionary: "stream",
        run: targets::stream::run,
    },
    Target {
        name: "answer",
        dictionary: "body",
        run: targets::answer::run,
    },
    Target {
        name: "scan",
        dictionary: "body",
        run: targets::scan::run,
    },
    Target {
        name: "splice",
        dictionary: "body",
        run: targets::splice::run,
    },
    Target {
        name: "configuration",
        dictionary: "configuration",
        run: targets::configuration::run,
    },
    Target {
        name: "route",
        dictionary: "route",
        run: targets::route::run,
    },
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
