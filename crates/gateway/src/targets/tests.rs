use std::collections::{BTreeMap, BTreeSet};

use balance::Outcome;
use proptest::prelude::*;

use super::*;
use crate::tests::fixture::Fixture;

/// A rule's targets as numbers of endpoints, in tiers.
#[derive(Debug, Clone)]
struct Layout {
    tiers: Vec<Vec<usize>>,
    attempts: u32,
}

impl Layout {
    fn new(tiers: &[&[usize]], attempts: u32) -> Self {
        Self {
            tiers: tiers.iter().map(|tier| tier.to_vec()).collect(),
            attempts,
        }
    }

    fn yaml(&self) -> String {
        let mut pools = String::from("pools:\n");
        let mut refs = String::new();
        for (priority, tier) in self.tiers.iter().enumerate() {
            for (index, endpoints) in tier.iter().enumerate() {
                let name = format!("t{priority}-{index}");
                let endpoints: String = (0..*endpoints)
                    .map(|n| format!("{{ name: e{n}, address: '127.0.0.1:{}' }},", n + 1))
                    .collect();
                pools += &format!(
                    "  - {{ name: {name}, models: [m], endpoints: [{endpoints}], \
                     retryBudget: {{ percent: 100, minRetriesPerSecond: 1000 }} }}\n"
                );
                refs += &format!("          - {{ pool: {name}, priority: {priority} }}\n");
            }
        }
        format!(
            "{pools}routes:\n  - name: r\n    rules:\n      - matches: [{{ model: {{ value: m }} }}]\n\
             \x20       backendRefs:\n{refs}        retry: {{ attempts: {} }}\n",
            self.attempts
        )
    }
}

/// What a request is answered by each endpoint that it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    Error,
    Busy,
    Unreachable,
}

/// Follows a request through a layout until nothing is left; gives the endpoints in their order,
/// and whether each was said to be asked again.
fn follow(layout: &Layout, answers: &[Answered]) -> Vec<(String, bool)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let fixture = runtime.block_on(Fixture::start(&layout.yaml()));
    let (head, ()) = http::Request::post("/v1/chat/completions")
        .body(())
        .unwrap()
        .into_parts();
    let serving = fixture.gateway.shared.runtime.load_full();
    let rule = serving
        .entry("main")
        .unwrap()
        .route("localhost", &head, Some("m"))
        .unwrap()
        .rule;
    let mut targets = Targets::new(&rule, None, None, &serving);
    let mut asked = Vec::new();
    let mut answers = answers.iter().copied().cycle();
    let mut free = false;
    let now = fixture.gateway.shared.clock.now();
    while let Ok(mut candidate) = targets.next(Cost::default(), free, now) {
        let name = format!(
            "{}/{}",
            candidate.target.backend.name,
            candidate.endpoint.id().as_str()
        );
        asked.push((name, candidate.again));
        candidate
            .upstream
            .pool
            .release(candidate.token.take().unwrap(), Outcome::Neutral, now);
        let answered = answers.next().unwrap_or(Answered::Error);
        free = answered == Answered::Unreachable;
        if answered == Answered::Busy {
            targets.was_busy();
        }
        assert!(asked.len() <= 200, "never ends: {asked:?}");
    }
    assert_eq!(fixture.reserved(), 0);
    asked
}

