//! Replicas over real sockets.

mod client;
mod faults;
mod streams;
mod surface;

use engine::Profile;

use super::*;

/// A fast replica of the 8B model, served as `m`, with small limits.
pub(super) fn config() -> EngineConfig {
    EngineConfig {
        model: "m".to_owned(),
        speed: 50.0,
        natural_tokens: (40, 60),
        ..EngineConfig::new(Profile {
            max_model_len: 4_096,
            ..Profile::llama_3_1_8b_h100()
        })
    }
}

pub(super) async fn start() -> EngineServer {
    EngineServer::start(config()).await.unwrap()
}
