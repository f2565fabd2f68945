use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mesh::snapshot::{AzureIdentity, Identity};
use net::tasks::Tasks;

use super::{AHEAD, BACK_OFF, Credential, LOOK_AGAIN, Refreshes, back_off, until_renewal};
use crate::error::ErrorKind;
use crate::source::Source;
use crate::testing::{self, Endpoint, client, variables};

#[test]
fn a_token_is_renewed_well_ahead_of_its_end() {
    let hour = Duration::from_secs(3600);
    for random in [0.0, 0.5, 0.999] {
        let ahead = hour - until_renewal(Some(hour), random);
        assert!(ahead <= AHEAD && ahead >= AHEAD.mul_f64(0.8), "{ahead:?}");
        let short = Duration::from_secs(40);
        let ahead = short - until_renewal(Some(short), random);
        assert!(ahead <= short / 4 && ahead >= short / 5, "{ahead:?}");
        // One that comes expired must not be asked for without end.
        assert!(until_renewal(Some(Duration::ZERO), random) >= Duration::from_secs(1));
        assert!(until_renewal(None, random) <= LOOK_AGAIN);
    }
}

#[test]
fn failures_are_repeated_more_and_more_seldom() {
    let (first, longest) = BACK_OFF;
    assert_eq!(back_off(1, 1.0), first);
    assert_eq!(back_off(3, 1.0), first * 4);
    assert_eq!(back_off(3, 0.0), first * 2);
    assert_eq!(back_off(u32::MAX, 1.0), longest);
}

fn source(endpoint: &Endpoint) -> Source {
    let identity = Identity::Azure(AzureIdentity {
        tenant_id: None,
        client_id: None,
        client_secret: None,
        federated_token_file: None,
        scope: "s".to_owned(),
    });
    let variables = variables([("AZURE_POD_IDENTITY_AUTHORITY_HOST", &endpoint.url)]);
    Source::new(&identity, "h", &variables).unwrap()
}

fn sent(credential: &Credential) -> Result<String, ErrorKind> {
    let token = credential.token().map_err(|error| error.kind)?;
    Ok(testing::sent(&token).to_owned())
}

#[tokio::test]
async fn what_an_upstream_refuses_is_renewed_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let endpoint = Endpoint::start(move |_| {
        let count = counted.fetch_add(1, Ordering::Relaxed);
        (200, testing::granted(&format!("t{count}")))
    })
    .await;
    let credential = Arc::new(Credential::new("p".into(), source(&endpoint)));
    let (tasks, kept) = (Tasks::new(), Arc::clone(&credential));
    let keeper = tasks.spawn("credential", async move { kept.keep(&client()).await });
    credential.tried().await;
    let first = credential.token().unwrap();
    credential.refused(&first);
    eventually("renewed", || {
        sent(&credential) == Ok("Bearer t1".to_owned())
    })
    .await;
    // One that is no longer at hand says nothing, and the new one has just been had.
    credential.refused(&first);
    credential.refused(&credential.token().unwrap());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    keeper.abort();
}

#[tokio::test]
async fn what_comes_expired_is_a_failure() {
    let expired = "{\"access_token\":\"t\",\"expires_in\":\"0\"}";
    let endpoint = Endpoint::always(200, expired).await;
    let credential = Credential::new("p".into(), source(&endpoint));
    assert!(!credential.refresh(&client()).await);
    assert_eq!(sent(&credential), Err(ErrorKind::Malformed));
    let Refreshes { succeeded, failed } = credential.refreshes();
    assert_eq!((succeeded, failed), (0, 1));
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn a_token_is_had_renewed_and_kept_until_its_end() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    // The first two are good for so short a time that the test sees their end; then all fails.
    let endpoint = Endpoint::start(move |_| match counted.fetch_add(1, Ordering::Relaxed) {
        count @ 0..2 => (
            200,
            format!("{{\"access_token\":\"t{count}\",\"expires_in\":\"3\"}}"),
        ),
        _ => (500, String::new()),
    })
    .await;
    let credential = Arc::new(Credential::new("p".into(), source(&endpoint)));
    assert_eq!(sent(&credential), Err(ErrorKind::Pending));
    let (tasks, kept) = (Tasks::new(), Arc::clone(&credential));
    let keeper = tasks.spawn("credential", async move { kept.keep(&client()).await });
    credential.tried().await;
    assert_eq!(sent(&credential), Ok("Bearer t0".to_owned()));
    let first = credential.expires().unwrap();
    eventually("renewed", || {
        sent(&credential) == Ok("Bearer t1".to_owned())
    })
    .await;
    assert!(credential.expires().unwrap() > first);
    eventually("failed", || credential.refreshes().failed > 0).await;
    assert_eq!(
        sent(&credential),
        Ok("Bearer t1".to_owned()),
        "while it is good"
    );
    eventually("over", || sent(&credential) == Err(ErrorKind::Unreachable)).await;
    assert_eq!(credential.refreshes().succeeded, 2);
    keeper.abort();
}
