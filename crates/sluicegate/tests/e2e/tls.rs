//! TLS to clients and to upstreams: protocols, certificates that change, trust.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::client::{chat, get, once};
use crate::process::{Gateway, eventually};
use crate::upstream::{Gate, Step, Upstream, completion, last_piece, piece, stream_head};

/// A certificate authority, and the files of one server's certificate.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self {
            issuer,
            directory: tempfile::tempdir().unwrap(),
        };
        std::fs::write(authority.file("ca.pem"), authority.issuer.pem()).unwrap();
        authority
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A certificate for `localhost` and 127.0.0.1, and its key, as PEM.
    fn issue(&self) -> (String, String) {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Puts a new pair into the files, key first, each in one step.
    pub fn install(&self) {
        let (certificate, key) = self.issue();
        self.replace("tls.key", &key);
        self.replace("tls.crt", &certificate);
    }

    fn replace(&self, name: &str, content: &str) {
        let next = self.file("next");
        std::fs::write(&next, content).unwrap();
        std::fs::rename(next, self.file(name)).unwrap();
    }

    fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        // Every handshake must show the certificate.
        config.resumption = rustls::client::Resumption::disabled();
        Arc::new(config)
    }

    pub async fn connect(
        &self,
        address: SocketAddr,
        protocols: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        let connector = TlsConnector::from(self.client(protocols));
        connector
            .connect(ServerName::try_from("localhost").unwrap(), stream)
            .await
    }

    /// The certificate that a new handshake is shown.
    async fn shown(&self, address: SocketAddr) -> CertificateDer<'static> {
        let stream = self.connect(address, &["http/1.1"]).await.unwrap();
        certificate(&stream)
    }

    /// A TLS server that answers every request with 200 and the protocol it came by.
    async fn server(&self) -> (SocketAddr, JoinHandle<()>) {
        let (certificate, key) = self.issue();
        let certificate = rustls::pki_types::pem::PemObject::from_pem_slice(certificate.as_bytes());
        let key = rustls::pki_types::pem::PemObject::from_pem_slice(key.as_bytes());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.unwrap()], key.unwrap())
            .unwrap();
        config.alpn_protocols = vec!["h2".into(), "http/1.1".into()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(acceptor.clone(), stream));
            }
        });
        (address, serving)
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let name = stream
        .get_ref()
        .1
        .server_name()
        .map(str::to_owned)
        .unwrap_or_default();
    let answer = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let text = format!("{:?} {name}", request.version());
        async move {
            Ok::<_, std::convert::Infallible>(http::Response::new(Full::new(Bytes::from(text))))
        }
    });
    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    drop(server.serve_connection(TokioIo::new(stream), answer).await);
}

