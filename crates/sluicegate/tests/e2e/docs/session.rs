//! A reader who does what a page says, in the order it says it.
//!
//! Files are written to a directory of its own, `check`, `explain` and `schema` are run there,
//! `engine` and `run` start replicas and a gateway on free ports in the place of those that the page
//! names, and `curl` lines are sent to them. What runs until it is stopped in some other form
//! (`demo`, `run` without a file) is read by the argument parser only.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;

use bytes::Bytes;
use engine_server::EngineServer;
use http::{Method, Request, Uri};
use http_body_util::Full;
use tempfile::TempDir;

use super::markdown::Block;
use crate::client::once;
use crate::process::{Gateway, engine, eventually};

const BINARY: &str = env!("CARGO_BIN_EXE_sluicegate");
const PRESET: &str = "    preset: openai";
const KEY: &str = "${env:OPENAI_API_KEY}";
/// What to write when there is nothing else to do: commands that no test needs to run.
const OTHER_COMMANDS: [&str; 3] = [
    "cargo build --release",
    "cargo xtask test",
    "cargo xtask docs",
];

pub struct Session {
    directory: TempDir,
    engines: BTreeMap<u16, EngineServer>,
    gateway: Option<(String, Gateway)>,
    printed: String,
}

impl Session {
    pub fn begin() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("key"), "sk-test").unwrap();
        Self {
            directory,
            engines: BTreeMap::new(),
            gateway: None,
            printed: String::new(),
        }
    }

    pub async fn follow(&mut self, block: &Block) {
        match &*block.language {
            "yaml" => self.write(&block.text).await,
            "sh" => {
                for command in commands(&block.text) {
                    self.command(&command).await;
                }
            }
            "text" => assert_eq!(self.printed, block.text),
            // The access log's line has a test of its own, Python is run by the Python tests, and a
            // drawing shows nothing to do.
            "json" | "python" | "none" => {}
            other => panic!("a block of `{other}`, which no test knows: {}", block.text),
        }
    }

    /// Writes a configuration, and waits until it is live if it is the one that is served.
    async fn write(&mut self, text: &str) {
        let name = text.lines().next().and_then(|line| line.strip_prefix("# "));
        let name =
            name.unwrap_or_else(|| panic!("begin with a comment of the file's name: {text}"));
        std::fs::write(self.directory.path().join(name), text).unwrap();
        self.binary(&["check", "-c", name]);
        let text = self.substituted(text);
        if let Some((served, gateway)) = &self.gateway
            && served == name
        {
            let before = gateway.metric("sluicegate_snapshot_generation").await;
            gateway.reconfigure(&text);
            eventually("reloaded", || async {
                gateway.metric("sluicegate_snapshot_generation").await > before
            })
            .await;
        }
    }

    async fn command(&mut self, words: &[String]) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match &*words {
            ["sluicegate", arguments @ ..]
            | ["cargo", "run", "--release", "--", arguments @ ..] => {
                self.sluicegate(arguments).await;
            }
            ["curl", arguments @ ..] => self.curl(arguments).await,
            // Set for every command.
            ["export", variable] if variable.starts_with("OPENAI_API_KEY=") => {}
            other => assert!(
                OTHER_COMMANDS.contains(&&*other.join(" ")),
                "no test knows {other:?}"
            ),
        }
    }

    async fn sluicegate(&mut self, arguments: &[&str]) {
        match arguments {
            ["check" | "explain" | "schema", ..] => self.printed = self.binary(arguments),
            ["run", "-c", file, ..] => {
                self.parse(arguments);
                self.serve(file).await;
            }
            ["engine", ..] => {
                self.parse(arguments);
                self.engines(arguments).await;
            }
            other => self.parse(other),
        }
    }

    /// Runs the binary to its good end and returns what it prints.
    fn binary(&self, arguments: &[&str]) -> String {
        let output = Command::new(BINARY)
            .args(arguments)
            .current_dir(self.directory.path())
            .env("OPENAI_API_KEY", "sk-test")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {told}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Has the arguments parsed: whatever is wrong is told before the help is.
    fn parse(&self, arguments: &[&str]) {
        self.binary(&[arguments, &["--help"]].concat());
    }

    async fn engines(&mut self, arguments: &[&str]) {
        let value = |option| {
            let at = arguments.iter().position(|argument| *argument == option);
            at.map(|at| arguments[at + 1])
        };
        let first: u16 = value("--port").unwrap_or("8100").parse().unwrap();
        let count: u16 = value("--replicas").unwrap_or("1").parse().unwrap();
        for port in first..first + count {
            let replica = engine(value("--model").unwrap_or("llama-3.1-8b"), 1000.0).await;
            self.engines.insert(port, replica);
        }
    }

    async fn serve(&mut self, file: &str) {
        let text = std::fs::read_to_string(self.directory.path().join(file));
        let text = text.unwrap_or_else(|error| panic!("the page has not shown {file}: {error}"));
        let gateway = Gateway::start(&self.substituted(&text)).await;
        self.gateway = Some((file.to_owned(), gateway));
    }

    /// A configuration with the ports of this session.
    fn substituted(&self, text: &str) -> String {
        let key = format!("${{file:{}}}", self.directory.path().join("key").display());
        // A preset's key is in the environment, which is that of the tests.
        let text = text.replace(PRESET, &format!("{PRESET}\n    apiKey: {key}"));
        let mut text = text.replace("127.0.0.1:8080", "LISTEN").replace(KEY, &key);
        for (port, engine) in &self.engines {
            text = text.replace(&format!("127.0.0.1:{port}"), &engine.addr().to_string());
        }
        match text.contains("listeners:") {
            true => text,
            false => format!("listeners:\n  - {{ name: main, address: LISTEN }}\n{text}"),
        }
    }

    /// Sends what curl would, and wants success.
    async fn curl(&self, arguments: &[&str]) {
        let (_, gateway) = self.gateway.as_ref().expect("a gateway to ask");
        let asked = Asked::of(arguments);
        let to = match asked.url.port_u16() {
            Some(8080) => gateway.address,
            Some(9901) => gateway.admin,
            other => panic!("nothing listens on {other:?}"),
        };
        let answer = once(to, asked.request(to)).await;
        assert_eq!(answer.status, 200, "{arguments:?}: {}", answer.text());
        assert!(!answer.body.is_empty());
    }
}

