//! A provider's identity made ready: one kind, its secrets resolved.

use crate::resources::{AwsAuth, AzureAuth, GoogleAuth, ProviderAuth, Secret, SecretRef, Secrets};

use super::backend::resolve;
use super::violation::Faults;

/// How requests to a provider are given credentials that are renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// As it was configured, for display.
    pub spec: ProviderAuth,
    /// Whose credentials they are.
    pub identity: Identity,
}

/// An identity at a cloud. What is absent is to be found in the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// AWS's.
    Aws(AwsIdentity),
    /// Microsoft Entra ID's.
    Azure(AzureIdentity),
    /// Google's.
    Google(GoogleIdentity),
}

/// An AWS identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsIdentity {
    /// The region that requests are signed for.
    pub region: Option<String>,
    /// The service's name in signatures.
    pub service: String,
    /// The profile of the shared files.
    pub profile: Option<String>,
    /// The keys, where they are given; never beside a profile.
    pub keys: Option<AwsKeys>,
}

/// Access keys of AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsKeys {
    /// Their id.
    pub access_key_id: Secret,
    /// Their secret.
    pub secret_access_key: Secret,
    /// The session token of temporary ones.
    pub session_token: Option<Secret>,
}

/// An application or managed identity of Microsoft Entra ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureIdentity {
    /// The directory.
    pub tenant_id: Option<String>,
    /// The application or user-assigned identity.
    pub client_id: Option<String>,
    /// The application's secret.
    pub client_secret: Option<Secret>,
    /// The file with a token that the application trusts.
    pub federated_token_file: Option<String>,
    /// What the token is good for.
    pub scope: String,
}

/// A Google identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoogleIdentity {
    /// The content of a credentials file.
    pub credentials: Option<Secret>,
    /// What the token is good for.
    pub scopes: Vec<String>,
}

pub(super) fn compile(
    faults: &mut Faults<'_>,
    spec: &ProviderAuth,
    api_key: Option<&SecretRef>,
    secrets: &Secrets,
) -> Option<Auth> {
    faults.require(
        api_key.is_none(),
        "auth",
        "is set beside `apiKey`: give one of the two",
    );
    let identity = match (&spec.aws, &spec.azure, &spec.google) {
        (Some(aws), None, None) => Identity::Aws(self::aws(faults, aws, secrets)?),
        (None, Some(azure), None) => Identity::Azure(self::azure(faults, azure, secrets)?),
        (None, None, Some(google)) => Identity::Google(self::google(faults, google, secrets)?),
        (None, None, None) => {
            faults.add("auth", "is empty: set `aws`, `azure` or `google`");
            return None;
        }
        _ => {
            faults.add("auth", "names several identities: set exactly one");
            return None;
        }
    };
    Some(Auth {
        spec: spec.clone(),
        identity,
    })
}

fn aws(faults: &mut Faults<'_>, spec: &AwsAuth, secrets: &Secrets) -> Option<AwsIdentity> {
    let service = Some(spec.service.as_str());
    for (field, id) in [("region", spec.region.as_deref()), ("service", service)] {
        let path = format_args!("auth.aws.{field}");
        let what = "is not a name in signatures: use letters, digits and `-`";
        faults.require(id.is_none_or(is_id), path, what);
    }
    faults.require(
        spec.profile.as_deref() != Some(""),
        "auth.aws.profile",
        "is empty: give the name of a profile, or leave it out",
    );
    let keys = match (&spec.access_key_id, &spec.secret_access_key) {
        (Some(id), Some(secret)) => {
            faults.require(
                spec.profile.is_none(),
                "auth.aws.profile",
                "is set beside `accessKeyId`: give one of the two",
            );
            Some(aws_keys(
                faults,
                [id, secret],
                spec.session_token.as_ref(),
                secrets,
            )?)
        }
        (None, None) => {
            faults.require(
                spec.session_token.is_none(),
                "auth.aws.sessionToken",
                "is set without `accessKeyId`: give both, or neither",
            );
            None
        }
        (Some(_), None) => {
            faults.add(
                "auth.aws.accessKeyId",
                "is set without `secretAccessKey`: give both",
            );
            None
        }
        (None, Some(_)) => {
            faults.add(
                "auth.aws.secretAccessKey",
                "is set without `accessKeyId`: give both",
            );
            None
        }
    };
    Some(AwsIdentity {
        region: spec.region.clone(),
        service: spec.service.clone(),
        profile: spec.profile.clone(),
        keys,
    })
}

fn aws_keys(
    faults: &mut Faults<'_>,
    [id, secret]: [&SecretRef; 2],
    session: Option<&SecretRef>,
    secrets: &Secrets,
) -> Option<AwsKeys> {
    let id = resolve(faults, "auth.aws.accessKeyId", id, secrets).cloned();
    let secret = resolve(faults, "auth.aws.secretAccessKey", secret, secrets).cloned();
    let session_token = match session {
        Some(session) => Some(resolve(faults, "auth.aws.sessionToken", session, secrets)?.clone()),
        None => None,
    };
    Some(AwsKeys {
        access_key_id: id?,
        secret_access_key: secret?,
        session_token,
    })
}

fn google(faults: &mut Faults<'_>, spec: &GoogleAuth, secrets: &Secrets) -> Option<GoogleIdentity> {
    faults.require(
        !spec.scopes.is_empty(),
        "auth.google.scopes",
        "is empty: leave it out for the scope of all of Google Cloud",
    );
    for (i, scope) in spec.scopes.iter().enumerate() {
        let path = format_args!("auth.google.scopes[{i}]");
        faults.require(
            is_word(scope),
            path,
            "is not a scope: write one URL or name",
        );
    }
    let path = "auth.google.credentials";
    let credentials = match &spec.credentials {
        Some(reference) => Some(resolve(faults, path, reference, secrets)?.clone()),
        None => None,
    };
    Some(GoogleIdentity {
        credentials,
        scopes: spec.scopes.clone(),
    })
}

fn azure(faults: &mut Faults<'_>, spec: &AzureAuth, secrets: &Secrets) -> Option<AzureIdentity> {
    faults.require(
        is_word(&spec.scope),
        "auth.azure.scope",
        "is not a scope: write one such as `https://cognitiveservices.azure.com/.default`",
    );
    let ids = [("tenantId", &spec.tenant_id), ("clientId", &spec.client_id)];
    for (field, id) in ids {
        let fits = id.as_deref().is_none_or(is_id);
        let path = format_args!("auth.azure.{field}");
        faults.require(fits, path, "is not an id: use letters, digits, `-` and `.`");
    }
    faults.require(
        spec.client_secret.is_none() || spec.federated_token_file.is_none(),
        "auth.azure.federatedTokenFile",
        "is set beside `clientSecret`: give one of the two",
    );
    faults.require(
        spec.federated_token_file.as_deref() != Some(""),
        "auth.azure.federatedTokenFile",
        "is empty: give the path of a file, or leave it out",
    );
    let path = "auth.azure.clientSecret";
    let client_secret = match &spec.client_secret {
        Some(reference) => Some(resolve(faults, path, reference, secrets)?.clone()),
        None => None,
    };
    Some(AzureIdentity {
        tenant_id: spec.tenant_id.clone(),
        client_id: spec.client_id.clone(),
        client_secret,
        federated_token_file: spec.federated_token_file.clone(),
        scope: spec.scope.clone(),
    })
}

/// Scopes are told apart by spaces.
fn is_word(scope: &str) -> bool {
    !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic())
}

/// It stands in a path.
fn is_id(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    !id.is_empty() && id.bytes().all(fits) && !id.starts_with('.')
}
