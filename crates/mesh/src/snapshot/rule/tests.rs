use super::*;
use crate::snapshot::tests::compile;
use proptest::prelude::*;
use serde_json::json;

fn rule(spec: serde_json::Value) -> Arc<Rule> {
    let endpoints = json!({ "endpoints": [{ "address": "h:1" }] });
    let snapshot = compile(json!({
        "pools": { "a": endpoints, "b": endpoints, "c": endpoints, "d": endpoints },
        "routes": {
            "r": { "rules": [spec] },
            "rest": { "hostnames": ["unused"], "rules": [{ "backendRefs": [
                { "pool": "a" }, { "pool": "b" }, { "pool": "c" }, { "pool": "d" },
            ] }] },
        },
    }));
    let router = &snapshot.listeners()[0].router;
    router
        .matches()
        .map(|(_, rule)| rule)
        .find(|rule| &*rule.route == "r")
        .unwrap()
        .clone()
}

#[test]
fn tiers_are_in_order_of_priority() {
    let rule = rule(json!({ "backendRefs": [
        { "pool": "d", "priority": 7 },
        { "pool": "a", "weight": 3 },
        { "pool": "c", "priority": 1, "weight": 0 },
        { "pool": "b", "model": "other" },
    ] }));
    let tiers = rule.tiers().iter().map(|tier| {
        let names = tier
            .targets()
            .iter()
            .map(|target| target.backend.name.to_string());
        (tier.priority(), names.collect::<Vec<_>>())
    });
    assert_eq!(
        tiers.collect::<Vec<_>>(),
        [(0, vec!["a".into(), "b".into()]), (7, vec!["d".into()])]
    );
    assert_eq!(rule.tiers()[0].targets()[1].model.as_deref(), Some("other"));
}

#[test]
fn a_pick_falls_by_weight() {
    let rule = rule(json!({ "backendRefs": [
        { "pool": "a", "weight": 3 }, { "pool": "b", "weight": 0 }, { "pool": "c", "weight": 1 },
    ] }));
    let picks = (0..400u64).map(|i| rule.tiers()[0].pick(i * (u64::MAX / 399)));
    let mut counts = std::collections::BTreeMap::new();
    picks.for_each(|target| *counts.entry(target.backend.name.to_string()).or_insert(0) += 1);
    assert_eq!(
        counts,
        [("a".to_owned(), 300), ("c".to_owned(), 100)].into()
    );
}

#[test]
fn statuses_are_retried_as_listed() {
    let rule = rule(json!({
        "backendRefs": [{ "pool": "a" }],
        "retry": { "codes": [400, 463, 464, 599] },
    }));
    assert_eq!(rule.retry.codes().collect::<Vec<_>>(), [400, 463, 464, 599]);
    assert!(!rule.retry.retries(StatusCode::OK));
    assert!(!rule.retry.retries(StatusCode::from_u16(999).unwrap()));
}

#[test]
fn pauses_double_up_to_their_bound() {
    let retry = rule(json!({ "backendRefs": [{ "pool": "a" }] }))
        .retry
        .clone();
    let pauses = [0, 1, 5, 6, 40].map(|n| retry.backoff(n).as_millis());
    assert_eq!(pauses, [25, 50, 800, 1000, 1000]);
}

#[test]
fn no_time_is_no_bound() {
    let rule = rule(json!({
        "backendRefs": [{ "pool": "a" }],
        "timeouts": { "request": "0s", "firstToken": "1s", "backendRequest": "2h" },
    }));
    assert_eq!(rule.timeouts.request, None);
    assert_eq!(rule.timeouts.first_token, Some(Duration::from_secs(1)));
    assert_eq!(
        rule.timeouts.backend_request,
        Some(Duration::from_secs(7200))
    );
}

proptest! {
    #[test]
    fn any_number_picks_a_target_that_has_weight(
        weights in proptest::collection::vec(0..=1_000_000u32, 1..4),
        random: u64,
    ) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let refs = weights.iter().zip(["a", "b", "c"]);
        let refs: Vec<_> = refs.map(|(w, name)| json!({ "pool": name, "weight": w })).collect();
        let rule = rule(json!({ "backendRefs": refs }));
        prop_assert!(rule.tiers()[0].pick(random).weight > 0);
    }
}
