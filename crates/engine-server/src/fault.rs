//! Faults on command: how a replica misbehaves so that a gateway's remedies can be tested.
//!
//! Which requests a partial fault hits follows from the replica's seed and the number of requests
//! so far, not from chance, so that a failing test fails again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::generate::mix;

/// All faults of a replica; the default is none. As JSON it is the body of `POST /fault`, which
/// replaces the faults as a whole: `{}` clears them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultSpec {
    /// Inference requests are answered at once with an error.
    pub errors: Option<Errors>,
    /// Inference requests are read and then not answered.
    pub hang: Option<Hangs>,
    /// Connections are aborted in the middle of an answer.
    pub death: Option<Deaths>,
    /// Steps take so many times longer than the profile says; 1 or less is none.
    pub slowdown: Option<f64>,
    /// `/metrics` answers so many milliseconds late.
    pub metrics_delay_ms: Option<u64>,
    /// `/health` answers 503.
    pub unhealthy: bool,
    /// The listener is closed for so many milliseconds and idle connections are ended;
    /// connecting is refused. It opens again by itself, since no request could ask for it.
    pub refuse_ms: Option<u64>,
}

/// Errors instead of answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errors {
    /// Share of the inference requests, 0 to 1.
    #[serde(default = "all")]
    pub rate: f64,
    /// HTTP status.
    pub status: u16,
    /// Seconds for a `retry-after` header.
    #[serde(default)]
    pub retry_after: Option<u32>,
}

/// Requests that are not answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hangs {
    /// Share of the inference requests, 0 to 1.
    #[serde(default = "all")]
    pub rate: f64,
    /// How long before the request is served after all; none is never.
    #[serde(default)]
    pub for_ms: Option<u64>,
}

/// Connections aborted in the middle of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deaths {
    /// Share of the inference requests, 0 to 1.
    #[serde(default = "all")]
    pub rate: f64,
    /// Tokens sent before. An answer that is not streamed dies instead of being sent.
    pub after_tokens: u32,
}

fn all() -> f64 {
    1.0
}

/// A replica's faults, which can be changed while it runs.
#[derive(Debug)]
pub struct Faults {
    spec: watch::Sender<FaultSpec>,
    seed: u64,
    rolls: AtomicU64,
}

impl Faults {
    pub(crate) fn new(spec: FaultSpec, seed: u64) -> Self {
        Self {
            spec: watch::Sender::new(spec),
            seed,
            rolls: AtomicU64::new(0),
        }
    }

    /// The faults now.
    pub fn get(&self) -> FaultSpec {
        self.spec.borrow().clone()
    }

    /// Replaces all faults, for requests that begin from now on.
    pub fn replace(&self, spec: FaultSpec) {
        self.spec.send_replace(spec);
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.replace(FaultSpec::default());
    }

    /// Ends the refusal of connections, which has been noted.
    pub(crate) fn stop_refusing(&self) {
        self.spec.send_modify(|spec| spec.refuse_ms = None);
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<FaultSpec> {
        self.spec.subscribe()
    }

    /// How much longer a step takes than the profile says.
    pub(crate) fn slowdown(&self) -> f64 {
        self.spec
            .borrow()
            .slowdown
            .filter(|factor| factor.is_finite())
            .unwrap_or(1.0)
            .max(1.0)
    }

    /// How long to wait before `/metrics` is answered.
    pub(crate) fn metrics_delay(&self) -> Duration {
        Duration::from_millis(self.spec.borrow().metrics_delay_ms.unwrap_or(0))
    }

    /// Whether a fault of this rate hits the next request.
    pub(crate) fn hits(&self, rate: f64) -> bool {
        let roll = mix(self.seed ^ self.rolls.fetch_add(1, Ordering::Relaxed));
        ((roll >> 11) as f64) / ((1_u64 << 53) as f64) < rate
    }
}
