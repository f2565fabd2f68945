use super::*;
use crate::endpoint::EndpointSpec;
use crate::identity::Address;

#[test]
fn a_pool_keeps_its_endpoints_when_it_is_configured_again() {
    let registry = Registry::new();
    let pool = registry.upsert("chat", PoolConfig::default());
    pool.set_endpoints(vec![EndpointSpec::new("a", Address::new("a", 80))]);
    let again = registry.upsert("chat", PoolConfig::default());
    assert!(Arc::ptr_eq(&pool, &again));
    assert_eq!(again.endpoints().len(), 1);
}

#[test]
fn pools_that_are_not_kept_are_forgotten() {
    let registry = Registry::new();
    registry.upsert("chat", PoolConfig::default());
    registry.upsert("embed", PoolConfig::default());
    registry.retain(|name| name == "embed");
    assert!(registry.pool("chat").is_none());
    assert!(registry.pool("embed").is_some());
    assert_eq!(registry.pools().len(), 1);
}
