use super::*;

const FOUR: NonZeroU32 = NonZeroU32::MIN.saturating_add(3);
const TEN: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

fn tokens(prompt: &[u32], output: &[u32], salt: u64) -> Sequence {
    Sequence::from_tokens(prompt, output, salt, FOUR).unwrap()
}

fn common(left: &Sequence, right: &Sequence) -> usize {
    left.hashes()
        .iter()
        .zip(right.hashes())
        .take_while(|(a, b)| a == b)
        .count()
}

#[test]
fn equal_prefixes_share_exactly_their_full_blocks() {
    let prompt: Vec<u32> = (0..14).collect();
    let check = |other: &[u32], expect| {
        assert_eq!(
            common(&tokens(&prompt, &[], 0), &tokens(other, &[], 0)),
            expect,
            "{other:?}"
        );
    };
    check(&prompt, 3);
    check(&prompt[..9], 2);
    check(&[0, 1, 2, 3, 4, 5, 6, 99, 8, 9, 10, 11], 1);
    check(&[99, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], 0);
}

#[test]
fn a_next_turn_shares_the_output_of_the_one_before() {
    let turn = tokens(&[1, 2, 3], &[4, 5, 6, 7, 8], 0);
    let next = tokens(&[1, 2, 3, 4, 5, 6, 7, 8, 9], &[10], 0);
    assert_eq!(turn.hashes().len(), 2);
    assert_eq!(common(&turn, &next), 2);
}

#[test]
fn salts_keep_equal_prompts_apart() {
    let prompt = [1, 2, 3, 4];
    let salts = [
        &["m"][..],
        &["m", ""],
        &["m", "a"],
        &["ma"],
        &["m", "a", "s"],
    ];
    for (at, left) in salts.iter().enumerate() {
        for right in &salts[at + 1..] {
            let (left, right) = (
                tokens(&prompt, &[], salt(left)),
                tokens(&prompt, &[], salt(right)),
            );
            assert_eq!(common(&left, &right), 0);
        }
    }
}

#[test]
fn chunks_share_as_many_blocks_as_the_trace_says() {
    let check = |chunks: &[u64], prompt_tokens, expect| {
        let base = Sequence::from_chunks(&[7, 8, 9], TEN, 25, 4, 1, FOUR).unwrap();
        let other = Sequence::from_chunks(chunks, TEN, prompt_tokens, 4, 2, FOUR).unwrap();
        assert_eq!(common(&base, &other), expect, "{chunks:?} {prompt_tokens}");
    };
    check(&[7, 8, 9], 25, 6);
    check(&[7, 8, 10], 25, 5);
    check(&[7, 11, 9], 25, 2);
    check(&[6, 8, 9], 25, 0);
    check(&[7, 8, 9], 15, 3);
}

#[test]
fn what_cannot_be_a_sequence_is_refused() {
    assert_eq!(
        Sequence::from_tokens(&[], &[1], 0, FOUR),
        Err(SequenceError::EmptyPrompt)
    );
    assert_eq!(
        Sequence::from_chunks(&[1], TEN, 11, 0, 0, FOUR),
        Err(SequenceError::Chunks {
            prompt_tokens: 11,
            needed: 2,
            got: 1
        })
    );
    assert_eq!(
        Sequence::from_chunks(&[1], TEN, u32::MAX, 1, 0, FOUR),
        Err(SequenceError::TooLong(1 << 32))
    );
}
