//! The gateway as a whole, in this process: what is promised of every request whatever happens.

pub(crate) mod fixture;

mod answers;
mod anthropic;
mod attempts;
mod gemini;
mod in_path;
mod media;
mod reload;
mod responses;
mod settle;
mod translated;
