//! One module for each reader of bytes.

pub(crate) mod answer;
pub(crate) mod configuration;
pub(crate) mod form;
pub(crate) mod messages;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod route;
pub(crate) mod scan;
pub(crate) mod splice;
pub(crate) mod sse;
pub(crate) mod stream;
pub(crate) mod translation;
