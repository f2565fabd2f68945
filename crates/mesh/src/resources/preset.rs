//! Well-known providers: what is the same for everybody who uses them.

#[cfg(test)]
mod tests;

use llm::Quirks;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::provider::ProviderDialect;

/// A provider whose URL, dialect, key variable and quirks are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// OpenAI, at `https://api.openai.com/v1`, by the key in `OPENAI_API_KEY`.
    Openai,
    /// OpenRouter, at `https://openrouter.ai/api/v1`, by the key in `OPENROUTER_API_KEY`.
    Openrouter,
    /// Groq, at `https://api.groq.com/openai/v1`, by the key in `GROQ_API_KEY`.
    Groq,
    /// Mistral, at `https://api.mistral.ai/v1`, by the key in `MISTRAL_API_KEY`.
    Mistral,
    /// DeepSeek, at `https://api.deepseek.com/v1`, by the key in `DEEPSEEK_API_KEY`.
    Deepseek,
    /// Together AI, at `https://api.together.xyz/v1`, by the key in `TOGETHER_API_KEY`.
    Together,
    /// Fireworks AI, at `https://api.fireworks.ai/inference/v1`, by the key in `FIREWORKS_API_KEY`.
    Fireworks,
    /// xAI, at `https://api.x.ai/v1`, by the key in `XAI_API_KEY`.
    Xai,
    /// Cerebras, at `https://api.cerebras.ai/v1`, by the key in `CEREBRAS_API_KEY`.
    Cerebras,
    /// NVIDIA, at `https://integrate.api.nvidia.com/v1`, by the key in `NVIDIA_API_KEY`.
    Nvidia,
    /// Google's Gemini API, at `https://generativelanguage.googleapis.com/v1beta`, by the key in
    /// `GEMINI_API_KEY`.
    Gemini,
    /// SambaNova, at `https://api.sambanova.ai/v1`, by the key in `SAMBANOVA_API_KEY`.
    Sambanova,
    /// Perplexity, at `https://api.perplexity.ai`, by the key in `PERPLEXITY_API_KEY`.
    Perplexity,
    /// DeepInfra, at `https://api.deepinfra.com/v1/openai`, by the key in `DEEPINFRA_API_KEY`.
    Deepinfra,
    /// Anthropic, at `https://api.anthropic.com/v1`, by the key in `ANTHROPIC_API_KEY`.
    Anthropic,
    /// Hugging Face's inference providers, at `https://router.huggingface.co/v1`, by the key in
    /// `HF_TOKEN`.
    Huggingface,
    /// Azure OpenAI, at the `baseUrl` of the resource, such as
    /// `https://NAME.openai.azure.com/openai/v1`, by the key in `AZURE_OPENAI_API_KEY`.
    Azure,
    /// Ollama on this machine, at `http://localhost:11434`, without a key.
    Ollama,
    /// Amazon Bedrock, at the `baseUrl` of a region or in the region of `auth.aws`, by the key in
    /// `AWS_BEARER_TOKEN_BEDROCK`.
    Bedrock,
    /// Cohere, at `https://api.cohere.com/v2`, by the key in `CO_API_KEY`.
    Cohere,
    /// Anthropic's models at Google's Vertex AI, at the `baseUrl` of a project, such as
    /// `https://europe-west1-aiplatform.googleapis.com/v1/projects/PROJECT/locations/europe-west1`, by
    /// the identity in `auth.google`.
    #[serde(rename = "vertex-anthropic")]
    VertexAnthropic,
    /// Anthropic's models at Amazon Bedrock in Anthropic's own API, at the `baseUrl` of a region or in
    /// the region of `auth.aws`, by the key in `AWS_BEARER_TOKEN_BEDROCK`.
    #[serde(rename = "bedrock-anthropic")]
    BedrockAnthropic,
}

