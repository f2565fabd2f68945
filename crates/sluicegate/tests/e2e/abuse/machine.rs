//! A machine whose names flap and whose wall clock jumps.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use super::faults::{Authority, tls_provider, tls_upstream};
use super::{Scene, config};
use crate::client::{chat, get, once};
use crate::load::{Fate, Load};
use crate::process::{BINARY, Gateway, eventually};
use crate::upstream::{Gate, Received, Step, Upstream, completion, last_piece, piece, stream_head};

/// What the gateway is told by its resolver and its wall clock.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/abuse/machine.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(machine.0.path().join("machine.so"))
            .arg(source)
            .status();
        assert!(built.unwrap().success());
        machine.set_names(&[]);
        machine.set_clock(0);
        machine
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    async fn start(&self, config: &str) -> Gateway {
        let files = [
            ("LD_PRELOAD", "machine.so"),
            ("MACHINE_HOSTS", "hosts"),
            ("MACHINE_CLOCK", "clock"),
        ];
        let variables = files.map(|(name, file)| (name, self.file(file)));
        let variables = variables.each_ref().map(|(name, file)| (*name, &**file));
        let drain = ["--drain-delay", "200ms"];
        Gateway::start_by(Command::new(BINARY), config, &drain, &variables).await
    }

    /// What names resolve to; `-` is nothing.
    fn set_names(&self, names: &[(&str, &str)]) {
        let mut text = String::new();
        for (name, address) in names {
            writeln!(text, "{name} {address}").unwrap();
        }
        std::fs::write(self.file("next"), text).unwrap();
        std::fs::rename(self.file("next"), self.file("hosts")).unwrap();
    }

    /// Sets the wall clock so many seconds ahead.
    fn set_clock(&self, ahead: i64) {
        let clock = std::fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.file("clock"));
        clock
            .unwrap()
            .write_all_at(&ahead.to_ne_bytes(), 0)
            .unwrap();
    }
}

/// Answers at once, or in a stream that takes half a second.
fn slowly(request: &Received) -> Vec<Step> {
    if request.json()["stream"] != true {
        return completion("m");
    }
    let delta = |content: &str| {
        piece(format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{{\"index\":0,\
             \"delta\":{{\"content\":\"{content}\"}},\"finish_reason\":null}}]}}\n\n"
        ))
    };
    let mut steps = vec![stream_head()];
    for word in ["one ", "two ", "three ", "four ", "five"] {
        steps.extend([delta(word), Step::Pause(Duration::from_millis(100))]);
    }
    steps.extend([piece("data: [DONE]\n\n"), last_piece()]);
    steps
}

const NAME: &str = "engines.test";

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_flaps_breaks_no_request_and_no_stream() {
    let first = Upstream::start(slowly).await;
    let port = first.address.port();
    let second = Upstream::start_at(SocketAddr::from(([127, 0, 0, 2], port)), slowly).await;
    let machine = Machine::new();
    let (one, two) = ((NAME, "127.0.0.1"), (NAME, "127.0.0.2"));
    machine.set_names(&[one, two]);
    let pool = format!(
        "listeners:\n  - {{ name: main, address: LISTEN }}\npools:\n  \
         - {{ name: p, models: [m], dns: {{ host: {NAME}, port: {port}, refresh: 100ms }} }}\n"
    );
    let gateway = machine.start(&pool).await;
    let streams = Load::start(gateway.address, 20, 40, || chat("m", true, 1));
    let plain = Load::start(gateway.address, 10, 40, || chat("m", false, 1));
    let (nothing, none) = ((NAME, "-"), (NAME, "no-address"));
    for _ in 0..3 {
        for names in [
            &[one][..],
            &[nothing],
            &[two],
            &[none],
            &[two, one],
            &[one, one],
        ] {
            machine.set_names(names);
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
    machine.set_names(&[one, two]);
    eventually("both are endpoints", || async {
        gateway.endpoints().await.len() == 2
    })
    .await;
    let (streams, plain) = (streams.stop().await, plain.stop().await);
    for fates in [&streams, &plain] {
        fates.assert_none_failed();
        assert_eq!(fates.count(&Fate::Whole), fates.0.len(), "cut off");
        assert!(fates.0.len() > 100);
    }
    assert!(first.count() > 50 && second.count() > 50);
    assert!(gateway.log().contains("does not resolve"));
    super::nothing_in_flight(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_moves_is_found_by_its_name() {
    let left = Gate::closed();
    let has_left = left.clone();
    let first = Upstream::start(move |_| match has_left.is_open() {
        false => completion("m"),
        true => vec![Step::Close],
    })
    .await;
    let port = first.address.port();
    let moved = SocketAddr::from(([127, 0, 0, 2], port));
    let machine = Machine::new();
    machine.set_names(&[(NAME, "127.0.0.1")]);
    let provider = format!(
        "listeners:\n  - {{ name: main, address: LISTEN }}\nproviders:\n  \
         - {{ name: p, baseUrl: \"http://{NAME}:{port}/v1\", models: [m], \
         outlierDetection: {{ consecutiveErrors: 0 }} }}\n"
    );
    let gateway = machine.start(&provider).await;
    let ask = || once(gateway.address, chat("m", false, 1));
    assert_eq!(ask().await.status, 200);
    machine.set_names(&[(NAME, "-")]);
    assert_eq!(ask().await.status, 200, "a connection is there");
    left.open();
    drop(first);
    let second = Upstream::start_at(moved, |_| completion("m")).await;
    eventually("nobody is found", || async { ask().await.status == 502 }).await;
    machine.set_names(&[(NAME, "127.0.0.2")]);
    eventually("found", || async { ask().await.status == 200 }).await;
    assert!(second.count() > 0);
    super::nothing_in_flight(&gateway).await;
}

/// Seconds from now to the middle of `year`.
fn until(year: i64) -> i64 {
    const YEAR: i64 = 31_556_952;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    (year - 1970) * YEAR + YEAR / 2 - i64::try_from(now.as_secs()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn jumps_of_the_wall_clock_move_dates_and_certificates_and_no_timer() {
    let authority = Authority::new();
    // Was in force in 2020 alone.
    let (address, _accepting) = tls_upstream(Arc::new(Mutex::new(authority.server(true)))).await;
    let (good, target) = (
        Upstream::start(slowly).await,
        Upstream::always(completion("x")).await,
    );
    let config = config("", "", good.address, target.address);
    let machine = Machine::new();
    let provider = tls_provider(&authority, address);
    let gateway = machine.start(&format!("{config}{provider}")).await;
    let scene = Scene::around(gateway, good, target).await;
    let streams = Load::start(scene.address(), 20, 40, || chat("m", true, 1));
    for (year, secure) in [
        (2020, 200),
        (2090, 502),
        (2020, 200),
        (1999, 0),
        (2020, 200),
    ] {
        machine.set_clock(until(year));
        eventually("the date is told anew", || async {
            let told = once(scene.address(), get("/v1/models")).await;
            told.header("date").contains(&format!(" {year} "))
        })
        .await;
        let got = once(scene.address(), chat("secure", false, 1)).await;
        // Before its time, a session with it may be resumed, which asks for no certificate.
        assert!(
            got.status == secure || secure == 0,
            "in {year}: {}",
            got.text()
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let streams = streams.stop().await;
    streams.assert_none_failed();
    assert_eq!(streams.count(&Fate::Whole), streams.0.len(), "cut off");
    scene.unharmed(16).await;
}
