use super::{
    CredentialSample, EndpointSample, ListenerSample, register_counter, register_credentials,
    register_endpoints, register_listeners,
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

#[test]
fn credentials() {
    let mut registry = Registry::default();
    register_credentials(&mut registry, || {
        let sample = |backend: &str, expires: Option<u64>| CredentialSample {
            backend: backend.into(),
            expires: expires.map(|at| std::time::UNIX_EPOCH + std::time::Duration::from_secs(at)),
            succeeded: 2,
            failed: 1,
        };
        vec![sample("azure", Some(1_800_000_000)), sample("keys", None)]
    });
    insta::assert_snapshot!(encode(&registry).unwrap(), @r#"
    # HELP sluicegate_credential_expiry_timestamp_seconds When the credential in use expires.
    # TYPE sluicegate_credential_expiry_timestamp_seconds gauge
    sluicegate_credential_expiry_timestamp_seconds{backend="azure"} 1800000000.0
    # HELP sluicegate_credential_refreshes New credentials asked for.
    # TYPE sluicegate_credential_refreshes counter
    sluicegate_credential_refreshes_total{backend="azure",result="succeeded"} 2
    sluicegate_credential_refreshes_total{backend="azure",result="failed"} 1
    sluicegate_credential_refreshes_total{backend="keys",result="succeeded"} 2
    sluicegate_credential_refreshes_total{backend="keys",result="failed"} 1
    # EOF
    "#);
}
