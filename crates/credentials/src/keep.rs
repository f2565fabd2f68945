//! One good token at hand, renewed ahead of its end.
//!
//! Requests read what is there; a task of its own asks for more. A token that could not be renewed
//! stays in use for as long as it is good: a token endpoint may be down for minutes before anybody
//! but the operator notices.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::now;
use crate::source::Source;
use crate::token::Token;

/// How long before its end a token is renewed, if it lives long enough. Metadata services hand out a
/// new one five minutes before the end of the old one and not earlier.
const AHEAD: Duration = Duration::from_secs(5 * 60);

/// How often what has no end is looked up again: a file may have changed.
const LOOK_AGAIN: Duration = Duration::from_secs(5 * 60);

/// The first pause after a failure, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How long may pass between two looks at the time of day: a machine that was suspended has slept
/// less than its clock says.
const NAP: Duration = Duration::from_secs(30);

/// The shortest pause between two tokens, whatever end they name.
const BREATH: Duration = Duration::from_secs(1);

/// How long after a token was renewed since an upstream refused it the next one is for the same
/// reason: a request may be refused for what it asks as well.
const REST: Duration = Duration::from_secs(60);

/// A credential that is kept good.
#[derive(Debug)]
pub struct Credential {
    /// Whose it is, for the log.
    owner: Arc<str>,
    source: Source,
    state: ArcSwap<State>,
    tried: watch::Sender<bool>,
    refused: Notify,
    succeeded: AtomicU64,
    failed: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Arc<Token>>,
    /// Why there is no newer one.
    error: Option<Error>,
}

/// How often a token was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refreshes {
    /// And was had.
    pub succeeded: u64,
    /// And was not.
    pub failed: u64,
}

impl Credential {
    /// The credential that `source` hands out to `owner`, not asked for yet.
    #[must_use]
    pub fn new(owner: Arc<str>, source: Source) -> Self {
        Self {
            owner,
            source,
            state: ArcSwap::default(),
            tried: watch::Sender::new(false),
            refused: Notify::new(),
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// The token to use now.
    ///
    /// # Errors
    /// There is none that is good, and this is why.
    pub fn token(&self) -> Result<Arc<Token>, Error> {
        let state = self.state.load();
        match &state.token {
            Some(token) if token.is_good(now()) => Ok(Arc::clone(token)),
            _ => Err(match &state.error {
                Some(error) => error.clone(),
                None => Error::new(ErrorKind::Pending, "it is being asked for"),
            }),
        }
    }

    /// An upstream has refused this token, which may have been revoked ahead of its end: another is
    /// asked for soon, if it is still the one at hand.
    pub fn refused(&self, token: &Arc<Token>) {
        let state = self.state.load();
        if state
            .token
            .as_ref()
            .is_some_and(|own| Arc::ptr_eq(own, token))
        {
            self.refused.notify_one();
        }
    }

    /// Whoever hands it out.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// When the token at hand is good no longer, if there is one with an end.
    #[must_use]
    pub fn expires(&self) -> Option<SystemTime> {
        self.state.load().token.as_ref()?.expires
    }

    /// How often a token was asked for.
    #[must_use]
    pub fn refreshes(&self) -> Refreshes {
        Refreshes {
            succeeded: self.succeeded.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }

    /// Waits until it has been asked for once, with whatever result.
    pub async fn tried(&self) {
        let mut tried = self.tried.subscribe();
        // The sender is `self`'s.
        drop(tried.wait_for(|tried| *tried).await);
    }

    /// Keeps it good, for ever.
    pub async fn keep(&self, client: &Client) {
        let mut failures = 0;
        let mut renewed = None;
        loop {
            let pause = if self.refresh(client).await {
                failures = 0;
                let good_for = self
                    .state
                    .load()
                    .token
                    .as_ref()
                    .map(|it| it.good_for(now()));
                until_renewal(good_for.flatten(), fastrand::f64())
            } else {
                failures += 1;
                back_off(failures, fastrand::f64())
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.refused_again(&mut renewed) => {}
            }
        }
    }

    /// Waits until an upstream refuses the token, and `renewed` for the same reason is long ago.
    async fn refused_again(&self, renewed: &mut Option<SystemTime>) {
        loop {
            self.refused.notified().await;
            let since = renewed.map(|at| now().duration_since(at).unwrap_or_default());
            if since.is_none_or(|since| since >= REST) {
                *renewed = Some(now());
                return;
            }
        }
    }

    /// Asks for a token; whether there is one.
    async fn refresh(&self, client: &Client) -> bool {
        let fetched = self.source.fetch(client, now()).await;
        let fetched = fetched.and_then(in_time);
        let had = fetched.is_ok();
        match fetched {
            Ok(token) => {
                self.succeeded.fetch_add(1, Ordering::Relaxed);
                self.state.store(Arc::new(State {
                    token: Some(Arc::new(token)),
                    error: None,
                }));
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(provider = &*self.owner, %error, "no new credential");
                let token = self.state.load().token.clone();
                let error = Some(error);
                self.state.store(Arc::new(State { token, error }));
            }
        }
        self.tried.send_replace(true);
        had
    }
}

/// Refuses a token whose end has passed: who hands out such a one will do so again at once.
fn in_time(token: Token) -> Result<Token, Error> {
    match token.is_good(now()) {
        true => Ok(token),
        false => Err(Error::malformed(
            "what was handed out has expired already: is the clock right?",
        )),
    }
}

/// How long after a token was had the next one is asked for. `random` is in 0 to 1: many gateways
/// that began together must not all ask together.
fn until_renewal(good_for: Option<Duration>, random: f64) -> Duration {
    let Some(good_for) = good_for else {
        return LOOK_AGAIN.mul_f64(0.8 + 0.2 * random);
    };
    let ahead = AHEAD.min(good_for / 4).mul_f64(0.8 + 0.2 * random);
    (good_for - ahead).max(BREATH)
}

/// How long after so many failures in a row it is tried again, with half of that left to chance.
fn back_off(failures: u32, random: f64) -> Duration {
    let (first, longest) = BACK_OFF;
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(longest).mul_f64(0.5 + 0.5 * random)
}

/// Sleeps by the time of day.
async fn sleep(pause: Duration) {
    let end = now() + pause;
    while let Ok(left) = end.duration_since(now())
        && !left.is_zero()
    {
        tokio::time::sleep(left.min(NAP)).await;
    }
}
