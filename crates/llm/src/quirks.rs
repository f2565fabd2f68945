//! Where servers of one dialect differ, as data.
//!
//! Half of the industry speaks OpenAI's chat completions, each host with a field that it refuses or a
//! header of its own. What is said here is about hosts whose documentation says so; a server that is
//! not known is asked in the way that most understand.

#[cfg(test)]
mod tests;

use crate::anthropic::venue::Venue;
use crate::{Dialect, KeyHeader};

/// Where a server differs from others of its dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quirks {
    /// Header that carries the key; `None`: the dialect's own.
    pub key_header: Option<KeyHeader>,
    /// Name of the field `dimensions` of a request for embeddings.
    pub(crate) dimensions: &'static str,
    /// Who serves the Messages API there.
    pub(crate) venue: Venue,
    /// What is known of its chat completions.
    pub(crate) chat: ChatQuirks,
}

/// Where servers of chat completions differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChatQuirks {
    /// Whether all its models are OpenAI's, whatever they are called: they know the role
    /// `developer`, and `max_completion_tokens`.
    pub(crate) is_openais: bool,
    /// Whether a stream reports its usage only when `stream_options` asks for it.
    pub(crate) usage_is_asked_for: bool,
    /// Name of the field `seed`.
    pub(crate) seed: &'static str,
    /// Length that ids of tool calls must have, of letters and digits alone; `None`: any.
    pub(crate) call_id_len: Option<usize>,
    /// What the model is made to have said to the results of its calls where the user speaks next,
    /// for a server that refuses a conversation in which it said nothing.
    pub(crate) reply_to_results: Option<&'static str>,
    /// Whether it knows `max_completion_tokens` of a model that is not OpenAI's.
    pub(crate) knows_newer_bound: bool,
    /// Whether it may be asked for more than one answer.
    pub(crate) gives_choices: bool,
    /// Hints that make it refuse a request; `name` is that of who says a message.
    pub(crate) unknown: &'static [&'static str],
}

impl ChatQuirks {
    const NONE: Self = Self {
        is_openais: false,
        usage_is_asked_for: true,
        seed: "seed",
        call_id_len: None,
        reply_to_results: None,
        knows_newer_bound: true,
        gives_choices: true,
        unknown: &[],
    };
}

impl Quirks {
    /// None that is known.
    pub const NONE: Self = Self {
        key_header: None,
        dimensions: "dimensions",
        venue: Venue::Own,
        chat: ChatQuirks::NONE,
    };

    /// OpenAI itself.
    pub const OPENAI: Self = Self {
        chat: ChatQuirks {
            is_openais: true,
            ..ChatQuirks::NONE
        },
        ..Self::NONE
    };

    /// Azure OpenAI: OpenAI's models under names that each customer chooses. A key is sent in
    /// `api-key`; tokens of an identity are bearers.
    pub const AZURE: Self = Self {
        key_header: Some(KeyHeader {
            name: "api-key",
            prefix: "",
        }),
        ..Self::OPENAI
    };

    /// Mistral, which refuses every field that it does not know (`extra_forbidden`), has tiers of
    /// service by other names, calls the seed `random_seed`, wants ids of nine letters and digits,
    /// refuses a user's words right behind results (`invalid_request_message_order`), and reports
    /// usage unasked.
    pub const MISTRAL: Self = Self {
        key_header: None,
        dimensions: "output_dimension",
        venue: Venue::Own,
        chat: ChatQuirks {
            usage_is_asked_for: false,
            seed: "random_seed",
            call_id_len: Some(9),
            reply_to_results: Some("OK."),
            knows_newer_bound: false,
            unknown: &["user", "service_tier", "name"],
            ..ChatQuirks::NONE
        },
    };

    /// Groq, which answers with 400 to what it does not support, and gives one answer.
    pub const GROQ: Self = Self {
        chat: ChatQuirks {
            gives_choices: false,
            unknown: &["logprobs", "name"],
            ..ChatQuirks::NONE
        },
        ..Self::NONE
    };

    /// Anthropic's models at Google's Vertex AI, for which tokens of an identity are bearers.
    pub const VERTEX_ANTHROPIC: Self = Self {
        key_header: Some(KeyHeader::BEARER),
        venue: Venue::Vertex,
        ..Self::NONE
    };

    /// Anthropic's models at Amazon Bedrock, asked in Anthropic's way.
    pub const BEDROCK_ANTHROPIC: Self = Self {
        key_header: Some(KeyHeader::BEARER),
        venue: Venue::Bedrock,
        ..Self::NONE
    };

    /// Those of the host in a base URL at which `dialect` is spoken.
    #[must_use]
    pub fn of_url(dialect: Dialect, url: &str) -> &'static Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let host = authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host);
        let host = host.to_ascii_lowercase();
        match dialect {
            Dialect::OpenAi => Self::of_openais_host(&host),
            Dialect::Anthropic => Self::of_anthropics_place(&host, path),
            _ => &Self::NONE,
        }
    }

    fn of_anthropics_place(host: &str, path: &str) -> &'static Self {
        let is_vertex = |host: &str| {
            let rest = host.strip_suffix("aiplatform.googleapis.com");
            rest.is_some_and(|region| region.is_empty() || region.ends_with('-'))
        };
        let is_multi_regional =
            host.starts_with("aiplatform.") && host.ends_with(".rep.googleapis.com");
        // Below a path, Bedrock has the API as Anthropic has it.
        let is_bedrock = matches!(path, "" | "/")
            && ["bedrock-runtime.", "bedrock-runtime-fips."]
                .iter()
                .any(|service| host.starts_with(service))
            && [".amazonaws.com", ".amazonaws.com.cn"]
                .iter()
                .any(|domain| host.ends_with(domain));
        if is_vertex(host) || is_multi_regional {
            &Self::VERTEX_ANTHROPIC
        } else if is_bedrock {
            &Self::BEDROCK_ANTHROPIC
        } else {
            &Self::NONE
        }
    }

    fn of_openais_host(host: &str) -> &'static Self {
        let azure = [
            ".openai.azure.com",
            ".services.ai.azure.com",
            ".cognitiveservices.azure.com",
        ];
        match host {
            "api.openai.com" => &Self::OPENAI,
            "api.mistral.ai" => &Self::MISTRAL,
            "api.groq.com" => &Self::GROQ,
            host if azure.iter().any(|domain| host.ends_with(domain)) => &Self::AZURE,
            _ => &Self::NONE,
        }
    }

    /// Whether tokens of the Messages API are counted there.
    #[must_use]
    pub(crate) const fn counts_tokens(&self) -> bool {
        !matches!(self.venue, Venue::Bedrock)
    }

    /// Whether a stream must be asked to report its usage.
    #[must_use]
    pub const fn usage_is_asked_for(&self) -> bool {
        self.chat.usage_is_asked_for
    }
}
