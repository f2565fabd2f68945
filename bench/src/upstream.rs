//! An upstream that answers the same to everything: a chat completion of 1.5 KB, or a stream of
//! chunks at a steady pace.

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    Request, Response,
    body::{Body, Frame, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Interval, MissedTickBehavior, interval},
};

#[derive(Clone, Copy, clap::Args)]
pub(crate) struct Arguments {
    /// Port on 127.0.0.1
    #[arg(long)]
    port: u16,
    /// Chunks of a stream
    #[arg(long, default_value_t = 100)]
    chunks: u32,
    /// Milliseconds between two chunks; 0 sends all at once
    #[arg(long, default_value_t = 10)]
    pace_ms: u64,
}

/// Serve until killed.
pub(crate) async fn serve(arguments: Arguments) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", arguments.port)).await?;
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        connections.spawn(connection(stream, arguments));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, arguments: Arguments) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| answer(request, arguments));
    // A connection that the client resets is its end and no fault.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

type Answer = Response<Either<Full<Bytes>, Chunks>>;

async fn answer(request: Request<Incoming>, arguments: Arguments) -> Result<Answer, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let streamed = body.windows(STREAM.len()).any(|window| window == STREAM);
    let (content_type, body) = if streamed {
        ("text/event-stream", Either::Right(Chunks::new(arguments)))
    } else {
        (
            "application/json",
            Either::Left(Full::new(Bytes::from_static(COMPLETION.as_bytes()))),
        )
    };
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}

const STREAM: &[u8] = b"\"stream\":true";

/// A chat completion of about 1.5 KB.
const COMPLETION: &str = concat!(
    r#"{"id":"chatcmpl-8f14e45fceea167a5a36dedd4bea2543","object":"chat.completion","#,
    r#""created":1764000000,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","#,
    r#""content":""#,
    "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
    "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
    "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
    "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
    "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
    "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
    "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
    "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
    "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
    "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
    "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea. ",
    "The river rises in the hills and gathers the rain of a hundred valleys on its way to the sea.",
    r#"","tool_calls":[]},"logprobs":null,"finish_reason":"stop"}],"#,
    r#""usage":{"prompt_tokens":310,"total_tokens":562,"completion_tokens":252}}"#,
);

const CHUNK: &str = concat!(
    r#"data: {"id":"chatcmpl-8f14e45fceea167a5a36dedd4bea2543","object":"chat.completion.chunk","#,
    r#""created":1764000000,"model":"bench","#,
    r#""choices":[{"index":0,"delta":{"content":" river"},"logprobs":null,"finish_reason":null}]}"#,
    "\n\n"
);

const LAST: &str = concat!(
    r#"data: {"id":"chatcmpl-8f14e45fceea167a5a36dedd4bea2543","object":"chat.completion.chunk","#,
    r#""created":1764000000,"model":"bench","choices":[],"#,
    r#""usage":{"prompt_tokens":310,"total_tokens":410,"completion_tokens":100}}"#,
    "\n\ndata: [DONE]\n\n"
);

/// A stream of chunks, one per tick.
struct Chunks {
    left: u32,
    pace: Option<Interval>,
    ended: bool,
}

impl Chunks {
    fn new(arguments: Arguments) -> Self {
        let pace = (arguments.pace_ms > 0).then(|| {
            let mut pace = interval(Duration::from_millis(arguments.pace_ms));
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pace
        });
        Self {
            left: arguments.chunks,
            pace,
            ended: false,
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
        if self.ended {
            return Poll::Ready(None);
        }
        if self.left == 0 {
            self.ended = true;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(LAST.as_bytes())))));
        }
        if let Some(pace) = &mut self.pace {
            ready!(pace.poll_tick(context));
        }
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(CHUNK.as_bytes())))))
    }
}