/// A request in curl's arguments.
struct Asked {
    url: Uri,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

impl Asked {
    fn of(arguments: &[&str]) -> Self {
        let mut asked = Self {
            url: Uri::default(),
            headers: Vec::new(),
            body: None,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                "-s" | "-N" | "-i" | "-f" => {}
                "-H" => {
                    let (name, value) = arguments.next().unwrap().split_once(": ").unwrap();
                    asked.headers.push((name.to_owned(), value.to_owned()));
                }
                "-d" => asked.body = Some((*arguments.next().unwrap()).to_owned()),
                url => asked.url = url.parse().unwrap(),
            }
        }
        asked
    }

    fn request(self, to: SocketAddr) -> Request<Full<Bytes>> {
        let method = if self.body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let path = self.url.path_and_query().unwrap().as_str();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", to.to_string());
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request
            .body(Full::from(self.body.unwrap_or_default()))
            .unwrap()
    }
}

/// The commands of a shell script, as words: lines, joined where they end in a backslash or within
/// quotes.
fn commands(script: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut quote): (Option<String>, Option<char>) = (None, None);
    let mut characters = script.chars().peekable();
    while let Some(character) = characters.next() {
        let command = commands.last_mut().unwrap();
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (Some(_), inside) => word.get_or_insert_default().push(inside),
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '\\') if characters.next_if_eq(&'\n').is_some() => command.extend(word.take()),
            (None, ' ') => command.extend(word.take()),
            (None, '\n') => {
                command.extend(word.take());
                commands.push(Vec::new());
            }
            (None, other) => word.get_or_insert_default().push(other),
        }
    }
    assert!(quote.is_none() && word.is_none(), "{script}");
    commands.retain(|command| !command.is_empty());
    commands
}

#[test]
fn a_script_is_split_as_a_shell_does() {
    let script = "curl -s 'a b' \\\n  -d '{\"x\": 1,\n \"y\": \"\"}' \"c\"d\n\nexport A=''\n";
    let expect = [
        vec!["curl", "-s", "a b", "-d", "{\"x\": 1,\n \"y\": \"\"}", "cd"],
        vec!["export", "A="],
    ];
    assert_eq!(commands(script), expect);
}
