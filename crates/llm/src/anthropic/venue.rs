//! Where the Messages API is served.
//!
//! Anthropic names the model and the wish for a stream in the body. Vertex AI and Bedrock name the model
//! in the path, and how it is asked; the version stands in the body, which is else the same, and so are
//! answers. Bedrock's streams are messages of [`event_stream`](crate::event_stream), each with an event
//! inside in base64.

use std::borrow::Cow;

use crate::bedrock::path as bedrock;
use crate::gemini::path as vertex;
use crate::wire::{Fault, Value, object};

/// Who serves the Messages API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Venue {
    /// Anthropic, or who does as it does.
    Own,
    /// Google's Vertex AI.
    Vertex,
    /// Amazon Bedrock, by `InvokeModel`.
    Bedrock,
}

impl Venue {
    /// The path below a base path at which `model` goes on with a conversation.
    pub(crate) fn messages(self, model: &str, stream: bool) -> Cow<'static, str> {
        match self {
            Self::Own => Cow::Borrowed(super::MESSAGES_PATH),
            Self::Vertex => Cow::Owned(vertex::raw_predict(model, stream)),
            Self::Bedrock => Cow::Owned(bedrock::invoke(model, stream)),
        }
    }

    /// The path at which tokens are counted.
    pub(crate) fn count_tokens(self) -> Cow<'static, str> {
        match self {
            Self::Own | Self::Bedrock => Cow::Borrowed(super::COUNT_TOKENS_PATH),
            Self::Vertex => Cow::Owned(vertex::raw_predict("count-tokens", false)),
        }
    }

    /// The version of the API, as a body names it.
    const fn version(self) -> &'static str {
        match self {
            Self::Own => "2023-06-01",
            Self::Vertex => "vertex-2023-10-16",
            Self::Bedrock => "bedrock-2023-05-31",
        }
    }

    /// Writes a request as it is wanted here: what the path says is taken out, the version and at
    /// Bedrock the betas of a header are put in, and all else stays as it is.
    ///
    /// # Errors
    /// If the body is no object.
    pub(crate) fn envelop(self, body: &[u8], betas: Option<&str>) -> Result<Vec<u8>, Fault> {
        let mut fields = Value::document(body)?.object()?;
        fields.ignore(&["model", "anthropic_version"]);
        if self == Self::Bedrock {
            fields.ignore(&["stream"]);
        }
        Ok(self.write(None, fields.all(), betas))
    }

    /// The same of a request to count tokens, which goes on to name its model.
    ///
    /// # Errors
    /// If the body is no object.
    pub(crate) fn envelop_count(self, body: &[u8], model: &str) -> Result<Vec<u8>, Fault> {
        let mut fields = Value::document(body)?.object()?;
        fields.ignore(&["model", "anthropic_version"]);
        Ok(self.write(Some(model), fields.all(), None))
    }

    fn write<'a>(
        self,
        model: Option<&str>,
        fields: impl Iterator<Item = (Cow<'a, str>, &'a str)>,
        betas: Option<&str>,
    ) -> Vec<u8> {
        let betas: Vec<&str> = match (self, betas) {
            (Self::Bedrock, Some(betas)) => {
                let betas = betas.split(',').map(str::trim);
                betas.filter(|beta| !beta.is_empty()).collect()
            }
            _ => Vec::new(),
        };
        object(|o| {
            o.value("anthropic_version", self.version());
            o.maybe("model", model);
            let mut has_betas = false;
            for (name, raw) in fields {
                has_betas |= name == "anthropic_beta";
                o.raw(&name, raw);
            }
            if !has_betas && !betas.is_empty() {
                o.value("anthropic_beta", &betas);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enveloped(venue: Venue, body: &str, betas: Option<&str>) -> String {
        String::from_utf8(venue.envelop(body.as_bytes(), betas).unwrap()).unwrap()
    }

    #[test]
    fn what_the_path_says_is_taken_out_and_all_else_stays() {
        let body = r#"{"x":[1.0, 2e3],"model":"m","stream":true,"y":"\u00e9"}"#;
        assert_eq!(
            enveloped(Venue::Vertex, body, Some("a")),
            r#"{"anthropic_version":"vertex-2023-10-16","x":[1.0, 2e3],"stream":true,"y":"\u00e9"}"#
        );
        assert_eq!(
            enveloped(Venue::Bedrock, body, Some("a, b")),
            r#"{"anthropic_version":"bedrock-2023-05-31","x":[1.0, 2e3],"y":"\u00e9","anthropic_beta":["a","b"]}"#
        );
        let own = r#"{"anthropic_beta":["c"],"anthropic_version":"z"}"#;
        assert_eq!(
            enveloped(Venue::Bedrock, own, Some("a")),
            r#"{"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["c"]}"#
        );
        assert!(Venue::Vertex.envelop(b"[]", None).is_err());
    }

    #[test]
    fn paths_name_the_model_and_how_it_is_asked() {
        let path = |venue: Venue, stream| venue.messages("claude@1", stream);
        let google = "/publishers/anthropic/models/claude%401";
        assert_eq!(path(Venue::Vertex, false), format!("{google}:rawPredict"));
        assert_eq!(
            path(Venue::Vertex, true),
            format!("{google}:streamRawPredict")
        );
        let bedrock = Venue::Bedrock.messages("us.anthropic.claude-v1:0", true);
        assert_eq!(
            bedrock,
            "/model/us.anthropic.claude-v1%3A0/invoke-with-response-stream"
        );
        assert_eq!(path(Venue::Own, true), "/messages");
        assert_eq!(
            Venue::Vertex.count_tokens(),
            "/publishers/anthropic/models/count-tokens:rawPredict"
        );
    }
}
