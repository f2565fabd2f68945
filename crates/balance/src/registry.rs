//! The pools by name, outliving the configuration that named them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::config::PoolConfig;
use crate::pool::Pool;

#[cfg(test)]
mod tests;

/// All pools of a process. Looked up when a configuration is compiled, not per request.
#[derive(Debug, Default)]
pub struct Registry {
    pools: RwLock<BTreeMap<String, Arc<Pool>>>,
}

impl Registry {
    /// A registry without pools.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The pool of this name.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<Arc<Pool>> {
        let pools = self.pools.read().unwrap_or_else(PoisonError::into_inner);
        pools.get(name).cloned()
    }

    /// The pool of this name, configured anew or made.
    pub fn upsert(&self, name: &str, config: PoolConfig) -> Arc<Pool> {
        let mut pools = self.pools.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(name) {
            pool.configure(config);
            return Arc::clone(pool);
        }
        let pool = Arc::new(Pool::new(config));
        pools.insert(name.to_owned(), Arc::clone(&pool));
        pool
    }

    /// Forgets the pools that are not to be kept. Who still holds one can finish with it.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        let mut pools = self.pools.write().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|name, _| keep(name));
    }

    /// Every pool with its name, in order of names.
    #[must_use]
    pub fn pools(&self) -> Vec<(String, Arc<Pool>)> {
        let pools = self.pools.read().unwrap_or_else(PoisonError::into_inner);
        pools
            .iter()
            .map(|(name, pool)| (name.clone(), Arc::clone(pool)))
            .collect()
    }
}
