//! Providers that are asked by an identity: what reaches them, and what happens when it cannot be had.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use crate::client::{Answer, chat, get, once};
use crate::process::{Gateway, eventually, run, sum};
use crate::upstream::{Received, Step, Upstream, answer, completion};

/// What nobody but a token endpoint may see.
const REFRESH: &str = "1//planted-refresh-token";
const SECRET: &str = "planted-client-secret";

const CALLER: &str = "sk-planted-caller";

fn granted(token: &str, seconds: u64) -> Vec<Step> {
    let body = json!({ "access_token": token, "expires_in": seconds, "token_type": "Bearer" });
    answer("200 OK", "application/json", &body.to_string())
}

/// The `n`th answer is what `script` makes of `n`.
async fn token_endpoint(script: impl Fn(usize) -> Vec<Step> + Send + Sync + 'static) -> Upstream {
    let asked = Arc::new(AtomicUsize::new(0));
    Upstream::start(move |_| script(asked.fetch_add(1, Ordering::Relaxed))).await
}

/// The content of a Google credentials file of a user, whose tokens are had at `endpoint`.
fn user(endpoint: &Upstream) -> String {
    let user = json!({
        "type": "authorized_user",
        "client_id": "client",
        "client_secret": SECRET,
        "refresh_token": REFRESH,
        "token_uri": format!("http://{}/token", endpoint.address),
    });
    user.to_string()
}

const LISTENER: &str = "listeners:\n  - name: main\n    address: LISTEN\n";

/// A provider of this name and model, with these lines.
fn provider(name: &str, at: &Upstream, lines: &str) -> String {
    let address = at.address;
    format!(
        "  - name: {name}\n    baseUrl: http://{address}/v1\n    models: [{name}]\n    {lines}\n"
    )
}

fn google(credentials: &str) -> String {
    format!("auth: {{ google: {{ credentials: \"{credentials}\" }} }}")
}

async fn ask(gateway: &Gateway, model: &str) -> Answer {
    let mut request = chat(model, false, 1);
    let value = format!("Bearer {CALLER}").parse().unwrap();
    request.headers_mut().insert("authorization", value);
    once(gateway.address, request).await
}

fn authorization(request: &Received) -> String {
    request.header("authorization").unwrap_or_default()
}

