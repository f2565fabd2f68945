use proptest::prelude::*;

use super::*;

fn limits(max_tokens: u32) -> Limits {
    Limits {
        max_tokens,
        min_tokens: 0,
        ignore_eos: false,
        stop: Vec::new(),
        include_stop: false,
        natural_tokens: (40, 60),
    }
}

fn tokens(answer: &Answer) -> u32 {
    answer.ids().len() as u32
}

fn joined(answer: &Answer) -> String {
    (0..tokens(answer))
        .map(|at| answer.delta(at, at + 1))
        .collect()
}

#[test]
fn an_answer_ends_by_limit_or_by_itself() {
    let short = Answer::plan(1, &limits(10));
    assert_eq!((tokens(&short), &short.finish), (10, &Finish::Length));
    let own = Answer::plan(1, &limits(1_000));
    assert_eq!(own.finish, Finish::Eos);
    assert!(
        (41..=61).contains(&tokens(&own)),
        "its own length and the end token"
    );
    assert!(own.text().starts_with(short.text()));
    assert_eq!(
        own.delta(tokens(&own) - 1, tokens(&own)),
        "",
        "the end token has no text"
    );
    let forced = Answer::plan(
        1,
        &Limits {
            ignore_eos: true,
            ..limits(1_000)
        },
    );
    assert_eq!((tokens(&forced), forced.finish), (1_000, Finish::Length));
    let least = Answer::plan(
        1,
        &Limits {
            min_tokens: 100,
            ..limits(1_000)
        },
    );
    assert_eq!(tokens(&least), 101);
}

#[test]
fn what_was_generated_is_tokenized_the_same_in_the_next_turn() {
    let answer = Answer::plan(
        9,
        &Limits {
            ignore_eos: true,
            ..limits(500)
        },
    );
    let mut ids = Vec::new();
    tokenizer::encode(answer.text(), &mut ids);
    assert_eq!(ids, answer.ids());
}

#[test]
fn a_stop_string_ends_the_text_before_it_even_across_tokens() {
    let plain = Answer::plan(
        3,
        &Limits {
            ignore_eos: true,
            ..limits(50)
        },
    );
    let stop = plain.text()[20..31].to_owned();
    let at = plain.text().find(&stop).unwrap();
    let with_stop = |include_stop, min_tokens| {
        let stop = vec!["no such text".to_owned(), stop.clone()];
        let limits = Limits {
            ignore_eos: true,
            stop,
            include_stop,
            min_tokens,
            ..limits(50)
        };
        Answer::plan(3, &limits)
    };
    let cut = with_stop(false, 0);
    assert_eq!(cut.text(), &plain.text()[..at]);
    assert_eq!(cut.finish, Finish::Stop(stop.clone()));
    assert_eq!(joined(&cut), cut.text());
    assert!(
        plain.delta(0, tokens(&cut)).contains(&stop),
        "the tokens of the stop string count"
    );
    assert!(!plain.delta(0, tokens(&cut) - 1).contains(&stop));
    assert_eq!(with_stop(true, 0).text(), &plain.text()[..at + stop.len()]);
    assert_eq!(
        with_stop(false, 50).finish,
        Finish::Length,
        "not before min_tokens"
    );
}

#[test]
fn other_prompts_and_choices_give_other_answers() {
    let seeds = [
        seed_of(&[1, 2], 0, 0),
        seed_of(&[2, 1], 0, 0),
        seed_of(&[1, 2], 1, 0),
        seed_of(&[1, 2], 0, 1),
    ];
    let texts: std::collections::BTreeSet<String> = seeds
        .iter()
        .map(|seed| Answer::plan(*seed, &limits(20)).text().to_owned())
        .collect();
    assert_eq!(texts.len(), 4);
}

proptest! {
    #[test]
    fn deltas_join_to_the_text(
        seed in any::<u64>(),
        max_tokens in 1..200_u32,
        min_tokens in 0..100_u32,
        stop in proptest::collection::vec("[a-zé .]{1,3}", 0..3),
        include_stop in any::<bool>(),
    ) {
        let limits = Limits { min_tokens, stop, include_stop, ..limits(max_tokens) };
        let answer = Answer::plan(seed, &limits);
        prop_assert_eq!(joined(&answer), answer.text());
        prop_assert!((1..=max_tokens).contains(&tokens(&answer)));
        if answer.finish == Finish::Length {
            prop_assert_eq!(tokens(&answer), max_tokens);
        }
    }
}