/// What is known of a provider.
struct Facts {
    name: &'static str,
    /// `None`: each customer has its own.
    base_url: Option<&'static str>,
    /// Variable that its own documentation uses for the key; `None`: it takes none.
    key: Option<&'static str>,
    dialect: ProviderDialect,
    /// Beginnings of model names that are this provider's own.
    prefixes: &'static [&'static str],
    /// Whether a key in the environment is reason enough to serve it: some are there for other
    /// programs.
    is_served_by_key: bool,
}

impl Preset {
    /// All, in order of precedence as the provider of models that no other claims. Anthropic serves
    /// none but its own, and many have its key set for other programs.
    pub const ALL: [Self; 22] = [
        Self::Openai,
        Self::Openrouter,
        Self::Groq,
        Self::Mistral,
        Self::Deepseek,
        Self::Together,
        Self::Fireworks,
        Self::Xai,
        Self::Cerebras,
        Self::Nvidia,
        Self::Gemini,
        Self::Sambanova,
        Self::Perplexity,
        Self::Deepinfra,
        Self::Anthropic,
        Self::Huggingface,
        Self::Azure,
        Self::Ollama,
        Self::Bedrock,
        Self::Cohere,
        Self::VertexAnthropic,
        Self::BedrockAnthropic,
    ];

