//! An HTTP/1.1 connection: the life of its requests, one after the other.
//!
//! Head, handler, response: the connection's one task goes through them in this order and back to
//! the next head. While it waits for the handler or for more of a response it also watches
//! whether the client is still there, since an engine that works for nobody costs money; a client
//! that has closed its sending side only counts as gone, as it does for most servers. The answer
//! to the last request of a connection says so, which is the only way to close it without losing
//! a request that is already on its way.

mod body;
mod date;
mod upgrade;
mod wire;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::Full;

pub(super) use self::body::Http1Body;
use self::upgrade::Offer;
pub use self::upgrade::{NotUpgraded, OnUpgrade, Upgraded, on_upgrade};
use self::wire::{Behind, Wire};
use super::io::Stream;
use super::request_body::RequestBody;
use super::state::{ConnState, InFlight};
use super::{BoxError, ConnInfo, Handler};
use crate::http1::{
    Asked, BodyReader, Framing, HeadLimits, Refused, RequestHead, RequestReader,
    announced_trailers, encode_response, keeps_alive,
};
use crate::incoming::Arriving;
use crate::outgoing::{BodyWriter, Pieces, Unfit};

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the client left in the middle of a request or of its answer")]
    Left,
    #[error("the body of an answer broke off: {0}")]
    Answer(BoxError),
}

/// Serves `stream` until it ends, [`ConnState::ask_to_close`] included.
pub(super) async fn serve<H: Handler>(
    stream: Stream,
    handler: Arc<H>,
    info: Arc<ConnInfo>,
    state: Arc<ConnState>,
) -> Result<(), Broken> {
    let mut connection = Connection::new(stream, state);
    loop {
        let (head, body) = match connection.read_head().await? {
            Next::Request(head, body) => (head, body),
            Next::Refused(refused) => {
                connection.refuse(refused).await?;
                break;
            }
            Next::Closed => break,
        };
        let begun = connection.begin(head, body);
        let handled = handler.handle(begun.request, info.clone());
        let next = match begun.offer {
            // What follows is the other protocol's.
            Some(_) => Behind::Anything,
            None => Behind::Request,
        };
        let response = connection.unless_left(handled, next).await?;
        let offer = match (response.status(), begun.offer) {
            (StatusCode::SWITCHING_PROTOCOLS, Some(offer))
                if !connection.state.is_body_unread() =>
            {
                Some(offer)
            }
            (StatusCode::SWITCHING_PROTOCOLS, _) => {
                connection.refuse_to_switch().await?;
                break;
            }
            _ => None,
        };
        let kept = connection.respond(response, begun.terms).await?;
        if let Some(offer) = offer {
            connection.switch(offer);
            return Ok(());
        }
        if !kept || connection.state.is_body_unread() {
            break;
        }
    }
    connection.close().await
}

struct Connection {
    state: Arc<ConnState>,
    wire: Arc<Wire>,
    reader: RequestReader,
    outgoing: Pieces,
    switched: bool,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.switched {
            self.wire.close();
        }
    }
}

/// What comes next on a connection.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is what nearly always comes"
)]
enum Next {
    /// A request, and what of its body came with its head.
    Request(RequestHead, Arriving),
    Refused(Refused),
    /// Nothing more.
    Closed,
}

/// A request that is to be handled.
struct Begun {
    request: Request<RequestBody>,
    terms: Terms,
    offer: Option<Offer>,
}

/// What the request says of its response.
struct Terms {
    asked: Asked,
    keep_alive: bool,
    takes_trailers: bool,
    /// The client may be waiting for `100 Continue`.
    waits_for_leave: bool,
    in_flight: InFlight,
}

impl Connection {
    fn new(stream: Stream, state: Arc<ConnState>) -> Self {
        let limits = &state.settings.limits;
        let limits = HeadLimits {
            bytes: limits.max_header_bytes,
            fields: limits.max_headers,
        };
        Self {
            wire: Wire::new(stream, state.clone()),
            reader: RequestReader::new(limits),
            outgoing: Pieces::default(),
            state,
            switched: false,
        }
    }

