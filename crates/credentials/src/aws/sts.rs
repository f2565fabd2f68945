//! AWS's Security Token Service, which hands out the keys of roles.

use std::time::{SystemTime, UNIX_EPOCH};

use mesh::Secret;
use roxmltree::Document;

use super::metadata::moment;
use super::sign::{Keys, Signer};
use super::{Had, Role};
use crate::client::{Answer, Call, Client};
use crate::error::Error;
use crate::url::{Plain, Url};
use crate::variables::Variables;

const VERSION: &str = "2011-06-15";

/// Where it is asked, and in which region.
pub(super) struct Endpoint {
    url: Url,
    region: String,
}

impl Endpoint {
    pub(super) fn new(region: Option<&str>, variables: &Variables) -> Result<Self, Error> {
        let (name, all) = ("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL");
        let given = variables.get(name).or_else(|| variables.get(all));
        let region = region.ok_or_else(|| Error::missing("set auth.aws.region, or AWS_REGION"))?;
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let own = format!("https://sts.{region}.amazonaws.com{suffix}");
        Ok(Self {
            url: Url::parse(name, given.as_deref().unwrap_or(&own), Plain::Local)?,
            region: region.to_owned(),
        })
    }

    /// The keys of a role that trusts the holder of `token`.
    pub(super) async fn assume_by_token(
        self,
        role: &Role,
        token: &Secret,
        client: &Client,
        now: SystemTime,
    ) -> Result<Had, Error> {
        let session = session(role, now);
        let fields = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", VERSION),
            ("RoleArn", &*role.arn),
            ("RoleSessionName", &*session),
            ("WebIdentityToken", token.expose()),
        ];
        let answer = client.send(Call::form(self.url, &fields)).await?;
        keys(&answer).map_err(|error| error.without([token]))
    }

    /// The keys of a role that trusts the holder of `keys`.
    pub(super) async fn assume(
        self,
        role: &Role,
        by: Keys,
        client: &Client,
        now: SystemTime,
    ) -> Result<Had, Error> {
        let session = session(role, now);
        let mut fields = vec![
            ("Action", "AssumeRole"),
            ("Version", VERSION),
            ("RoleArn", &*role.arn),
            ("RoleSessionName", &*session),
        ];
        fields.extend(role.external_id.as_deref().map(|id| ("ExternalId", id)));
        let signer = Signer {
            keys: by,
            region: self.region,
            service: "sts".to_owned(),
        };
        let call = Call::form(self.url, &fields).signed(&signer, now)?;
        let answer = client.send(call).await?;
        let secrets = signer.keys.session.iter().chain([&signer.keys.secret]);
        keys(&answer).map_err(|error| error.without(secrets))
    }
}

fn session(role: &Role, now: SystemTime) -> String {
    match &role.session {
        Some(name) => name.clone(),
        None => {
            let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
            format!("sluicegate-{}", since.as_secs())
        }
    }
}

/// The keys of an answer, in which names are in a namespace of their version.
fn keys(answer: &Answer) -> Result<Had, Error> {
    let host = &answer.host;
    let text = String::from_utf8_lossy(&answer.body);
    let document = Document::parse(&text).ok();
    let field = |name: &str| {
        let mut elements = document.as_ref()?.descendants();
        let element = elements.find(|element| element.tag_name().name() == name)?;
        Some(element.text()?.trim().to_owned())
    };
    if !answer.status.is_success() {
        let said = [field("Code"), field("Message")];
        return Err(answer.refused(&said.into_iter().flatten().collect::<Vec<_>>().join(" ")));
    }
    let no_keys = || Error::malformed(format_args!("{host} answered what are no access keys"));
    let keys = Keys {
        id: field("AccessKeyId").ok_or_else(no_keys)?,
        secret: field("SecretAccessKey").ok_or_else(no_keys)?.into(),
        session: field("SessionToken").map(Secret::from),
    };
    let expires = field("Expiration").and_then(|text| moment(&text));
    Ok((keys, Some(expires.ok_or_else(no_keys)?)))
}
