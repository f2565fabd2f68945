//! Why a request got no response, and what may have become of it.

use std::error::Error;
use std::fmt;
use std::io;

use http::Request;

use super::target::Target;
use crate::body::Body;

type Source = Box<dyn Error + Send + Sync>;

/// A request that got no response.
///
/// [`kind`](Self::kind) says what failed. Whether trying again is safe is for the caller to judge
/// from [`sent`](Self::sent), [`reused`](Self::reused) and [`answered`](Self::answered); the pool
/// itself repeats a request only when not one byte of it had left.
#[derive(Debug)]
pub struct SendError {
    /// What failed.
    pub kind: SendErrorKind,
    /// Whether any of the request may have reached the upstream.
    pub sent: Sent,
    /// The connection had served a request before (HTTP/2: was open already).
    pub reused: bool,
    /// Some of a response had arrived.
    pub answered: bool,
    target: Target,
    source: Option<Source>,
}

/// Whether an upstream may have acted on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It has not: nothing was written, or the upstream said that it did not process it.
    Nothing,
    /// It may have.
    Maybe,
}

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendErrorKind {
    /// The endpoint's name did not resolve.
    Resolve,
    /// No TCP connection: refused, unreachable.
    Connect,
    /// No usable connection within the connect timeout.
    ConnectTimeout,
    /// This machine has no file descriptor, port or buffer left for a connection; the upstream was
    /// not asked.
    Exhausted,
    /// The TLS handshake failed.
    Tls,
    /// The HTTP/2 handshake failed, or ALPN did not choose HTTP/2 where it was required.
    Handshake,
    /// The request cannot be sent as it is: no host, or a form HTTP/1.1 does not have.
    Request,
    /// The request's own body failed while it was being sent.
    RequestBody,
    /// The connection was closed or reset before the head of the response was complete.
    Closed,
    /// The upstream reset the HTTP/2 stream.
    Reset,
    /// The upstream refused the HTTP/2 stream without processing it (`REFUSED_STREAM`, or a
    /// graceful `GOAWAY` that leaves the stream out).
    Refused,
    /// What came back is not HTTP, or exceeds the limits on response heads.
    Protocol,
}

impl SendError {
    pub(super) fn new(kind: SendErrorKind, target: &Target, source: Option<Source>) -> Self {
        Self {
            kind,
            sent: Sent::Nothing,
            reused: false,
            answered: false,
            target: target.clone(),
            source,
        }
    }

    /// Whether this is how it looks when an upstream closes an idle connection just as a request
    /// is put on it: closed without an answer, on a connection that had been used before. Even a
    /// request that is not idempotent is customarily sent again then (RFC 9110 section 9.2.2
    /// leaves this to the sender's knowledge).
    #[must_use]
    pub fn is_idle_close(&self) -> bool {
        self.kind == SendErrorKind::Closed && self.reused && !self.answered
    }

    /// Where the request was to go.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// A failure to connect, or to learn where, which may be our own lack of resources.
    pub(super) fn connecting(kind: SendErrorKind, target: &Target, error: io::Error) -> Self {
        let kind = if is_exhaustion(&error) {
            SendErrorKind::Exhausted
        } else {
            kind
        };
        Self::new(kind, target, Some(Box::new(error)))
    }

    /// Classifies what hyper reports. `sent` and `answered` are refined by the caller, which
    /// knows what passed over the connection.
    pub(super) fn from_hyper(error: hyper::Error, target: &Target, reused: bool) -> Self {
        let (kind, sent) = classify(&error);
        Self {
            sent,
            reused,
            ..Self::new(kind, target, Some(Box::new(error)))
        }
    }
}

/// Whether this machine has run out of what a connection takes.
fn is_exhaustion(error: &io::Error) -> bool {
    // ENFILE and EMFILE, which Linux, the BSDs and macOS number alike, and which have no
    // `ErrorKind` of their own.
    const OUT_OF_FILES: [i32; 2] = [23, 24];
    let kind = error.kind();
    matches!(
        kind,
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory
    ) || error
        .raw_os_error()
        .is_some_and(|code| OUT_OF_FILES.contains(&code))
}

/// A failed attempt inside the pool, with the request where it came back unsent.
pub(super) struct Failed {
    pub(super) error: SendError,
    pub(super) request: Option<Request<Body>>,
}

impl Failed {
    pub(super) fn before_sending(kind: SendErrorKind, target: &Target) -> Box<Self> {
        Box::new(Self {
            error: SendError::new(kind, target, None),
            request: None,
        })
    }
}

fn classify(error: &hyper::Error) -> (SendErrorKind, Sent) {
    if let Some(h2) = error
        .source()
        .and_then(|source| source.downcast_ref::<h2::Error>())
    {
        return classify_h2(h2);
    }
    if error.is_user() && !error.is_canceled() {
        let from_body = error
            .source()
            .is_some_and(|source| source.is::<crate::body::BodyError>());
        if from_body {
            return (SendErrorKind::RequestBody, Sent::Maybe);
        }
        return (SendErrorKind::Request, Sent::Nothing);
    }
    if error.is_parse() {
        return (SendErrorKind::Protocol, Sent::Maybe);
    }
    (SendErrorKind::Closed, Sent::Maybe)
}

fn classify_h2(error: &h2::Error) -> (SendErrorKind, Sent) {
    let graceful = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
    let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
    if error.is_remote() && (graceful || refused) {
        (SendErrorKind::Refused, Sent::Nothing)
    } else if error.is_reset() && error.is_remote() {
        (SendErrorKind::Reset, Sent::Maybe)
    } else if error.is_reset() && !error.is_library() {
        // hyper resets a stream whose request body fails.
        (SendErrorKind::RequestBody, Sent::Maybe)
    } else if error.is_io() || error.is_go_away() {
        (SendErrorKind::Closed, Sent::Maybe)
    } else {
        (SendErrorKind::Protocol, Sent::Maybe)
    }
}

impl fmt::Display for SendErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "its name did not resolve",
            Self::Connect => "no connection",
            Self::ConnectTimeout => "no connection within the connect timeout",
            Self::Exhausted => "no resources are left here for a connection",
            Self::Tls => "the TLS handshake failed",
            Self::Handshake => "it does not speak HTTP/2",
            Self::Request => "the request cannot be sent as it is",
            Self::RequestBody => "the request body broke off",
            Self::Closed => "it closed the connection without a response",
            Self::Reset => "it reset the stream",
            Self::Refused => "it refused the stream",
            Self::Protocol => "its response is not valid HTTP",
        })
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "upstream {}: {}", self.target.address(), self.kind)?;
        match &self.source {
            Some(source) => write!(f, " ({source})"),
            None => Ok(()),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
