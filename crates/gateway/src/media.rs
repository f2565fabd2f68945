//! Fetching media that clients name by URL, for backends that take them only within a request.
//!
//! The URL is a client's, so whom it leads to is decided here: servers on the public internet alone,
//! which is checked of the very addresses that are then connected to, for each redirect anew. What is
//! fetched is bounded in number, bytes and time, and counts as a part of the request's body.

mod public;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue,
    LOCATION, USER_AGENT,
};
use http::uri::{Scheme, Uri};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use llm::translate::MediaUrl;
use net::body::Body;
use net::budget::{BodyBudget, Reservation};
use net::pool::{Address, Pool, PoolConfig, Protocol, Target, TlsIdentity, UpstreamBody};
use net::replay::ReplayError;
use net::tasks::Tasks;
use net::tls::{Alpn, ClientTls, Roots, TlsError};
use rustls_pki_types::ServerName;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use public::is_public;

/// How long all media of a request may take.
const PATIENCE: Duration = Duration::from_secs(20);
const PATIENCE_TO_CONNECT: Duration = Duration::from_secs(5);

/// Bytes of a medium: what most APIs take of one.
const MAX_BYTES: u64 = 20 << 20;

const MAX_REDIRECTS: usize = 3;

/// A medium that was fetched.
pub(crate) struct Medium {
    pub(crate) url: String,
    /// What its server calls its type.
    pub(crate) kind: Option<String>,
    pub(crate) bytes: Vec<u8>,
    /// The room that it takes with all that becomes of it.
    pub(crate) room: Reservation,
}

/// Fetches media.
pub(crate) struct Fetcher {
    pool: Pool,
    tls: Arc<rustls::ClientConfig>,
    /// Whether something may be fetched from an address.
    may_ask: fn(IpAddr) -> bool,
}

/// Why a medium cannot be had.
#[derive(Debug)]
pub(crate) enum Missed {
    /// For this reason, which goes on from what holds it: `messages`.
    Why(String),
    /// There is no room for it.
    Room(ReplayError),
}

impl Missed {
    fn why(why: impl Into<String>) -> Self {
        Self::Why(why.into())
    }
}

impl Fetcher {
    /// Connections are carried by `tasks`, and made to addresses of which `may_ask` says so.
    pub(crate) fn new(tasks: &Tasks, may_ask: fn(IpAddr) -> bool) -> Result<Self, TlsError> {
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
        Ok(Self { pool, tls, may_ask })
    }

    /// Fetches what stands at `urls`, whose bytes are taken from `bodies` until the rooms are dropped.
    pub(crate) async fn fetch(
        self: &Arc<Self>,
        urls: Vec<MediaUrl>,
        bodies: &BodyBudget,
    ) -> Result<Vec<Medium>, Missed> {
        let mut fetching = JoinSet::new();
        for url in urls {
            let (fetcher, room) = (Arc::clone(self), bodies.reservation());
            fetching.spawn(async move { fetcher.one(url, room).await });
        }
        let all = async {
            let mut media = Vec::new();
            while let Some(fetched) = fetching.join_next().await {
                // The tasks neither panic nor are aborted while they are waited for.
                let Ok(fetched) = fetched else { continue };
                media.push(fetched?);
            }
            Ok(media)
        };
        let late = || {
            Missed::Why(format!(
                "name media whose servers take more than {PATIENCE:?}"
            ))
        };
        timeout(PATIENCE, all).await.map_err(|_elapsed| late())?
    }

    async fn one(
        &self,
        MediaUrl { url, uses }: MediaUrl,
        mut room: Reservation,
    ) -> Result<Medium, Missed> {
        let fetched = async {
            let answer = self.follow(&url).await?;
            if answer.headers().contains_key(CONTENT_ENCODING) {
                return Err(Missed::why("comes in a coding that was not asked for"));
            }
            let kind = answer.headers().get(CONTENT_TYPE);
            let kind = kind.and_then(|kind| kind.to_str().ok()).map(str::to_owned);
            // As it came, and for each use in base64 and in the request.
            let per_byte = 2 + 3 * uses;
            let bytes = gather(answer.into_body(), per_byte, &mut room).await?;
            Ok((kind, bytes))
        };
        match fetched.await {
            Ok((kind, bytes)) => Ok(Medium {
                url,
                kind,
                bytes,
                room,
            }),
            Err(Missed::Why(why)) => Err(Missed::Why(format!("name {url}, which {why}"))),
            Err(no_room) => Err(no_room),
        }
    }

