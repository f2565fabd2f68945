//! Google's credentials files: JSON of one of several types.

use mesh::Secret;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::Value;

use super::federation::{External, Format, Subject};
use crate::error::Error;
use crate::url::{Plain, Url};

const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";

/// What a file says.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    pub(super) holder: Holder,
    /// The project that the use is counted to.
    pub(super) quota_project: Option<String>,
}

/// Who asks for tokens, and by what.
#[derive(Clone, Debug)]
pub(super) enum Holder {
    ServiceAccount(Account),
    User(User),
    External(Box<External>),
}

/// The key of a service account.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) email: String,
    pub(super) key_id: Option<String>,
    /// PKCS#8, in DER.
    pub(super) key: Vec<u8>,
    pub(super) token_url: Url,
    /// Where the token is asked for, in its own words: whom the assertion is meant for.
    pub(super) audience: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Account").field(&self.email).finish()
    }
}

/// The login of a user.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) client_id: String,
    pub(super) client_secret: Secret,
    pub(super) refresh_token: Secret,
    pub(super) token_url: Url,
}

#[derive(Deserialize)]
struct AccountFile {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

#[derive(Deserialize)]
struct UserFile {
    client_id: String,
    client_secret: String,
    refresh_token: String,
    token_uri: Option<String>,
}

#[derive(Deserialize)]
struct ExternalFile {
    audience: String,
    subject_token_type: String,
    token_url: String,
    credential_source: SourceFile,
    service_account_impersonation_url: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    workforce_pool_user_project: Option<String>,
}

#[derive(Deserialize)]
struct SourceFile {
    file: Option<String>,
    url: Option<String>,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    format: Option<FormatFile>,
    environment_id: Option<String>,
    executable: Option<Value>,
}

#[derive(Deserialize)]
struct FormatFile {
    r#type: String,
    subject_token_field_name: Option<String>,
}

/// Reads the content of a file, which `what` gave. No message repeats any of it.
pub(super) fn parse(what: &str, text: &str) -> Result<Credentials, Error> {
    let value: Value = serde_json::from_str(text)
        .map_err(|_| Error::unusable(format_args!("{what} is not JSON")))?;
    let text = |name| value.get(name).and_then(Value::as_str);
    Ok(Credentials {
        holder: holder(what, text("type"), &value)?,
        quota_project: text("quota_project_id").map(str::to_owned),
    })
}

fn holder(what: &str, kind: Option<&str>, value: &Value) -> Result<Holder, Error> {
    match kind {
        Some("service_account") => account(what, read(what, value.clone())?),
        Some("authorized_user") => user(read(what, value.clone())?),
        Some("external_account") => external(what, read(what, value.clone())?),
        Some(kind) => Err(Error::unusable(format_args!(
            "{what} is of the type `{}`: give one of `service_account`, `authorized_user` or \
             `external_account`",
            kind.chars().take(40).collect::<String>()
        ))),
        None => Err(Error::unusable(format_args!(
            "{what} has no `type`: give a credentials file of Google Cloud"
        ))),
    }
}

/// The fields that the type has. Which is missing may be told; a message on types would repeat
/// values.
fn read<T: serde::de::DeserializeOwned>(what: &str, value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| {
        let error = error.to_string();
        let why = if error.starts_with("missing field") {
            error.as_str()
        } else {
            "a field has a value of another type"
        };
        Error::unusable(format_args!("{what} is not complete: {why}"))
    })
}

fn token_url(given: Option<String>) -> Result<(Url, String), Error> {
    let text = given.unwrap_or_else(|| TOKEN_URL.to_owned());
    Ok((Url::parse("token_uri", &text, Plain::Local)?, text))
}

fn account(what: &str, file: AccountFile) -> Result<Holder, Error> {
    let key = PrivatePkcs8KeyDer::from_pem_slice(file.private_key.as_bytes());
    let key = key.map_err(|_| {
        Error::unusable(format_args!(
            "the `private_key` of {what} is not a PKCS#8 key in PEM"
        ))
    })?;
    let (token_url, audience) = token_url(file.token_uri)?;
    Ok(Holder::ServiceAccount(Account {
        email: file.client_email,
        key_id: file.private_key_id,
        key: key.secret_pkcs8_der().to_vec(),
        token_url,
        audience,
    }))
}

fn user(file: UserFile) -> Result<Holder, Error> {
    Ok(Holder::User(User {
        client_id: file.client_id,
        client_secret: file.client_secret.into(),
        refresh_token: file.refresh_token.into(),
        token_url: token_url(file.token_uri)?.0,
    }))
}

fn external(what: &str, file: ExternalFile) -> Result<Holder, Error> {
    let url = |name: &str, text: &str| Url::parse(name, text, Plain::Local);
    let impersonation = file.service_account_impersonation_url.as_deref();
    let client = file.client_id.zip(file.client_secret);
    Ok(Holder::External(Box::new(External {
        subject: subject(what, file.credential_source)?,
        subject_token_type: file.subject_token_type,
        audience: file.audience,
        token_url: url("token_url", &file.token_url)?,
        impersonation: impersonation
            .map(|text| url("service_account_impersonation_url", text))
            .transpose()?,
        client: client.map(|(id, secret)| (id, secret.into())),
        user_project: file.workforce_pool_user_project,
    })))
}

fn subject(what: &str, source: SourceFile) -> Result<Subject, Error> {
    let format = match source.format {
        None => Format::Text,
        Some(format) => match (format.r#type.as_str(), format.subject_token_field_name) {
            ("text", _) => Format::Text,
            ("json", Some(field)) => Format::Json(field),
            _ => {
                return Err(Error::unusable(format_args!(
                    "{what}: `credential_source.format` is neither `text` nor `json` with \
                     `subject_token_field_name`"
                )));
            }
        },
    };
    match (source.file, source.url) {
        (Some(path), None) => Ok(Subject::File(path.into(), format)),
        (None, Some(text)) if source.environment_id.is_none() => {
            let url = Url::parse("credential_source.url", &text, Plain::Local)?;
            let headers = source.headers.into_iter();
            let headers = headers.map(|(name, value)| (name, value.into()));
            Ok(Subject::Url(url, headers.collect(), format))
        }
        _ => {
            let kind = match (source.environment_id, source.executable) {
                (Some(_), _) => "an AWS environment",
                (_, Some(_)) => "an executable",
                _ => "neither a file nor a URL",
            };
            Err(Error::unusable(format_args!(
                "{what} takes its token from {kind}: give `credential_source` a `file` or a `url`"
            )))
        }
    }
}
