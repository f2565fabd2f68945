//! What fails around a gateway: engines, certificates, disks, descriptors.

use std::io::BufRead;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{Scene, chat_about, config, prompt, status};
use crate::client::{Client, chat, once};
use crate::load::{Fate, Load};
use crate::process::{BINARY, Gateway, eventually};
use crate::upstream::{Step, Upstream, completion};

/// An engine as a process of its own.
struct Engine {
    child: Child,
    address: SocketAddr,
}

impl Engine {
    fn start() -> Self {
        let mut child = Command::new(BINARY)
            .args(["engine", "--port", "0", "--model", "m", "--speed", "20"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .strip_prefix("http://")
            .and_then(|rest| rest.split(' ').next());
        let address = address.unwrap().parse().unwrap();
        Self { child, address }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn fleet(engines: [SocketAddr; 2]) -> String {
    let [first, second] = engines;
    format!(
        "listeners:\n  - name: main\n    address: LISTEN\npools:\n  - name: fleet\n    models: [m]\n    \
         outlierDetection: {{ consecutiveErrors: 3, baseEjectionTime: 500ms, maxEjectionTime: 1s }}\n    \
         endpoints:\n      - {{ name: e0, address: \"{first}\" }}\n      - {{ name: e1, address: \"{second}\" }}\n\
         routes:\n  - name: r\n    rules:\n      - matches: [{{ model: {{ value: m }} }}]\n        \
         backendRefs: [{{ pool: fleet }}]\n        \
         timeouts: {{ connect: 1s, firstToken: 500ms, betweenChunks: 1s, backendRequest: 1s }}\n        \
         retry: {{ attempts: 3 }}\n"
    )
}

/// Requests that the endpoint has answered so far.
async fn successes(gateway: &Gateway, name: &str) -> u64 {
    let endpoints = gateway.endpoints().await;
    let one = endpoints.iter().find(|one| one["name"] == name).unwrap();
    one["successes"].as_u64().unwrap()
}

async fn until_it_serves(gateway: &Gateway, name: &str) {
    let before = successes(gateway, name).await;
    eventually("it serves again", || async {
        successes(gateway, name).await > before + 5
    })
    .await;
}

async fn assert_unharmed(gateway: &Gateway, streams: Load, plain: Load) {
    let (streams, plain) = (streams.stop().await, plain.stop().await);
    plain.assert_none_failed();
    streams.assert_none_failed();
    assert!(plain.count(&Fate::Whole) > 20 && streams.count(&Fate::Whole) > 20);
    assert_eq!(streams.count(&Fate::Aborted), 0);
    super::nothing_in_flight(gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_engine_fails_nothing_that_had_not_begun_and_comes_back() {
    let engines = [Engine::start(), Engine::start()];
    let gateway = Gateway::start(&fleet([engines[0].address, engines[1].address])).await;
    let streams = Load::start(gateway.address, 20, 40, || chat("m", true, 30));
    let plain = Load::start(gateway.address, 10, 20, || chat("m", false, 5));
    tokio::time::sleep(Duration::from_millis(500)).await;
    engines[0].signal("-STOP");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    engines[0].signal("-CONT");
    until_it_serves(&gateway, "e0").await;
    assert_unharmed(&gateway, streams, plain).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_restarted_on_another_address_fails_nothing_that_had_not_begun() {
    let (mut first, second) = (Engine::start(), Engine::start());
    let gateway = Gateway::start(&fleet([first.address, second.address])).await;
    let streams = Load::start(gateway.address, 20, 40, || chat("m", true, 30));
    let plain = Load::start(gateway.address, 10, 20, || chat("m", false, 5));
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        first = {
            drop(first);
            Engine::start()
        };
        gateway.reconfigure(&fleet([first.address, second.address]));
        until_it_serves(&gateway, "e0").await;
    }
    assert_unharmed(&gateway, streams, plain).await;
}

/// An authority, and an upstream or a listener's certificate that is in force or not.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, directory }
    }

    /// Certificate and key for `localhost`, as PEM.
    fn issue(&self, expired: bool) -> (String, String) {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn file(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn install(&self, expired: bool) {
        let (certificate, key) = self.issue(expired);
        for (name, text) in [("tls.key", key), ("tls.crt", certificate)] {
            std::fs::write(self.file("next"), text).unwrap();
            std::fs::rename(self.file("next"), self.file(name)).unwrap();
        }
    }

    pub fn server(&self, expired: bool) -> Arc<rustls::ServerConfig> {
        let (certificate, key) = self.issue(expired);
        let certificate = rustls::pki_types::CertificateDer::from_pem_slice(certificate.as_bytes());
        let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(key.as_bytes());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.unwrap()], key.unwrap());
        Arc::new(config.unwrap())
    }

    /// What a client that trusts this authority makes of the server.
    async fn handshake(&self, address: SocketAddr) -> std::io::Result<()> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await?;
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.map(|_| ())
    }
}

/// A TLS upstream that answers each connection once, with the certificate of the moment.
pub async fn tls_upstream(
    current: Arc<Mutex<Arc<rustls::ServerConfig>>>,
) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let Some(Step::Send(answer)) = completion("secure").into_iter().next() else {
        unreachable!()
    };
    let accepting = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let config = Arc::clone(&current.lock().unwrap());
            let answer = answer.clone();
            tokio::spawn(async move {
                let acceptor = tokio_rustls::TlsAcceptor::from(config);
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut request = vec![0; 64 << 10];
                drop(stream.read(&mut request).await);
                drop(stream.write_all(&answer).await);
                drop(stream.shutdown().await);
            });
        }
    });
    (address, accepting)
}

