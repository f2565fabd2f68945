//! Whatever becomes of client and upstream: every reservation is released exactly once, and every
//! request is settled exactly once.
//!
//! Released too seldom, an endpoint's count never gets back to zero; too often, it would wrap. The
//! log tells of requests that were settled twice or never.

use std::collections::BTreeSet;
use std::time::Duration;

use engine::Profile;
use engine_server::{Deaths, EngineConfig, EngineServer, Errors, FaultSpec, Hangs};
use proptest::prelude::*;
use tokio::io::AsyncReadExt;

use super::fixture::*;

/// What a client does with its request.
#[derive(Debug, Clone)]
enum Patience {
    /// Reads to the end.
    Whole,
    /// Leaves after so many bytes of the answer.
    Bytes(usize),
    /// Leaves after so many microseconds, whatever came.
    Micros(u64),
    /// Leaves in the middle of its own body.
    HalfSent,
}

#[derive(Debug, Clone)]
struct Ask {
    stream: bool,
    patience: Patience,
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let patience = prop_oneof![
        2 => Just(Patience::Whole),
        3 => (0_usize..3000).prop_map(Patience::Bytes),
        3 => (0_u64..20_000).prop_map(Patience::Micros),
        1 => Just(Patience::HalfSent),
    ];
    let ask = (any::<bool>(), patience).prop_map(|(stream, patience)| Ask { stream, patience });
    proptest::collection::vec(ask, 1..24)
}

fn faults() -> impl Strategy<Value = FaultSpec> {
    let rate = || prop_oneof![Just(0.0), Just(0.3), Just(1.0)];
    let errors = (rate(), prop_oneof![Just(500), Just(429), Just(400)]);
    let death = (rate(), 0_u32..8);
    (errors, rate(), death).prop_map(
        |((rate, status), hangs, (deaths, after_tokens))| FaultSpec {
            errors: Some(Errors {
                rate,
                status,
                retry_after: None,
            }),
            hang: Some(Hangs {
                rate: hangs,
                for_ms: None,
            }),
            death: Some(Deaths {
                rate: deaths,
                after_tokens,
            }),
            ..FaultSpec::default()
        },
    )
}

/// One gateway before three replicas, for all cases.
struct World {
    fixture: Fixture,
    replicas: Vec<EngineServer>,
    asked: BTreeSet<String>,
}

impl World {
    async fn start() -> Self {
        let mut replicas = Vec::new();
        for seed in 0..3 {
            let config = EngineConfig {
                model: "m".to_owned(),
                speed: 50.0,
                seed,
                ..EngineConfig::new(Profile::llama_3_1_8b_h100())
            };
            replicas.push(EngineServer::start(config).await.unwrap());
        }
        let endpoints: String = replicas
            .iter()
            .map(|one| format!("      - {{ address: {} }}\n", one.addr()))
            .collect();
        let config = format!(
            "
pools:
  - name: models
    models: [m]
    endpoints:
{endpoints}
    outlierDetection: {{ consecutiveErrors: 3, baseEjectionTime: 20ms, maxEjectionTime: 40ms }}
    connectionPool: {{ maxRequestsPerEndpoint: 6 }}
routes:
  - name: models
    rules:
      - matches: [{{ model: {{ value: m }} }}]
        backendRefs: [{{ pool: models }}]
        retry: {{ attempts: 3, backoff: {{ base: 1ms, max: 4ms }} }}
        timeouts:
          firstToken: 40ms
          betweenChunks: 80ms
          backendRequest: 60ms
          request: 200ms
"
        );
        Self {
            fixture: Fixture::start(&config).await,
            replicas,
            asked: BTreeSet::new(),
        }
    }

    /// Does what a case says, all at once, and waits until nothing is under way.
    async fn act(&mut self, asks: &[Ask], faults: &[FaultSpec]) {
        for (replica, spec) in self.replicas.iter().zip(faults) {
            replica.faults().replace(spec.clone());
        }
        let first = self.asked.len();
        let ids: Vec<String> = (first..first + asks.len())
            .map(|n| format!("ask-{n}"))
            .collect();
        let mut clients = tokio::task::JoinSet::new();
        for (ask, id) in asks.iter().zip(&ids) {
            let request = request(ask, id);
            let socket = self.fixture.begin(&request).await;
            clients.spawn(leave(socket, ask.patience.clone()));
        }
        clients.join_all().await;
        self.asked.extend(ids);
        // Whoever left early may be gone before the gateway has begun with the request.
        self.fixture.logged(self.asked.len()).await;
        self.fixture.idle().await;
    }
}

fn request(ask: &Ask, id: &str) -> String {
    let id = format!("x-request-id: {id}\r\nconnection: close");
    let mut request = chat(ask.stream).replace("connection: close", &id);
    if matches!(ask.patience, Patience::HalfSent) {
        request.truncate(request.len() - 20);
    }
    request
}

async fn leave(mut socket: tokio::net::TcpStream, patience: Patience) {
    let mut buffer = Vec::new();
    let reading = async {
        match patience {
            Patience::Whole => drop(socket.read_to_end(&mut buffer).await),
            Patience::Bytes(bytes) => {
                drop(
                    (&mut socket)
                        .take(bytes as u64)
                        .read_to_end(&mut buffer)
                        .await,
                );
            }
            Patience::Micros(micros) => {
                let end = Duration::from_micros(micros);
                drop(tokio::time::timeout(end, socket.read_to_end(&mut buffer)).await);
            }
            Patience::HalfSent => drop(socket.read(&mut [0]).now_or_never()),
        }
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("the answer never ended");
}

/// What a future gives at its first poll.
trait NowOrNever: Future + Sized {
    fn now_or_never(self) -> Option<Self::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(self).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}

impl<F: Future> NowOrNever for F {}

#[test]
fn everything_is_released_and_settled_exactly_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let world = std::cell::RefCell::new(runtime.block_on(World::start()));
    let cases = (asks(), proptest::collection::vec(faults(), 3));
    let config = ProptestConfig {
        cases: 24,
        failure_persistence: None,
        // A case that fails leaves the world unfit for the next.
        max_shrink_iters: 0,
        ..Default::default()
    };
    proptest!(config, |((asks, faults) in cases)| {
        runtime.block_on(world.borrow_mut().act(&asks, &faults));
    });
    let world = world.into_inner();
    let records = world.fixture.records();
    let settled: Vec<String> = records
        .iter()
        .map(|record| record["request_id"].as_str().unwrap().to_owned())
        .collect();
    let distinct: BTreeSet<String> = settled.iter().cloned().collect();
    assert_eq!(distinct.len(), settled.len(), "settled more than once");
    assert_eq!(distinct, world.asked);
}
