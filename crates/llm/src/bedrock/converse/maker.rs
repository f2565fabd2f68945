//! Who made a model, told by its name: what Converse has no field for is said in each maker's own way.

/// Who made a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Maker {
    Anthropic,
    /// Amazon, of Nova.
    Nova,
    /// OpenAI, of its open models.
    OpenAi,
    /// Somebody of whom nothing is known here.
    Other,
    /// The name does not tell, as the ARN of a profile.
    Unknown,
}

impl Maker {
    /// The maker in a name such as `us.anthropic.claude-3-7-sonnet-20250219-v1:0`.
    pub(super) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        if name.contains("claude") {
            return Self::Anthropic;
        }
        if name.contains("amazon.nova") {
            return Self::Nova;
        }
        match name.contains("openai.") {
            true => Self::OpenAi,
            false if name.contains('.') => Self::Other,
            false => Self::Unknown,
        }
    }

    /// Whether prompts may have marks for a cache.
    pub(super) const fn has_cache(self) -> bool {
        matches!(self, Self::Anthropic | Self::Nova | Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::Maker;

    #[test]
    fn names_tell_makers() {
        let check = |model, maker| assert_eq!(Maker::of(model), maker, "{model}");
        check("anthropic.claude-3-haiku-20240307-v1:0", Maker::Anthropic);
        check(
            "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
            Maker::Anthropic,
        );
        check("us.amazon.nova-pro-v1:0", Maker::Nova);
        check("openai.gpt-oss-120b-1:0", Maker::OpenAi);
        check("meta.llama3-1-70b-instruct-v1:0", Maker::Other);
        check(
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
            Maker::Anthropic,
        );
        check(
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/ab12",
            Maker::Unknown,
        );
    }
}
