use std::convert::Infallible;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::TlsAcceptor;

use super::super::{SendErrorKind, TlsIdentity};
use super::http2::Executor;
use super::*;

struct Server {
    address: SocketAddr,
    client: Arc<ClientConfig>,
    _tasks: Tasks,
}

impl Server {
    /// A TLS server for `localhost` that offers `alpn` and answers with the HTTP version.
    async fn start(alpn: &[&str]) -> Self {
        let tasks = Tasks::new();
        let (server, client) = configs(alpn);
        let acceptor = TlsAcceptor::from(server);
        let executor = Executor(tasks.clone());
        let address = raw(&tasks, move |_, tcp| {
            let (acceptor, executor) = (acceptor.clone(), executor.clone());
            async move {
                let Ok(tls) = acceptor.accept(tcp).await else {
                    return;
                };
                let answer = |request: Request<hyper::body::Incoming>| async move {
                    let version = format!("{:?}", request.version());
                    Ok::<_, Infallible>(Response::new(Body::from(Bytes::from(version))))
                };
                let service = hyper::service::service_fn(answer);
                let builder = auto::Builder::new(executor);
                let _ = builder.serve_connection(TokioIo::new(tls), service).await;
            }
        })
        .await;
        Self {
            address,
            client,
            _tasks: tasks,
        }
    }

    fn target(&self, protocol: Protocol, name: &'static str, id: u64) -> Target {
        let name = ServerName::try_from(name).unwrap();
        let identity = TlsIdentity::new(self.client.clone(), name, id);
        Target::new(self.address.into(), protocol, Some(identity))
    }
}

fn configs(alpn: &[&str]) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    server.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let mut roots = RootCertStore::empty();
    roots.add(signed.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

#[tokio::test]
async fn alpn_chooses_among_what_the_target_speaks() {
    let check = |alpn: &'static [&'static str], protocol, expect: Result<&'static str, _>| async move {
        let server = Server::start(alpn).await;
        let pool = pool();
        let target = server.target(protocol, "localhost", 1);
        for _ in 0..2 {
            match send(&pool, &target, get("/")).await {
                Ok(response) => assert_eq!(Ok(&*text(response).await), expect.map(str::as_bytes)),
                Err(error) => assert_eq!(Err(error.kind), expect, "{error}"),
            }
        }
        let connects = if expect.is_ok() { 1 } else { 0 };
        assert_eq!(pool.stats().reuses, connects, "{alpn:?} {protocol:?}");
    };
    check(&["h2", "http/1.1"], Protocol::Auto, Ok("HTTP/2.0")).await;
    check(&["http/1.1"], Protocol::Auto, Ok("HTTP/1.1")).await;
    check(&[], Protocol::Auto, Ok("HTTP/1.1")).await;
    check(&["h2", "http/1.1"], Protocol::Http1, Ok("HTTP/1.1")).await;
    check(&["h2", "http/1.1"], Protocol::H2, Ok("HTTP/2.0")).await;
    check(&["http/1.1"], Protocol::H2, Err(SendErrorKind::Tls)).await;
    check(&[], Protocol::H2, Err(SendErrorKind::Handshake)).await;
}

#[tokio::test]
async fn a_burst_learns_the_protocol_with_one_connection() {
    let server = Server::start(&["h2"]).await;
    let (pool, tasks) = (pool(), Tasks::new());
    let target = server.target(Protocol::Auto, "localhost", 1);
    let sent: Vec<_> = (0..20)
        .map(|_| {
            let (pool, target) = (pool.clone(), target.clone());
            tasks.spawn(
                "request",
                async move { send(&pool, &target, get("/")).await },
            )
        })
        .collect();
    for response in sent {
        text(response.await.unwrap().unwrap()).await;
    }
    assert_eq!(pool.stats().connects, 1);
}

#[tokio::test]
async fn the_certificate_must_be_for_the_name() {
    let server = Server::start(&[]).await;
    let target = server.target(Protocol::Auto, "elsewhere.test", 1);
    let error = send(&pool(), &target, get("/")).await.unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Tls, "{error}");
}

#[tokio::test]
async fn connections_are_not_shared_between_identities() {
    let server = Server::start(&[]).await;
    let pool = pool();
    for (id, connects) in [(1, 1), (2, 2), (1, 2)] {
        let target = server.target(Protocol::Http1, "localhost", id);
        text(send(&pool, &target, get("/")).await.unwrap()).await;
        assert_eq!(pool.stats().connects, connects, "identity {id}");
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_given_up() {
    let tasks = Tasks::new();
    let address = raw(&tasks, |_, mut tcp| async move {
        let _ = tcp.read_u8().await;
        std::future::pending().await
    })
    .await;
    let (_, client) = configs(&[]);
    let name = ServerName::try_from("localhost").unwrap();
    let identity = TlsIdentity::new(client, name, 1);
    let target = Target::new(address.into(), Protocol::Auto, Some(identity));
    let error = pool()
        .send(&target, get("/"), Duration::from_millis(30))
        .await
        .unwrap_err();
    assert_eq!(error.kind, SendErrorKind::ConnectTimeout);
    tasks.abort_all();
}
