//! The gateway's process, in front of a configuration in a directory of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use engine::Profile;
use engine_server::{EngineConfig, EngineServer};
use serde_json::Value;
use tempfile::TempDir;

use crate::client::{PATIENCE, get, once};

/// The binary of this build, unless the tests are compiled for another one, such as a release's.
pub const BINARY: &str = match option_env!("SLUICEGATE_BINARY") {
    Some(path) => path,
    None => env!("CARGO_BIN_EXE_sluicegate"),
};

/// A running `sluicegate run`.
pub struct Gateway {
    child: Child,
    directory: TempDir,
    pub address: SocketAddr,
    pub admin: SocketAddr,
}

impl Gateway {
    /// Starts on `config`, in which `LISTEN` stands for the address to listen on.
    pub async fn start(config: &str) -> Self {
        Self::start_with(config, &["--drain-delay", "200ms"]).await
    }

    pub async fn start_with(config: &str, arguments: &[&str]) -> Self {
        Self::start_in(config, arguments, &[]).await
    }

    /// Starts with these environment variables and no others.
    pub async fn start_in(config: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_by(Command::new(BINARY), config, arguments, variables).await
    }

    /// Starts by a command that becomes the binary, and passes its arguments on to it.
    pub async fn start_by(
        command: Command,
        config: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let address = free_address();
        let file = directory.path().join("sluicegate.yaml");
        std::fs::write(&file, config.replace("LISTEN", &address.to_string())).unwrap();
        let config = ["--config", file.to_str().unwrap()];
        let arguments = [&config, arguments].concat();
        Self::spawn(command, directory, address, &arguments, variables).await
    }

    /// Starts without a file, on these variables and no others.
    pub async fn start_from_environment(variables: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let address = free_address();
        let port = address.port().to_string();
        let command = Command::new(BINARY);
        Self::spawn(command, directory, address, &["--port", &port], variables).await
    }

    async fn spawn(
        mut command: Command,
        directory: TempDir,
        address: SocketAddr,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let admin = free_address();
        let log = std::fs::File::create(directory.path().join("stderr.log")).unwrap();
        let child = command
            .args(["run", "--admin", &admin.to_string()])
            .args([
                "--access-log",
                directory.path().join("access.log").to_str().unwrap(),
            ])
            .args(arguments)
            .env_clear()
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut gateway = Self {
            child,
            directory,
            address,
            admin,
        };
        gateway.wait_until_ready().await;
        gateway
    }

    async fn wait_until_ready(&mut self) {
        let begun = Instant::now();
        while std::net::TcpStream::connect(self.admin).is_err() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("ended at start, {status}: {}", self.log());
            }
            assert!(begun.elapsed() < PATIENCE, "not ready: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(
            once(self.admin, get("/readyz")).await.status,
            200,
            "{}",
            self.log()
        );
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its configuration and its logs are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What it said on standard error.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.directory.path().join("stderr.log")).expect("its log");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The access log as far as it is written, a value a line, in about the order of the requests.
    pub fn access_log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.directory.path().join("access.log"));
        let text = text.unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The access log once it has so many lines, which are all it may have.
    pub async fn logged(&self, count: usize) -> Vec<Value> {
        eventually("logged", || async { self.access_log().len() >= count }).await;
        let lines = self.access_log();
        assert_eq!(lines.len(), count, "{lines:?}");
        lines
    }

    pub fn config_file(&self) -> PathBuf {
        self.directory.path().join("sluicegate.yaml")
    }

    /// Replaces the configuration as an editor would.
    pub fn reconfigure(&self, config: &str) {
        let next = self.directory.path().join("next.tmp");
        std::fs::write(&next, config.replace("LISTEN", &self.address.to_string())).unwrap();
        std::fs::rename(next, self.config_file()).unwrap();
    }

    pub async fn metrics(&self) -> String {
        once(self.admin, get("/metrics")).await.text()
    }

    /// The sum of a metric over its series.
    pub async fn metric(&self, name: &str) -> f64 {
        sum(&self.metrics().await, name)
    }

    /// The endpoints of all backends, as the admin endpoint shows them.
    pub async fn endpoints(&self) -> Vec<Value> {
        let shown = once(self.admin, get("/endpoints")).await.json();
        let backends = shown["backends"].as_array().unwrap().clone();
        backends
            .iter()
            .flat_map(|one| one["endpoints"].as_array().unwrap().clone())
            .collect()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "does not end: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until `condition` holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The sum of the samples of this name in an exposition.
pub fn sum(text: &str, name: &str) -> f64 {
    let of = |line: &str| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with(['{', ' '])
            .then(|| line.rsplit(' ').next()?.parse::<f64>().ok())?
    };
    text.lines().filter_map(of).sum()
}

/// An address that nobody has, and nobody else will be given. Ports that the system gives away are
/// no such: between its asking and its use, another test may get the same.
pub fn free_address() -> SocketAddr {
    /// Below the range that the system takes ports of outgoing connections from.
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    loop {
        let address = SocketAddr::from(([127, 0, 0, 1], NEXT.fetch_add(1, Ordering::Relaxed)));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// What the command prints and how it ends.
pub fn run(arguments: &[&str]) -> (String, String, ExitStatus) {
    run_with(arguments, &[])
}

pub fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> (String, String, ExitStatus) {
    let output = Command::new(BINARY)
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status)
}

/// A simulated replica of `model`, `speed` times faster than the hardware.
pub async fn engine(model: &str, speed: f64) -> EngineServer {
    let mut config = EngineConfig::new(Profile::named("llama-3.1-8b-h100").unwrap());
    config.model = model.to_owned();
    config.speed = speed;
    EngineServer::start(config).await.unwrap()
}

/// `count` replicas of the model `m`.
pub async fn fleet(count: usize, speed: f64) -> Vec<EngineServer> {
    let mut engines = Vec::new();
    for _ in 0..count {
        engines.push(engine("m", speed).await);
    }
    engines
}

/// A pool document over these replicas; `extra` lines are added to the pool.
pub fn pool_of(engines: &[EngineServer], extra: &str) -> String {
    let mut text = format!(
        "listeners:\n  - name: main\n    address: LISTEN\n    exposeEndpoint: true\n\
         pools:\n  - name: fleet\n    models: [m]\n{extra}    endpoints:\n"
    );
    for (index, engine) in engines.iter().enumerate() {
        text.push_str(&format!(
            "      - {{ name: e{index}, address: \"{}\" }}\n",
            engine.addr()
        ));
    }
    text
}
