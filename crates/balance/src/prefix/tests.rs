use proptest::prelude::*;

use super::*;

/// The chained hashes of a text whose characters are blocks.
fn chain(text: &str) -> Vec<u64> {
    let mut hash = 7_u64;
    let chained = text.bytes().map(|byte| {
        hash = (hash ^ u64::from(byte))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(29);
        hash
    });
    chained.collect()
}

fn found(index: &PrefixIndex, text: &str) -> Vec<u32> {
    let mut found = [9; 3];
    index.look_up(&chain(text), &mut found);
    found.to_vec()
}

fn index(capacity: u64) -> PrefixIndex {
    let mut index = PrefixIndex::default();
    (0..3).for_each(|slot| index.set_capacity(slot, capacity));
    index
}

#[test]
fn each_endpoint_is_found_with_what_it_holds() {
    let mut index = index(100);
    index.insert(0, &chain("system a"), |_| 1);
    index.insert(1, &chain("system b"), |_| 1);
    index.insert(1, &chain("sys"), |_| 1);
    index.insert(2, &chain("other"), |_| 1);
    index.check();
    assert_eq!(found(&index, "system a, and more"), [8, 7, 0]);
    assert_eq!(found(&index, "system bc"), [7, 8, 0]);
    assert_eq!(found(&index, "syste"), [5, 5, 0]);
    assert_eq!(found(&index, "x"), [0, 0, 0]);
    assert_eq!(found(&index, ""), [0, 0, 0]);
    assert_eq!((index.held(0), index.held(1), index.blocks()), (8, 8, 14));
}

#[test]
fn the_end_of_what_was_used_longest_ago_goes_first() {
    let mut index = index(10);
    index.insert(0, &chain("aaaa-1"), |_| 1);
    index.insert(0, &chain("bbb"), |_| 1);
    // Three blocks too many: of the two, the first was used longest ago.
    index.insert(0, &chain("bbbcccc"), |_| 1);
    index.check();
    assert_eq!(found(&index, "aaaa-1"), [3, 0, 0]);
    assert_eq!(found(&index, "bbbcccc"), [7, 0, 0]);
    // Used again, it stays, and the other's end goes.
    index.insert(0, &chain("aaa"), |_| 1);
    index.insert(0, &chain("dd"), |_| 1);
    index.check();
    assert_eq!(found(&index, "aaaa-1"), [3, 0, 0]);
    assert_eq!(found(&index, "bbbcccc"), [5, 0, 0]);
}

#[test]
fn room_is_counted_in_tokens() {
    let mut index = index(100);
    let sizes = [40, 30, 20, 10];
    index.insert(0, &chain("abcd"), |at| sizes[at]);
    index.check();
    assert_eq!((index.held(0), found(&index, "abcd")[0]), (100, 4));
    // 25 tokens more: the last two blocks go, which are of 30.
    index.insert(0, &chain("x"), |_| 25);
    index.check();
    assert_eq!((index.held(0), found(&index, "abcd")[0]), (95, 2));
    // What does not fit at all is not held, but as far as it goes.
    index.insert(1, &chain("pq"), |at| [60, 50][at]);
    index.check();
    assert_eq!((index.held(1), found(&index, "pq")[1]), (60, 1));
}

#[test]
fn a_hash_that_stands_elsewhere_is_left_alone() {
    let mut index = index(100);
    index.insert(0, &[1, 2, 3], |_| 1);
    index.insert(1, &[9], |_| 1);
    // The same hash behind another prefix can only be a collision.
    index.insert(1, &[9, 1, 7], |_| 1);
    index.check();
    let mut found = [0; 2];
    index.look_up(&[1, 2, 3], &mut found);
    assert_eq!(found, [3, 0]);
    index.look_up(&[9, 1, 7], &mut found);
    assert_eq!(found, [0, 1]);
    index.clear(1);
    index.check();
    index.look_up(&[1, 2, 3], &mut found);
    assert_eq!(found, [3, 0]);
}

#[test]
fn a_path_that_is_used_as_one_becomes_one() {
    let mut index = index(100);
    for end in 1..=8 {
        index.insert(0, &chain("abcdefgh")[..end], |_| 1);
        index.check();
    }
    index.insert(0, &chain("abcdefgh"), |_| 1);
    index.check();
    assert_eq!(index.nodes(), 1);
}

#[test]
fn what_is_longer_than_a_cache_is_held_as_far_as_it_goes() {
    let mut index = index(4);
    index.insert(0, &chain("abcdefgh"), |_| 1);
    index.check();
    assert_eq!(found(&index, "abcdefgh"), [4, 0, 0]);
    index.set_capacity(0, 2);
    index.check();
    assert_eq!(found(&index, "abcdefgh"), [2, 0, 0]);
    index.clear(0);
    index.check();
    assert_eq!(
        (found(&index, "abcdefgh"), index.blocks()),
        (vec![0, 0, 0], 0)
    );
}

/// The same, as plainly as it can be said: every prefix that an endpoint holds, and when it used it.
#[derive(Default)]
struct Plain {
    held: std::collections::BTreeMap<(Slot, String), u64>,
    uses: u64,
}

impl Plain {
    fn insert(&mut self, slot: Slot, text: &str, capacity: usize) {
        self.uses += 1;
        let most = capacity.min(text.len());
        for end in 1..=most {
            self.held.insert((slot, text[..end].to_owned()), self.uses);
        }
        while self.held.keys().filter(|(of, _)| *of == slot).count() > capacity {
            let is_end = |text: &str| {
                let goes_on = |other: &&(Slot, String)| {
                    other.0 == slot && other.1.len() == text.len() + 1 && other.1.starts_with(text)
                };
                !self.held.keys().any(|other| goes_on(&other))
            };
            let ends = self
                .held
                .iter()
                .filter(|((of, text), _)| *of == slot && is_end(text));
            let oldest = ends.min_by_key(|(_, used)| **used).unwrap().0.clone();
            self.held.remove(&oldest);
        }
    }

    fn found(&self, slot: Slot, text: &str) -> u32 {
        let held = |end: &usize| self.held.contains_key(&(slot, text[..*end].to_owned()));
        (1..=text.len()).take_while(held).count() as u32
    }
}

proptest! {
    #[test]
    fn it_holds_what_the_plain_model_does(
        steps in proptest::collection::vec((0_u16..3, "[ab]{0,2}[a-c]{0,6}", 0_u8..10), 1..60),
        probe in "[ab]{0,2}[a-c]{0,6}",
    ) {
        let capacity = 12;
        let (mut index, mut plain) = (index(capacity), Plain::default());
        for (slot, text, what) in steps {
            match what {
                0 => {
                    index.clear(slot);
                    plain.held.retain(|(of, _), _| *of != slot);
                }
                _ => {
                    index.insert(slot, &chain(&text), |_| 1);
                    plain.insert(slot, &text, 12);
                }
            }
            index.check();
            for slot in 0..3 {
                prop_assert_eq!(found(&index, &probe)[usize::from(slot)], plain.found(slot, &probe));
                prop_assert_eq!(found(&index, &text)[usize::from(slot)], plain.found(slot, &text));
            }
        }
    }
}
