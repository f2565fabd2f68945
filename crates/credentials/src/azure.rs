//! Tokens of Microsoft Entra ID.
//!
//! An application proves itself by a secret or by a token that it trusts (a Kubernetes service
//! account's, say); a managed identity is given its token by the platform it runs on, which is App
//! Service or the machine's metadata service.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::SystemTime;

use http::HeaderName;
use mesh::Secret;
use mesh::snapshot::AzureIdentity;

use crate::client::{Call, Client, query};
use crate::error::Error;
use crate::oauth;
use crate::source::read;
use crate::token::Token;
use crate::url::{Plain, Url};
use crate::variables::Variables;

const AUTHORITY: &str = "https://login.microsoftonline.com";
const METADATA: &str = "http://169.254.169.254";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Where tokens come from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    scope: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Application {
        url: Url,
        client_id: String,
        proof: Proof,
    },
    Managed {
        service: Service,
        client_id: Option<String>,
    },
}

/// How an application proves itself.
#[derive(Clone, Debug)]
enum Proof {
    Secret(Secret),
    /// The file of a token.
    Federated(PathBuf),
}

/// Who knows a managed identity.
#[derive(Clone, Debug)]
enum Service {
    /// App Service, Functions, Container Apps: asked with this header.
    App { url: Url, header: Secret },
    /// The machine's metadata service.
    Machine(Url),
}

impl Source {
    pub(crate) fn new(identity: &AzureIdentity, variables: &Variables) -> Result<Self, Error> {
        let from = |given: &Option<String>, name| given.clone().or_else(|| variables.get(name));
        let client_id = from(&identity.client_id, "AZURE_CLIENT_ID");
        let kind = match proof(identity, variables) {
            Some(proof) => {
                let missing = |field: &str, variable: &str| {
                    Error::missing(format_args!("set auth.azure.{field}, or {variable}"))
                };
                let tenant = from(&identity.tenant_id, "AZURE_TENANT_ID")
                    .ok_or_else(|| missing("tenantId", "AZURE_TENANT_ID"))?;
                Kind::Application {
                    url: token_url(&tenant, variables)?,
                    client_id: client_id.ok_or_else(|| missing("clientId", "AZURE_CLIENT_ID"))?,
                    proof,
                }
            }
            None => Kind::Managed {
                service: Service::of(variables)?,
                client_id,
            },
        };
        Ok(Self {
            scope: identity.scope.clone(),
            kind,
        })
    }

    pub(crate) async fn fetch(&self, client: &Client, now: SystemTime) -> Result<Token, Error> {
        match &self.kind {
            Kind::Application {
                url,
                client_id,
                proof,
            } => {
                self.of_application(client, now, url, client_id, proof)
                    .await
            }
            Kind::Managed { service, client_id } => {
                let (call, secret) = self.managed_call(service, client_id.as_deref())?;
                let answer = client.send(call).await?;
                oauth::token(&answer, now).map_err(|error| error.without(secret))
            }
        }
    }

    async fn of_application(
        &self,
        client: &Client,
        now: SystemTime,
        url: &Url,
        client_id: &str,
        proof: &Proof,
    ) -> Result<Token, Error> {
        let (secret, assertion);
        let proof: &[(&str, &str)] = match proof {
            Proof::Secret(given) => {
                secret = given.clone();
                &[("client_secret", secret.expose())]
            }
            Proof::Federated(file) => {
                secret = Secret::from(read(file).await?.trim());
                assertion = [
                    ("client_assertion_type", JWT_BEARER),
                    ("client_assertion", secret.expose()),
                ];
                &assertion
            }
        };
        let common = [
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("scope", &self.scope),
        ];
        let call = Call::form(url.clone(), &[&common, proof].concat());
        let answer = client.send(call).await?;
        oauth::token(&answer, now).map_err(|error| error.without([&secret]))
    }

    /// The request to the platform, and the secret in it.
    fn managed_call<'a>(
        &self,
        service: &'a Service,
        client_id: Option<&str>,
    ) -> Result<(Call, Option<&'a Secret>), Error> {
        // The platform takes resources, which are what scopes begin with.
        let resource = self.scope.trim_end_matches("/.default");
        let ask = |url: &Url, version| {
            let mut fields = vec![("api-version", version), ("resource", resource)];
            fields.extend(client_id.map(|id| ("client_id", id)));
            url.at(&format!("{}?{}", url.resource.path(), query(&fields)))
        };
        match service {
            Service::App { url, header } => {
                let call = Call::get(ask(url, "2019-08-01")?);
                let name = HeaderName::from_static("x-identity-header");
                Ok((call.with(name, header.expose())?, Some(header)))
            }
            Service::Machine(url) => {
                let call = Call::get(ask(url, "2018-02-01")?);
                let name = HeaderName::from_static("metadata");
                Ok((call.with(name, "true")?, None))
            }
        }
    }
}

fn proof(identity: &AzureIdentity, variables: &Variables) -> Option<Proof> {
    let federated = |file: &str| Proof::Federated(file.into());
    let given = identity.client_secret.clone().map(Proof::Secret);
    given
        .or_else(|| identity.federated_token_file.as_deref().map(federated))
        .or_else(|| {
            let secret = variables.get("AZURE_CLIENT_SECRET")?;
            Some(Proof::Secret(secret.into()))
        })
        .or_else(|| Some(federated(&variables.get("AZURE_FEDERATED_TOKEN_FILE")?)))
}

fn token_url(tenant: &str, variables: &Variables) -> Result<Url, Error> {
    let name = "AZURE_AUTHORITY_HOST";
    let authority = variables.get(name);
    let url = Url::parse(
        name,
        authority.as_deref().unwrap_or(AUTHORITY),
        Plain::Local,
    )?;
    url.at(&format!("{}/{tenant}/oauth2/v2.0/token", url.base_path()))
}

impl Service {
    fn of(variables: &Variables) -> Result<Self, Error> {
        let endpoint = variables.get("IDENTITY_ENDPOINT");
        match (endpoint, variables.get("IDENTITY_HEADER")) {
            (Some(endpoint), Some(header)) => Ok(Self::App {
                url: Url::parse("IDENTITY_ENDPOINT", &endpoint, Plain::Local)?,
                header: header.into(),
            }),
            (Some(_), None) => Err(Error::unusable(
                "IDENTITY_ENDPOINT is set without IDENTITY_HEADER: managed identities of Azure Arc \
                 are not supported",
            )),
            (None, _) => {
                let name = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
                let host = variables.get(name);
                let host = host.as_deref().unwrap_or(METADATA);
                let url = Url::parse(name, host, Plain::Metadata)?;
                let path = format!("{}/metadata/identity/oauth2/token", url.base_path());
                Ok(Self::Machine(url.at(&path)?))
            }
        }
    }
}
