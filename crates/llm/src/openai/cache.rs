//! Marks for a cache, as both of OpenAI's APIs of conversations have them.

#[cfg(test)]
mod tests;

use crate::canonical::Cache;
use crate::wire::{Fault, Value};

/// OpenAI's longer time to keep a prompt.
const HALF_A_DAY: &str = "12h";

/// The longer time of the others.
const HOUR: &str = "1h";

/// Reads a `prompt_cache_breakpoint`. Each provider has a shorter and a longer time to keep a prompt,
/// and no two the same: the shorter is what holds where nothing is said.
pub(super) fn breakpoint<'a>(value: Value<'a, '_>) -> Result<Cache<'a>, Fault> {
    let mut fields = value.object()?;
    let ttl = fields.text("ttl")?;
    // There is but one.
    fields.ignore(&["mode"]);
    fields.finish()?;
    let ttl = ttl.filter(|ttl| ttl == HALF_A_DAY);
    Ok(Cache {
        ttl: ttl.map(|_| HOUR.into()),
    })
}
