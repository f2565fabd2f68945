//! What a replica is started with.

use std::net::{Ipv4Addr, SocketAddr};

use engine::Profile;

use crate::FaultSpec;

/// A replica's configuration.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The model and GPU that are modelled, with the engine's limits.
    pub profile: Profile,
    /// The name under which the model is served (vLLM: `--served-model-name`).
    pub model: String,
    /// How many times faster than real the model's time runs; above 0. Metrics are in the
    /// model's time.
    pub speed: f64,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Seeds the generated text and which requests faults hit.
    pub seed: u64,
    /// Adapters that are served from the start (vLLM: `--lora-modules`).
    pub adapters: Vec<String>,
    /// Output tokens before the model ends by itself, least and most. At least 1.
    pub natural_tokens: (u32, u32),
    /// Faults from the start.
    pub faults: FaultSpec,
}

impl EngineConfig {
    /// A replica of `profile` on a free loopback port, in real time, without faults.
    pub fn new(profile: Profile) -> Self {
        Self {
            model: profile.model.to_owned(),
            profile,
            speed: 1.0,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 0,
            adapters: Vec::new(),
            natural_tokens: (128, 512),
            faults: FaultSpec::default(),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if !(self.speed.is_finite() && self.speed > 0.0) {
            return Err(ConfigError::Speed(self.speed));
        }
        let (least, most) = self.natural_tokens;
        if least == 0 || least > most {
            return Err(ConfigError::NaturalTokens { least, most });
        }
        if self.profile.max_loras == 0 && !self.adapters.is_empty() {
            return Err(ConfigError::AdaptersOff);
        }
        Ok(())
    }
}

/// Why a replica cannot be started so.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// The speed is no positive number.
    #[error("speed is {0}: give a number above 0, 1 is real time")]
    Speed(f64),
    /// The bounds of natural lengths are crossed, or zero.
    #[error("natural_tokens is ({least}, {most}): give (least, most), both at least 1")]
    NaturalTokens {
        /// The lower bound.
        least: u32,
        /// The upper bound.
        most: u32,
    },
    /// Adapters are given to an engine without adapter slots.
    #[error("adapters are given but the profile's max_loras is 0: raise it")]
    AdaptersOff,
}
