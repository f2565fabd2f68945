//! Credentials for upstreams that are had from a cloud, and renewed.
//!
//! An [`Identity`](mesh::snapshot::Identity) is made a [`Source`], which asks whoever hands out its
//! tokens; a [`Credential`] keeps one good token of it at hand, so that a request waits for nobody.
//! What is read (files, answers, times of expiry) is read by functions that do no input or output,
//! and every address that is asked can be set by the environment variables of the clouds' own
//! libraries, so all of it runs against servers on loopback.
//!
//! The clouds' own libraries are not used: each brings an HTTP stack and a runtime's worth of
//! dependencies for what is a form and an answer.
//!
//! A secret goes to its token endpoint alone: over TLS, or without it to an address of this machine
//! or its link; redirects are not followed, and what a server says of an error is shown without the
//! secrets that it was sent.

mod aws;
mod azure;
mod client;
mod error;
mod google;
mod keep;
mod oauth;
mod source;
#[cfg(test)]
mod testing;
mod token;
mod url;
mod variables;

pub use aws::sign::{PayloadHash, Signer};
pub use client::Client;
pub use error::{Error, ErrorKind};
pub use keep::{Credential, Refreshes};
pub use source::Source;
pub use token::{Material, Token};
pub use variables::Variables;

use std::time::SystemTime;

/// The time of day, by which tokens expire.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where this crate reads the time of day"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
