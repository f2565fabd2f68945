//! Tokens of Google.
//!
//! The order in which they are looked for, and the forms of the file, are those of Google's
//! "application default credentials" (AIP-4110 and those after it).

mod assertion;
mod federation;
mod file;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::SystemTime;

use http::{HeaderName, HeaderValue};
use mesh::Secret;
use mesh::snapshot::GoogleIdentity;

use self::file::{Credentials, Holder};
use crate::client::{Call, Client, query};
use crate::error::Error;
use crate::oauth;
use crate::source::read;
use crate::token::Token;
use crate::url::{Plain, Url};
use crate::variables::Variables;

const METADATA: &str = "metadata.google.internal";
const TOKEN: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Where tokens come from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    scopes: Vec<String>,
    /// The project that the use is counted to, whatever a file says.
    quota_project: Option<String>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Given(Box<Credentials>),
    /// A file, read anew for each token.
    File(PathBuf),
    /// The first of these files that there is, else the metadata server.
    Machine {
        login: Option<PathBuf>,
        server: Url,
    },
}

impl Source {
    pub(crate) fn new(identity: &GoogleIdentity, variables: &Variables) -> Result<Self, Error> {
        let named = variables.get("GOOGLE_APPLICATION_CREDENTIALS");
        let kind = match (&identity.credentials, named) {
            (Some(content), _) => {
                let what = "auth.google.credentials";
                Kind::Given(Box::new(file::parse(what, content.expose())?))
            }
            (None, Some(path)) => Kind::File(path.into()),
            (None, None) => Kind::Machine {
                login: login(variables),
                server: metadata_server(variables)?,
            },
        };
        Ok(Self {
            scopes: identity.scopes.clone(),
            quota_project: variables.get("GOOGLE_CLOUD_QUOTA_PROJECT"),
            kind,
        })
    }

    pub(crate) async fn fetch(&self, client: &Client, now: SystemTime) -> Result<Token, Error> {
        match &self.kind {
            Kind::Given(credentials) => self.by(credentials, client, now).await,
            Kind::File(path) => self.by_file(path, client, now).await,
            Kind::Machine {
                login: Some(path), ..
            } if tokio::fs::try_exists(path).await.unwrap_or(false) => {
                self.by_file(path, client, now).await
            }
            Kind::Machine { server, .. } => {
                let token = self.by_metadata(server, client, now).await?;
                self.counted(token, None)
            }
        }
    }

    /// The token with the project that its use is counted to, which is that of the file unless
    /// another is set.
    fn counted(&self, token: Token, of_file: Option<&str>) -> Result<Token, Error> {
        let project = self.quota_project.as_deref().or(of_file);
        let project = project.map(HeaderValue::from_str).transpose();
        let project = project
            .map_err(|_| Error::unusable("the quota project's name cannot stand in a header"))?;
        Ok(Token { project, ..token })
    }

    async fn by_file(
        &self,
        path: &std::path::Path,
        client: &Client,
        now: SystemTime,
    ) -> Result<Token, Error> {
        let text = read(path).await?;
        let credentials = file::parse(&path.display().to_string(), &text)?;
        self.by(&credentials, client, now).await
    }

    async fn by_metadata(
        &self,
        server: &Url,
        client: &Client,
        now: SystemTime,
    ) -> Result<Token, Error> {
        let scopes = query(&[("scopes", &self.scopes.join(","))]);
        let call = Call::get(server.at(&format!("{TOKEN}?{scopes}"))?);
        let flavor = HeaderName::from_static("metadata-flavor");
        let answer = client.send(call.with(flavor, "Google")?).await?;
        oauth::token(&answer, now)
    }

    async fn by(
        &self,
        credentials: &Credentials,
        client: &Client,
        now: SystemTime,
    ) -> Result<Token, Error> {
        let token = self.of_holder(&credentials.holder, client, now).await?;
        self.counted(token, credentials.quota_project.as_deref())
    }

    async fn of_holder(
        &self,
        holder: &Holder,
        client: &Client,
        now: SystemTime,
    ) -> Result<Token, Error> {
        let scope = self.scopes.join(" ");
        match holder {
            Holder::ServiceAccount(account) => {
                let assertion = Secret::from(assertion::sign(account, &scope, now)?);
                let fields = [
                    ("grant_type", JWT_BEARER),
                    ("assertion", assertion.expose()),
                ];
                let call = Call::form(account.token_url.clone(), &fields);
                let answer = client.send(call).await?;
                oauth::token(&answer, now).map_err(|error| error.without([&assertion]))
            }
            Holder::User(user) => {
                let fields = [
                    ("grant_type", "refresh_token"),
                    ("client_id", &*user.client_id),
                    ("client_secret", user.client_secret.expose()),
                    ("refresh_token", user.refresh_token.expose()),
                ];
                let call = Call::form(user.token_url.clone(), &fields);
                let answer = client.send(call).await?;
                let secrets = [&user.client_secret, &user.refresh_token];
                oauth::token(&answer, now).map_err(|error| error.without(secrets))
            }
            Holder::External(external) => {
                federation::token(external, &self.scopes, client, now).await
            }
        }
    }
}

/// Where `gcloud auth application-default login` leaves its file.
fn login(variables: &Variables) -> Option<PathBuf> {
    let directory = match variables.get("CLOUDSDK_CONFIG") {
        Some(directory) => PathBuf::from(directory),
        None => PathBuf::from(variables.get("HOME")?).join(".config/gcloud"),
    };
    Some(directory.join("application_default_credentials.json"))
}

fn metadata_server(variables: &Variables) -> Result<Url, Error> {
    let name = "GCE_METADATA_HOST";
    let host = variables.get(name);
    let url = format!("http://{}", host.as_deref().unwrap_or(METADATA));
    Url::parse(name, &url, Plain::Metadata)
}
