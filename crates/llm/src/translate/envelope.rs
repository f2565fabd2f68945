//! Anthropic's own API, where a cloud serves it in an envelope of its own.
//!
//! Its clients are understood there but for what stands around their requests, and at Bedrock around the
//! events of streams and in errors. So nothing is decoded: fields that nobody here knows arrive.

use super::{Asked, Pair, TranslatedAnswer, TranslatedRequest, rename};
use crate::anthropic::venue::Venue;
use crate::canonical::Dropped;
use crate::frames::Framing;
use crate::response::PlainTap;
use crate::wire::{Fault, Value};
use crate::{Api, Dialect, Operation, Quirks};

/// The Messages API at a cloud, for its own clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Envelope {
    venue: Venue,
    operation: Operation,
}

impl Envelope {
    pub(super) fn of(client: Api, dialect: Dialect, quirks: &Quirks) -> Option<Self> {
        let is_own = client.dialect == Dialect::Anthropic && dialect == Dialect::Anthropic;
        let (venue, operation) = (quirks.venue, client.operation);
        let is_there = matches!(
            (venue, operation),
            (Venue::Vertex | Venue::Bedrock, Operation::ChatCompletions)
                | (Venue::Vertex, Operation::CountTokens)
        );
        (is_own && is_there).then_some(Self { venue, operation })
    }

    pub(super) const fn upstream(self) -> Api {
        Api {
            dialect: Dialect::Anthropic,
            operation: self.operation,
        }
    }

    pub(super) fn request(
        self,
        pair: Pair,
        asked: Asked<'_>,
        body: &[u8],
        model: Option<&str>,
    ) -> Result<TranslatedRequest, Fault> {
        let mut fields = Value::document(body)?.object()?;
        let mut name = fields.text("model")?.unwrap_or_default();
        rename(&mut name, model)?;
        let stream = fields.take("stream", |value| value.boolean())?;
        let (resource, body) = if self.operation == Operation::CountTokens {
            let body = self.venue.envelop_count(body, &name)?;
            (self.venue.count_tokens(), body)
        } else {
            let body = self.venue.envelop(body, asked.betas)?;
            (self.venue.messages(&name, stream == Some(true)), body)
        };
        let dropped = Dropped::default();
        Ok(TranslatedRequest::new(pair, resource, body, dropped))
    }

    pub(super) fn answer(self, body: &[u8]) -> Result<TranslatedAnswer, Fault> {
        let document = Value::document(body)?;
        if !document.is_object() {
            return Err(document.expected("an object"));
        }
        let mut tap = PlainTap::new(self.upstream());
        tap.feed(body);
        let read = tap.finish();
        let model = read.model.as_deref().unwrap_or_default();
        Ok(TranslatedAnswer::new(body.to_vec(), model, read.usage))
    }
}

/// How the events of streams are told apart that come from there.
pub(super) const fn framing(upstream: Api, quirks: &Quirks) -> Framing {
    match (upstream.dialect, quirks.venue) {
        (Dialect::Anthropic, Venue::Bedrock) => Framing::Chunks,
        (dialect, _) => dialect.framing(),
    }
}
