//! Workload identity federation: a token of somebody whom Google trusts is exchanged for one of
//! Google's (RFC 8693), and that, where it is asked for, for one of a service account.

use std::path::PathBuf;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;
use http::header::AUTHORIZATION;
use mesh::Secret;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::client::{Call, Client};
use crate::error::Error;
use crate::oauth;
use crate::source::read;
use crate::token::Token;
use crate::url::Url;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Who is trusted, and what their token is exchanged for.
#[derive(Clone, Debug)]
pub(super) struct External {
    pub(super) subject: Subject,
    pub(super) subject_token_type: String,
    pub(super) audience: String,
    pub(super) token_url: Url,
    /// Where a service account's token is had with the one exchanged.
    pub(super) impersonation: Option<Url>,
    /// A client that the exchange is to be made by, with its secret.
    pub(super) client: Option<(String, Secret)>,
    /// The project that a workforce's use is counted to.
    pub(super) user_project: Option<String>,
}

/// Where the token of whoever is trusted is found.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    File(PathBuf, Format),
    Url(Url, Vec<(String, Secret)>, Format),
}

/// What that is.
#[derive(Clone, Debug)]
pub(super) enum Format {
    /// The token itself.
    Text,
    /// JSON with the token in this field.
    Json(String),
}

pub(super) async fn token(
    external: &External,
    scopes: &[String],
    client: &Client,
    now: SystemTime,
) -> Result<Token, Error> {
    let subject = subject_token(&external.subject, client).await?;
    // What the service account is used for is asked of it, below.
    let scope = match external.impersonation {
        Some(_) => CLOUD_PLATFORM.to_owned(),
        None => scopes.join(" "),
    };
    let call = exchange(external, &subject, &scope)?;
    let answer = client.send(call).await?;
    let secrets = external.client.iter().map(|(_, secret)| secret);
    let granted = oauth::granted(&answer, now);
    let (token, expires) = granted.map_err(|error| error.without(secrets.chain([&subject])))?;
    match &external.impersonation {
        Some(url) => impersonate(url, &token, scopes, client).await,
        None => Token::bearer(token.expose(), Some(expires)),
    }
}

async fn subject_token(subject: &Subject, client: &Client) -> Result<Secret, Error> {
    let (text, format) = match subject {
        Subject::File(path, format) => (read(path).await?, format),
        Subject::Url(url, headers, format) => {
            let mut call = Call::get(url.clone());
            for (name, value) in headers {
                let name = HeaderName::try_from(name.as_str())
                    .map_err(|_| Error::unusable("credential_source.headers has no header name"))?;
                call = call.with(name, value.expose())?;
            }
            let answer = client.send(call).await?;
            let secrets = headers.iter().map(|(_, value)| value);
            oauth::succeeded(&answer).map_err(|error| error.without(secrets))?;
            let text = String::from_utf8(answer.body.to_vec());
            let text = text.map_err(|_| Error::malformed("the subject token is not text"))?;
            (text, format)
        }
    };
    let token = match format {
        Format::Text => Some(text.trim().to_owned()),
        Format::Json(field) => serde_json::from_str::<Value>(&text)
            .ok()
            .and_then(|value| Some(value.get(field)?.as_str()?.to_owned())),
    };
    let token = token.filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| {
        Error::unusable("`credential_source` has no subject token in the format that it names")
    })?;
    Ok(token.into())
}

fn exchange(external: &External, subject: &Secret, scope: &str) -> Result<Call, Error> {
    let project = external.user_project.as_ref();
    let options = project.map(|project| json!({ "userProject": project }).to_string());
    let mut fields = vec![
        ("grant_type", EXCHANGE),
        ("requested_token_type", ACCESS_TOKEN),
        ("audience", &*external.audience),
        ("scope", scope),
        ("subject_token_type", &*external.subject_token_type),
        ("subject_token", subject.expose()),
    ];
    if let (Some(options), None) = (&options, &external.client) {
        fields.push(("options", options));
    }
    let call = Call::form(external.token_url.clone(), &fields);
    match &external.client {
        Some((id, secret)) => {
            let client = STANDARD.encode(format!("{id}:{}", secret.expose()));
            call.with(AUTHORIZATION, &format!("Basic {client}"))
        }
        None => Ok(call),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Generated {
    access_token: String,
    expire_time: String,
}

async fn impersonate(
    url: &Url,
    by: &Secret,
    scopes: &[String],
    client: &Client,
) -> Result<Token, Error> {
    let body = json!({ "scope": scopes, "lifetime": "3600s" });
    let bearer = format!("Bearer {}", by.expose());
    let call = Call::json(url.clone(), &body).with(AUTHORIZATION, &bearer)?;
    let answer = client.send(call).await?;
    oauth::succeeded(&answer).map_err(|error| error.without([by]))?;
    let no_token = || {
        Error::malformed(format_args!(
            "{} answered what is no access token",
            answer.host
        ))
    };
    let generated: Generated = serde_json::from_slice(&answer.body).map_err(|_| no_token())?;
    let expires = OffsetDateTime::parse(&generated.expire_time, &Rfc3339);
    let expires = expires.map_err(|_| no_token())?;
    Token::bearer(&generated.access_token, Some(expires.into()))
}
