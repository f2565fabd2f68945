use super::*;

const COST: StepCost = StepCost {
    floor: 10.0,
    weights: 4.0,
    per_token: 0.5,
    per_square: 0.001,
    per_decode: 0.1,
    per_context: 0.01,
    overhead: 1.0,
};

#[test]
fn a_step_costs_what_the_formula_says() {
    let check = |prefills: &[(u32, u32)], contexts: &[u32], millis: f64| {
        let mut load = StepLoad::default();
        prefills
            .iter()
            .for_each(|(start, tokens)| load.add_prefill(*start, *tokens));
        contexts
            .iter()
            .for_each(|context| load.add_decode(*context));
        assert_eq!(
            COST.time(&load),
            Nanos::from_millis_f64(millis),
            "{prefills:?} {contexts:?}"
        );
    };
    check(&[], &[100], 10.0 + 1.0 + 0.1 + 1.0);
    check(&[], &[100, 50], 10.0 + 1.0 + 0.2 + 1.5);
    check(&[(0, 100)], &[], 54.0 + 1.0 + 10.0);
    check(&[(100, 100)], &[], 54.0 + 1.0 + 30.0);
    check(&[(0, 10), (20, 10)], &[100], 14.5 + 1.0 + 0.1 + 1.0 + 0.6);
}

#[test]
fn named_profiles_can_be_run() {
    for name in Profile::NAMES {
        let profile = Profile::named(name).unwrap();
        assert_eq!(profile.name, name);
        assert_eq!(profile.validate(), Ok(()));
    }
    assert_eq!(Profile::named("gpt"), None);
}