/// Where each endpoint that was asked belongs, for layouts of one endpoint a pool.
fn order(layout: &Layout, answers: &[Answered]) -> Vec<String> {
    follow(layout, answers)
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn tiers_are_asked_in_order_each_with_its_own_attempts() {
    let check = |layout: Layout, answers: &[Answered], expect: &[&str]| {
        assert_eq!(order(&layout, answers), expect, "{layout:?}");
    };
    use Answered::{Busy, Error, Unreachable};
    check(
        Layout::new(&[&[1], &[1], &[1]], 0),
        &[Error],
        &["t0-0/e0", "t1-0/e0", "t2-0/e0"],
    );
    check(
        Layout::new(&[&[1], &[1]], 2),
        &[Error],
        &["t0-0/e0", "t1-0/e0", "t0-0/e0"],
    );
    check(
        Layout::new(&[&[1], &[1]], 2),
        &[Busy, Error],
        &["t0-0/e0", "t1-0/e0", "t1-0/e0"],
    );
    check(
        Layout::new(&[&[1], &[1]], 9),
        &[Busy],
        &["t0-0/e0", "t1-0/e0"],
    );
    check(Layout::new(&[&[1]], 2), &[Unreachable], &["t0-0/e0"; 3]);
    check(Layout::new(&[&[1]], 0), &[Error], &["t0-0/e0"]);
}

#[test]
fn a_tier_is_left_when_its_attempts_are_spent() {
    let asked = order(&Layout::new(&[&[5], &[5]], 1), &[Answered::Error]);
    let tiers: Vec<&str> = asked.iter().map(|name| &name[..2]).collect();
    assert_eq!(tiers, ["t0", "t0", "t1", "t1"]);
}

#[test]
fn targets_of_a_tier_are_drawn_by_weight() {
    let yaml = "
pools:
  - { name: heavy, models: [m], endpoints: [{ address: '127.0.0.1:1' }] }
  - { name: light, models: [m], endpoints: [{ address: '127.0.0.1:1' }] }
routes:
  - name: r
    rules:
      - matches: [{ model: { value: m } }]
        backendRefs: [{ pool: heavy, weight: 9 }, { pool: light, weight: 1 }]
";
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let fixture = runtime.block_on(Fixture::start(yaml));
    let (head, ()) = http::Request::post("/v1/chat/completions")
        .body(())
        .unwrap()
        .into_parts();
    let serving = fixture.gateway.shared.runtime.load_full();
    let rule = serving
        .entry("main")
        .unwrap()
        .route("localhost", &head, Some("m"))
        .unwrap()
        .rule;
    let now = fixture.gateway.shared.clock.now();
    let mut drawn: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..4000 {
        let mut candidate = Targets::new(&rule, None, None, &serving)
            .next(Cost::default(), false, now)
            .ok()
            .unwrap();
        *drawn
            .entry(candidate.target.backend.name.to_string())
            .or_default() += 1;
        candidate
            .upstream
            .pool
            .release(candidate.token.take().unwrap(), Outcome::Neutral, now);
    }
    // 6 standard deviations of a binomial distribution of 4000 draws at 0.1 are 114.
    assert!((286..=514).contains(&drawn["light"]), "{drawn:?}");
}

fn layouts() -> impl Strategy<Value = Layout> {
    let tier = proptest::collection::vec(1_usize..4, 1..3);
    (proptest::collection::vec(tier, 1..4), 0_u32..6)
        .prop_map(|(tiers, attempts)| Layout { tiers, attempts })
}

fn answers() -> impl Strategy<Value = Vec<Answered>> {
    use Answered::{Busy, Error, Unreachable};
    proptest::collection::vec(
        prop_oneof![Just(Error), Just(Busy), Just(Unreachable)],
        1..12,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn attempts_are_bounded_and_new_endpoints_come_first(
        layout in layouts(),
        answers in answers(),
    ) {
        let asked = follow(&layout, &answers);
        let allowed = 1 + layout.attempts as usize;
        prop_assert!(asked.len() <= allowed * layout.tiers.len(), "{asked:?}");
        let mut seen = BTreeSet::new();
        for (name, again) in &asked {
            prop_assert!(seen.insert(name.clone()) || *again, "twice before all: {asked:?}");
        }
        for (index, tier) in layout.tiers.iter().enumerate() {
            let new = seen.iter().filter(|name| name.starts_with(&format!("t{index}-"))).count();
            let all: usize = tier.iter().sum();
            prop_assert_eq!(new, all.min(allowed), "tier {} of {:?}", index, asked);
        }
        let busy = asked.iter().zip(answers.iter().cycle()).filter(|(_, a)| **a == Answered::Busy);
        for ((name, _), _) in busy {
            let last = asked.iter().rposition(|(other, _)| other == name);
            let first_busy = asked
                .iter()
                .zip(answers.iter().cycle())
                .position(|((other, _), a)| other == name && *a == Answered::Busy);
            prop_assert_eq!(last, first_busy, "asked after it was busy: {:?}", asked);
        }
    }
}
