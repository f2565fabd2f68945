//! How many retries a pool still bears.
//!
//! A bucket with a bound rather than a window of counts (Linkerd) or a share of the requests
//! that are active (Envoy): one word of state, and streams that last minutes do not entitle to
//! retries for as long as they last.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::config::RetryBudgetConfig;
use crate::time::Time;

#[cfg(all(test, loom))]
mod models;
#[cfg(test)]
mod tests;

/// The balance is kept in hundredths of a retry, in which a deposit is [`RetryBudgetConfig::ratio`].
const RETRY: u64 = 100;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A bucket of retries; full at first.
#[derive(Debug)]
pub struct RetryBudget {
    /// What is above the capacity does not count: a deposit that is under way while the reserve is
    /// made smaller may still fill the larger one.
    balance: AtomicU64,
    /// Up to when the income by time has been credited, [`Time`] in nanoseconds.
    credited: AtomicU64,
    ratio: AtomicU32,
    min_per_second: AtomicU32,
    reserve: AtomicU32,
}

impl RetryBudget {
    pub(crate) fn new(config: RetryBudgetConfig) -> Self {
        Self {
            balance: AtomicU64::new(u64::from(config.reserve) * RETRY),
            credited: AtomicU64::new(0),
            ratio: AtomicU32::new(config.ratio.get()),
            min_per_second: AtomicU32::new(config.min_per_second),
            reserve: AtomicU32::new(config.reserve),
        }
    }

    pub(crate) fn configure(&self, config: RetryBudgetConfig) {
        self.ratio.store(config.ratio.get(), Relaxed);
        self.min_per_second.store(config.min_per_second, Relaxed);
        self.reserve.store(config.reserve, Relaxed);
        self.balance.fetch_min(self.capacity(), Relaxed);
    }

    /// A request was sent for the first time.
    pub fn deposit(&self) {
        self.credit(u64::from(self.ratio.load(Relaxed)));
    }

    /// Whether one retry may be made; if so it is paid for.
    #[must_use]
    pub fn withdraw(&self, now: Time) -> bool {
        self.credit_income(now);
        let capacity = self.capacity();
        let pay = |balance: u64| balance.min(capacity).checked_sub(RETRY);
        self.balance.fetch_update(Relaxed, Relaxed, pay).is_ok()
    }

    /// Retries that could be made at this moment.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.balance.load(Relaxed).min(self.capacity()) / RETRY
    }

    fn capacity(&self) -> u64 {
        u64::from(self.reserve.load(Relaxed)) * RETRY
    }

    fn credit(&self, amount: u64) {
        let capacity = self.capacity();
        let _full = self.balance.fetch_update(Relaxed, Relaxed, |balance| {
            (balance < capacity).then(|| balance.saturating_add(amount).min(capacity))
        });
    }

    /// Credits what time has earned since the last call; of several callers at once one does.
    fn credit_income(&self, now: Time) {
        let rate = u64::from(self.min_per_second.load(Relaxed)) * RETRY;
        let from = self.credited.load(Relaxed);
        let elapsed = now.as_nanos().saturating_sub(from);
        let earned = u128::from(elapsed) * u128::from(rate) / u128::from(NANOS_PER_SECOND);
        let earned = u64::try_from(earned).unwrap_or(u64::MAX);
        if earned == 0 {
            return;
        }
        // Only the time that made whole units is used up, lest frequent calls lose the rest.
        let used = u128::from(earned) * u128::from(NANOS_PER_SECOND) / u128::from(rate);
        let to = from.saturating_add(u64::try_from(used).unwrap_or(u64::MAX));
        if self
            .credited
            .compare_exchange(from, to, Relaxed, Relaxed)
            .is_ok()
        {
            self.credit(earned);
        }
    }
}
