//! Asking a token endpoint: one small request, one small answer.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use net::body::Body;
use net::pool::{Address, Pool, PoolConfig, Protocol, Target, TlsIdentity};
use net::tasks::Tasks;
use net::tls::{Alpn, ClientTls, Roots, TlsError};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls_pki_types::ServerName;

use crate::aws::sign::{PayloadHash, Signer};
use crate::error::{Error, ErrorKind};
use crate::url::Url;

/// How long an answer may take, from the connection to its last byte.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of an answer that is read.
const MAX_ANSWER: usize = 256 << 10;

/// RFC 3986, section 2.3: what stands for itself in a form and in a query.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Asks token endpoints. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Client {
    pool: Pool,
    tls: Arc<rustls::ClientConfig>,
}

/// A request to a token endpoint.
pub(crate) struct Call {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
}

impl fmt::Debug for Call {
    /// The body proves who asks; values of headers mask themselves.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// What came back, whatever its status.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    /// The host that was asked.
    pub(crate) host: String,
}

impl fmt::Debug for Answer {
    /// The body holds what was asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// The error that an answer without success is, of which its server has `said` more.
    pub(crate) fn refused(&self, said: &str) -> Error {
        let (host, status) = (&self.host, self.status.as_u16());
        let kind = match status {
            408 | 429 | 500.. => ErrorKind::Unreachable,
            _ => ErrorKind::Refused,
        };
        Error::new(kind, format_args!("{host} answered with status {status}")).saying(said)
    }
}

impl Client {
    /// Connections are carried by `tasks`.
    ///
    /// # Errors
    /// TLS cannot be had.
    pub fn new(tasks: &Tasks) -> Result<Self, TlsError> {
        let config = PoolConfig {
            max_idle_per_endpoint: 1,
            ..PoolConfig::default()
        };
        let pool = Pool::maintained(config, tasks);
        let tls = net::tls::client_config(&ClientTls {
            roots: Roots::Public,
            identity: None,
            alpn: Alpn::Http1,
        })?;
        Ok(Self { pool, tls })
    }

    /// Sends `call` and reads all of its answer. Redirects are answers like any other: what was
    /// sent was meant for this host.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, Error> {
        let host = call.url.host.clone();
        let unreachable = |what: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Unreachable, format_args!("{host}: {what}"))
        };
        match tokio::time::timeout(PATIENCE, self.exchange(call)).await {
            Ok(Ok((status, body))) => Ok(Answer { status, body, host }),
            Ok(Err(error)) => Err(unreachable(&error)),
            Err(_elapsed) => Err(unreachable(&format_args!("no answer within {PATIENCE:?}"))),
        }
    }

    async fn exchange(&self, call: Call) -> Result<(StatusCode, Bytes), String> {
        let target = self.target(&call.url)?;
        let mut request = Request::new(Body::from(call.body));
        *request.method_mut() = call.method;
        *request.uri_mut() = call.url.resource.into();
        let headers = request.headers_mut();
        headers.insert(HOST, call.url.authority);
        let agent = HeaderValue::from_static(concat!("sluicegate/", env!("CARGO_PKG_VERSION")));
        headers.insert(USER_AGENT, agent);
        headers.extend(call.headers);
        let sent = self.pool.send(&target, request, PATIENCE).await;
        let answer = sent.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|error| error.to_string())?;
        Ok((status, body.to_bytes()))
    }

    fn target(&self, url: &Url) -> Result<Target, String> {
        let address = match url.host.parse::<std::net::IpAddr>() {
            Ok(ip) => Address::Socket((ip, url.port).into()),
            Err(_) => Address::Host {
                host: url.host.as_str().into(),
                port: url.port,
            },
        };
        let identity = if url.tls {
            let name = ServerName::try_from(url.host.clone());
            let name = name.map_err(|_| "its name cannot be in a certificate".to_owned())?;
            Some(TlsIdentity::new(Arc::clone(&self.tls), name, 0))
        } else {
            None
        };
        Ok(Target::new(address, Protocol::Http1, identity))
    }
}

impl Call {
    /// A GET.
    pub(crate) fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// A PUT of nothing.
    pub(crate) fn put(url: Url) -> Self {
        Self {
            method: Method::PUT,
            ..Self::get(url)
        }
    }

    /// A POST of a form.
    pub(crate) fn form(url: Url, fields: &[(&str, &str)]) -> Self {
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        Self {
            method: Method::POST,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, kind)]),
            body: query(fields).into(),
            url,
        }
    }

    /// A POST of JSON.
    pub(crate) fn json(url: Url, value: &serde_json::Value) -> Self {
        let kind = HeaderValue::from_static("application/json");
        Self {
            method: Method::POST,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, kind)]),
            body: value.to_string().into(),
            url,
        }
    }

    /// With another header, whose value is a secret.
    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Result<Self, Error> {
        let value = HeaderValue::from_str(value);
        let mut value = value.map_err(|_| {
            Error::unusable(format_args!(
                "the value for `{name}` cannot stand in a header"
            ))
        })?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// With a signature.
    pub(crate) fn signed(mut self, signer: &Signer, now: SystemTime) -> Result<Self, Error> {
        self.headers.insert(HOST, self.url.authority.clone());
        let uri = Uri::from(self.url.resource.clone());
        let payload = PayloadHash::of(&self.body);
        signer.sign(&self.method, &uri, &mut self.headers, payload, now)?;
        Ok(self)
    }
}

/// Fields as a query or a form has them.
pub(crate) fn query(fields: &[(&str, &str)]) -> String {
    let encoded = |text| utf8_percent_encode(text, RESERVED);
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    fields.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use http::header::AUTHORIZATION;

    use super::{Answer, Call};
    use crate::url::{Plain, Url};

    #[test]
    fn what_is_sent_and_answered_is_not_shown() {
        let url = Url::parse("it", "https://a.example/token", Plain::Local).unwrap();
        let call = Call::form(url, &[("client_secret", "hunter2")]);
        let call = call.with(AUTHORIZATION, "Bearer hunter2").unwrap();
        let answer = Answer {
            status: StatusCode::OK,
            body: "hunter2".into(),
            host: "a.example".to_owned(),
        };
        let shown = format!("{call:?} {answer:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(
            shown.contains("a.example") && shown.contains("POST"),
            "{shown}"
        );
    }
}
