use std::num::NonZeroU64;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{PAUSE, start};
use crate::limits::Limits;

const HEADER: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(75);
const STALL: Duration = Duration::from_secs(60);

/// Timers have a granularity of 1 ms.
fn assert_about(elapsed: Duration, expect: Duration) {
    let tolerance = Duration::from_millis(50);
    assert!(
        elapsed >= expect && elapsed < expect + tolerance,
        "{elapsed:?}, not {expect:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_closed() {
    let server = start(Limits::default()).await;
    let begun = Instant::now();
    let mut client = server.connect().await;
    assert_eq!(client.read_to_end().await, "");
    assert_about(begun.elapsed(), HEADER);
    assert_eq!(server.stats().timed_out, 1);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_is_closed() {
    let server = start(Limits::default()).await;
    let begun = Instant::now();
    let mut client = server.connect().await;
    for byte in b"GET /" {
        client.write([*byte]).await;
        sleep(Duration::from_millis(1900)).await;
    }
    assert_eq!(client.read_to_end().await, "");
    assert_about(begun.elapsed(), HEADER);
}

#[tokio::test(start_paused = true)]
async fn a_later_head_that_drips_is_closed_after_its_first_byte() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    client.get("/").await;
    client.read_until("ok").await;
    sleep(Duration::from_secs(30)).await;
    let begun = Instant::now();
    client.write("GET").await;
    assert_eq!(client.read_to_end().await, "");
    assert_about(begun.elapsed(), HEADER);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_kept_for_its_own_time() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.get("/").await;
        client.read_until("ok").await;
        sleep(Duration::from_secs(70)).await;
    }
    client.get("/").await;
    client.read_until("ok").await;
    let begun = Instant::now();
    assert_eq!(client.read_to_end().await, "");
    assert_about(begun.elapsed(), IDLE);
    assert_eq!(server.stats().timed_out, 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_may_take_its_time() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    client
        .write("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\n")
        .await;
    for byte in b"abc" {
        sleep(Duration::from_secs(100)).await;
        client.write([*byte]).await;
    }
    assert!(client.read_until("abc").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_with_nothing_to_send_is_not_stalled() {
    let server = start(Limits::default()).await;
    let begun = Instant::now();
    let mut client = server.connect().await;
    client.get("/pause").await;
    client.read_until("0\r\n\r\n").await;
    assert_about(begun.elapsed(), PAUSE);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_closed() {
    let server = start(Limits::default()).await;
    let begun = Instant::now();
    let mut client = server.connect().await;
    client.get("/endless").await;
    server.events.endless_dropped.notified().await;
    assert_about(begun.elapsed(), STALL);
    server.connections.wait().await;
    assert_eq!(server.stats().active, 0);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_answered_431() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    let value = "x".repeat(1 << 20);
    client
        .write(format!(
            "GET / HTTP/1.1\r\nhost: test\r\nx-large: {value}\r\n\r\n"
        ))
        .await;
    assert!(
        client
            .read_until("\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 431")
    );
}

#[tokio::test]
async fn too_many_header_fields_are_answered_431() {
    let check = async |limits: Limits, fields: usize, expect: &str| {
        let server = start(limits).await;
        let mut client = server.connect().await;
        let fields = "x-field: 1\r\n".repeat(fields);
        client
            .write(format!("GET / HTTP/1.1\r\n{fields}\r\n"))
            .await;
        assert!(client.read_until("\r\n\r\n").await.starts_with(expect));
    };
    check(Limits::default(), 100, "HTTP/1.1 200").await;
    check(Limits::default(), 101, "HTTP/1.1 431").await;
    check(
        Limits {
            max_headers: 9,
            ..Limits::default()
        },
        9,
        "HTTP/1.1 200",
    )
    .await;
    check(
        Limits {
            max_headers: 9,
            ..Limits::default()
        },
        10,
        "HTTP/1.1 431",
    )
    .await;
}

const EARLY_BODY: usize = 8 << 20;

#[tokio::test]
async fn an_answer_before_the_body_is_read_reaches_a_client_that_writes_on() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    let head = format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {EARLY_BODY}\r\n\r\n");
    client.write(head).await;
    client.write(vec![b'x'; EARLY_BODY]).await;
    let answer = client.read_to_end().await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"),
        "{answer:?}"
    );
    assert!(answer.contains("connection: close\r\n"), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lingering_close_ends() {
    let server = start(Limits::default()).await;
    let begun = Instant::now();
    let mut client = server.connect().await;
    client
        .write("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\n")
        .await;
    assert!(client.read_to_end().await.ends_with("ok"));
    assert!(begun.elapsed() < Duration::from_secs(1));
    server.connections.wait().await;
    assert_about(begun.elapsed(), Duration::from_secs(30));
}

#[tokio::test]
async fn a_connection_that_is_used_up_says_so() {
    let limits = Limits {
        max_requests_per_connection: NonZeroU64::new(2),
        ..Limits::default()
    };
    let server = start(limits).await;
    let mut client = server.connect().await;
    client.get("/").await;
    assert!(!client.read_until("ok").await.contains("connection: close"));
    client.get("/").await;
    assert!(client.read_to_end().await.contains("connection: close"));
}

#[tokio::test]
async fn connections_over_a_bound_are_closed_and_counted() {
    let check = async |limits: Limits, expect: (u64, u64)| {
        let server = start(limits).await;
        let mut first = server.connect().await;
        first.get("/").await;
        first.read_until("ok").await;
        let mut second = server.connect().await;
        assert_eq!(second.read_to_end().await, "");
        let stats = server.stats();
        assert_eq!((stats.refused_by_total, stats.refused_by_source), expect);
        assert_eq!((stats.active, stats.accepted), (1, 2));
        drop(first);
        server.connections.wait().await;
        let mut third = server.connect().await;
        third.get("/").await;
        third.read_until("ok").await;
    };
    check(
        Limits {
            max_connections: 1,
            ..Limits::default()
        },
        (1, 0),
    )
    .await;
    check(
        Limits {
            max_connections_per_source: Some(1),
            ..Limits::default()
        },
        (0, 1),
    )
    .await;
}

#[tokio::test]
async fn a_panicking_handler_costs_its_own_connection_only() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    client.get("/panic").await;
    assert_eq!(client.read_to_end().await, "");
    server.connections.wait().await;
    assert_eq!(
        (server.connections.panicked(), server.stats().active),
        (1, 0)
    );
    let mut next = server.connect().await;
    next.get("/").await;
    next.read_until("ok").await;
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_exchange() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    client.get("/endless").await;
    client.read_until("x").await;
    drop(client);
    server.events.endless_dropped.notified().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_in_a_pause_ends_the_exchange() {
    let server = start(Limits::default()).await;
    let begun = Instant::now();
    let mut client = server.connect().await;
    client.get("/pause").await;
    client.read_until("a\r\n").await;
    drop(client);
    server.connections.wait().await;
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_has_no_timeouts_and_stays_counted() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    client
        .write(
            "GET /upgrade HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
        )
        .await;
    assert!(
        client
            .read_until("\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 101")
    );
    sleep(Duration::from_secs(1000)).await;
    assert_eq!(server.stats().active, 1);
    client.write("ping").await;
    assert_eq!(client.read_to_end().await, "ping");
    assert_eq!(server.stats().active, 0);
}

#[tokio::test]
async fn a_tunnel_that_is_closed_one_way_is_read_to_its_end() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    client
        .write("GET /upgrade-and-close-one-way HTTP/1.1\r\nhost: test\r\nupgrade: x\r\n\r\n")
        .await;
    client.read_until("\r\n\r\n").await;
    client.write("1").await;
    assert_eq!(client.read_to_end().await, "");
    client.write("rest").await;
    drop(client);
    let read = server.events.tunnel_read.notified();
    tokio::time::timeout(Duration::from_secs(5), read)
        .await
        .unwrap();
}

/// A request that two parsers could read differently is refused, or has one reading and its other
/// one removed.
#[tokio::test]
async fn ambiguous_requests() {
    let check = async |head: &str, rest: &str, expect: &str| {
        let server = start(Limits::default()).await;
        let mut client = server.connect().await;
        client
            .write(format!("POST /echo HTTP/1.1\r\n{head}\r\n\r\n{rest}"))
            .await;
        tokio::io::AsyncWriteExt::shutdown(&mut client.0)
            .await
            .unwrap();
        let answer = client.read_to_end().await;
        let status = answer.get(9..12).unwrap_or("closed");
        let lengths = answer
            .lines()
            .find_map(|line| line.strip_prefix("x-content-lengths: "));
        let answers = answer.matches("HTTP/1.1 ").count();
        let body = answer.rsplit("\r\n").next().unwrap_or_default();
        let body = if status == "200" { body } else { "" };
        let seen = format!("{status} {} {answers} {body}", lengths.unwrap_or("-"));
        assert_eq!(seen, expect, "{head:?}");
    };
    check("content-length: 3", "abc", "200 1 1 abc").await;
    check("content-length: 3\r\ncontent-length: 4", "abcd", "400 - 1 ").await;
    check("content-length: 3, 4", "abcd", "400 - 1 ").await;
    check("content-length: +3", "abc", "400 - 1 ").await;
    check(
        "content-length: 3\r\ntransfer-encoding: chunked",
        "0\r\n\r\n",
        "200 0 1 ",
    )
    .await;
    check(
        "transfer-encoding: chunked\r\ncontent-length: 3",
        "0\r\n\r\n",
        "200 0 1 ",
    )
    .await;
    check(
        "transfer-encoding: chunked",
        "3\r\nabc\r\n0\r\n\r\n",
        "200 0 1 abc",
    )
    .await;
    check(
        "transfer-encoding: chunked, identity",
        "0\r\n\r\n",
        "400 - 1 ",
    )
    .await;
    check("transfer-encoding: identity", "abc", "400 - 1 ").await;
    check("transfer-encoding: xchunked", "0\r\n\r\n", "400 - 1 ").await;
    check("transfer-encoding : chunked", "0\r\n\r\n", "400 - 1 ").await;
    check(
        "transfer-encoding: chunked",
        "fffffffffffffffff\r\nabc",
        "400 - 1 ",
    )
    .await;
    check(
        "transfer-encoding: chunked",
        "3;x=\ny\r\nabc\r\n0\r\n\r\n",
        "400 - 1 ",
    )
    .await;
    check(
        "transfer-encoding: chunked",
        "3\nabc\r\n0\r\n\r\n",
        "400 - 1 ",
    )
    .await;
    check("x: a\r\n folded", "", "400 - 1 ").await;
    check("x: a\rb", "", "400 - 1 ").await;
    check("x: a\0b", "", "400 - 1 ").await;
}

const HEAD: &str = "HTTP/1.1 200 OK\r\n";

#[tokio::test]
async fn requests_in_one_write_are_answered_in_turn() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    let post = "POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\nabc";
    let chunked = "POST /echo HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n";
    let last = "GET /protocol HTTP/1.1\r\nconnection: close\r\n\r\nrest";
    client.write(format!("{post}{chunked}{post}{last}")).await;
    let answers = client.read_to_end().await;
    let bodies: Vec<_> = answers
        .split(HEAD)
        .filter_map(|answer| answer.split_once("\r\n\r\n"))
        .map(|(_, body)| body)
        .collect();
    assert_eq!(bodies, ["abc", "de", "abc", "Http1"], "{answers}");
}

#[tokio::test(start_paused = true)]
async fn a_next_head_of_which_a_part_came_early_has_its_own_time() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    let begun = Instant::now();
    client
        .write("GET / HTTP/1.1\r\nhost: test\r\n\r\nGET / HT")
        .await;
    client.read_until("ok").await;
    assert_eq!(client.read_to_end().await, "");
    assert_about(begun.elapsed(), HEADER);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_follows_a_slow_one_has_its_own_time() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    client.get("/").await;
    client.read_until("ok").await;
    client.write("GET / HTTP/1.1\r\n").await;
    sleep(HEADER - Duration::from_secs(1)).await;
    let begun = Instant::now();
    client.write("host: test\r\n\r\nGET / HT").await;
    client.read_until("ok").await;
    assert_eq!(client.read_to_end().await, "");
    assert_about(begun.elapsed(), HEADER);
}

#[tokio::test(start_paused = true)]
async fn leave_to_send_is_given_when_the_body_is_wanted() {
    let server = start(Limits::default()).await;
    let expecting = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n"
        )
    };
    let mut client = server.connect().await;
    client.write(expecting("/echo")).await;
    let leave = client.read_until("\r\n\r\n").await;
    assert_eq!(leave, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write("abc").await;
    let answer = client.read_until("abc").await;
    assert!(answer.starts_with(HEAD), "{answer}");

    // Nobody wants it: the answer comes at once, and the client may not go on with a body.
    client.write(expecting("/")).await;
    let answer = client.read_until("ok").await;
    assert!(
        answer.starts_with(HEAD) && answer.contains("connection: close\r\n"),
        "{answer}"
    );

    // It has come without leave.
    let mut hasty = server.connect().await;
    hasty.write(expecting("/echo") + "abc").await;
    assert!(hasty.read_until("abc").await.starts_with(HEAD));
}

