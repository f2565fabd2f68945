//! Chat completions, to and from the canonical model.
//!
//! What servers of this dialect add beside OpenAI's own fields is read, and written where the client
//! could not go on without it: `reasoning_content` (DeepSeek, vLLM), `reasoning_details` with the
//! signatures of thoughts (OpenRouter), `cache_control` on parts (OpenRouter, LiteLLM), and the
//! `extra_content` of Google on calls.

mod decode_request;
mod decode_response;
mod decode_stream;
mod encode_request;
mod encode_response;
mod encode_stream;
mod parts;

#[cfg(test)]
mod tests;

pub(crate) use decode_request::decode_request;
pub(crate) use decode_response::decode_response;
pub(crate) use decode_stream::StreamDecoder;
pub(crate) use encode_request::encode_request;
pub(crate) use encode_response::encode_response;
pub(crate) use encode_stream::StreamEncoder;
