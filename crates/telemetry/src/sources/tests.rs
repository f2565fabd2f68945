use super::{
    EndpointSample, ListenerSample, register_counter, register_endpoints, register_listeners,
};
use crate::{Registry, encode};

#[test]
fn sources_are_asked_at_each_scrape() {
    let mut registry = Registry::default();
    let calls = std::sync::atomic::AtomicU64::new(0);
    register_counter(
        &mut registry,
        "sluicegate_task_panics",
        "Tasks that panicked.",
        move || calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
    );
    assert!(
        encode(&registry)
            .unwrap()
            .contains("sluicegate_task_panics_total 0\n")
    );
    assert!(
        encode(&registry)
            .unwrap()
            .contains("sluicegate_task_panics_total 1\n")
    );
}

#[test]
fn endpoints_and_listeners() {
    let mut registry = Registry::default();
    register_endpoints(&mut registry, || {
        let engine = EndpointSample {
            backend: "llama".into(),
            endpoint: "gpu-\"0\"".into(),
            in_flight: 3,
            healthy: true,
            waiting: Some(2),
            kv_cache_usage: Some(0.5),
        };
        let provider = EndpointSample {
            backend: "openai".into(),
            endpoint: "api.openai.com".into(),
            in_flight: 1,
            healthy: false,
            waiting: None,
            kv_cache_usage: None,
        };
        vec![engine, provider]
    });
    register_listeners(&mut registry, || {
        vec![ListenerSample {
            listener: "public".into(),
            open: 4,
            accepted: 9,
            refused: 1,
        }]
    });
    insta::assert_snapshot!(encode(&registry).unwrap());
}
