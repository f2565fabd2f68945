//! Mechanism: listeners, connections, bodies, tasks, drain.
//!
//! The lower half of the data plane. It moves bytes and owns sockets, and knows neither LLM APIs
//! nor policy: what to accept, where to send and when to give up are arguments.
//!
//! * Downstream: [`listener`] accepts within [`limits`], with certificates from [`tls`], until
//!   [`drain`] says otherwise; every task is owned by [`tasks`].
//! * Upstream: [`pool`] lends connections; [`replay`] keeps a request body for the next attempt
//!   inside a [`budget`]; [`body`] is the one body type both sides use.
//! * Both speak [`http1`], or HTTP/2 by hyper.

pub mod body;
pub mod budget;
pub mod drain;
pub mod http1;
mod incoming;
pub mod limits;
pub mod listener;
mod outgoing;
pub mod pool;
pub mod replay;
pub mod tasks;
mod tcp;
pub mod tls;
