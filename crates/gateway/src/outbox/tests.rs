use proptest::prelude::*;

use super::*;

fn outbox(sizes: &[usize]) -> Outbox {
    let mut outbox = Outbox::default();
    for (index, size) in sizes.iter().enumerate() {
        outbox.push(Bytes::from(vec![u8::try_from(index % 251).unwrap(); *size]));
    }
    outbox
}

fn sizes(mut outbox: Outbox) -> Vec<usize> {
    std::iter::from_fn(|| outbox.take().map(|bytes| bytes.len())).collect()
}

#[test]
fn small_pieces_leave_together_and_large_ones_alone() {
    let check = |given: &[usize], expect: &[usize]| assert_eq!(sizes(outbox(given)), expect);
    check(&[], &[]);
    check(&[10], &[10]);
    check(&[10, 20, 30], &[60]);
    check(&[10, LARGE, 30], &[10, LARGE, 30]);
    check(&[LARGE, 10, 20, LARGE], &[LARGE, 30, LARGE]);
    check(&[1000; 20], &[17_000, 3_000]);
}

#[test]
fn it_has_enough_when_more_would_not_make_one_piece() {
    assert!(!outbox(&[]).has_enough());
    assert!(!outbox(&[LARGE - 1]).has_enough());
    assert!(outbox(&[LARGE]).has_enough());
    assert!(outbox(&[1000; 17]).has_enough());
}

proptest! {
    #[test]
    fn bytes_leave_in_order_and_none_is_lost(given in prop::collection::vec(0..9000usize, 0..40)) {
        let whole: Vec<u8> = outbox(&given).pieces.iter().flatten().copied().collect();
        let mut outbox = outbox(&given);
        prop_assert_eq!(outbox.len(), whole.len());
        let mut taken = Vec::new();
        while let Some(bytes) = outbox.take() {
            prop_assert!(!bytes.is_empty() && bytes.len() < ENOUGH + LARGE.max(9000));
            taken.extend_from_slice(&bytes);
            prop_assert_eq!(outbox.len() + taken.len(), whole.len());
        }
        prop_assert!(outbox.is_empty());
        prop_assert_eq!(taken, whole);
    }
}