/// Nothing that was planted stands in any account of what happened.
async fn assert_tells_nothing(gateway: &Gateway, tokens: &[&str]) {
    let mut told = vec![("standard error", gateway.log())];
    for path in ["/snapshot", "/endpoints", "/metrics"] {
        told.push((path, once(gateway.admin, get(path)).await.text()));
    }
    let lines: String = gateway.access_log().iter().map(Value::to_string).collect();
    told.push(("access log", lines));
    for (place, text) in told {
        for secret in [REFRESH, SECRET, CALLER].iter().chain(tokens) {
            assert!(!text.contains(secret), "{place} tells {secret}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_google_token_reaches_its_provider_renewed_and_nobody_else() {
    let endpoint = token_endpoint(|n| match n {
        0 | 1 => granted(&format!("token-{n}"), 3),
        _ => answer(
            "400 Bad Request",
            "application/json",
            &json!({ "error": "invalid_grant", "error_description": REFRESH }).to_string(),
        ),
    })
    .await;
    let upstream = Upstream::always(completion("m")).await;
    let other = Upstream::always(completion("m")).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("user.json");
    std::fs::write(&file, user(&endpoint)).unwrap();
    let reference = format!("${{file:{}}}", file.display());
    let config = format!(
        "{LISTENER}providers:\n{}{}",
        provider("vertex", &upstream, &google(&reference)),
        provider("other", &other, ""),
    );
    let gateway = Gateway::start_with(&config, &["--log", "trace"]).await;

    assert_eq!(ask(&gateway, "vertex").await.status, 200);
    assert_eq!(authorization(&upstream.request()), "Bearer token-0");
    let asked = endpoint.request();
    assert_eq!(asked.line, "POST /token HTTP/1.1");
    assert!(
        asked.text().contains("grant_type=refresh_token"),
        "{}",
        asked.text()
    );
    assert_eq!(ask(&gateway, "other").await.status, 200);
    assert_eq!(other.request().header("authorization"), None);

    // Ahead of its end there is a new one; no request has failed meanwhile.
    eventually("renewed", || async {
        assert_eq!(ask(&gateway, "vertex").await.status, 200);
        authorization(upstream.requests().last().unwrap()) == "Bearer token-1"
    })
    .await;
    // The token endpoint refuses from now on: the last one is used to its end, and no longer.
    eventually("over", || async {
        ask(&gateway, "vertex").await.status == 503
    })
    .await;
    let refused = ask(&gateway, "vertex").await;
    assert_eq!(refused.header("retry-after"), "1");
    let error = &refused.json()["error"];
    assert_eq!(error["code"], "no_credential");
    let message = "vertex cannot be asked now: the gateway has no credential for it, since the \
                   token endpoint refused it";
    assert_eq!(error["message"], message);
    let log = gateway.log();
    let why = "127.0.0.1 answered with status 400: invalid_grant ********";
    assert!(log.contains(why), "{log}");
    let metrics = gateway.metrics().await;
    let failed = "sluicegate_credential_refreshes_total{backend=\"vertex\",result=\"failed\"}";
    assert!(
        sum(&metrics, "sluicegate_credential_expiry_timestamp_seconds") > 1e9,
        "{metrics}"
    );
    assert!(metrics.contains(failed), "{metrics}");
    eventually("logged", || async {
        let lines = gateway.access_log();
        lines
            .last()
            .is_some_and(|line| line["error"] == "no_credential")
    })
    .await;
    assert_tells_nothing(&gateway, &["token-0", "token-1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_its_upstream_refuses_is_renewed_ahead_of_its_end() {
    let endpoint = token_endpoint(|n| granted(&format!("token-{n}"), 3600)).await;
    let upstream = Upstream::start(|request| match &*authorization(request) {
        "Bearer token-0" => answer("401 Unauthorized", "application/json", "{}"),
        _ => completion("m"),
    })
    .await;
    let mut credentials: Value = serde_json::from_str(&user(&endpoint)).unwrap();
    credentials["quota_project_id"] = json!("counted-to");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("user.json");
    std::fs::write(&file, credentials.to_string()).unwrap();
    let google = google(&format!("${{file:{}}}", file.display()));
    let provider = provider("vertex", &upstream, &google);
    let gateway = Gateway::start(&format!("{LISTENER}providers:\n{provider}")).await;
    assert_eq!(ask(&gateway, "vertex").await.status, 401);
    eventually("renewed", || async {
        ask(&gateway, "vertex").await.status == 200
    })
    .await;
    let request = upstream.requests().pop().unwrap();
    assert_eq!(authorization(&request), "Bearer token-1");
    let project = request.header("x-goog-user-project");
    assert_eq!(project.as_deref(), Some("counted-to"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_azure_identity_is_that_of_the_environment() {
    let endpoint = token_endpoint(|_| granted("entra", 3600)).await;
    let upstream = Upstream::always(completion("m")).await;
    let config = format!(
        "{LISTENER}providers:\n{}",
        provider("azure", &upstream, "auth: { azure: {} }")
    );
    let authority = format!("http://{}", endpoint.address);
    let variables = [
        ("AZURE_AUTHORITY_HOST", authority.as_str()),
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "app"),
        ("AZURE_CLIENT_SECRET", SECRET),
    ];
    let gateway = Gateway::start_in(&config, &["--log", "trace"], &variables).await;
    assert_eq!(ask(&gateway, "azure").await.status, 200);
    assert_eq!(authorization(&upstream.request()), "Bearer entra");
    let asked = endpoint.request();
    assert_eq!(asked.line, "POST /tenant/oauth2/v2.0/token HTTP/1.1");
    assert!(asked.text().contains(&format!("client_secret={SECRET}")));
    assert_tells_nothing(&gateway, &["entra"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_stays_with_its_host() {
    let endpoint = token_endpoint(|n| granted(&format!("token-{n}"), 3600)).await;
    let thief = Upstream::always(completion("m")).await;
    let location = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{}/v1/chat/completions\r\n\
         content-length: 0\r\n\r\n",
        thief.address
    );
    let upstream = Upstream::start(move |request| match request.text().contains("elsewhere") {
        true => vec![Step::Send(location.clone().into())],
        false => answer("503 Service Unavailable", "application/json", "{}"),
    })
    .await;
    let second = Upstream::always(completion("m")).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("user.json");
    std::fs::write(&file, user(&endpoint)).unwrap();
    let identity = google(&format!("${{file:{}}}", file.display()));
    let config = |first: &Upstream| {
        format!(
            "{LISTENER}providers:\n{}{}routes:\n  - name: r\n    rules:\n      - matches: [{{ model: {{ value: m }} }}]\n        \
             backendRefs: [{{ provider: first }}, {{ provider: second, priority: 1 }}]\n",
            provider("first", first, &identity),
            provider("second", &second, ""),
        )
    };
    let gateway = Gateway::start(&config(&upstream)).await;

    // A fallback has no part in it.
    assert_eq!(ask(&gateway, "m").await.status, 200);
    assert_eq!(authorization(&upstream.requests()[0]), "Bearer token-0");
    assert_eq!(second.requests()[0].header("authorization"), None);
    // A redirect is the client's to follow, without it.
    let mut asked = chat("m", false, 1);
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "elsewhere" }] });
    *asked.body_mut() = body.to_string().into();
    assert_eq!(once(gateway.address, asked).await.status, 307);
    assert_eq!(thief.count(), 0);
    // The same provider at another host has a token of its own.
    gateway.reconfigure(&config(&thief));
    eventually("moved", || async {
        ask(&gateway, "m").await;
        thief.count() > 0
    })
    .await;
    for request in thief.requests() {
        assert_eq!(authorization(&request), "Bearer token-1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_is_refused_at_the_start_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sluicegate.yaml");
    let check = |auth: &str| {
        let text = format!("providers:\n  - name: p\n    auth: {auth}\n");
        std::fs::write(&file, text).unwrap();
        let (_, err, status) = run(&["check", "-c", file.to_str().unwrap()]);
        assert!(!status.success());
        err
    };
    let err = check("{ google: { credentials: \"${file:/nope/key.json}\" } }");
    let expected = "the file `/nope/key.json` cannot be read, or is empty";
    assert!(err.contains(expected) && err.contains(":3:"), "{err}");
    assert!(err.contains("No such file"), "{err}");
    let err = check("{ google: {}, azure: {} }");
    assert!(err.contains("set exactly one"), "{err}");
    let err = check("{ google: { credentials: planted-literal } }");
    assert!(
        err.contains("by reference") && !err.contains("planted"),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_to_aws_are_signed_with_the_keys_of_an_assumed_role() {
    const KEYS: &str = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
        <AccessKeyId>ASIA-N</AccessKeyId><SecretAccessKey>planted-secret-key</SecretAccessKey>\
        <SessionToken>planted-session-N</SessionToken><Expiration>UNTIL</Expiration>\
        </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
    let endpoint = token_endpoint(|n| {
        // The first are at their end at once, so that a second set is asked for in a second.
        let until = if n == 0 {
            now_and(2)
        } else {
            "2099-01-01T00:00:00Z".to_owned()
        };
        let keys = KEYS
            .replace("-N", &format!("-{n}"))
            .replace("UNTIL", &until);
        answer("200 OK", "text/xml", &keys)
    })
    .await;
    let upstream = Upstream::always(completion("m")).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "planted-web-identity").unwrap();
    let config = format!(
        "{LISTENER}providers:\n{}",
        provider("aws", &upstream, "auth: { aws: { region: eu-west-1 } }")
    );
    let sts = format!("http://{}", endpoint.address);
    let variables = [
        ("AWS_ENDPOINT_URL_STS", sts.as_str()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
    ];
    let gateway = Gateway::start_in(&config, &["--log", "trace"], &variables).await;
    let mut request = chat("aws", false, 1);
    for name in ["x-amz-security-token", "x-amz-content-sha256", "x-amz-date"] {
        let value = CALLER.parse().unwrap();
        request.headers_mut().insert(name, value);
    }
    assert_eq!(once(gateway.address, request).await.status, 200);
    let sent = upstream.request();
    let signed = authorization(&sent);
    assert!(
        signed.starts_with("AWS4-HMAC-SHA256 Credential=ASIA-0/"),
        "{signed}"
    );
    let scope = "/eu-west-1/bedrock/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=";
    assert!(signed.contains(scope), "{signed}");
    let session = sent.header("x-amz-security-token");
    assert_eq!(session.as_deref(), Some("planted-session-0"));
    assert_eq!(sent.header("x-amz-content-sha256"), None);
    eventually("renewed", || async {
        assert_eq!(ask(&gateway, "aws").await.status, 200);
        let sent = upstream.requests().pop().unwrap();
        sent.header("x-amz-security-token").as_deref() == Some("planted-session-1")
    })
    .await;
    let planted = [
        "planted-secret-key",
        "planted-session",
        "planted-web-identity",
    ];
    assert_tells_nothing(&gateway, &planted).await;
}

/// The moment in so many seconds, as AWS writes it.
fn now_and(seconds: u64) -> String {
    let at = std::time::SystemTime::now() + std::time::Duration::from_secs(seconds);
    time::OffsetDateTime::from(at).format(&Rfc3339).unwrap()
}
