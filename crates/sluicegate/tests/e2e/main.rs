//! The binary as its users meet it: started as a process, spoken to over sockets.
//!
//! Upstreams are the engine server, in this process, or small raw servers where a test needs one
//! that misbehaves in its own way. Load is bounded in count and ends by itself.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod abuse;
mod accounts;
mod balancing;
mod cli;
mod client;
mod credentials;
mod docs;
mod drain;
mod examples;
mod faults;
mod grpc;
mod limits;
mod load;
mod plain;
mod process;
mod raw;
mod reload;
mod requests;
mod schema;
mod streams;
mod tls;
mod upstream;
mod websocket;
