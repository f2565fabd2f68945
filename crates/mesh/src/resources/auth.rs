//! How a provider is told who asks, where that is no key that stays as it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::SecretRef;

/// A cloud's identity, whose credentials are had from the cloud itself and renewed ahead of their
/// expiry. They are sent to this provider's base URL and nowhere else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProviderAuth {
    /// Signatures with access keys of AWS, or a bearer token of Bedrock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsAuth>,
    /// An access token of Microsoft Entra ID, for Azure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureAuth>,
    /// An access token of Google, for Vertex AI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub google: Option<GoogleAuth>,
}

/// An AWS identity. Without keys it is found as AWS's own libraries find it: `AWS_BEARER_TOKEN_BEDROCK`
/// for Bedrock; the keys in `AWS_ACCESS_KEY_ID` and its like; a role by `AWS_WEB_IDENTITY_TOKEN_FILE`;
/// the profile that `AWS_PROFILE` names, else `default`; the role of the container or pod; that of the
/// instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AwsAuth {
    /// Region that requests are signed for. Absent: that in the host of the base URL, else that of
    /// `AWS_REGION`, `AWS_DEFAULT_REGION` or the profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Name of the service in signatures. Default: bedrock.
    pub service: String,
    /// Profile of the shared files whose keys are used. Not together with accessKeyId.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Id of access keys. Only together with secretAccessKey.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<SecretRef>,
    /// Secret of access keys. Only together with accessKeyId.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<SecretRef>,
    /// Session token of temporary access keys. Only together with accessKeyId.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_token: Option<SecretRef>,
}

impl Default for AwsAuth {
    fn default() -> Self {
        Self {
            region: None,
            service: "bedrock".to_owned(),
            profile: None,
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
        }
    }
}

/// A Google identity. Without `credentials` it is found as Google's own libraries find it: the file
/// that `GOOGLE_APPLICATION_CREDENTIALS` names, that of `gcloud auth application-default login`,
/// the metadata server of the machine or pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GoogleAuth {
    /// Content of a credentials file: a service account's key (`service_account`), a user's login
    /// (`authorized_user`) or workload identity federation (`external_account`, with a file or a URL
    /// as the source of its token).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretRef>,
    /// What the token is good for. Default: `https://www.googleapis.com/auth/cloud-platform`.
    pub scopes: Vec<String>,
}

impl Default for GoogleAuth {
    fn default() -> Self {
        Self {
            credentials: None,
            scopes: vec!["https://www.googleapis.com/auth/cloud-platform".to_owned()],
        }
    }
}

/// A Microsoft Entra identity: of an application by its secret or by a federated token, else the
/// managed identity of the machine, pod or app. What is absent is read of the environment variables
/// of Azure's own libraries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AzureAuth {
    /// Directory that knows the application. Absent: `AZURE_TENANT_ID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Application, or user-assigned managed identity. Absent: `AZURE_CLIENT_ID`; of managed
    /// identities without that, the one assigned by the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Secret of the application. Not together with federatedTokenFile. Absent:
    /// `AZURE_CLIENT_SECRET`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretRef>,
    /// Path of a file with a token that the application trusts (workload identity); read anew for
    /// each access token. Absent: `AZURE_FEDERATED_TOKEN_FILE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub federated_token_file: Option<String>,
    /// What the token is good for. Default: `https://cognitiveservices.azure.com/.default`.
    pub scope: String,
}

impl Default for AzureAuth {
    fn default() -> Self {
        Self {
            tenant_id: None,
            client_id: None,
            client_secret: None,
            federated_token_file: None,
            scope: "https://cognitiveservices.azure.com/.default".to_owned(),
        }
    }
}

impl ProviderAuth {
    /// The secrets that it refers to, each with its path below `auth`.
    pub fn secret_refs(&self) -> impl Iterator<Item = (&'static str, &SecretRef)> {
        let google = self.google.as_ref();
        let azure = self.azure.as_ref();
        let aws = self.aws.as_ref();
        [
            (
                "aws.accessKeyId",
                aws.and_then(|aws| aws.access_key_id.as_ref()),
            ),
            (
                "aws.secretAccessKey",
                aws.and_then(|aws| aws.secret_access_key.as_ref()),
            ),
            (
                "aws.sessionToken",
                aws.and_then(|aws| aws.session_token.as_ref()),
            ),
            (
                "google.credentials",
                google.and_then(|google| google.credentials.as_ref()),
            ),
            (
                "azure.clientSecret",
                azure.and_then(|azure| azure.client_secret.as_ref()),
            ),
        ]
        .into_iter()
        .filter_map(|(path, reference)| Some((path, reference?)))
    }
}
