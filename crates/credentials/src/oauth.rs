//! Answers of OAuth 2.0 token endpoints (RFC 6749, section 5), in the spellings that the clouds have
//! of them.

use std::time::{Duration, SystemTime};

use mesh::Secret;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::client::Answer;
use crate::error::Error;
use crate::token::Token;

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    /// Seconds.
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "seconds")]
    expires_on: Option<u64>,
}

/// The token of an answer that came at `now`.
pub(crate) fn token(answer: &Answer, now: SystemTime) -> Result<Token, Error> {
    let (token, expires) = granted(answer, now)?;
    Token::bearer(token.expose(), Some(expires))
}

/// The same as it stands in the answer, and when it expires.
pub(crate) fn granted(answer: &Answer, now: SystemTime) -> Result<(Secret, SystemTime), Error> {
    succeeded(answer)?;
    let host = &answer.host;
    let granted: Granted = serde_json::from_slice(&answer.body)
        .map_err(|_| Error::malformed(format_args!("{host} answered what is no access token")))?;
    let after = granted.expires_in.and_then(|seconds| after(now, seconds));
    let at = granted.expires_on.and_then(after_epoch);
    // A token that says nothing of its end would never be renewed.
    let expires = after.or(at).ok_or_else(|| {
        Error::malformed(format_args!("{host} does not say when its token expires"))
    })?;
    if granted.access_token.is_empty() {
        return Err(Error::malformed(format_args!("{host} answered no token")));
    }
    Ok((granted.access_token.into(), expires))
}

fn after(now: SystemTime, seconds: u64) -> Option<SystemTime> {
    now.checked_add(Duration::from_secs(seconds))
}

fn after_epoch(seconds: u64) -> Option<SystemTime> {
    after(SystemTime::UNIX_EPOCH, seconds)
}

/// A number, or a string of one, as Azure has it in places.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}

/// Refuses an answer that reports an error.
pub(crate) fn succeeded(answer: &Answer) -> Result<(), Error> {
    match answer.status.is_success() {
        true => Ok(()),
        false => Err(answer.refused(&said(&answer.body).unwrap_or_default())),
    }
}

/// What the body of an error says: OAuth's code and description, or Google's status and message.
fn said(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = body.get("error")?;
    let (code, description) = match error {
        Value::String(code) => (code.as_str(), body.get("error_description")),
        _ => (
            error.get("status").and_then(Value::as_str)?,
            error.get("message"),
        ),
    };
    let description = description.and_then(Value::as_str).unwrap_or_default();
    Some(format!("{code} {description}"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::StatusCode;

    use super::token;
    use crate::client::Answer;
    use crate::error::ErrorKind;
    use crate::testing::sent;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            body: body.to_owned().into(),
            host: "h".to_owned(),
        }
    }

    #[test]
    fn a_token_is_read_in_each_spelling_of_its_end() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        for (body, expires) in [
            (
                r#"{"access_token":"t","expires_in":60,"token_type":"Bearer"}"#,
                1060,
            ),
            (r#"{"access_token":"t","expires_in":"60"}"#, 1060),
            (r#"{"access_token":"t","expires_on":"1500"}"#, 1500),
            (
                r#"{"access_token":"t","expires_on":1500,"expires_in":null}"#,
                1500,
            ),
        ] {
            let token = token(&answer(200, body), now).unwrap();
            let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(expires);
            assert_eq!(token.expires, Some(expected), "{body}");
            assert_eq!(sent(&token), "Bearer t");
        }
    }

    #[test]
    fn what_is_no_token_is_an_error_that_says_why() {
        let refused = |status, body| {
            let error = token(&answer(status, body), SystemTime::UNIX_EPOCH).unwrap_err();
            (error.kind, error.to_string())
        };
        let oauth = r#"{"error":"invalid_grant","error_description":"Bad\nkey."}"#;
        let google = r#"{"error":{"code":403,"status":"PERMISSION_DENIED","message":"No."}}"#;
        for (status, body, kind, said) in [
            (
                400,
                oauth,
                ErrorKind::Refused,
                "h answered with status 400: invalid_grant Bad key.",
            ),
            (
                403,
                google,
                ErrorKind::Refused,
                "h answered with status 403: PERMISSION_DENIED No.",
            ),
            (
                503,
                "busy",
                ErrorKind::Unreachable,
                "h answered with status 503",
            ),
            (302, "", ErrorKind::Refused, "h answered with status 302"),
            (
                200,
                "<html>",
                ErrorKind::Malformed,
                "h answered what is no access token",
            ),
            (
                200,
                r#"{"access_token":"t"}"#,
                ErrorKind::Malformed,
                "h does not say when its token expires",
            ),
            (
                200,
                r#"{"access_token":"a\nb","expires_in":1}"#,
                ErrorKind::Malformed,
                "the token cannot stand in a header",
            ),
        ] {
            assert_eq!(refused(status, body), (kind, said.to_owned()));
        }
    }
}