/// That upstream as the provider of the model `secure`.
pub fn tls_provider(authority: &Authority, upstream: SocketAddr) -> String {
    format!(
        "providers:\n  - name: secure\n    baseUrl: https://localhost:{}/v1\n    models: [secure]\n    \
         tls: {{ caFile: \"{}\" }}\n    outlierDetection: {{ consecutiveErrors: 0 }}\n",
        upstream.port(),
        authority.file("ca.pem")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_whose_certificate_has_expired_gets_nothing_until_it_is_replaced() {
    let authority = Authority::new();
    let current = Arc::new(Mutex::new(authority.server(true)));
    let (address, _accepting) = tls_upstream(Arc::clone(&current)).await;
    let (good, target) = (
        Upstream::always(completion("m")).await,
        Upstream::always(completion("x")).await,
    );
    let provider = tls_provider(&authority, address);
    let config = config("", "", good.address, target.address);
    let gateway = Gateway::start(&format!("{config}{provider}")).await;
    let scene = Scene::around(gateway, good, target).await;
    let got = once(scene.address(), chat("secure", false, 1)).await;
    assert_eq!(got.status, 502, "{}", got.text());
    assert!(got.text().contains("TLS"), "{}", got.text());
    *current.lock().unwrap() = authority.server(false);
    eventually("served", || async {
        once(scene.address(), chat("secure", false, 1)).await.status == 200
    })
    .await;
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_of_ones_own_is_replaced_without_a_restart() {
    let authority = Authority::new();
    authority.install(true);
    let (good, target) = (
        Upstream::always(completion("m")).await,
        Upstream::always(completion("x")).await,
    );
    let secure = crate::process::free_address();
    let listener = format!(
        "listeners:\n  - name: secure\n    address: {secure}\n    tls:\n      certificates:\n        \
         - {{ certFile: \"{}\", keyFile: \"{}\" }}\n",
        authority.file("tls.crt"),
        authority.file("tls.key")
    );
    let config = config("", "", good.address, target.address).replace("listeners:\n", &listener);
    let gateway = Gateway::start(&config).await;
    let scene = Scene::around(gateway, good, target).await;
    let refused = authority.handshake(secure).await.unwrap_err().to_string();
    assert!(refused.contains("xpired"), "{refused}");
    authority.install(false);
    eventually("a handshake", || async {
        authority.handshake(secure).await.is_ok()
    })
    .await;
    scene.unharmed(16).await;
}

fn replace_by_link(link: &Path, target: &str) {
    let next = link.with_extension("next");
    std::os::unix::fs::symlink(target, &next).unwrap();
    std::fs::rename(next, link).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_the_access_log_costs_lines_and_no_request() {
    let scene = Scene::start("", "", |_| completion("x")).await;
    let log = scene.gateway.directory().join("access.log");
    replace_by_link(&log, "/dev/full");
    let dropped = || {
        scene
            .gateway
            .metric("sluicegate_accesslog_dropped_lines_total")
    };
    eventually("lines are lost, and counted", || async {
        dropped().await > 10.0
    })
    .await;
    assert_eq!(scene.ask(false).await.status, 200);
    let told = scene.gateway.log();
    assert!(told.contains("access log"), "nobody is told: {told}");
    assert!(told.lines().count() < 50, "told too often: {told}");
    std::fs::remove_file(&log).unwrap();
    eventually("lines are written again", || async {
        scene.gateway.access_log().len() > 10
    })
    .await;
    scene.unharmed(24).await;
}

/// A prompt that does not fit into memory next to others.
fn long_prompt() -> String {
    chat_about(&"x".repeat(6 << 20))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spill_directory_that_is_not_there_costs_long_prompts_alone() {
    let (good, target) = (
        Upstream::always(completion("m")).await,
        Upstream::always(completion("x")).await,
    );
    let config = config("", "", good.address, target.address);
    let gateway = Gateway::start_in(&config, &[], &[("TMPDIR", "/nowhere/at/all")]).await;
    let scene = Scene::around(gateway, good, target).await;
    check_spill_refused(&scene).await;
    scene.unharmed(48).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_the_spill_directory_costs_long_prompts_alone() {
    let (good, target) = (
        Upstream::always(completion("m")).await,
        Upstream::always(completion("x")).await,
    );
    // No file may grow beyond 1 MiB, which a write learns as it would of a full disk; the signal
    // that also comes with it is ignored from the start.
    let mut command = Command::new("/bin/sh");
    command.args([
        "-c",
        "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\"",
        BINARY,
    ]);
    let config = config("", "", good.address, target.address);
    let gateway = Gateway::start_by(command, &config, &[], &[]).await;
    let scene = Scene::around(gateway, good, target).await;
    check_spill_refused(&scene).await;
    scene.unharmed(48).await;
}

async fn check_spill_refused(scene: &Scene) {
    for _ in 0..3 {
        let got = once(scene.address(), prompt(&long_prompt())).await;
        assert_eq!(got.status, 500, "{}", got.text());
        assert!(got.json()["error"]["message"].is_string());
        assert_eq!(
            scene.ask(false).await.status,
            200,
            "a short prompt needs no file"
        );
    }
    let log = || async { scene.gateway.access_log() };
    eventually("logged", || async {
        log()
            .await
            .iter()
            .any(|line| line["error"] == "internal" && line["status"] == 500)
    })
    .await;
}

fn open_files(gateway: &Gateway) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", gateway.pid()))
        .unwrap()
        .count()
}

fn limit_files(gateway: &Gateway, limit: usize) {
    let (pid, limit) = (gateway.pid().to_string(), format!("--nofile={limit}:"));
    let status = Command::new("prlimit")
        .args(["--pid", &pid, &limit])
        .status()
        .unwrap();
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_file_descriptors_requests_are_refused_and_served_again_later() {
    let (good, target) = (
        Upstream::always(completion("m")).await,
        Upstream::always(completion("x")).await,
    );
    let config = config("", "", good.address, target.address);
    let gateway = Gateway::start(&config).await;
    let address = gateway.address;
    let mut known = Client::new(address);
    assert_eq!(known.send(chat("m", false, 1)).await.unwrap().status, 200);
    let used = open_files(&gateway);
    limit_files(&gateway, used + 10);
    let mut holding = Vec::new();
    for _ in 0..100 {
        holding.push(TcpStream::connect(address).await.unwrap());
    }
    eventually("none is left", || async {
        gateway.log().contains("cannot accept")
    })
    .await;
    // Who is connected is told; the connection to the engine of the model `x` does not exist yet.
    let refused = known.send(chat("x", false, 1)).await.unwrap();
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(refused.json()["error"]["code"], "overloaded");
    assert_eq!(refused.header("retry-after"), "1");
    // And whoever has its connections goes on as if nothing were.
    assert_eq!(known.send(chat("m", false, 1)).await.unwrap().status, 200);
    let told = gateway.log().matches("cannot accept").count();
    assert!(told < 10, "told {told} times");
    drop(holding);
    let got = once(address, chat("x", false, 1)).await;
    assert_eq!(got.status, 200, "{}", got.text());
    let endpoints = gateway.endpoints().await;
    let faults: u64 = endpoints
        .iter()
        .map(|one| one["failures"].as_u64().unwrap())
        .sum();
    assert_eq!(faults, 0, "no endpoint's fault: {endpoints:?}");
    drop(known);
    super::nothing_in_flight(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_resolve_costs_its_own_requests_alone() {
    let (good, target) = (
        Upstream::always(completion("m")).await,
        Upstream::always(completion("x")).await,
    );
    let name = "nowhere.invalid";
    let provider = format!(
        "providers:\n  - {{ name: lost, baseUrl: \"http://{name}/v1\", models: [lost] }}\n"
    );
    let plain = config("", "", good.address, target.address);
    let gateway = Gateway::start(&format!("{plain}{provider}")).await;
    let scene = Scene::around(gateway, good, target).await;
    let got = once(scene.address(), chat("lost", false, 1)).await;
    // A resolver that is itself not there takes until the connect timeout.
    assert!([502, 504].contains(&got.status.as_u16()), "{}", got.text());
    let found = provider.replace(name, &format!("localhost:{}", scene.target.address.port()));
    scene.gateway.reconfigure(&format!("{plain}{found}"));
    eventually("found", || async {
        once(scene.address(), chat("lost", false, 1)).await.status == 200
    })
    .await;
    let raw = scene
        .exchange("GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    assert_eq!(status(&raw), 200);
    scene.unharmed(16).await;
}
