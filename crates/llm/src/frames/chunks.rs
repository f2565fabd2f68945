//! Events of the Messages API in messages of [`event_stream`], as Bedrock streams them.
//!
//! A message `chunk` holds an event's data in base64, `{"bytes": "…"}`; the event is named as its `type`
//! is. Exceptions become the API's event `error`.

use bytes::Bytes;
use serde::Deserialize;

use super::BadFrame;
use crate::event_stream::{self, Message};
use crate::response::UpstreamError;
use crate::{Api, ApiError, ErrorKind, base64, bedrock, error, sse};

/// Cuts a stream into the events that are inside.
#[derive(Debug)]
pub(crate) struct Decoder {
    messages: event_stream::Decoder,
    events: sse::Decoder,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    bytes: std::borrow::Cow<'a, str>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
}

impl Decoder {
    pub(super) fn new(max_frame: usize) -> Self {
        Self {
            messages: event_stream::Decoder::new(max_frame),
            events: sse::Decoder::new(max_frame),
        }
    }

    pub(super) fn push(&mut self, chunk: Bytes) {
        self.messages.push(chunk);
    }

    pub(super) fn next_event(&mut self) -> Result<Option<sse::Frame>, BadFrame> {
        while let Some(message) = self.messages.next_message()? {
            // What holds no event says nothing.
            let Some(event) = event(&message) else {
                continue;
            };
            self.events.push(event.into());
            if let Some(frame) = self.events.next_frame()? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    pub(super) fn is_within_message(&self) -> bool {
        self.messages.is_within_message()
    }
}

/// The event in a message, as the API itself would stream it.
fn event(message: &Message) -> Option<Vec<u8>> {
    let payload = message.data();
    let name = message.name()?;
    if name != b"chunk" {
        return bedrock::exception(name, &payload).map(|error| in_messages(&error));
    }
    let chunk: Chunk<'_> = serde_json::from_slice(&payload).ok()?;
    let data = base64::bytes(&chunk.bytes)?;
    let event: Event<'_> = serde_json::from_slice(&data).ok()?;
    let mut out = Vec::with_capacity(data.len() + event.kind.len() + 16);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(event.kind.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    out.extend_from_slice(&data);
    out.extend_from_slice(b"\n\n");
    Some(out)
}

/// An exception as the API's own event.
fn in_messages(exception: &UpstreamError) -> Vec<u8> {
    let status = exception.status.unwrap_or(500);
    let error = ApiError {
        status,
        kind: ErrorKind::of_status(status),
        message: exception.message.clone(),
        param: None,
        code: None,
    };
    error::stream_event(Api::MESSAGES, &error, 0).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_stream::{Kind, encode};

    fn messages(messages: &[(Kind, &str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (kind, name, payload) in messages {
            encode(*kind, name, payload.as_bytes(), &mut out);
        }
        out
    }

    fn chunk(data: &str) -> String {
        format!(
            r#"{{"bytes":"{}","p":"ab"}}"#,
            base64::encode(data.as_bytes())
        )
    }

    fn read(bytes: &[u8], piece: usize) -> String {
        let mut decoder = Decoder::new(1 << 16);
        let mut out = Vec::new();
        for piece in bytes.chunks(piece) {
            decoder.push(Bytes::copy_from_slice(piece));
            while let Some(frame) = decoder.next_event().unwrap() {
                out.extend_from_slice(&frame.raw);
            }
        }
        assert!(!decoder.is_within_message());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn events_are_taken_out_of_their_messages() {
        let (ping, stop) = (r#"{"type":"ping"}"#, r#"{"type":"message_stop","x":1}"#);
        let bytes = messages(&[
            (Kind::Event, "chunk", &chunk(ping)),
            (Kind::Event, "other", "{}"),
            (Kind::Event, "chunk", "{}"),
            (Kind::Event, "chunk", &chunk(stop)),
        ]);
        let expected =
            format!("event: ping\ndata: {ping}\n\nevent: message_stop\ndata: {stop}\n\n");
        for piece in [1, 7, bytes.len()] {
            assert_eq!(read(&bytes, piece), expected);
        }
    }

    #[test]
    fn an_exception_is_an_error() {
        let bytes = messages(&[(
            Kind::Exception,
            "throttlingException",
            r#"{"message":"slow down"}"#,
        )]);
        let read = read(&bytes, bytes.len());
        assert!(read.starts_with("event: error\ndata: "), "{read}");
        assert!(
            read.contains("rate_limit_error") && read.contains("slow down"),
            "{read}"
        );
    }
}
