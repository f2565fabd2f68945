use std::time::SystemTime;

use mesh::snapshot::AzureIdentity;

use super::Source;
use crate::error::{Error, ErrorKind};
use crate::testing::{Endpoint, client, granted, variables};
use crate::token::Token;
use crate::variables::Variables;

const SCOPE: &str = "https://cognitiveservices.azure.com/.default";

fn nobody() -> AzureIdentity {
    AzureIdentity {
        tenant_id: None,
        client_id: None,
        client_secret: None,
        federated_token_file: None,
        scope: SCOPE.to_owned(),
    }
}

async fn fetch(identity: &AzureIdentity, variables: &Variables) -> Result<Token, Error> {
    let source = Source::new(identity, variables)?;
    source.fetch(&client(), SystemTime::UNIX_EPOCH).await
}

#[tokio::test]
async fn an_application_proves_itself_by_its_secret() {
    let endpoint = Endpoint::always(200, &granted("t")).await;
    let authority = variables([("AZURE_AUTHORITY_HOST", &endpoint.url)]);
    let identity = AzureIdentity {
        tenant_id: Some("tenant".to_owned()),
        client_id: Some("app".to_owned()),
        client_secret: Some("s3cr&t=+".into()),
        ..nobody()
    };
    let token = fetch(&identity, &authority).await.unwrap();
    assert_eq!(token, Token::bearer("t", token.expires).unwrap());
    let seen = endpoint.only();
    assert_eq!(seen.line, "POST /tenant/oauth2/v2.0/token");
    let form = "application/x-www-form-urlencoded";
    assert_eq!(seen.header("content-type"), Some(form));
    for (name, value) in [
        ("grant_type", "client_credentials"),
        ("client_id", "app"),
        ("client_secret", "s3cr&t=+"),
        ("scope", SCOPE),
    ] {
        assert_eq!(seen.field(name).as_deref(), Some(value));
    }
}

#[tokio::test]
async fn a_workload_proves_itself_by_the_token_in_its_file() {
    let endpoint = Endpoint::always(200, &granted("t")).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let environment = variables([
        ("AZURE_AUTHORITY_HOST", &endpoint.url),
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "app"),
        ("AZURE_FEDERATED_TOKEN_FILE", file.path().to_str().unwrap()),
    ]);
    let source = Source::new(&nobody(), &environment).unwrap();
    for token in ["first", "second"] {
        // Kubernetes writes a new token into the same file.
        std::fs::write(file.path(), format!("{token}\n")).unwrap();
        source
            .fetch(&client(), SystemTime::UNIX_EPOCH)
            .await
            .unwrap();
        let seen = endpoint.seen().pop().unwrap();
        assert_eq!(seen.field("client_assertion").as_deref(), Some(token));
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        assert_eq!(seen.field("client_assertion_type").as_deref(), Some(kind));
        assert_eq!(seen.field("client_secret"), None);
    }
}

#[tokio::test]
async fn a_managed_identity_is_asked_of_its_platform() {
    let answer = r#"{"access_token":"t","expires_in":"3599","expires_on":"9999999999"}"#;
    let endpoint = Endpoint::always(200, answer).await;
    let machine = variables([("AZURE_POD_IDENTITY_AUTHORITY_HOST", &endpoint.url)]);
    fetch(&nobody(), &machine).await.unwrap();
    let seen = endpoint.seen().pop().unwrap();
    let resource = "resource=https%3A%2F%2Fcognitiveservices.azure.com";
    let path = "GET /metadata/identity/oauth2/token?api-version=2018-02-01";
    assert_eq!(seen.line, format!("{path}&{resource}"));
    assert_eq!(seen.header("metadata"), Some("true"));

    let app = variables([
        ("IDENTITY_ENDPOINT", &format!("{}/msi/token", endpoint.url)),
        ("IDENTITY_HEADER", "header"),
        ("AZURE_CLIENT_ID", "user-assigned"),
    ]);
    fetch(&nobody(), &app).await.unwrap();
    let seen = endpoint.seen().pop().unwrap();
    let path = "GET /msi/token?api-version=2019-08-01";
    assert_eq!(
        seen.line,
        format!("{path}&{resource}&client_id=user-assigned")
    );
    assert_eq!(seen.header("x-identity-header"), Some("header"));
}

#[tokio::test]
async fn a_refusal_is_told_without_the_secret() {
    let said = r#"{"error":"invalid_client","error_description":"`hunter2-hunter2` is wrong"}"#;
    let endpoint = Endpoint::always(401, said).await;
    let authority = variables([("AZURE_AUTHORITY_HOST", &endpoint.url)]);
    let identity = AzureIdentity {
        tenant_id: Some("tenant".to_owned()),
        client_id: Some("app".to_owned()),
        client_secret: Some("hunter2-hunter2".into()),
        ..nobody()
    };
    let error = fetch(&identity, &authority).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    let expected = "127.0.0.1 answered with status 401: invalid_client `********` is wrong";
    assert_eq!(error.to_string(), expected);
    assert!(!format!("{identity:?}{:?}", Source::new(&identity, &authority)).contains("hunter2"));
}

#[test]
fn what_is_missing_is_named() {
    let refused = |variables| Source::new(&nobody(), &variables).unwrap_err().to_string();
    for (environment, said) in [
        (
            variables([("AZURE_CLIENT_SECRET", "x")]),
            "set auth.azure.tenantId, or AZURE_TENANT_ID",
        ),
        (
            variables([("AZURE_CLIENT_SECRET", "x"), ("AZURE_TENANT_ID", "t")]),
            "set auth.azure.clientId, or AZURE_CLIENT_ID",
        ),
        (
            variables([
                ("IDENTITY_ENDPOINT", "http://example.com/"),
                ("IDENTITY_HEADER", "h"),
            ]),
            "IDENTITY_ENDPOINT is not an https URL, and example.com is not on this machine or its \
             link",
        ),
        (
            variables([("IDENTITY_ENDPOINT", "http://localhost/")]),
            "IDENTITY_ENDPOINT is set without IDENTITY_HEADER: managed identities of Azure Arc are \
             not supported",
        ),
    ] {
        assert_eq!(refused(environment), said);
    }
}