    /// The answer at the end of all redirects.
    async fn follow(&self, url: &str) -> Result<Response<UpstreamBody>, Missed> {
        let mut place = Uri::try_from(url).map_err(|_| Missed::why("is no URL"))?;
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.ask(&place).await?;
            let status = answer.status();
            if status.is_success() {
                return Ok(answer);
            }
            let next = status
                .is_redirection()
                .then(|| redirect(&place, answer.headers()));
            place = match next.flatten() {
                Some(next) => next,
                None => return Err(unsuccessful(status)),
            };
        }
        Err(Missed::why("is redirected too often"))
    }

    async fn ask(&self, url: &Uri) -> Result<Response<UpstreamBody>, Missed> {
        let tls = match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(Missed::why("is no http or https URL")),
        };
        let authority = url
            .authority()
            .ok_or_else(|| Missed::why("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(Missed::why("has credentials in it"));
        }
        let host = authority.host().trim_matches(['[', ']']);
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let addresses = self.resolve(host, port).await?;
        let identity = tls.then(|| self.identity(host)).transpose()?;
        let mut failed = Missed::why("has no address");
        for address in addresses {
            let target = Target::new(Address::Socket(address), Protocol::Http1, identity.clone());
            match self
                .pool
                .send(&target, request(url), PATIENCE_TO_CONNECT)
                .await
            {
                Ok(answer) => return Ok(answer),
                Err(_) => failed = Missed::why("is on a server that cannot be reached"),
            }
        }
        Err(failed)
    }

    /// The addresses of a host, each of which may be asked.
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Missed> {
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => tokio::net::lookup_host((host, port))
                .await
                .map_err(|_| Missed::why("is on a host that is not known"))?
                .collect(),
        };
        if found.iter().all(|address| (self.may_ask)(address.ip())) {
            Ok(found)
        } else {
            Err(Missed::why(
                "is on a host that is not on the public internet",
            ))
        }
    }

    fn identity(&self, host: &str) -> Result<TlsIdentity, Missed> {
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| Missed::why("is on a host that no certificate can name"))?;
        Ok(TlsIdentity::new(Arc::clone(&self.tls), name, 0))
    }
}

fn unsuccessful(status: StatusCode) -> Missed {
    Missed::Why(format!("is answered with status {}", status.as_u16()))
}

fn request(url: &Uri) -> Request<Body> {
    let mut request = Request::new(Body::from(bytes::Bytes::new()));
    let resource = url.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = resource.parse().unwrap_or_default();
    let headers = request.headers_mut();
    let host = url.authority().map(|authority| authority.as_str());
    if let Some(Ok(host)) = host.map(HeaderValue::from_str) {
        headers.insert(HOST, host);
    }
    let agent = HeaderValue::from_static(concat!("sluicegate/", env!("CARGO_PKG_VERSION")));
    headers.insert(USER_AGENT, agent);
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    request
}

/// Where a redirect leads; nowhere if it leads out of TLS.
fn redirect(from: &Uri, headers: &HeaderMap) -> Option<Uri> {
    let place = headers.get(LOCATION)?.to_str().ok()?;
    let to = if place.starts_with("//") {
        format!("{}:{place}", from.scheme_str()?)
    } else if place.starts_with('/') {
        format!("{}://{}{place}", from.scheme_str()?, from.authority()?)
    } else if place.contains("://") {
        place.to_owned()
    } else {
        let (directory, _) = from.path().rsplit_once('/')?;
        format!(
            "{}://{}{directory}/{place}",
            from.scheme_str()?,
            from.authority()?
        )
    };
    let to = Uri::try_from(to).ok()?;
    let leaves_tls = from.scheme() == Some(&Scheme::HTTPS) && to.scheme() != from.scheme();
    (!leaves_tls).then_some(to)
}

/// All of a body, for which the room grows.
async fn gather(
    mut body: UpstreamBody,
    per_byte: u64,
    room: &mut Reservation,
) -> Result<Vec<u8>, Missed> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Missed::why("breaks off"))?;
        let Ok(chunk) = frame.into_data() else {
            continue;
        };
        if bytes.len() as u64 + chunk.len() as u64 > MAX_BYTES {
            let most = MAX_BYTES >> 20;
            return Err(Missed::Why(format!("is longer than {most} MiB")));
        }
        room.grow(per_byte * chunk.len() as u64)
            .map_err(|exhausted| Missed::Room(ReplayError::Exhausted(exhausted)))?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
