//! Credentials of AWS: access keys that sign requests, or Bedrock's bearer tokens.
//!
//! They are looked for where AWS's own libraries look, in their order: the environment, a token that
//! a role trusts, the shared profiles, the container's service, the instance's.

mod metadata;
mod profile;
pub(crate) mod sign;
mod sts;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::SystemTime;

use mesh::Secret;
use mesh::snapshot::AwsIdentity;

use self::profile::{Base, Plan, Profiles};
use self::sign::{Keys, Signer};
use crate::client::Client;
use crate::error::Error;
use crate::source::read;
use crate::token::{Material, Token};
use crate::variables::Variables;

/// What Bedrock is called in signatures.
const BEDROCK: &str = "bedrock";

/// A role that is assumed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Role {
    arn: String,
    /// The name that its use is recorded under.
    session: Option<String>,
    external_id: Option<String>,
}

/// Keys, and when they are good no longer.
type Had = (Keys, Option<SystemTime>);

/// Where credentials come from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    region: Option<String>,
    service: String,
    kind: Kind,
    variables: Variables,
}

#[derive(Clone, Debug)]
enum Kind {
    Keys(Keys),
    Bearer(Secret),
    Profile(String),
    /// Whatever the machine has.
    Found,
}

impl Source {
    /// `host` is whom requests are sent to.
    pub(crate) fn new(identity: &AwsIdentity, host: &str, variables: &Variables) -> Self {
        let bearer = || {
            let token = variables.get("AWS_BEARER_TOKEN_BEDROCK");
            token.filter(|_| identity.service == BEDROCK)
        };
        let kind = match (&identity.keys, &identity.profile) {
            (Some(keys), _) => Kind::Keys(Keys {
                id: keys.access_key_id.expose().to_owned(),
                secret: keys.secret_access_key.clone(),
                session: keys.session_token.clone(),
            }),
            (None, Some(profile)) => Kind::Profile(profile.clone()),
            (None, None) => match bearer() {
                Some(token) => Kind::Bearer(token.into()),
                None => Kind::Found,
            },
        };
        let region = identity.region.clone().or_else(|| region_of(host));
        Self {
            region: region.or_else(|| region_in(variables)),
            service: identity.service.clone(),
            kind,
            variables: variables.clone(),
        }
    }

    pub(crate) async fn fetch(&self, client: &Client, now: SystemTime) -> Result<Token, Error> {
        let (had, region) = match &self.kind {
            Kind::Bearer(token) => return Token::bearer(token.expose(), None),
            Kind::Keys(keys) => ((keys.clone(), None), None),
            Kind::Profile(name) => {
                let plan = self.profiles().await?.plan(name)?;
                let plan = plan.ok_or_else(|| {
                    Error::missing(format_args!(
                        "there is no AWS profile `{name}` that has keys"
                    ))
                })?;
                let region = plan.region.clone();
                (self.follow(plan, client, now).await?, region)
            }
            Kind::Found => self.find(client, now).await?,
        };
        let region = self.region.clone().or(region);
        let region = region.ok_or_else(|| Error::missing("set auth.aws.region, or AWS_REGION"))?;
        let (keys, expires) = had;
        let service = self.service.clone();
        Ok(Token {
            material: Material::Signature(Box::new(Signer {
                keys,
                region,
                service,
            })),
            expires,
            project: None,
        })
    }

    /// The first credentials that there are, and the region of their profile.
    async fn find(&self, client: &Client, now: SystemTime) -> Result<(Had, Option<String>), Error> {
        let get = |name| self.variables.get(name);
        if let Some(keys) = of_environment(&self.variables) {
            return Ok(((keys, None), None));
        }
        if let Some((file, arn)) = get("AWS_WEB_IDENTITY_TOKEN_FILE").zip(get("AWS_ROLE_ARN")) {
            let session = get("AWS_ROLE_SESSION_NAME");
            let external_id = None;
            let role = Role {
                arn,
                session,
                external_id,
            };
            let base = Base::WebIdentity(role, file.into());
            return Ok((self.base(base, None, client, now).await?, None));
        }
        let profile = get("AWS_PROFILE");
        let plan = self.profiles().await?;
        let plan = plan.plan(profile.as_deref().unwrap_or("default"))?;
        match (plan, profile) {
            (Some(plan), _) => {
                let region = plan.region.clone();
                Ok((self.follow(plan, client, now).await?, region))
            }
            (None, Some(name)) => Err(Error::missing(format_args!(
                "there is no AWS profile `{name}`, which AWS_PROFILE names, that has keys"
            ))),
            (None, None) => {
                let service = match metadata::has_container(&self.variables) {
                    true => Base::Container,
                    false => Base::Instance,
                };
                Ok((self.base(service, None, client, now).await?, None))
            }
        }
    }

