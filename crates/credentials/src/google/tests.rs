use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mesh::snapshot::GoogleIdentity;
use serde_json::{Value, json};

use super::Source;
use crate::error::{Error, ErrorKind};
use crate::testing::{Endpoint, client, granted, sent, variables};
use crate::token::Token;
use crate::variables::Variables;

const NOW: u64 = 1_700_000_000;

fn identity(credentials: Option<&Value>) -> GoogleIdentity {
    GoogleIdentity {
        credentials: credentials.map(|value| value.to_string().into()),
        scopes: vec!["scope-a".to_owned(), "scope-b".to_owned()],
    }
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

async fn fetch(identity: &GoogleIdentity, variables: &Variables) -> Result<Token, Error> {
    let source = Source::new(identity, variables)?;
    source.fetch(&client(), now()).await
}

async fn by(credentials: &Value) -> Result<Token, Error> {
    fetch(&identity(Some(credentials)), &Variables::default()).await
}

fn pem(key: &KeyPair) -> String {
    let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(key).unwrap();
    let text = STANDARD.encode(der.as_ref());
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
    format!("{begin}\n{}\n{end}\n", lines.join("\n"))
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_service_account_signs_what_its_public_key_verifies() {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let endpoint = Endpoint::always(200, &granted("ya29.t")).await;
    let token_uri = format!("{}/token", endpoint.url);
    let token = by(&json!({
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "key-1",
        "private_key": pem(&key),
        "client_email": "robot@p.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }))
    .await
    .unwrap();
    assert_eq!(sent(&token), "Bearer ya29.t");
    assert_eq!(token.expires, Some(now() + Duration::from_secs(3600)));
    let seen = endpoint.only();
    assert_eq!(seen.line, "POST /token");
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    assert_eq!(seen.field("grant_type").as_deref(), Some(grant));
    let assertion = seen.field("assertion").unwrap();
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let expected = json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" });
    assert_eq!(decoded(header), expected);
    let expected = json!({
        "iss": "robot@p.iam.gserviceaccount.com",
        "scope": "scope-a scope-b",
        "aud": token_uri,
        "iat": NOW,
        "exp": NOW + 3600,
    });
    assert_eq!(decoded(claims), expected);
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert!(public.verify(signed.as_bytes(), &signature).is_ok());
    let other = signed.replace(header, "e30");
    assert!(public.verify(other.as_bytes(), &signature).is_err());
}

#[tokio::test]
async fn a_user_is_known_by_a_refresh_token() {
    let endpoint = Endpoint::always(200, &granted("t")).await;
    let token = by(&json!({
        "type": "authorized_user",
        "client_id": "id",
        "client_secret": "secret",
        "refresh_token": "1//refresh",
        "token_uri": endpoint.url,
    }))
    .await
    .unwrap();
    assert_eq!(sent(&token), "Bearer t");
    let seen = endpoint.only();
    for (name, value) in [
        ("grant_type", "refresh_token"),
        ("client_id", "id"),
        ("client_secret", "secret"),
        ("refresh_token", "1//refresh"),
    ] {
        assert_eq!(seen.field(name).as_deref(), Some(value));
    }
}

#[tokio::test]
async fn use_is_counted_to_the_project_that_is_named() {
    let endpoint = Endpoint::always(200, &granted("t")).await;
    let file = |project: Value| {
        json!({
            "type": "authorized_user", "client_id": "id", "client_secret": "s",
            "refresh_token": "r", "token_uri": endpoint.url, "quota_project_id": project,
        })
    };
    let project = async |file: &Value, variables: &Variables| {
        let token = fetch(&identity(Some(file)), variables).await;
        token.map(|token| token.project.map(|name| name.to_str().unwrap().to_owned()))
    };
    let none = Variables::default();
    let own = file(json!("own"));
    assert_eq!(project(&own, &none).await, Ok(Some("own".to_owned())));
    assert_eq!(project(&file(Value::Null), &none).await, Ok(None));
    let set = variables([("GOOGLE_CLOUD_QUOTA_PROJECT", "set")]);
    assert_eq!(project(&own, &set).await, Ok(Some("set".to_owned())));
    let error = project(&file(json!("a\nb")), &none).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unusable);
}

#[tokio::test]
async fn a_machine_has_the_token_of_its_account() {
    let endpoint = Endpoint::always(200, &granted("t")).await;
    let host = endpoint.url.trim_start_matches("http://");
    let home = tempfile::tempdir().unwrap();
    let home = home.path().to_str().unwrap();
    let environment = variables([("GCE_METADATA_HOST", host), ("HOME", home)]);
    let token = fetch(&identity(None), &environment).await.unwrap();
    assert_eq!(sent(&token), "Bearer t");
    let seen = endpoint.only();
    let path = "GET /computeMetadata/v1/instance/service-accounts/default/token";
    assert_eq!(seen.line, format!("{path}?scopes=scope-a%2Cscope-b"));
    assert_eq!(seen.header("metadata-flavor"), Some("Google"));
}

#[tokio::test]
async fn files_are_found_where_googles_libraries_look() {
    let endpoint = Endpoint::start(|seen| (200, granted(&seen.field("client_id").unwrap()))).await;
    let file = |id: &str| {
        let user = json!({
            "type": "authorized_user", "client_id": id, "client_secret": "s",
            "refresh_token": "r", "token_uri": endpoint.url,
        });
        user.to_string()
    };
    let home = tempfile::tempdir().unwrap();
    let gcloud = home.path().join(".config/gcloud");
    std::fs::create_dir_all(&gcloud).unwrap();
    let login = gcloud.join("application_default_credentials.json");
    std::fs::write(login, file("login")).unwrap();
    let named = home.path().join("named.json");
    std::fs::write(&named, file("named")).unwrap();
    let home = home.path().to_str().unwrap();
    let of_home = fetch(&identity(None), &variables([("HOME", home)])).await;
    assert_eq!(sent(&of_home.unwrap()), "Bearer login");
    let named = named.to_str().unwrap();
    let environment = variables([("HOME", home), ("GOOGLE_APPLICATION_CREDENTIALS", named)]);
    let of_variable = fetch(&identity(None), &environment).await;
    assert_eq!(sent(&of_variable.unwrap()), "Bearer named");
}

/// A pool of workload identities whose token comes from `source`.
fn external(endpoint: &Endpoint, source: &Value) -> Value {
    json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/v1/token", endpoint.url),
        "credential_source": source,
    })
}

#[tokio::test]
async fn the_token_of_a_workload_is_exchanged() {
    let endpoint = Endpoint::always(200, &granted("federated")).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "subject\n").unwrap();
    let pool = external(&endpoint, &json!({ "file": file.path() }));
    let token = by(&pool).await.unwrap();
    assert_eq!(sent(&token), "Bearer federated");
    let seen = endpoint.only();
    assert_eq!(seen.line, "POST /v1/token");
    for (name, value) in [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        (
            "requested_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("subject_token", "subject"),
        ("scope", "scope-a scope-b"),
        ("audience", pool["audience"].as_str().unwrap()),
    ] {
        assert_eq!(seen.field(name).as_deref(), Some(value));
    }
}

#[tokio::test]
async fn a_service_account_is_impersonated_by_a_workload() {
    let endpoint = Endpoint::start(|seen| {
        let body = match seen.line.as_str() {
            "GET /subject" => r#"{"value":"subject"}"#.to_owned(),
            "POST /v1/token" => granted("federated"),
            _ => r#"{"accessToken":"of-robot","expireTime":"2023-11-14T23:00:00.5Z"}"#.to_owned(),
        };
        (200, body)
    })
    .await;
    let mut pool = external(
        &endpoint,
        &json!({
            "url": format!("{}/subject", endpoint.url),
            "headers": { "x-secret": "h" },
            "format": { "type": "json", "subject_token_field_name": "value" },
        }),
    );
    let path = "/v1/projects/-/serviceAccounts/robot:generateAccessToken";
    pool["service_account_impersonation_url"] = json!(format!("{}{path}", endpoint.url));
    pool["client_id"] = json!("id");
    pool["client_secret"] = json!("secret");
    let token = by(&pool).await.unwrap();
    assert_eq!(sent(&token), "Bearer of-robot");
    let expires = token.expires.unwrap().duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(expires, Duration::from_millis(1_700_002_800_500));
    let seen = endpoint.seen();
    assert_eq!(seen[0].header("x-secret"), Some("h"));
    assert_eq!(seen[1].header("authorization"), Some("Basic aWQ6c2VjcmV0"));
    assert_eq!(seen[1].field("subject_token").as_deref(), Some("subject"));
    let all = "https://www.googleapis.com/auth/cloud-platform";
    assert_eq!(seen[1].field("scope").as_deref(), Some(all));
    assert_eq!(seen[2].line, format!("POST {path}"));
    assert_eq!(seen[2].header("authorization"), Some("Bearer federated"));
    let body: Value = serde_json::from_str(&seen[2].body).unwrap();
    let expected = json!({ "scope": ["scope-a", "scope-b"], "lifetime": "3600s" });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_refusal_is_told_without_what_was_sent() {
    let endpoint = Endpoint::start(|seen| {
        let told = seen.field("refresh_token").unwrap();
        let body = json!({ "error": "invalid_grant", "error_description": told });
        (400, body.to_string())
    })
    .await;
    let user = json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "hunter2-client",
        "refresh_token": "hunter2-refresh", "token_uri": endpoint.url,
    });
    let error = by(&user).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    let expected = "127.0.0.1 answered with status 400: invalid_grant ********";
    assert_eq!(error.to_string(), expected);
    let source = Source::new(&identity(Some(&user)), &Variables::default());
    assert!(!format!("{source:?}").contains("hunter2"));
}

#[test]
fn what_cannot_be_used_is_said_without_repeating_it() {
    let refused = |credentials: &str| {
        let identity = GoogleIdentity {
            credentials: Some(credentials.into()),
            scopes: Vec::new(),
        };
        let error = Source::new(&identity, &Variables::default()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unusable);
        error.to_string()
    };
    for (credentials, said) in [
        ("hunter2", "auth.google.credentials is not JSON"),
        (
            r#"{"client_secret":"hunter2"}"#,
            "auth.google.credentials has no `type`: give a credentials file of Google Cloud",
        ),
        (
            r#"{"type":"gdch_service_account"}"#,
            "auth.google.credentials is of the type `gdch_service_account`: give one of \
             `service_account`, `authorized_user` or `external_account`",
        ),
        (
            r#"{"type":"authorized_user","client_id":"i","client_secret":"hunter2"}"#,
            "auth.google.credentials is not complete: missing field `refresh_token`",
        ),
        (
            r#"{"type":"authorized_user","client_id":"i","client_secret":["hunter2"]}"#,
            "auth.google.credentials is not complete: a field has a value of another type",
        ),
        (
            r#"{"type":"service_account","client_email":"e","private_key":"hunter2"}"#,
            "the `private_key` of auth.google.credentials is not a PKCS#8 key in PEM",
        ),
        (
            r#"{"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"r",
                "token_uri":"http://thief.example/token"}"#,
            "token_uri is not an https URL, and thief.example is not on this machine or its link",
        ),
        (
            r#"{"type":"external_account","audience":"a","subject_token_type":"t",
                "token_url":"https://sts.googleapis.com/v1/token",
                "credential_source":{"environment_id":"aws1","url":"http://169.254.169.254/"}}"#,
            "auth.google.credentials takes its token from an AWS environment: give \
             `credential_source` a `file` or a `url`",
        ),
    ] {
        assert_eq!(refused(credentials), said);
    }
}
