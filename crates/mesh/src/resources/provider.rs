//! An LLM API that somebody else runs.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::ProviderAuth;
use super::backend::{ConnectionPool, OutlierDetection, Protocol, RetryBudget, UpstreamTls};
use super::filter::Header;
use super::preset::Preset;
use super::secret::SecretRef;

/// An LLM API of somebody else, at one base URL. Without any route that refers to it, a provider
/// serves its own models under their own names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProviderSpec {
    /// Well-known provider that it is: its dialect, URL, key and quirks need not be written then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// API that is spoken there. Default: the preset's, else openai.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<ProviderDialect>,
    /// URL of the API up to and including its version, `http` or `https`, without query. Absent:
    /// the preset's, else that of the dialect's own service, `https://api.openai.com/v1`,
    /// `https://api.anthropic.com/v1` or `https://generativelanguage.googleapis.com/v1beta`; for
    /// `cohere` `https://api.cohere.com/v2`; for
    /// `ollama`, which has no version, `http://localhost:11434`; for `bedrock` that of the region of
    /// `auth.aws`, such as `https://bedrock-runtime.eu-west-1.amazonaws.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Key that is sent with each request in the place of the client's. Absent: that in the
    /// preset's environment variable unless there is an identity (`auth`); without a preset none
    /// is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretRef>,
    /// Identity by which it is asked instead of a key. Not together with apiKey.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<ProviderAuth>,
    /// Names of the models it serves. Empty: any model that nothing else serves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Headers that are set on each request, such as an organisation or API version. Requests to an
    /// `anthropic` API that have no `anthropic-version` get `2023-06-01`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// HTTP version spoken. Default: auto.
    pub protocol: Protocol,
    /// Trust other than the public authorities. Only with an `https` base URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// How connections are kept.
    pub connection_pool: ConnectionPool,
    /// When an address that fails is left out.
    pub outlier_detection: OutlierDetection,
    /// How many retries may be made.
    pub retry_budget: RetryBudget,
}

impl ProviderSpec {
    /// API that is spoken there.
    pub fn dialect(&self) -> ProviderDialect {
        let preset = self.preset.map(Preset::dialect);
        self.dialect.or(preset).unwrap_or_default()
    }

    /// URL of the API; `None` if it is missing.
    pub fn base_url(&self) -> Option<Cow<'_, str>> {
        if let Some(url) = &self.base_url {
            return Some(Cow::Borrowed(url));
        }
        let known = match self.preset {
            Some(preset) => preset.base_url(),
            None => self.dialect().default_base_url(),
        };
        known.map(Cow::Borrowed).or_else(|| self.regional_url())
    }

    /// Where Bedrock is in the region of the identity.
    fn regional_url(&self) -> Option<Cow<'_, str>> {
        let aws = self.auth.as_ref()?.aws.as_ref()?;
        let region = aws.region.as_deref()?;
        let is_bedrock = self.dialect() == ProviderDialect::Bedrock
            || self.preset == Some(Preset::BedrockAnthropic);
        is_bedrock.then(|| format!("https://bedrock-runtime.{region}.amazonaws.com").into())
    }

    /// Key that is sent.
    pub fn api_key(&self) -> Option<SecretRef> {
        let variable = self.preset.and_then(Preset::key_variable);
        let variable = variable.filter(|_| self.auth.is_none());
        let known = || variable.map(|name| SecretRef::Env(name.to_owned()));
        self.api_key.clone().or_else(known)
    }
}

/// The APIs that a provider can speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProviderDialect {
    /// OpenAI's API: chat completions, responses, completions, embeddings and models.
    #[default]
    Openai,
    /// Anthropic's API: messages and the counting of their tokens.
    Anthropic,
    /// Google's Gemini API: generation of content, for clients of other dialects.
    Gemini,
    /// Ollama's own API: chat, generate, embed and show.
    Ollama,
    /// Amazon Bedrock's Converse.
    Bedrock,
    /// Cohere's own API: chat, embed and rerank.
    Cohere,
}

impl ProviderDialect {
    /// The URL of the dialect's own service, if it has but one.
    pub const fn default_base_url(self) -> Option<&'static str> {
        Some(match self {
            Self::Openai => "https://api.openai.com/v1",
            Self::Anthropic => "https://api.anthropic.com/v1",
            Self::Gemini => "https://generativelanguage.googleapis.com/v1beta",
            Self::Ollama => "http://localhost:11434",
            Self::Cohere => "https://api.cohere.com/v2",
            Self::Bedrock => return None,
        })
    }
}