#[tokio::test]
async fn an_early_answer_keeps_the_connection_if_the_body_is_there() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        client
            .write("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\nabc")
            .await;
        let answer = client.read_until("ok").await;
        assert!(!answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn http_1_0_is_answered_as_it_can_read() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    client
        .write("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        .await;
    let kept = client.read_until("ok").await;
    assert!(kept.contains("connection: keep-alive\r\n"), "{kept}");
    client.write("GET /unsized HTTP/1.0\r\n\r\n").await;
    let answer = client.read_to_end().await;
    assert!(
        answer.contains("connection: close\r\n") && answer.ends_with("\r\n\r\nabc"),
        "{answer}"
    );
    assert!(!answer.contains("transfer-encoding"), "{answer}");
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    for path in ["/", "/unsized"] {
        client
            .write(format!("HEAD {path} HTTP/1.1\r\nhost: test\r\n\r\n"))
            .await;
        let head = client.read_until("\r\n\r\n").await;
        assert_eq!(
            head.contains("content-length: 2\r\n"),
            path == "/",
            "{head}"
        );
    }
    client.get("/").await;
    assert!(client.read_until("ok").await.starts_with(HEAD));
}

#[tokio::test]
async fn what_is_ready_together_is_one_chunk_and_trailers_follow_if_they_are_wanted() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    client
        .write("GET /unsized HTTP/1.1\r\nhost: test\r\nte: trailers\r\n\r\n")
        .await;
    let answer = client.read_until("\r\n0\r\nx-sum: 6\r\n\r\n").await;
    assert!(
        answer.ends_with("\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n"),
        "{answer}"
    );
    client.get("/unsized").await;
    let answer = client.read_until("0\r\n\r\n").await;
    assert!(answer.ends_with("3\r\nabc\r\n0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_seen_to() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    client.get("/broken").await;
    let answer = client.read_to_end().await;
    assert!(answer.ends_with("\r\n\r\n3\r\nabc\r\n"), "{answer}");
}

#[tokio::test]
async fn a_body_read_elsewhere_ends_with_its_connection() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    client
        .write("POST /elsewhere HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\nabc")
        .await;
    client.read_until("ok").await;
    let read = server.events.read_elsewhere.notified();
    tokio::time::timeout(Duration::from_secs(5), read)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_client_that_leaves_while_its_body_is_read_elsewhere_is_seen() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    client
        .write("POST /elsewhere-and-wait HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\na")
        .await;
    sleep(Duration::from_millis(50)).await;
    client.write("bc").await;
    server.events.read_elsewhere.notified().await;
    drop(client);
    let ended = server.connections.wait();
    tokio::time::timeout(Duration::from_secs(5), ended)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_switch_that_the_client_cannot_make_is_refused() {
    for request in [
        "GET /upgrade HTTP/1.0\r\nconnection: upgrade, keep-alive\r\nupgrade: echo\r\n\r\n",
        "GET /upgrade HTTP/1.1\r\nhost: test\r\n\r\n",
        "POST /upgrade HTTP/1.1\r\nhost: test\r\nupgrade: echo\r\ncontent-length: 900\r\n\r\n",
    ] {
        let server = start(Limits::default()).await;
        let mut client = server.connect().await;
        client.write(request).await;
        client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        let answer = client.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_line_behind_a_body_is_nothing() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    let begun = Instant::now();
    client
        .write("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\nabc\r\n")
        .await;
    client.read_until("abc").await;
    assert_eq!(client.read_to_end().await, "");
    assert_about(begun.elapsed(), IDLE);
    // Nor does it hide that a client leaves.
    let mut client = server.connect().await;
    client
        .write("POST /pause HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\nabc\r\n")
        .await;
    client.read_until("a\r\n").await;
    drop(client);
    let begun = Instant::now();
    server.connections.wait().await;
    assert!(begun.elapsed() < Duration::from_secs(1));
}

/// Lengths around those of reads and pieces, cut near the end of the first.
#[tokio::test]
async fn long_bodies_are_whole_however_they_are_cut() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    for length in [32_767, 32_768, 65_535, 65_537, 262_145, 500_000] {
        for cut in [1, 30_000, 32_767, 65_535, 65_536] {
            let body: String = (0..length)
                .map(|at| char::from(b'a' + (at % 23) as u8))
                .collect();
            let (first, rest) = body.split_at(length.min(cut));
            let head =
                format!("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n");
            client.write(head + first).await;
            sleep(Duration::from_millis(2)).await;
            client
                .write(format!("{rest}GET / HTTP/1.1\r\nhost: test\r\n\r\n"))
                .await;
            client.read_until("\r\n\r\n").await;
            let echoed = client.read_exactly(length).await;
            assert!(echoed == body, "{length} bytes cut at {cut}");
            client.read_until("ok").await;
        }
    }
}
