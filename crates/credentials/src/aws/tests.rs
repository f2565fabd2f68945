use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mesh::Secret;
use mesh::snapshot::{AwsIdentity, AwsKeys};

use super::sign::{Keys, Signer};
use super::{Source, region_of};
use crate::error::{Error, ErrorKind};
use crate::testing::{Endpoint, client, variables};
use crate::token::{Material, Token};
use crate::variables::Variables;

const STS_ANSWER: &str = r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <AssumedRoleUser><Arn>arn</Arn></AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIA</AccessKeyId>
      <SecretAccessKey>s/e+c=</SecretAccessKey>
      <SessionToken>t&amp;k==</SessionToken>
      <Expiration>2015-08-30T13:36:00Z</Expiration>
    </Credentials>
  </AssumeRoleResult>
</AssumeRoleResponse>"#;

const HANDED: &str = r#"{"Code":"Success","AccessKeyId":"ASIA","SecretAccessKey":"s/e+c=",
    "Token":"t&k==","Expiration":"2015-08-30T13:36:00Z"}"#;

/// 30 August 2015, 12:36:00 UTC.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_440_938_160)
}

fn identity() -> AwsIdentity {
    AwsIdentity {
        region: Some("us-east-1".to_owned()),
        service: "bedrock".to_owned(),
        profile: None,
        keys: None,
    }
}

async fn fetch(identity: &AwsIdentity, variables: &Variables) -> Result<Token, Error> {
    let source = Source::new(identity, "h", variables);
    source.fetch(&client(), now()).await
}

fn signer(token: &Token) -> &Signer {
    match &token.material {
        Material::Signature(signer) => signer,
        Material::Bearer(_) => panic!("a bearer token"),
    }
}

/// Has the keys of the answers above, for an hour.
fn assert_handed(token: &Token) {
    let expected = Keys {
        id: "ASIA".to_owned(),
        secret: "s/e+c=".into(),
        session: Some("t&k==".into()),
    };
    assert_eq!(signer(token).keys, expected);
    assert_eq!(token.expires, Some(now() + Duration::from_secs(3600)));
}

#[tokio::test]
async fn keys_of_the_environment_and_of_the_configuration() {
    let environment = variables([
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_SESSION_TOKEN", "t"),
        ("AWS_REGION", "eu-west-1"),
    ]);
    let anywhere = AwsIdentity {
        region: None,
        ..identity()
    };
    let token = fetch(&anywhere, &environment).await.unwrap();
    let expected = Signer {
        keys: Keys {
            id: "AKID".to_owned(),
            secret: "s".into(),
            session: Some("t".into()),
        },
        region: "eu-west-1".to_owned(),
        service: "bedrock".to_owned(),
    };
    assert_eq!((signer(&token), token.expires), (&expected, None));
    let given = AwsIdentity {
        keys: Some(AwsKeys {
            access_key_id: "GIVEN".into(),
            secret_access_key: "s".into(),
            session_token: None,
        }),
        ..identity()
    };
    let token = fetch(&given, &environment).await.unwrap();
    assert_eq!(signer(&token).keys.id, "GIVEN");
    assert_eq!(signer(&token).region, "us-east-1");
}

#[tokio::test]
async fn a_bearer_token_is_for_bedrock_alone() {
    let environment = variables([
        ("AWS_BEARER_TOKEN_BEDROCK", "b"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ]);
    let token = fetch(&identity(), &environment).await.unwrap();
    assert_eq!(token, Token::bearer("b", None).unwrap());
    let other = AwsIdentity {
        service: "sagemaker".to_owned(),
        ..identity()
    };
    let token = fetch(&other, &environment).await.unwrap();
    assert_eq!(signer(&token).keys.id, "AKID");
}

#[tokio::test]
async fn a_role_is_assumed_by_the_token_in_a_file() {
    let endpoint = Endpoint::always(200, STS_ANSWER).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "jwt\n").unwrap();
    let environment = variables([
        ("AWS_ENDPOINT_URL_STS", &endpoint.url),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.path().to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
    ]);
    assert_handed(&fetch(&identity(), &environment).await.unwrap());
    let seen = endpoint.only();
    assert_eq!(seen.line, "POST /");
    assert_eq!(seen.header("authorization"), None);
    for (name, value) in [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", "arn:aws:iam::1:role/r"),
        ("RoleSessionName", "sluicegate-1440938160"),
        ("WebIdentityToken", "jwt"),
    ] {
        assert_eq!(seen.field(name).as_deref(), Some(value));
    }
}

