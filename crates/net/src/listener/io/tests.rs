use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::advance;

use super::{H2_PREFACE, Socket, Stream, Timer};
use crate::drain::Drain;
use crate::limits::Limits;
use crate::listener::admission::Admission;
use crate::listener::set::Settings;
use crate::listener::state::ConnState;
use crate::listener::{ListenerConfig, Protocol};
use crate::tasks::Tasks;

fn socket(tcp: TcpStream) -> Socket {
    let config = ListenerConfig::plain("test", tcp.local_addr().unwrap());
    let limits = Limits::default();
    let permit = Arc::new(Admission::default())
        .admit(config.address.ip(), &limits)
        .ok()
        .unwrap();
    let settings = Arc::new(Settings::new(config, &Tasks::new()));
    let (_, drain) = Drain::new();
    Socket::new(tcp, Arc::new(ConnState::new(settings, drain, permit)))
}

#[tokio::test(start_paused = true)]
async fn any_progress_gives_a_peer_its_whole_time_again() {
    let (timeout, part) = (Duration::from_secs(60), Duration::from_secs(50));
    let mut timer = Timer::default();
    let elapsed = |timer: &mut Timer| {
        let mut cx = Context::from_waker(Waker::noop());
        timer.poll(&mut cx, timeout).is_ready()
    };
    for _ in 0..3 {
        assert!(!elapsed(&mut timer));
        advance(part).await;
        assert!(!elapsed(&mut timer));
        timer.disarm();
    }
    assert!(!elapsed(&mut timer));
    advance(timeout).await;
    assert!(elapsed(&mut timer));
}

/// What a server reads of a client that writes `pieces` one by one.
async fn recognise(pieces: &[Vec<u8>], read_size: usize) -> (Protocol, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    client.set_nodelay(true).unwrap();
    let (server, _) = listener.accept().await.unwrap();
    let write = async {
        for piece in pieces {
            client.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        client.shutdown().await.unwrap();
    };
    let read = async {
        let (protocol, mut stream) = Stream::recognise(socket(server)).await.unwrap();
        let (mut read, mut space) = (Vec::new(), vec![0; read_size]);
        loop {
            match stream.read(&mut space).await.unwrap() {
                0 => return (protocol, read),
                count => read.extend(&space[..count]),
            }
        }
    };
    tokio::join!(write, read).1
}

fn prefix_and_noise() -> impl Strategy<Value = Vec<u8>> {
    (
        0..=H2_PREFACE.len(),
        prop::collection::vec(any::<u8>(), 0..40),
    )
        .prop_map(|(prefix, noise)| [&H2_PREFACE[..prefix], &noise].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn nothing_is_lost_whatever_the_pieces(
        sent in prefix_and_noise(),
        piece in 1..40_usize,
        read_size in 1..40_usize,
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let pieces: Vec<Vec<u8>> = sent.chunks(piece).map(<[u8]>::to_vec).collect();
        let (protocol, read) = runtime.block_on(recognise(&pieces, read_size));
        let h2 = sent.starts_with(H2_PREFACE);
        prop_assert_eq!(protocol, if h2 { Protocol::H2 } else { Protocol::Http1 });
        prop_assert_eq!(read, sent);
    }
}
