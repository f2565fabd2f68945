//! A record as a line of the access log.
//!
//! Written by hand: a line is thirty fields whose names and order are known, most of them short text
//! without anything to escape, and it is made for every request. serde_json took 11,000 instructions
//! for one, a twelfth of what a chat completion costs; this takes a seventh of that.

use super::{RequestRecord, Tokens};
use crate::format::{clip, push_milliseconds, push_rfc3339};
use std::io::Write;
use std::net::IpAddr;

/// Longest path that is logged, in bytes.
const MAX_PATH: usize = 1024;

/// Longest name of a model, a caller or a client's software, in bytes.
const MAX_NAME: usize = 256;

impl RequestRecord<'_> {
    /// Append the record as one JSON object, without the end of the line.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        let mut line = Line(out);
        line.0.extend_from_slice(b"{\"timestamp\":\"");
        push_rfc3339(line.0, self.timestamp);
        line.0.push(b'"');
        self.write_request(&mut line);
        self.write_upstream(&mut line);
        write_tokens(&self.tokens, &mut line);
        self.write_measures(&mut line);
        self.write_client(&mut line);
        line.0.push(b'}');
    }

    fn write_request(&self, line: &mut Line<'_>) {
        let path = self
            .path
            .split_once('?')
            .map_or(self.path, |(path, _)| path);
        line.text("request_id", clip(self.request_id, 128));
        line.text("listener", self.listener);
        line.optional("route", self.route, usize::MAX);
        line.optional("rule", self.rule, usize::MAX);
        line.text("method", clip(self.method, 32));
        line.text("path", clip(path, MAX_PATH));
        line.number("status", self.status.into());
        line.text("outcome", self.outcome.as_str());
        line.optional("error", self.error.map(|error| error.as_str()), usize::MAX);
        line.optional("error_detail", self.error_detail, 512);
    }

    fn write_upstream(&self, line: &mut Line<'_>) {
        line.optional("dialect", self.dialect, usize::MAX);
        line.optional("operation", self.operation, usize::MAX);
        line.optional("model_requested", self.model_requested, MAX_NAME);
        line.optional("model_served", self.model_served, MAX_NAME);
        line.optional("backend", self.backend, usize::MAX);
        line.optional("endpoint", self.endpoint, usize::MAX);
        line.number("attempts", self.attempts.into());
        line.flag("stream", self.stream);
    }

    fn write_measures(&self, line: &mut Line<'_>) {
        let durations = [
            ("duration_ms", Some(self.duration)),
            ("time_to_first_token_ms", self.time_to_first_token),
            ("time_per_output_token_ms", self.time_per_output_token),
            ("overhead_ms", Some(self.overhead)),
        ];
        for (name, duration) in durations {
            if let Some(duration) = duration {
                line.name(name);
                push_milliseconds(line.0, duration);
            }
        }
        line.number("bytes_received", self.bytes_received);
        line.number("bytes_sent", self.bytes_sent);
    }

    fn write_client(&self, line: &mut Line<'_>) {
        line.optional("caller", self.caller, MAX_NAME);
        if let Some(address) = self.client_ip {
            line.address("client_ip", address);
        }
        line.optional("traceparent", self.traceparent, 128);
        line.optional("user_agent", self.user_agent, MAX_NAME);
    }
}

fn write_tokens(tokens: &Tokens, line: &mut Line<'_>) {
    let classes = [
        ("input_tokens", tokens.input),
        ("output_tokens", tokens.output),
        ("cached_input_tokens", tokens.cached_input),
        ("cache_creation_input_tokens", tokens.cache_creation_input),
        (
            "cache_creation_hour_input_tokens",
            tokens.cache_creation_hour_input,
        ),
        ("input_audio_tokens", tokens.input_audio),
        ("input_image_tokens", tokens.input_image),
        ("reasoning_tokens", tokens.reasoning),
        ("output_audio_tokens", tokens.output_audio),
        ("output_image_tokens", tokens.output_image),
    ];
    for (name, count) in classes {
        if let Some(count) = count {
            line.number(name, count);
        }
    }
    if tokens.estimated {
        line.flag("tokens_estimated", true);
    }
}

/// A JSON object that has a field already. Names need no escapes: they are ours.
struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    fn name(&mut self, name: &'static str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn number(&mut self, name: &'static str, value: u64) {
        self.name(name);
        self.0
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn flag(&mut self, name: &'static str, value: bool) {
        self.name(name);
        self.0
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        if !stands_for_itself(value.as_bytes()) {
            // Writing to a vector does not fail.
            let _ = serde_json::to_writer(&mut *self.0, value);
            return;
        }
        self.0.push(b'"');
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'"');
    }

    fn optional(&mut self, name: &'static str, value: Option<&str>, max: usize) {
        if let Some(value) = value {
            self.text(name, clip(value, max));
        }
    }

    fn address(&mut self, name: &'static str, address: IpAddr) {
        self.name(name);
        self.0.push(b'"');
        match address {
            IpAddr::V4(address) => {
                let mut dot = "";
                for part in address.octets() {
                    self.0.extend_from_slice(dot.as_bytes());
                    self.0
                        .extend_from_slice(itoa::Buffer::new().format(part).as_bytes());
                    dot = ".";
                }
            }
            // Writing to a vector does not fail.
            IpAddr::V6(address) => drop(write!(self.0, "{address}")),
        }
        self.0.push(b'"');
    }
}

/// Whether no byte must be escaped in a JSON string (RFC 8259, section 7). All of a block are looked
/// at before any decides, which compiles to vector instructions.
fn stands_for_itself(text: &[u8]) -> bool {
    const BLOCK: usize = 16;
    let needs_escape = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    let is_plain = |block: &[u8; BLOCK]| {
        let marks = block.map(|byte| u8::from(needs_escape(byte)).wrapping_neg());
        u128::from_ne_bytes(marks) == 0
    };
    let (blocks, tail) = text.as_chunks::<BLOCK>();
    blocks.iter().all(is_plain) && !tail.iter().any(|&byte| needs_escape(byte))
}
