//! An upstream that answers every request with the same bytes, in the way that it asks for.

use crate::{answer::Answer, texts::Texts};
use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Frame, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep},
};

#[derive(Clone, Copy, clap::Args)]
pub(crate) struct Arguments {
    /// Port on 127.0.0.1
    #[arg(long)]
    port: u16,
    /// Status of every answer
    #[arg(long, default_value = "200")]
    status: StatusCode,
}

/// Connections that may wait to be accepted; the kernel takes no more by default.
const BACKLOG: u32 = 4096;

/// Chunks of a stream that ends.
const CHUNKS: u32 = 100;

/// Pause between two chunks of a paced stream.
const PACE: Duration = Duration::from_millis(10);

/// How late a late answer is.
const LATE: Duration = Duration::from_millis(300);

/// Serve until killed.
pub(crate) async fn serve(arguments: Arguments) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(([127, 0, 0, 1], arguments.port).into())?;
    let listener = socket.listen(BACKLOG)?;
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        connections.spawn(connection(stream, arguments.status));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, status: StatusCode) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| respond(request, status));
    // A connection that the client resets is its end and no fault.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

type ResponseBody = Either<Full<Bytes>, Chunks>;

async fn respond(
    request: Request<Incoming>,
    status: StatusCode,
) -> Result<Response<ResponseBody>, hyper::Error> {
    let answer = Answer::asked(request.headers());
    let texts = Texts::at(request.uri().path());
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    if answer == Answer::Late {
        sleep(LATE).await;
    }
    let (content_type, body) = if answer.is_stream() {
        (
            "text/event-stream",
            Either::Right(Chunks::new(answer, texts)),
        )
    } else {
        let whole = Full::new(Bytes::from_static(texts.whole.as_bytes()));
        ("application/json", Either::Left(whole))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}

/// What follows the chunks that are left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The last event, then the end.
    Last,
    /// The end.
    Now,
    /// Nothing, for ever.
    Never,
}

/// A stream of chunks, paced or as fast as they are taken.
struct Chunks {
    texts: &'static Texts,
    begun: bool,
    left: u32,
    pace: Option<Interval>,
    end: End,
}

impl Chunks {
    fn new(answer: Answer, texts: &'static Texts) -> Self {
        let pace = (answer == Answer::Paced).then(|| {
            // The first chunk is not paced: the timer goes by whole milliseconds.
            let mut pace = interval_at(Instant::now() + PACE, PACE);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pace
        });
        let (left, end) = match answer {
            Answer::Held => (1, End::Never),
            _ => (CHUNKS, End::Last),
        };
        Self {
            texts,
            begun: false,
            left,
            pace,
            end,
        }
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = |text: &'static str| Some(Ok(Frame::data(Bytes::from_static(text.as_bytes()))));
        if self.left > 0 {
            if self.begun
                && let Some(pace) = &mut self.pace
            {
                ready!(pace.poll_tick(context));
            }
            self.left -= 1;
            let is_first = !mem::replace(&mut self.begun, true);
            let texts = self.texts;
            return Poll::Ready(frame(if is_first { texts.first } else { texts.chunk }));
        }
        match self.end {
            End::Last => {
                self.end = End::Now;
                Poll::Ready(frame(self.texts.last))
            }
            End::Now => Poll::Ready(None),
            // Nobody wakes it: hyper drops it when the connection ends.
            End::Never => Poll::Pending,
        }
    }
}
