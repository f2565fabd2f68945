//! The data plane: the life of a request, a stage a module.
//!
//! `pipeline` reads like the list of stages; each stage is a module of its name:
//!
//! | stage | module | what it decides |
//! |---|---|---|
//! | identify | `identify` | may this request be here at all |
//! | classify | `classify` | which API, which model, streamed or not |
//! | route | `route` | which rule |
//! | attempt | `attempt`, `targets`, `outbound`, `signing` | which endpoint, what is sent, whether again |
//! | answer | `answer`, `body`, `tap`, `outbox`, `watchdog` | what the client sees, until the end |
//! | settle | `exchange` | what metrics and the log say of it |
//!
//! [`Gateway`] assembles it: `shared` holds what outlives a snapshot, `runtime` what follows
//! from one, `discover` and `probe` keep endpoints true, `keyring` credentials, `admin` shows it all.

mod admin;
mod answer;
mod attempt;
mod body;
mod chain;
mod classify;
mod counted;
mod counting;
mod discover;
mod exchange;
mod failure;
mod following;
mod headers;
mod hosts;
mod identify;
mod ids;
mod inbound;
mod keyring;
mod media;
mod outbound;
mod outbox;
mod pipeline;
mod probe;
mod rates;
mod route;
mod runtime;
mod server;
mod shared;
mod signing;
mod tap;
mod targets;
mod translation;
mod upgrade;
mod watchdog;

#[cfg(test)]
mod tests;

pub use credentials::Variables;
pub use media::is_public;
pub use runtime::RuntimeError;
pub use server::{Config, Gateway, StartError};
