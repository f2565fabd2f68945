//! Conversations.

use super::form::Form;
use super::media::{self, FetchedMedia, MediaUrl};
use super::{Asked, Pair, TranslatedAnswer, TranslatedRequest, Unsaid, or_unsaid, rename};
use crate::anthropic::venue::Venue;
use crate::canonical::{Dropped, Request, tell_apart};
use crate::wire::Fault;
use crate::{Api, Dialect, Quirks};

/// What the conversation is called where it is not known whose it is.
pub(super) const CONVERSATION: &str = "messages";

/// Two APIs in which a conversation can be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Conversation {
    pub(super) client: Form,
    pub(super) upstream: Form,
}

impl Conversation {
    pub(super) fn of(client: Api, dialect: Dialect) -> Option<Self> {
        Some(Self {
            client: Form::of(client)?,
            upstream: Form::of_dialect(dialect),
        })
    }

    pub(super) const fn upstream(self) -> Api {
        self.upstream.api()
    }

    pub(super) fn media_to_fetch(
        self,
        asked: Asked<'_>,
        body: &[u8],
        quirks: &Quirks,
    ) -> Result<Vec<MediaUrl>, Fault> {
        let request = self.client.decode_request(asked, body)?;
        let urls = media::urls(&request, |media| self.upstream.wants_within(media, quirks));
        urls.map_err(|fault| self.in_client_s_words(fault))
    }

    pub(super) fn request(
        self,
        pair: Pair,
        asked: Asked<'_>,
        body: &[u8],
        model: Option<&str>,
        media: &FetchedMedia,
    ) -> Result<TranslatedRequest, Fault> {
        let mut request = self.client.decode_request(asked, body)?;
        rename(&mut request.model, model)?;
        tell_apart(&mut request.messages);
        let mut dropped = Dropped::default();
        let encoded = media::put(&mut request, media)
            .and_then(|()| self.refuse_urls(&request, pair.quirks))
            .and_then(|()| self.refuse_foreign_proofs(&request))
            .and_then(|()| {
                self.upstream
                    .encode_request(&request, pair.quirks, &mut dropped)
            });
        let body = encoded.map_err(|fault| self.in_client_s_words(fault))?;
        let (resource, body) = match (self.upstream, pair.quirks.venue) {
            (Form::AnthropicMessages, venue) if venue != Venue::Own => (
                venue.messages(&request.model, request.stream),
                venue.envelop(&body, None)?,
            ),
            (upstream, _) => (upstream.resource(&request), body),
        };
        Ok(TranslatedRequest {
            query: self.upstream.query(&request),
            ..TranslatedRequest::new(pair, resource, body, dropped)
        })
    }

    /// A fault by the client's own name for the conversation.
    fn in_client_s_words(self, fault: Fault) -> Fault {
        if fault.field != CONVERSATION {
            return fault;
        }
        Fault {
            field: self.client.conversation().to_owned(),
            ..fault
        }
    }

    /// Refuses media by URL where clouds take less than their models' maker, as encoders do elsewhere.
    fn refuse_urls(self, request: &Request<'_>, quirks: &Quirks) -> Result<(), Fault> {
        if quirks.venue == Venue::Own {
            return Ok(());
        }
        let wanted = media::urls(request, |media| self.upstream.wants_within(media, quirks))?;
        match wanted.first() {
            None => Ok(()),
            Some(_) => Err(Fault::new(
                CONVERSATION,
                "hold a medium by its URL, which the API of this model does not take: send it in the \
                 request",
            )),
        }
    }

    /// Refuses proofs that are known to be none of the upstream's provider, which would refuse them
    /// with less of an explanation.
    fn refuse_foreign_proofs(self, request: &Request<'_>) -> Result<(), Fault> {
        let Some(own) = self.upstream.proofs() else {
            return Ok(());
        };
        let mut signers = request.signers.iter();
        match signers.find(|signer| !matches!(&***signer, "unknown") && **signer != own) {
            None => Ok(()),
            Some(other) => Err(Fault::new(
                CONVERSATION,
                format!(
                    "hold reasoning signed by another provider (`{other}`): go on with the model \
                     that signed it, or leave it out"
                ),
            )),
        }
    }

    pub(super) fn answer(self, body: &[u8], unsaid: &Unsaid) -> Result<TranslatedAnswer, Fault> {
        let mut response = self.upstream.decode_response(body)?;
        let model = response.model.to_string();
        response.id = or_unsaid(&response.id, &unsaid.id);
        response.model = or_unsaid(&response.model, &unsaid.model);
        let body = self.client.encode_response(&response, unsaid.created);
        Ok(TranslatedAnswer::new(body, &model, response.usage))
    }
}
