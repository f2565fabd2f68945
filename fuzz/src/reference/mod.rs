//! Second opinions: slow, and too plain to be wrong in the same way.

pub(crate) mod json;
pub(crate) mod sse;