    /// The keys of a profile.
    async fn follow(&self, plan: Plan, client: &Client, now: SystemTime) -> Result<Had, Error> {
        let region = plan.region.as_deref();
        let mut had = self.base(plan.base, region, client, now).await?;
        for role in &plan.roles {
            let endpoint = self.sts(region)?;
            had = endpoint.assume(role, had.0, client, now).await?;
        }
        Ok(had)
    }

    /// The service that hands out roles, in the region that is set, else in that of a profile.
    fn sts(&self, of_profile: Option<&str>) -> Result<sts::Endpoint, Error> {
        let region = self.region.as_deref().or(of_profile);
        sts::Endpoint::new(region, &self.variables)
    }

    /// The first keys of a profile, whose region may be needed to have them.
    async fn base(
        &self,
        base: Base,
        region: Option<&str>,
        client: &Client,
        now: SystemTime,
    ) -> Result<Had, Error> {
        match base {
            Base::Keys(keys) => Ok((keys, None)),
            Base::WebIdentity(role, file) => {
                let token = Secret::from(read(&file).await?.trim());
                let endpoint = self.sts(region)?;
                endpoint.assume_by_token(&role, &token, client, now).await
            }
            Base::Environment => {
                let keys = of_environment(&self.variables);
                let keys = keys.ok_or_else(|| {
                    Error::missing("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
                })?;
                Ok((keys, None))
            }
            Base::Container => metadata::of_container(&self.variables, client).await,
            Base::Instance => metadata::of_instance(&self.variables, client).await,
        }
    }

    async fn profiles(&self) -> Result<Profiles, Error> {
        let home = self.variables.get("HOME").map(PathBuf::from);
        let file = |variable, name| match self.variables.get(variable) {
            Some(path) => Some(PathBuf::from(path)),
            None => home.as_ref().map(|home| home.join(".aws").join(name)),
        };
        let config = optional(file("AWS_CONFIG_FILE", "config")).await?;
        let credentials = optional(file("AWS_SHARED_CREDENTIALS_FILE", "credentials")).await?;
        Ok(Profiles::parse(&config, &credentials))
    }
}

/// The text of a file, or none if there is no such file.
async fn optional(path: Option<PathBuf>) -> Result<String, Error> {
    match path {
        Some(path) if tokio::fs::try_exists(&path).await.unwrap_or(true) => read(&path).await,
        _ => Ok(String::new()),
    }
}

fn of_environment(variables: &Variables) -> Option<Keys> {
    Some(Keys {
        id: variables.get("AWS_ACCESS_KEY_ID")?,
        secret: variables.get("AWS_SECRET_ACCESS_KEY")?.into(),
        session: variables.get("AWS_SESSION_TOKEN").map(Secret::from),
    })
}

fn region_in(variables: &Variables) -> Option<String> {
    let region = variables.get("AWS_REGION");
    region.or_else(|| variables.get("AWS_DEFAULT_REGION"))
}

/// The region that stands in the name of an endpoint of AWS: `bedrock-runtime.REGION.amazonaws.com`.
fn region_of(host: &str) -> Option<String> {
    let suffixes = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"];
    let name = suffixes
        .iter()
        .find_map(|suffix| host.strip_suffix(suffix))?;
    let name = name.strip_suffix(".vpce").unwrap_or(name);
    let region = name.rsplit('.').next()?;
    // Such as `us-gov-west-1`.
    let ends_in_number = region.ends_with(|last: char| last.is_ascii_digit());
    let is_region = ends_in_number && region.split('-').count() >= 3;
    is_region.then(|| region.to_owned())
}
