//! Everything that reads bytes from outside, each as a function of bytes that must not panic.
//!
//! A target is a plain function, so that one definition serves two runners. `tests/brief` mutates
//! the checked-in corpus from a fixed seed for a few seconds with every test run; it finds again
//! what was found before. The binary `guided` gives the function to libFuzzer, which is led by
//! coverage and finds what is new; it takes a C++ compiler and time (`cargo xtask fuzz`).
//!
//! Not to panic is the least. Wherever there is a second opinion a target asks for it: serde_json
//! of JSON, a parser of server-sent events that is as plain as the standard's own words, the same
//! bytes in other pieces, the result read again.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a target reports what it finds by panicking"
)]

mod reference;
mod split;
mod targets;
mod wire;

/// Something that reads bytes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name. Its corpus is `corpus/FORM/NAME`.
    pub name: &'static str,
    /// What its inputs are. Tokens of such are in `corpus/FORM/tokens.dict`.
    pub form: &'static str,
    /// Reads an input; panics if it is read wrongly.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "sse",
        form: "stream",
        run: targets::sse::run,
    },
    Target {
        name: "stream",
        form: "stream",
        run: targets::stream::run,
    },
    Target {
        name: "messages",
        form: "stream",
        run: targets::messages::run,
    },
    Target {
        name: "form",
        form: "form",
        run: targets::form::run,
    },
    Target {
        name: "answer",
        form: "body",
        run: targets::answer::run,
    },
    Target {
        name: "scan",
        form: "body",
        run: targets::scan::run,
    },
    Target {
        name: "splice",
        form: "body",
        run: targets::splice::run,
    },
    Target {
        name: "translation",
        form: "body",
        run: targets::translation::whole,
    },
    Target {
        name: "translated-stream",
        form: "stream",
        run: targets::translation::stream,
    },
    Target {
        name: "request",
        form: "http",
        run: targets::request::run,
    },
    Target {
        name: "response",
        form: "http",
        run: targets::response::run,
    },
    Target {
        name: "configuration",
        form: "configuration",
        run: targets::configuration::run,
    },
    Target {
        name: "route",
        form: "route",
        run: targets::route::run,
    },
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
