use balance::Cost;
use http_body_util::BodyExt;
use llm::response::PlainTap;
use net::listener::{ConnInfo, Protocol};

use super::*;
use crate::targets::Targets;
use crate::tests::fixture::{COMPLETION, Fixture};

const POOL: &str = "
pools:
  - name: models
    models: [m]
    endpoints: [{ address: '127.0.0.1:9' }]
";

/// A completion in two pieces that came whole before it was passed on.
/// A whole answer in two pieces, the first too large to be joined with the second.
fn held() -> Held {
    let whole = Bytes::from(" ".repeat(5000) + COMPLETION);
    let mut tap = PlainTap::new(llm::Api::CHAT_COMPLETIONS);
    tap.feed(&whole);
    let bytes = vec![whole.slice(..5000), whole.slice(5000..)];
    Held {
        bytes,
        rest: None,
        tap: Tap::Plain(Box::new(tap)),
    }
}

fn answer(fixture: &Fixture, held: Held) -> ResponseBody {
    let shared = &fixture.gateway.shared;
    let address = fixture.address();
    let connection = ConnInfo {
        listener: "main".into(),
        peer: address,
        peer_ip: ConnInfo::ip_value(address),
        local: address,
        protocol: Protocol::Http1,
        tls: None,
        accepted: Instant::now(),
    };
    let request = http::Request::post("/v1/chat/completions")
        .body(())
        .unwrap();
    let mut exchange = Exchange::open(shared, Arc::new(connection), &request);
    exchange.status = 200;
    let runtime = shared.runtime.load_full();
    let (head, ()) = request.into_parts();
    let rule = runtime
        .entry("main")
        .unwrap()
        .route("localhost", &head, Some("m"))
        .unwrap()
        .rule;
    let mut targets = Targets::new(&rule, None, None, &runtime);
    let cost = Cost {
        prompt_tokens: 7,
        output_tokens: 7,
    };
    let mut candidate = targets.next(cost, false, shared.clock.now()).ok().unwrap();
    let now = Instant::now();
    exchange.attempt_begins(&candidate.target.backend.name, candidate.endpoint.id(), now);
    let place = Place::new(&mut candidate, shared, now);
    assert_eq!(fixture.reserved(), 8);
    ResponseBody::proxied(Proxied::new(
        exchange,
        Arc::clone(&rule),
        None,
        held,
        place,
        None,
    ))
}

/// A client may leave after any frame: what the upstream reported is charged all the same, once.
#[tokio::test]
async fn what_is_left_unread_is_still_charged() {
    for (frames, outcome) in [
        (0, "client_aborted"),
        (1, "client_aborted"),
        (2, "completed"),
    ] {
        let fixture = Fixture::start(POOL).await;
        let mut body = answer(&fixture, held());
        for _ in 0..frames {
            body.frame().await.unwrap().unwrap();
        }
        assert_eq!(body.is_end_stream(), frames == 2);
        drop(body);
        assert_eq!(fixture.reserved(), 0);
        let records = fixture.records();
        assert_eq!(records.len(), 1, "{records:?}");
        assert_eq!(records[0]["outcome"], outcome, "after {frames} frames");
        assert_eq!(records[0]["output_tokens"], 2, "after {frames} frames");
    }
}

/// Nobody polls a body that says that it is over.
#[tokio::test]
async fn an_answer_without_bytes_is_settled_unread() {
    let fixture = Fixture::start(POOL).await;
    let body = answer(
        &fixture,
        Held {
            bytes: Vec::new(),
            rest: None,
            tap: Tap::None,
        },
    );
    assert!(body.is_end_stream());
    drop(body);
    assert_eq!(fixture.records()[0]["outcome"], "completed");
}
