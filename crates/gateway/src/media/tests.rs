use std::net::{IpAddr, Ipv4Addr};

use net::budget::BodyBudget;
use net::tasks::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A server that answers each request by its path; its address.
async fn server(answer: fn(&str) -> Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::on(tokio::runtime::Handle::current());
    tasks.clone().spawn("server", async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tasks.spawn("connection", async move {
                let mut head = vec![0; 4096];
                let read = socket.read(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default();
                let _ = socket.write_all(&answer(path)).await;
            });
        }
    });
    address
}

fn answer(path: &str) -> Vec<u8> {
    let head = |status: &str, more: &str| format!("HTTP/1.1 {status}\r\n{more}\r\n").into_bytes();
    match path {
        "/png" => head("200 OK", "content-type: image/png\r\ncontent-length: 3\r\n")
            .into_iter()
            .chain(*b"PNG")
            .collect(),
        "/moved" => head("302 Found", "location: /png\r\ncontent-length: 0\r\n"),
        "/round" => head("302 Found", "location: /round\r\ncontent-length: 0\r\n"),
        "/inward" => {
            let place = "location: http://10.0.0.1/\r\ncontent-length: 0\r\n";
            head("301 Moved Permanently", place)
        }
        "/packed" => head("200 OK", "content-encoding: gzip\r\ncontent-length: 0\r\n"),
        "/cut" => head("200 OK", "content-length: 9\r\n"),
        "/long" => head("200 OK", "transfer-encoding: chunked\r\n")
            .into_iter()
            .chain(*b"1800000\r\n")
            .chain(vec![0; 0x0180_0000])
            .collect(),
        _ => head("404 Not Found", "content-length: 0\r\n"),
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address == Ipv4Addr::LOCALHOST
}

fn once(url: &str) -> MediaUrl {
    let url = url.to_owned();
    MediaUrl { url, uses: 1 }
}

/// Fetches one; returns why it cannot be had.
async fn fetch(url: &str, may_ask: fn(IpAddr) -> bool) -> Result<Medium, String> {
    let tasks = Tasks::on(tokio::runtime::Handle::current());
    let fetcher = Arc::new(Fetcher::new(&tasks, may_ask).unwrap());
    let bodies = BodyBudget::new(1 << 30);
    match fetcher.fetch(vec![once(url)], &bodies).await {
        Ok(mut media) => Ok(media.remove(0)),
        Err(Missed::Why(why)) => Err(why),
        Err(Missed::Room(error)) => panic!("{error}"),
    }
}

#[tokio::test]
async fn what_stands_at_a_url_is_fetched() {
    let address = server(answer).await;
    for path in ["png", "moved"] {
        let url = format!("http://{address}/{path}");
        let medium = fetch(&url, is_loopback).await.unwrap();
        assert_eq!((&medium.url, &*medium.bytes), (&url, &b"PNG"[..]));
        assert_eq!(medium.kind.as_deref(), Some("image/png"));
        assert_eq!(medium.room.bytes(), 15);
    }
}

#[tokio::test]
async fn what_cannot_be_had_is_named_with_the_reason() {
    let address = server(answer).await;
    for (path, expected) in [
        ("none", "is answered with status 404"),
        ("round", "is redirected too often"),
        ("inward", "is on a host that is not on the public internet"),
        ("cut", "breaks off"),
        ("packed", "comes in a coding that was not asked for"),
        ("long", "is longer than 20 MiB"),
    ] {
        let url = format!("http://{address}/{path}");
        let why = fetch(&url, is_loopback).await.err().unwrap();
        assert_eq!(why, format!("name {url}, which {expected}"));
    }
    for (url, expected) in [
        ("ftp://a.example/", "is no http or https URL"),
        ("/a.png", "is no http or https URL"),
        ("http://u:p@127.0.0.1/", "has credentials in it"),
        ("http://a.invalid/", "is on a host that is not known"),
        (
            "http://127.0.0.1:1/",
            "is on a server that cannot be reached",
        ),
    ] {
        let why = fetch(url, is_loopback).await.err().unwrap();
        assert_eq!(why, format!("name {url}, which {expected}"));
    }
}

#[tokio::test]
async fn only_the_public_internet_is_asked() {
    let address = server(|_| panic!("asked")).await;
    let port = address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "0",
    ] {
        let url = format!("http://{host}:{port}/png");
        let why = fetch(&url, is_public).await.err().unwrap();
        assert!(why.contains("is not on the public internet"), "{why}");
    }
}

#[tokio::test]
async fn media_are_bounded_by_the_budget_of_bodies() {
    let address = server(answer).await;
    let tasks = Tasks::on(tokio::runtime::Handle::current());
    let fetcher = Arc::new(Fetcher::new(&tasks, is_loopback).unwrap());
    let bodies = BodyBudget::new(14);
    let url = once(&format!("http://{address}/png"));
    let refused = fetcher.fetch(vec![url], &bodies).await.err().unwrap();
    assert!(matches!(refused, Missed::Room(_)));
    assert_eq!(bodies.used(), 0);
}

#[test]
fn redirects_lead_where_they_say_but_not_out_of_tls() {
    let to = |from: &str, place: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, place.parse().unwrap());
        redirect(&from.parse().unwrap(), &headers).map(|url| url.to_string())
    };
    let from = "https://a.example/b/c?d";
    assert_eq!(to(from, "/e?f").as_deref(), Some("https://a.example/e?f"));
    assert_eq!(
        to(from, "//b.example/").as_deref(),
        Some("https://b.example/")
    );
    assert_eq!(
        to(from, "https://c.example/").as_deref(),
        Some("https://c.example/")
    );
    assert_eq!(to(from, "http://a.example/"), None);
    assert_eq!(
        to(from, "e.png").as_deref(),
        Some("https://a.example/b/e.png")
    );
    let plain = "http://a.example/";
    assert_eq!(
        to(plain, "https://a.example/").as_deref(),
        Some("https://a.example/")
    );
}
