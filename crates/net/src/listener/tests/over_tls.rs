use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::h2::{fetch, speak};
use super::{Server, config, start_with};
use crate::limits::Limits;
use crate::listener::ListenerConfig;
use crate::tls::testing::Authority;
use crate::tls::{Alpn, CertStore, ClientAuth, ServerTls, server_config};

async fn start(authority: &Authority, client_auth: ClientAuth) -> Server {
    let files = authority.issue("server", &["localhost"]);
    let certificates = CertStore::load(vec![files]).unwrap();
    let tls = server_config(ServerTls {
        certificates,
        client_auth,
    })
    .unwrap();
    start_with(ListenerConfig {
        tls: Some(tls),
        ..config("tls")
    })
    .await
}

async fn shake_hands(
    server: &Server,
    client: Arc<rustls::ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(client).connect(name, tcp).await
}

async fn get(stream: &mut TlsStream<TcpStream>, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.rsplit("\r\n").next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_protocol_is_agreed_upon_by_alpn() {
    let authority = Authority::new();
    let server = start(&authority, ClientAuth::None).await;
    let client = authority.client(Alpn::H2OrHttp1, None);
    let (mut sender, _driver) = speak(shake_hands(&server, client).await.unwrap()).await;
    assert_eq!(fetch(&mut sender, "/protocol").await, "H2");
    assert_eq!(
        fetch(&mut sender, "/tls").await,
        "Some(\"localhost\") Some(\"h2\") 0"
    );

    let client = authority.client(Alpn::Http1, None);
    let mut stream = shake_hands(&server, client).await.unwrap();
    assert_eq!(
        get(&mut stream, "/tls").await,
        "Some(\"localhost\") Some(\"http/1.1\") 0"
    );
}

/// A long body is read no further than to its end: what follows in the same record stays in TLS.
#[tokio::test]
async fn a_head_that_begins_in_the_record_of_a_body_has_its_own_time() {
    let authority = Authority::new();
    let server = start(&authority, ClientAuth::None).await;
    let client = authority.client(Alpn::Http1, None);
    let mut stream = shake_hands(&server, client).await.unwrap();
    tokio::time::pause();
    let begun = Instant::now();
    let body = "x".repeat(100_000);
    let head = "POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 100000\r\n\r\n";
    let sent = format!("{head}{body}GET / HT");
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.ends_with(b"xxx"));
    let limit = Limits::default().header_timeout;
    let elapsed = begun.elapsed();
    assert!(
        elapsed >= limit && elapsed < limit + Duration::from_secs(2),
        "{elapsed:?}"
    );
}

#[tokio::test]
async fn client_certificates_are_required_and_shown() {
    let authority = Authority::new();
    let server = start(&authority, ClientAuth::Required(authority.ca_file())).await;
    let identity = authority.issue("client", &["client.test"]);
    let client = authority.client(Alpn::Http1, Some(identity));
    let mut stream = shake_hands(&server, client).await.unwrap();
    assert_eq!(
        get(&mut stream, "/tls").await,
        "Some(\"localhost\") Some(\"http/1.1\") 1"
    );

    let anonymous = authority.client(Alpn::Http1, None);
    // With TLS 1.3 the client learns that it was refused with the first bytes it reads.
    let refused = match shake_hands(&server, anonymous).await {
        Ok(mut stream) => stream.read_u8().await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
    server.connections.wait().await;
    assert_eq!(server.stats().opening_failed, 1);
}

#[tokio::test]
async fn a_certificate_is_replaced_under_an_open_connection() {
    let authority = Authority::new();
    let files = authority.issue("server", &["localhost"]);
    let certificates = CertStore::load(vec![files]).unwrap();
    let tls = ServerTls {
        certificates: certificates.clone(),
        client_auth: ClientAuth::None,
    };
    let tls = server_config(tls).unwrap();
    let server = start_with(ListenerConfig {
        tls: Some(tls),
        ..config("tls")
    })
    .await;

    let presented = |stream: &TlsStream<TcpStream>| {
        stream.get_ref().1.peer_certificates().unwrap()[0]
            .clone()
            .into_owned()
    };
    let fresh = || shake_hands(&server, authority.client(Alpn::Http1, None));
    let mut open = fresh().await.unwrap();
    authority.issue("server", &["localhost"]);
    let (taken, refused) = certificates.reload();
    assert_eq!((taken, refused.len()), (1, 0));
    let new = fresh().await.unwrap();
    assert_ne!(presented(&open), presented(&new));
    assert_eq!(get(&mut open, "/").await, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_go_on_is_closed() {
    let authority = Authority::new();
    let server = start(&authority, ClientAuth::None).await;
    let begun = Instant::now();
    let mut client = server.connect().await;
    client.write([22, 3, 1]).await;
    assert_eq!(client.read_to_end().await, "");
    assert!(begun.elapsed() >= Duration::from_secs(10));
    assert!(begun.elapsed() < Duration::from_secs(11));
    assert_eq!(server.stats().timed_out, 1);
}

#[tokio::test]
async fn plain_text_on_a_tls_port_is_counted() {
    let authority = Authority::new();
    let server = start(&authority, ClientAuth::None).await;
    let mut client = server.connect().await;
    client.get("/").await;
    client.read_to_end().await;
    server.connections.wait().await;
    assert_eq!(server.stats().opening_failed, 1);
}