#[tokio::test]
async fn a_profile_assumes_its_role_with_the_keys_of_another() {
    let endpoint = Endpoint::always(200, STS_ANSWER).await;
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let config = "[profile r]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n\
                  external_id = x\nregion = eu-west-1\n";
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    let keys = "[base]\naws_access_key_id = AKID\naws_secret_access_key = s\n";
    std::fs::write(home.path().join(".aws/credentials"), keys).unwrap();
    let environment = variables([
        ("AWS_ENDPOINT_URL_STS", &endpoint.url),
        ("HOME", home.path().to_str().unwrap()),
        ("AWS_PROFILE", "r"),
    ]);
    let anywhere = AwsIdentity {
        region: None,
        ..identity()
    };
    let token = fetch(&anywhere, &environment).await.unwrap();
    assert_handed(&token);
    assert_eq!(signer(&token).region, "eu-west-1");
    let seen = endpoint.only();
    for (name, value) in [("Action", "AssumeRole"), ("ExternalId", "x")] {
        assert_eq!(seen.field(name).as_deref(), Some(value));
    }
    let authorization = seen.header("authorization").unwrap();
    let scope = "AWS4-HMAC-SHA256 Credential=AKID/20150830/eu-west-1/sts/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date, Signature=";
    assert!(authorization.starts_with(scope), "{authorization}");

    let named = AwsIdentity {
        profile: Some("nobody".to_owned()),
        ..identity()
    };
    let error = fetch(&named, &environment).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Missing);
    assert_eq!(
        error.to_string(),
        "there is no AWS profile `nobody` that has keys"
    );
}

#[tokio::test]
async fn a_token_is_exchanged_in_the_region_of_its_profile() {
    let endpoint = Endpoint::always(200, STS_ANSWER).await;
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let token = home.path().join("token");
    std::fs::write(&token, "jwt").unwrap();
    let config = format!(
        "[profile w]\nrole_arn = arn:aws:iam::1:role/w\nregion = eu-west-1\n\
         web_identity_token_file = {}\n",
        token.display()
    );
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    let environment = variables([
        ("AWS_ENDPOINT_URL_STS", &endpoint.url),
        ("HOME", home.path().to_str().unwrap()),
    ]);
    let identity = AwsIdentity {
        region: None,
        profile: Some("w".to_owned()),
        ..identity()
    };
    let token = fetch(&identity, &environment).await.unwrap();
    assert_handed(&token);
    assert_eq!(signer(&token).region, "eu-west-1");
}

#[tokio::test]
async fn a_container_is_handed_its_keys() {
    let endpoint = Endpoint::always(200, HANDED).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "pod-token\n").unwrap();
    let url = format!("{}/v1/credentials", endpoint.url);
    let environment = variables([
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            file.path().to_str().unwrap(),
        ),
    ]);
    assert_handed(&fetch(&identity(), &environment).await.unwrap());
    let seen = endpoint.only();
    assert_eq!(seen.line, "GET /v1/credentials");
    assert_eq!(seen.header("authorization"), Some("pod-token"));
    let elsewhere = variables([(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "http://thief.example/",
    )]);
    let error = fetch(&identity(), &elsewhere).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unusable);
}

#[tokio::test]
async fn an_instance_is_handed_the_keys_of_its_role_in_a_session() {
    let endpoint = Endpoint::start(|seen| match seen.line.as_str() {
        "PUT /latest/api/token" => (200, "session".to_owned()),
        "GET /latest/meta-data/iam/security-credentials/" => (200, "the-role\n".to_owned()),
        "GET /latest/meta-data/iam/security-credentials/the-role" => (200, HANDED.to_owned()),
        _ => (404, String::new()),
    })
    .await;
    let environment = variables([("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint.url)]);
    assert_handed(&fetch(&identity(), &environment).await.unwrap());
    let seen = endpoint.seen();
    assert_eq!(
        seen[0].header("x-aws-ec2-metadata-token-ttl-seconds"),
        Some("60")
    );
    for request in &seen[1..] {
        assert_eq!(request.header("x-aws-ec2-metadata-token"), Some("session"));
    }
    let disabled = variables([("AWS_EC2_METADATA_DISABLED", "TRUE")]);
    let error = fetch(&identity(), &disabled).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Missing);
}

#[tokio::test]
async fn a_refusal_is_told_without_the_token() {
    let said = "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>AccessDenied</Code>\
                <Message>no `hunter2-jwt`</Message></Error></ErrorResponse>";
    let endpoint = Endpoint::always(403, said).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "hunter2-jwt").unwrap();
    let environment = variables([
        ("AWS_ENDPOINT_URL_STS", &endpoint.url),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.path().to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn"),
    ]);
    let error = fetch(&identity(), &environment).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    let expected = "127.0.0.1 answered with status 403: AccessDenied no `********`";
    assert_eq!(error.to_string(), expected);
    let keys = Keys {
        id: "AKID".to_owned(),
        secret: Secret::from("hunter2"),
        session: Some(Secret::from("hunter2")),
    };
    assert!(!format!("{keys:?}").contains("hunter2"));
}

#[test]
fn a_region_stands_in_the_name_of_its_endpoints() {
    for (host, region) in [
        ("bedrock-runtime.us-east-1.amazonaws.com", Some("us-east-1")),
        (
            "bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
            Some("us-gov-west-1"),
        ),
        (
            "vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com",
            Some("eu-west-1"),
        ),
        (
            "bedrock-runtime.cn-north-1.amazonaws.com.cn",
            Some("cn-north-1"),
        ),
        ("bedrock-mantle.us-east-2.api.aws", Some("us-east-2")),
        ("iam.amazonaws.com", None),
        ("bedrock.example.com", None),
        ("127.0.0.1", None),
    ] {
        assert_eq!(region_of(host).as_deref(), region, "{host}");
    }
}
