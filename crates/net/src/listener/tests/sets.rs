use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::{Client, Events, Server, TestHandler, config, start};
use crate::drain::Drain;
use crate::limits::Limits;
use crate::listener::{ListenError, ListenerConfig, Listeners};
use crate::tasks::Tasks;

async fn ask(address: SocketAddr) -> String {
    let mut client = Client(TcpStream::connect(address).await.unwrap());
    client
        .write("GET /listener HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
        .await;
    let answer = client.read_to_end().await;
    answer.rsplit("\r\n").next().unwrap_or_default().to_owned()
}

fn at(name: &str, address: SocketAddr) -> ListenerConfig {
    ListenerConfig {
        address,
        ..config(name)
    }
}

#[tokio::test]
async fn a_set_that_cannot_be_bound_changes_nothing() {
    let server = start(Limits::default()).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = config("free");
    let blocked = at("blocked", taken.local_addr().unwrap());
    let error = server.set.apply(vec![free, blocked]).await.unwrap_err();
    assert!(
        matches!(&error, ListenError::Bind { name, .. } if &**name == "blocked"),
        "{error}"
    );
    assert_eq!(server.set.stats().len(), 1);
    assert_eq!(ask(server.address).await, "test");
}

#[tokio::test]
async fn invalid_sets_are_refused_with_the_reason() {
    let server = start(Limits::default()).await;
    let check = async |configs: Vec<ListenerConfig>, expect: &str| {
        let error = server.set.apply(configs).await.unwrap_err();
        assert_eq!(error.to_string(), expect);
    };
    let address = SocketAddr::from(([127, 0, 0, 1], 9));
    check(
        vec![config("a"), config("a")],
        "two listeners are named \"a\": give each its own name",
    )
    .await;
    check(
        vec![at("a", address), at("b", address)],
        "listeners \"a\" and \"b\" both want 127.0.0.1:9: give each its own address",
    )
    .await;
    let limits = Limits {
        idle_timeout: Duration::ZERO,
        ..Limits::default()
    };
    check(
        vec![ListenerConfig {
            limits,
            ..config("a")
        }],
        "listener \"a\": limits.idle_timeout must be more than zero",
    )
    .await;
}

#[tokio::test]
async fn a_listener_that_is_kept_keeps_its_socket_and_connections() {
    let server = start(Limits::default()).await;
    let mut open = server.connect().await;
    open.get("/").await;
    open.read_until("ok").await;
    let limits = Limits {
        max_connections: 1,
        ..Limits::default()
    };
    server
        .set
        .apply(vec![ListenerConfig {
            limits,
            ..config("test")
        }])
        .await
        .unwrap();
    assert_eq!(server.set.local_addr("test"), Some(server.address));
    open.get("/").await;
    assert!(!open.read_until("ok").await.contains("connection: close"));
    assert_eq!(
        server.connect().await.read_to_end().await,
        "",
        "the new limit holds"
    );
}

#[tokio::test]
async fn names_may_be_swapped() {
    let server = start(Limits::default()).await;
    let (a, b) = two_free_addresses();
    server
        .set
        .apply(vec![at("one", a), at("two", b)])
        .await
        .unwrap();
    server
        .set
        .apply(vec![at("two", a), at("one", b)])
        .await
        .unwrap();
    assert_eq!(
        (ask(a).await, ask(b).await),
        ("two".to_owned(), "one".to_owned())
    );
}

fn two_free_addresses() -> (SocketAddr, SocketAddr) {
    let bind = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (a, b) = (bind(), bind());
    (a.local_addr().unwrap(), b.local_addr().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_has_gone_is_drained_alone() {
    let server = start(Limits::default()).await;
    let mut streaming = server.connect().await;
    streaming.get("/pause").await;
    streaming.read_until("a\r\n").await;
    let mut idle = server.connect().await;
    idle.get("/").await;
    idle.read_until("ok").await;

    server.set.apply(vec![config("other")]).await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
    assert_eq!(idle.read_to_end().await, "");
    let other = server.set.local_addr("other").unwrap();
    assert_eq!(ask(other).await, "other");
    assert!(streaming.read_until("0\r\n\r\n").await.contains('b'));
}

#[tokio::test]
async fn an_address_that_was_given_up_can_be_taken_again() {
    let server = start(Limits::default()).await;
    let address = server.address;
    server.set.apply(vec![]).await.unwrap();
    server.set.apply(vec![at("again", address)]).await.unwrap();
    assert_eq!(ask(address).await, "again");
}

#[tokio::test]
async fn any_suitable_function_is_a_handler() {
    let (_trigger, drain) = Drain::new();
    let events = Arc::new(Events::default());
    let handler = move |request, connection| super::respond(events.clone(), request, connection);
    let set = Listeners::new(handler, drain, Tasks::new());
    set.apply(vec![config("function")]).await.unwrap();
    assert_eq!(ask(set.local_addr("function").unwrap()).await, "function");
}

#[expect(dead_code, reason = "a set must be shareable between tasks")]
fn sets_are_shareable(server: Server) -> impl Send + Sync {
    let set: Listeners<TestHandler> = server.set;
    set
}
