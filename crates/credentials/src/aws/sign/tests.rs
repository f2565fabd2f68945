use std::time::{Duration, UNIX_EPOCH};

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use http::{Method, Uri};

use super::{Keys, PayloadHash, Signer};

/// 30 August 2015, 12:36:00 UTC: the moment of AWS's examples.
const MOMENT: Duration = Duration::from_secs(1_440_938_160);

struct Example {
    method: Method,
    url: &'static str,
    content_type: Option<&'static str>,
    body: &'static str,
    session: Option<&'static str>,
    region: &'static str,
    service: &'static str,
}

impl Example {
    /// With what the examples have in common.
    fn of(method: Method, url: &'static str) -> Self {
        Self {
            method,
            url,
            content_type: None,
            body: "",
            session: None,
            region: "us-east-1",
            service: "service",
        }
    }

    fn signed(&self) -> HeaderMap {
        let uri: Uri = self.url.parse().unwrap();
        let host = uri.authority().unwrap().as_str();
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        // Of the client: neither signed nor sent.
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer other"));
        headers.insert("x-amz-security-token", HeaderValue::from_static("other"));
        headers.insert("user-agent", HeaderValue::from_static("sdk"));
        if let Some(content_type) = self.content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        let signer = Signer {
            keys: Keys {
                id: "AKIDEXAMPLE".to_owned(),
                secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
                session: self.session.map(Into::into),
            },
            region: self.region.to_owned(),
            service: self.service.to_owned(),
        };
        let payload = PayloadHash::of(self.body.as_bytes());
        signer
            .sign(
                &self.method,
                &uri,
                &mut headers,
                payload,
                UNIX_EPOCH + MOMENT,
            )
            .unwrap();
        headers
    }

    fn check(&self, signed: &str, signature: &str) {
        let headers = self.signed();
        let (region, service) = (self.region, self.service);
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/{region}/{service}/aws4_request, \
             SignedHeaders={signed}, Signature={signature}"
        );
        assert_eq!(headers[AUTHORIZATION], expected, "{}", self.url);
        assert!(headers[AUTHORIZATION].is_sensitive());
        assert_eq!(headers["x-amz-date"], "20150830T123600Z");
        let session = headers.get("x-amz-security-token");
        assert_eq!(session.map(|it| it.to_str().unwrap()), self.session);
    }
}

/// Of AWS's test suite and its documentation.
#[test]
fn published_signatures() {
    for (method, url, signature) in [
        (
            Method::GET,
            "https://example.amazonaws.com/",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            Method::POST,
            "https://example.amazonaws.com/",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            Method::GET,
            "https://example.amazonaws.com/?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            Method::GET,
            "https://example.amazonaws.com/?Param1=value2&Param1=Value1",
            "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1",
        ),
    ] {
        Example::of(method, url).check("host;x-amz-date", signature);
    }
    let form = Example {
        content_type: Some("application/x-www-form-urlencoded"),
        body: "Param1=value1",
        ..Example::of(Method::POST, "https://example.amazonaws.com/")
    };
    let signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a";
    form.check("content-type;host;x-amz-date", signature);
    let url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08";
    let users = Example {
        content_type: Some("application/x-www-form-urlencoded; charset=utf-8"),
        service: "iam",
        ..Example::of(Method::GET, url)
    };
    let signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
    users.check("content-type;host;x-amz-date", signature);
}

/// As botocore signs them.
#[test]
fn paths_and_queries_are_encoded_as_the_other_side_does() {
    for (url, signature) in [
        (
            "https://example.amazonaws.com/a//b/./c/../d/",
            "fc87438582477f9ca8c8209b32704e0e9f5b46786f0101a26c46e85478a0f14f",
        ),
        (
            "https://example.amazonaws.com/?a=%2Fb~c&a%20b=",
            "79b2a8df66ea2dacb72657bd1f2c7ed466349118665063e819d208c820b338c7",
        ),
        (
            "https://example.amazonaws.com:8443/x",
            "8299c519b573bb791dc6be917599b8ee011d53ff008e7a15803765f6fd1d1967",
        ),
    ] {
        Example::of(Method::GET, url).check("host;x-amz-date", signature);
    }
    for (url, signature) in [
        (
            "https://bedrock-runtime.us-west-2.amazonaws.com/model/anthropic.claude-sonnet-4%3A0/converse",
            "7e8217677464d308748b7524b230461672661c850b980e8e1bc1ad5c0cbd97b8",
        ),
        (
            "https://bedrock-runtime.us-west-2.amazonaws.com/model/anthropic.claude-sonnet-4:0/converse",
            "5668d05cbbdb3f2be1ba86bbfd4a83434dc4789fc5d2871167712261b5f5801e",
        ),
    ] {
        let converse = Example {
            content_type: Some("application/json"),
            body: "{\"a\":1}",
            session: Some("session"),
            region: "us-west-2",
            service: "bedrock",
            ..Example::of(Method::POST, url)
        };
        let signed = "content-type;host;x-amz-date;x-amz-security-token";
        converse.check(signed, signature);
    }
}

#[test]
fn a_body_is_hashed_in_whatever_pieces_it_comes() {
    let whole = PayloadHash::of(b"abc").finish();
    let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(whole, known);
    let mut pieces = PayloadHash::default();
    for piece in ["a", "", "bc"] {
        pieces.update(piece.as_bytes());
    }
    assert_eq!(pieces.finish(), whole);
}
