//! Whoever hands out an identity's tokens.

use std::time::SystemTime;

use mesh::snapshot::Identity;

use crate::client::Client;
use crate::error::Error;
use crate::token::Token;
use crate::variables::Variables;
use crate::{aws, azure, google};

/// Where the tokens of an identity come from.
#[derive(Clone, Debug)]
pub struct Source(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Aws(aws::Source),
    Azure(azure::Source),
    Google(google::Source),
}

impl Source {
    /// The source of `identity`, with what it leaves to be found in the environment. `host` is whom
    /// its tokens are for.
    ///
    /// # Errors
    /// What it says, or the environment, cannot be used. That a token is refused shows later.
    pub fn new(identity: &Identity, host: &str, variables: &Variables) -> Result<Self, Error> {
        Ok(Self(match identity {
            Identity::Aws(identity) => Kind::Aws(aws::Source::new(identity, host, variables)),
            Identity::Azure(identity) => Kind::Azure(azure::Source::new(identity, variables)?),
            Identity::Google(identity) => Kind::Google(google::Source::new(identity, variables)?),
        }))
    }

    /// Asks for a token.
    pub(crate) async fn fetch(&self, client: &Client, now: SystemTime) -> Result<Token, Error> {
        match &self.0 {
            Kind::Aws(source) => source.fetch(client, now).await,
            Kind::Azure(source) => source.fetch(client, now).await,
            Kind::Google(source) => source.fetch(client, now).await,
        }
    }
}

/// The content of a file whose path is the operator's; bounded, since it should be small.
pub(crate) async fn read(path: &std::path::Path) -> Result<String, Error> {
    const MAX: u64 = 1 << 20;
    let meta = tokio::fs::metadata(path).await;
    let meta = meta.map_err(|error| Error::file(path, error))?;
    if !meta.is_file() || meta.len() > MAX {
        return Err(Error::file(path, "it is not a small regular file"));
    }
    let text = tokio::fs::read_to_string(path).await;
    text.map_err(|error| Error::file(path, error))
}
