//! Which endpoint serves a request: the state of endpoints, pick-and-reserve, health.
//!
//! A [`Pool`] holds the endpoints of one service. [`Pool::pick`] chooses an endpoint *and* takes
//! its place there in one step, so that a burst of requests that arrives between two reports of
//! load sees itself; reading the load and counting the request at different moments is what makes
//! bursts herd onto one replica. The place is a [`Token`], given back with [`Pool::release`] and
//! what became of the request. A token is inert, it has no `Drop`: this crate knows no clock, and
//! the caller that owns the response body knows when it ended and how.
//!
//! Pools live in a [`Registry`] by name and outlive the configuration that created them;
//! endpoints are known by [`EndpointId`], not by address, so that a restart on another address
//! or a new snapshot resets nothing.
//!
//! The crate is pure: time ([`Time`]) and randomness are arguments, so the proxy, the endpoint
//! picker and the simulator run the same code, and a run can be repeated.

mod candidates;
mod condition;
mod config;
mod endpoint;
#[cfg(test)]
mod fixtures;
mod identity;
mod members;
mod policies;
mod pool;
pub mod prefix;
mod registry;
mod request;
mod retry_budget;
mod time;

pub use config::{
    HealthThresholds, OutlierDetection, Percent, Policy, PoolConfig, PrefixCaches,
    RetryBudgetConfig,
};
pub use endpoint::{Endpoint, EndpointSpec, EndpointStatus, Health};
pub use identity::{Address, AddressError, EndpointId};
pub use policies::Rule;
pub use pool::Pool;
pub use prefix::Chain;
pub use registry::Registry;
pub use request::{
    Began, Cost, FailureKind, Outcome, Pick, PickError, PickRequest, ReserveError, Token,
};
pub use retry_budget::RetryBudget;
pub use time::Time;
