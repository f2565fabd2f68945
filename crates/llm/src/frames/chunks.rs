//! Events of the Messages API in messages of [`event_stream`], as Bedrock streams them.
//!
//! A message `chunk` holds an event's data in base64, `{"bytes": "…"}`; the event is named as its `type`
//! is. Exceptions become the API's event `error`.

use bytes::Bytes;
use serde::Deserialize;

use super::BadFrame;
use crate::event_stream::{self, Corrupt, Message};
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
            // What is no event of the API says nothing.
            let Some(event) = event(&message)? else {
                continue;
            };
            self.events.push(event);
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

/// The event in a message, as the API itself would stream it. A chunk that cannot be read is part of the
/// answer all the same, which lacks it.
fn event(message: &Message) -> Result<Option<Bytes>, Corrupt> {
    const UNREADABLE: Corrupt = Corrupt("holds no event of the Messages API");
    let payload = message.data();
    let Some(name) = message.name() else {
        return Ok(None);
    };
    if name != b"chunk" {
        return Ok(bedrock::exception(name, &payload).map(|error| in_messages(&error)));
    }
    let chunk: Chunk<'_> = serde_json::from_slice(&payload).map_err(|_| UNREADABLE)?;
    let data = base64::bytes(&chunk.bytes).ok_or(UNREADABLE)?;
    let event: Event<'_> = serde_json::from_slice(&data).map_err(|_| UNREADABLE)?;
    Ok(Some(sse::encode(Some(&event.kind), &data)))
}

/// An exception as the API's own event.
fn in_messages(exception: &UpstreamError) -> Bytes {
    // Faults of the model's server, which Amazon counts among those of its client.
    let status = match exception.status {
        Some(408) => 504,
        Some(424) | None => 500,
        Some(status) => status,
    };
    let error = ApiError {
        status,
        kind: ErrorKind::of_status(status),
        message: exception.message.clone(),
        param: None,
        code: None,
    };
    error::stream_event(Api::MESSAGES, &error, 0)
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
            (Kind::Event, "chunk", &chunk(stop)),
        ]);
        let expected =
            format!("event: ping\ndata: {ping}\n\nevent: message_stop\ndata: {stop}\n\n");
        for piece in [1, 7, bytes.len()] {
            assert_eq!(read(&bytes, piece), expected);
        }
    }

    #[test]
    fn a_chunk_that_cannot_be_read_is_none_to_pass_over() {
        for payload in ["{}", r#"{"bytes":"!!"}"#, r#"{"bytes":"e30="}"#] {
            let mut decoder = Decoder::new(1 << 16);
            decoder.push(messages(&[(Kind::Event, "chunk", payload)]).into());
            assert!(decoder.next_event().is_err(), "{payload}");
        }
    }

    #[test]
    fn lines_within_an_event_stay_within_it() {
        let bytes = messages(&[(Kind::Event, "chunk", &chunk("{\n\"type\":\"ping\"}"))]);
        let expected = "event: ping\ndata: {\ndata: \"type\":\"ping\"}\n\n";
        assert_eq!(read(&bytes, bytes.len()), expected);
    }

    #[test]
    fn what_the_models_server_lacks_is_no_fault_of_the_client() {
        for (name, kind) in [
            ("modelTimeoutException", "timeout_error"),
            ("modelStreamErrorException", "api_error"),
        ] {
            let bytes = messages(&[(Kind::Exception, name, r#"{"message":"no"}"#)]);
            let read = read(&bytes, bytes.len());
            assert!(read.contains(kind), "{read}");
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