    /// Its name, as it is written in a configuration.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// URL of its API up to and including its version; `None` if each customer has its own.
    pub const fn base_url(self) -> Option<&'static str> {
        self.facts().base_url
    }

    /// Environment variable of the key; `None` if it takes none.
    pub const fn key_variable(self) -> Option<&'static str> {
        self.facts().key
    }

    /// API that is spoken there.
    pub const fn dialect(self) -> ProviderDialect {
        self.facts().dialect
    }

    /// Beginnings of names that only this provider gives to models.
    pub const fn model_prefixes(self) -> &'static [&'static str] {
        self.facts().prefixes
    }

    /// Whether it is served without a configuration if its key is in the environment.
    pub const fn is_served_by_key(self) -> bool {
        self.facts().is_served_by_key
    }

    /// Where it differs from others of its dialect, whatever the URL by which it is reached.
    pub const fn quirks(self) -> &'static Quirks {
        match self {
            Self::Openai => &Quirks::OPENAI,
            Self::Azure => &Quirks::AZURE,
            Self::Mistral => &Quirks::MISTRAL,
            Self::Groq => &Quirks::GROQ,
            Self::VertexAnthropic => &Quirks::VERTEX_ANTHROPIC,
            Self::BedrockAnthropic => &Quirks::BEDROCK_ANTHROPIC,
            _ => &Quirks::NONE,
        }
    }

    const fn facts(self) -> Facts {
        match self {
            Self::Openai => {
                compatible("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", &[])
            }
            Self::Openrouter => compatible(
                "openrouter",
                "https://openrouter.ai/api/v1",
                "OPENROUTER_API_KEY",
                &[],
            ),
            Self::Groq => compatible(
                "groq",
                "https://api.groq.com/openai/v1",
                "GROQ_API_KEY",
                &[],
            ),
            Self::Mistral => compatible(
                "mistral",
                "https://api.mistral.ai/v1",
                "MISTRAL_API_KEY",
                &[
                    "mistral-",
                    "ministral-",
                    "magistral-",
                    "codestral-",
                    "devstral-",
                    "pixtral-",
                    "open-mi",
                ],
            ),
            Self::Deepseek => compatible(
                "deepseek",
                "https://api.deepseek.com/v1",
                "DEEPSEEK_API_KEY",
                &["deepseek-"],
            ),
            Self::Together => compatible(
                "together",
                "https://api.together.xyz/v1",
                "TOGETHER_API_KEY",
                &[],
            ),
            Self::Fireworks => compatible(
                "fireworks",
                "https://api.fireworks.ai/inference/v1",
                "FIREWORKS_API_KEY",
                &["accounts/fireworks/"],
            ),
            Self::Xai => compatible("xai", "https://api.x.ai/v1", "XAI_API_KEY", &["grok-"]),
            Self::Cerebras => compatible(
                "cerebras",
                "https://api.cerebras.ai/v1",
                "CEREBRAS_API_KEY",
                &[],
            ),
            Self::Nvidia => compatible(
                "nvidia",
                "https://integrate.api.nvidia.com/v1",
                "NVIDIA_API_KEY",
                &["nvidia/"],
            ),
            Self::Gemini => Facts {
                name: "gemini",
                base_url: Some("https://generativelanguage.googleapis.com/v1beta"),
                key: Some("GEMINI_API_KEY"),
                dialect: ProviderDialect::Gemini,
                prefixes: &["gemini-"],
                is_served_by_key: true,
            },
            Self::Sambanova => compatible(
                "sambanova",
                "https://api.sambanova.ai/v1",
                "SAMBANOVA_API_KEY",
                &[],
            ),
            Self::Perplexity => compatible(
                "perplexity",
                "https://api.perplexity.ai",
                "PERPLEXITY_API_KEY",
                &["sonar"],
            ),
            Self::Deepinfra => compatible(
                "deepinfra",
                "https://api.deepinfra.com/v1/openai",
                "DEEPINFRA_API_KEY",
                &[],
            ),
            Self::Anthropic => Facts {
                name: "anthropic",
                base_url: Some("https://api.anthropic.com/v1"),
                key: Some("ANTHROPIC_API_KEY"),
                dialect: ProviderDialect::Anthropic,
                prefixes: &["claude-"],
                is_served_by_key: true,
            },
            Self::Huggingface => Facts {
                name: "huggingface",
                base_url: Some("https://router.huggingface.co/v1"),
                key: Some("HF_TOKEN"),
                dialect: ProviderDialect::Openai,
                prefixes: &[],
                is_served_by_key: false,
            },
            Self::Azure => Facts {
                name: "azure",
                base_url: None,
                key: Some("AZURE_OPENAI_API_KEY"),
                dialect: ProviderDialect::Openai,
                prefixes: &[],
                is_served_by_key: false,
            },
            Self::Ollama => Facts {
                name: "ollama",
                base_url: Some("http://localhost:11434"),
                key: None,
                dialect: ProviderDialect::Ollama,
                prefixes: &[],
                is_served_by_key: false,
            },
            Self::Cohere => Facts {
                name: "cohere",
                base_url: Some("https://api.cohere.com/v2"),
                key: Some("CO_API_KEY"),
                dialect: ProviderDialect::Cohere,
                prefixes: &[
                    "command-",
                    "c4ai-",
                    "embed-english-",
                    "embed-multilingual-",
                    "rerank-",
                ],
                is_served_by_key: true,
            },
            Self::VertexAnthropic => Facts {
                name: "vertex-anthropic",
                base_url: None,
                key: None,
                dialect: ProviderDialect::Anthropic,
                prefixes: &[],
                is_served_by_key: false,
            },
            Self::BedrockAnthropic => Facts {
                name: "bedrock-anthropic",
                base_url: None,
                key: Some("AWS_BEARER_TOKEN_BEDROCK"),
                dialect: ProviderDialect::Anthropic,
                prefixes: &[],
                is_served_by_key: false,
            },
            Self::Bedrock => Facts {
                name: "bedrock",
                base_url: None,
                key: Some("AWS_BEARER_TOKEN_BEDROCK"),
                dialect: ProviderDialect::Bedrock,
                prefixes: &[],
                is_served_by_key: false,
            },
        }
    }
}

/// A provider with OpenAI's API.
const fn compatible(
    name: &'static str,
    base_url: &'static str,
    key: &'static str,
    prefixes: &'static [&'static str],
) -> Facts {
    Facts {
        name,
        base_url: Some(base_url),
        key: Some(key),
        dialect: ProviderDialect::Openai,
        prefixes,
        is_served_by_key: true,
    }
}