    async fn read_head(&mut self) -> Result<Next, Broken> {
        if self.wire.has_next() {
            self.state.bytes_came();
        }
        poll_fn(|cx| self.poll_head(cx)).await
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Next, Broken>> {
        loop {
            let reader = &mut self.reader;
            let read = self.wire.poll_read(cx, |input| match reader.push(input) {
                Ok(Some((mut head, used))) => {
                    let body = std::mem::replace(&mut head.body, BodyReader::ended());
                    let mut body = Arriving::new(Bytes::new(), body);
                    let of_body = body.push(&input[used..]);
                    (Some(Next::Request(head, body)), used + of_body)
                }
                Ok(None) => (None, input.len()),
                Err(refused) => (Some(Next::Refused(refused)), input.len()),
            });
            let idle = !self.reader.has_begun();
            match read {
                Poll::Ready(Ok(Some(Some(next @ Next::Request(..))))) => {
                    return Poll::Ready(Ok(next));
                }
                Poll::Ready(Ok(Some(next))) => {
                    // The socket may have seen these bytes before: TLS keeps what it has opened.
                    self.state.bytes_came();
                    if let Some(next) = next {
                        return Poll::Ready(Ok(next));
                    }
                }
                Poll::Ready(Ok(None)) if idle => return Poll::Ready(Ok(Next::Closed)),
                Poll::Ready(Ok(None)) => return Poll::Ready(Err(Broken::Left)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                // After a look at what has arrived, so that no request is closed upon.
                Poll::Pending if idle && self.state.is_asked_to_close() => {
                    return Poll::Ready(Ok(Next::Closed));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Makes the request that the handler gets.
    fn begin(&self, head: RequestHead, body: Arriving) -> Begun {
        let whole = body.is_whole();
        let waits_for_leave = !whole && !body.is_ready() && head.expects_continue();
        if waits_for_leave {
            self.wire.defer_continue();
        }
        let terms = Terms {
            asked: Asked {
                to_head: head.method == Method::HEAD,
                modern: head.modern,
            },
            keep_alive: head.keep_alive,
            takes_trailers: head.takes_trailers(),
            waits_for_leave,
            in_flight: self.state.begin_request(!whole),
        };
        let mut request = Request::new(());
        let offer = Offer::make(&head, &mut request);
        *request.method_mut() = head.method;
        *request.uri_mut() = head.target;
        *request.headers_mut() = head.headers;
        if !head.modern {
            *request.version_mut() = Version::HTTP_10;
        }
        let body = if whole {
            Http1Body::whole(body)
        } else {
            Http1Body::arriving(body, self.wire.clone(), self.state.clone())
        };
        Begun {
            request: request.map(|()| RequestBody::http1(body)),
            terms,
            offer,
        }
    }

    /// Drives the handler for as long as there is somebody to answer.
    async fn unless_left<F: Future>(&self, handled: F, next: Behind) -> Result<F::Output, Broken> {
        let mut handled = pin!(handled);
        poll_fn(|cx| {
            if let Poll::Ready(response) = handled.as_mut().poll(cx) {
                return Poll::Ready(Ok(response));
            }
            self.wire.poll_gone(cx, next).map(|()| Err(Broken::Left))
        })
        .await
    }

    /// Writes a response. Returns whether the connection was promised to be kept.
    async fn respond<B>(&mut self, response: Response<B>, terms: Terms) -> Result<bool, Broken>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let interim = match terms.waits_for_leave {
            true => self.wire.take_interim(),
            false => Some(&b""[..]),
        };
        // A client that waits for leave which never comes may send its body or the next request.
        let last =
            terms.in_flight.is_last_of_connection() || !terms.keep_alive || interim.is_none();
        let framing = terms.asked.framing(&response);
        let kept = !last
            && framing != Framing::UntilClose
            && (!response.headers().contains_key(CONNECTION)
                || keeps_alive(response.headers(), true));
        let connection = match (kept, terms.asked.modern) {
            (true, true) => None,
            (true, false) => Some("keep-alive"),
            (false, _) => Some("close"),
        };
        self.outgoing.forget();
        self.outgoing.push_static(interim.unwrap_or_default());
        let head = date::with_now(|now| encode_response(&response, framing, connection, now));
        self.outgoing.push_text(head);
        let announced = match framing {
            Framing::Chunked if terms.takes_trailers => announced_trailers(response.headers()),
            _ => Vec::new(),
        };
        self.write_body(BodyWriter::new(response.into_body(), framing, announced))
            .await?;
        Ok(kept)
    }

    async fn write_body<B>(&mut self, mut body: BodyWriter<B>) -> Result<(), Broken>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let mut failure = None;
        poll_fn(|cx| self.poll_body(&mut body, &mut failure, cx)).await
    }

    fn poll_body<B>(
        &mut self,
        body: &mut BodyWriter<B>,
        failure: &mut Option<Broken>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        loop {
            let starved = match body.poll_fill(&mut self.outgoing, cx) {
                Ok(filled) => filled.is_pending(),
                // What came before is written before the connection breaks off.
                Err(unfit) => {
                    body.abandon();
                    *failure = Some(broken(unfit));
                    false
                }
            };
            let written = self.wire.poll_write(&mut self.outgoing, cx)?;
            match written {
                Poll::Ready(()) if body.is_over() => {
                    return Poll::Ready(failure.take().map_or(Ok(()), Err));
                }
                Poll::Ready(()) if !starved => {}
                // Once all has been taken it is written, whoever is there.
                _ if body.is_over() => return Poll::Pending,
                _ => {
                    let gone = self.wire.poll_gone(cx, Behind::Request);
                    return gone.map(|()| Err(Broken::Left));
                }
            }
        }
    }

    /// Answers what is no request, and gives up the connection: where the next one would begin
    /// cannot be known.
    async fn refuse(&mut self, refused: Refused) -> Result<(), Broken> {
        tracing::debug!(%refused, status = refused.status.as_u16(), "not a request");
        let text = format!("This HTTP request is refused: {refused}.\n");
        self.answer_last(refused.status, text).await
    }

    /// Answers in the place of a handler that switches protocols where the client did not ask for
    /// it, or has not sent all of its request: the two would not agree on where HTTP ends.
    async fn refuse_to_switch(&mut self) -> Result<(), Broken> {
        let text = "The upstream switched protocols, which this request does not allow.\n";
        self.answer_last(StatusCode::BAD_GATEWAY, text.to_owned())
            .await
    }

    async fn answer_last(&mut self, status: StatusCode, text: String) -> Result<(), Broken> {
        let framing = Framing::Length(text.len() as u64);
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = status;
        let plain = HeaderValue::from_static("text/plain");
        response.headers_mut().insert(CONTENT_TYPE, plain);
        self.outgoing.forget();
        let head = date::with_now(|now| encode_response(&response, framing, Some("close"), now));
        self.outgoing.push_text(head);
        self.write_body(BodyWriter::new(response.into_body(), framing, Vec::new()))
            .await
    }

    /// Leaves the connection to another protocol.
    fn switch(mut self, offer: Offer) {
        self.switched = true;
        self.state.switched();
        offer.fulfil(self.wire.clone());
    }

    async fn close(self) -> Result<(), Broken> {
        if self.wire.has_next() {
            self.state.bytes_came();
        }
        poll_fn(|cx| self.wire.poll_shutdown(cx)).await?;
        Ok(())
    }
}

fn broken<E: Into<BoxError>>(unfit: Unfit<E>) -> Broken {
    match unfit {
        Unfit::Failed(error) => Broken::Answer(error.into()),
        Unfit::Length(wrong) => Broken::Answer(wrong.into()),
    }
}