fn certificate(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

fn https(authority: &Authority, upstream: SocketAddr) -> String {
    let path = |name: &str| authority.file(name).to_str().unwrap().to_owned();
    format!(
        "listeners:\n  - name: main\n    address: LISTEN\n    tls:\n      certificates:\n        \
         - {{ certFile: {}, keyFile: {} }}\n\
         pools:\n  - name: fleet\n    models: [m]\n    endpoints: [{{ address: \"{upstream}\" }}]\n",
        path("tls.crt"),
        path("tls.key")
    )
}

fn negotiated(stream: &TlsStream<TcpStream>) -> String {
    String::from_utf8(
        stream
            .get_ref()
            .1
            .alpn_protocol()
            .unwrap_or_default()
            .to_vec(),
    )
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_http_versions_are_served_as_the_client_chooses() {
    let authority = Authority::new();
    authority.install();
    let upstream = Upstream::always(completion("m")).await;
    let gateway = Gateway::start(&https(&authority, upstream.address)).await;

    let stream = authority
        .connect(gateway.address, &["h2", "http/1.1"])
        .await
        .unwrap();
    assert_eq!(negotiated(&stream), "h2");
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut asked = chat("m", false, 1);
    asked.headers_mut().clear();
    *asked.uri_mut() = "https://localhost/v1/chat/completions".parse().unwrap();
    assert_eq!(sender.send_request(asked).await.unwrap().status(), 200);

    for protocols in [&["http/1.1"][..], &[]] {
        let stream = authority.connect(gateway.address, protocols).await.unwrap();
        assert_eq!(
            negotiated(&stream),
            protocols.first().copied().unwrap_or_default()
        );
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        assert_eq!(
            sender
                .send_request(chat("m", false, 1))
                .await
                .unwrap()
                .status(),
            200
        );
    }
    let proto = upstream
        .requests()
        .pop()
        .unwrap()
        .header("x-forwarded-proto");
    assert_eq!(proto.as_deref(), Some("https"));
    assert!(
        authority
            .connect(gateway.address, &["spdy/3"])
            .await
            .is_err()
    );
    assert!(
        Authority::new()
            .connect(gateway.address, &["h2"])
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_dropped_in_place_is_used_by_new_handshakes_alone() {
    const TEXT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n";
    let authority = Authority::new();
    authority.install();
    let gate = Gate::closed();
    let steps = vec![
        stream_head(),
        piece(TEXT),
        Step::Wait(gate.clone()),
        piece(TEXT),
        piece("data: [DONE]\n\n"),
        last_piece(),
    ];
    let upstream = Upstream::always(steps).await;
    let gateway = Gateway::start(&https(&authority, upstream.address)).await;
    let stream = authority
        .connect(gateway.address, &["http/1.1"])
        .await
        .unwrap();
    let first = certificate(&stream);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut body = sender
        .send_request(chat("m", true, 9))
        .await
        .unwrap()
        .into_body();
    body.frame().await.unwrap().unwrap();

    authority.install();
    let changed = || async { authority.shown(gateway.address).await != first };
    eventually("the second certificate is shown", changed).await;
    let second = authority.shown(gateway.address).await;

    authority.replace("tls.key", "-----BEGIN PRIVATE KEY-----\nnonsense\n");
    eventually("the fault is told", || async {
        gateway.log().contains("tls.key")
    })
    .await;
    assert_eq!(
        authority.shown(gateway.address).await,
        second,
        "a broken pair keeps the old"
    );
    assert!(!gateway.log().contains("nonsense"), "{}", gateway.log());

    gate.open();
    let rest = body.collect().await.unwrap().to_bytes();
    assert!(rest.ends_with(b"[DONE]\n\n"), "{rest:?}");
    sender.ready().await.unwrap();
    let again = sender.send_request(chat("m", true, 9)).await.unwrap();
    assert_eq!(again.status(), 200, "the open connection lives on");
    again.into_body().collect().await.unwrap();

    authority.install();
    let mended = || async { authority.shown(gateway.address).await != second };
    eventually("the third certificate is shown", mended).await;
}

/// A plain service over TLS, trusted by `tls`.
fn over_tls(endpoint: &str, tls: &str, protocol: &str) -> String {
    format!(
        "listeners:\n  - name: main\n    address: LISTEN\npools:\n  - name: service\n    \
         dialect: none\n    protocol: {protocol}\n    endpoints: [{{ address: \"{endpoint}\" }}]\n    \
         tls: {tls}\nroutes:\n  - name: r\n    rules:\n      - backendRefs: [{{ pool: service }}]\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_are_spoken_to_over_tls_as_they_choose() {
    let authority = Authority::new();
    let (address, serving) = authority.server().await;
    let ca = authority.file("ca.pem");
    let ca = ca.to_str().unwrap();
    let by_name = format!("localhost:{}", address.port());
    let by_address = address.to_string();
    for (endpoint, tls, protocol, expected) in [
        (
            &by_name,
            format!("{{ caFile: {ca} }}"),
            "auto",
            "HTTP/2.0 localhost",
        ),
        (
            &by_name,
            format!("{{ caFile: {ca} }}"),
            "http1",
            "HTTP/1.1 localhost",
        ),
        (
            &by_address,
            format!("{{ caFile: {ca} }}"),
            "h2",
            "HTTP/2.0 ",
        ),
        (
            &by_address,
            format!("{{ caFile: {ca}, serverName: localhost }}"),
            "h2",
            "HTTP/2.0 localhost",
        ),
    ] {
        let gateway = Gateway::start(&over_tls(endpoint, &tls, protocol)).await;
        let got = once(gateway.address, get("/")).await;
        assert_eq!(
            (got.status.as_u16(), got.text().as_str()),
            (200, expected),
            "{endpoint} {tls}"
        );
    }
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_cannot_be_trusted_gets_nothing() {
    let authority = Authority::new();
    let (address, serving) = authority.server().await;
    let other = Authority::new();
    let path = |of: &Authority| of.file("ca.pem").to_str().unwrap().to_owned();
    for tls in [
        format!("{{ caFile: {} }}", path(&other)),
        format!(
            "{{ caFile: {}, serverName: example.com }}",
            path(&authority)
        ),
        "{}".to_owned(),
    ] {
        let gateway = Gateway::start(&over_tls(&address.to_string(), &tls, "auto")).await;
        let got = once(gateway.address, get("/")).await;
        assert_eq!(got.status, 502, "{tls}: {}", got.text());
        assert!(
            got.json()["error"]["message"]
                .as_str()
                .unwrap()
                .contains("TLS"),
            "{}",
            got.text()
        );
        assert_eq!(gateway.logged(1).await[0]["error"], "connect_failed");
    }
    serving.abort();
}
