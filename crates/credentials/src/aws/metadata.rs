//! Keys that the platform hands out to what runs on it: to a container or pod, to an instance.

use std::path::Path;
use std::time::SystemTime;

use http::HeaderName;
use http::header::AUTHORIZATION;
use mesh::Secret;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Had;
use super::sign::Keys;
use crate::client::{Answer, Call, Client};
use crate::error::Error;
use crate::oauth::succeeded;
use crate::source::read;
use crate::url::{Plain, Url};
use crate::variables::Variables;

const CONTAINER: &str = "http://169.254.170.2";
const INSTANCE: &str = "http://169.254.169.254";
const INSTANCE_IPV6: &str = "http://[fd00:ec2::254]";
const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";

/// Seconds for which a session with the instance's service is good: its answers are read at once.
const SESSION: &str = "60";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Handed {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: String,
}

/// Whether a container's service is named.
pub(super) fn has_container(variables: &Variables) -> bool {
    variables.get(RELATIVE_URI).is_some() || variables.get(FULL_URI).is_some()
}

/// The keys of a container or pod.
pub(super) async fn of_container(variables: &Variables, client: &Client) -> Result<Had, Error> {
    let url = match (variables.get(RELATIVE_URI), variables.get(FULL_URI)) {
        (Some(path), _) => {
            let url = format!("{CONTAINER}{path}");
            Url::parse(RELATIVE_URI, &url, Plain::Local)?
        }
        (None, Some(url)) => Url::parse(FULL_URI, &url, Plain::Local)?,
        (None, None) => {
            let what = format_args!("set {FULL_URI} or {RELATIVE_URI}");
            return Err(Error::missing(what));
        }
    };
    let token = match variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => Some(read(Path::new(&file)).await?.trim().to_owned()),
        None => variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    let token = token.map(Secret::from);
    let mut call = Call::get(url);
    if let Some(token) = &token {
        call = call.with(AUTHORIZATION, token.expose())?;
    }
    let answer = client.send(call).await?;
    handed(&answer).map_err(|error| error.without(&token))
}

/// The keys of the role of the instance, by version 2 of its metadata service.
pub(super) async fn of_instance(variables: &Variables, client: &Client) -> Result<Had, Error> {
    let get = |name| variables.get(name);
    if get("AWS_EC2_METADATA_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true")) {
        return Err(Error::missing(
            "no AWS credentials are set, and AWS_EC2_METADATA_DISABLED keeps the instance's from \
             being asked for",
        ));
    }
    let ipv6 = get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    let ipv6 = ipv6.is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
    let own = if ipv6 { INSTANCE_IPV6 } else { INSTANCE };
    let name = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
    let service = get(name);
    let service = Url::parse(name, service.as_deref().unwrap_or(own), Plain::Metadata)?;
    let at = |path: &str| service.at(&format!("{}/latest{path}", service.base_path()));

    let lifetime = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
    let call = Call::put(at("/api/token")?).with(lifetime, SESSION)?;
    let session = Secret::from(text(&client.send(call).await?)?);
    let ask = async |path: &str| {
        let name = HeaderName::from_static("x-aws-ec2-metadata-token");
        client
            .send(Call::get(at(path)?).with(name, session.expose())?)
            .await
    };
    let roles = "/meta-data/iam/security-credentials/";
    let role = text(&ask(roles).await?)?;
    let role = role.lines().next().unwrap_or_default().trim();
    if role.is_empty() {
        return Err(Error::missing("the instance has no role"));
    }
    handed(&ask(&format!("{roles}{role}")).await?)
}

fn text(answer: &Answer) -> Result<String, Error> {
    succeeded(answer)?;
    String::from_utf8(answer.body.to_vec())
        .map_err(|_| Error::malformed(format_args!("{} answered no text", answer.host)))
}

fn handed(answer: &Answer) -> Result<Had, Error> {
    succeeded(answer)?;
    let host = &answer.host;
    let no_keys = || Error::malformed(format_args!("{host} answered what are no access keys"));
    let handed: Handed = serde_json::from_slice(&answer.body).map_err(|_| no_keys())?;
    Ok((
        Keys {
            id: handed.access_key_id,
            secret: handed.secret_access_key.into(),
            session: handed.token.map(Secret::from),
        },
        Some(moment(&handed.expiration).ok_or_else(no_keys)?),
    ))
}

/// A moment as AWS writes it.
pub(super) fn moment(text: &str) -> Option<SystemTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(Into::into)
}
