use super::*;

/// Asserts what must hold of a cache whenever `tables` are all the sequences that use it.
pub(crate) fn assert_sound(kv: &KvCache, tables: &[&[BlockId]]) {
    let mut references = vec![0; kv.blocks.len()];
    for id in tables.iter().copied().flatten() {
        references[id.0 as usize] += 1;
    }
    for (at, block) in kv.blocks.iter().enumerate() {
        assert_eq!(block.references, references[at], "references of block {at}");
        if let Some(hash) = block.hash {
            assert_eq!(
                kv.cached.get(&hash),
                Some(&BlockId(at as u32)),
                "a hash finds its block"
            );
        }
    }
    let used = references.iter().filter(|count| **count > 0).count() as u32;
    assert_eq!(
        kv.used(),
        used,
        "a block is free if and only if nothing refers to it"
    );
    assert_eq!(
        kv.cached.len(),
        kv.blocks
            .iter()
            .filter(|block| block.hash.is_some())
            .count()
    );
    let mut free = kv.free.clone();
    let drained: std::collections::BTreeSet<u32> =
        std::iter::from_fn(|| free.pop_front()).collect();
    assert_eq!(
        drained.len() as u32,
        kv.total() - used,
        "no block is free twice"
    );
    assert!(
        drained.iter().all(|at| references[*at as usize] == 0),
        "no used block is free"
    );
}

/// Runs a sequence of `hashes` through the cache; returns how many blocks it found.
fn run(kv: &mut KvCache, hashes: &[u64]) -> u32 {
    let (mut hits, mut table) = (Hits::default(), Vec::new());
    kv.find(hashes, &mut hits);
    assert!(kv.admit(&hits, hashes.len() as u32, &mut table));
    table
        .iter()
        .zip(hashes)
        .for_each(|(block, hash)| kv.register(*block, *hash));
    assert_sound(kv, &[&table]);
    kv.release(&mut table);
    assert_sound(kv, &[]);
    hits.len()
}

#[test]
fn a_released_sequence_is_found_again() {
    let mut kv = KvCache::new(4, 0);
    assert_eq!(run(&mut kv, &[1, 2, 3]), 0);
    assert_eq!(run(&mut kv, &[1, 2, 9]), 2);
    assert_eq!(run(&mut kv, &[8, 2]), 0, "nothing is found behind a gap");
}

#[test]
fn the_least_recent_chain_shrinks_from_its_tail() {
    let mut kv = KvCache::new(6, 0);
    run(&mut kv, &[1, 2, 3]);
    run(&mut kv, &[11, 12]);
    run(&mut kv, &[21, 22]);
    assert_eq!(
        kv.count_hits(&[1, 2, 3]),
        2,
        "one block short: the oldest chain's tail went"
    );
    assert_eq!(kv.count_hits(&[11, 12]), 2);
    run(&mut kv, &[31, 32, 33]);
    assert_eq!(kv.count_hits(&[1, 2, 3]), 0);
    assert_eq!(kv.count_hits(&[11, 12]), 1);
}

#[test]
fn blocks_without_content_are_taken_first() {
    let mut kv = KvCache::new(3, 0);
    run(&mut kv, &[1, 2]);
    let mut table = Vec::new();
    assert!(kv.extend(1, &mut table));
    kv.release(&mut table);
    assert!(kv.extend(1, &mut table));
    assert_eq!(kv.count_hits(&[1, 2]), 2);
}

#[test]
fn a_refused_admission_changes_nothing() {
    let mut kv = KvCache::new(4, 0);
    run(&mut kv, &[1, 2]);
    let (mut hits, mut table) = (Hits::default(), Vec::new());
    kv.find(&[1, 2, 3, 4, 5], &mut hits);
    assert!(!kv.admit(&hits, 5, &mut table));
    assert!(table.is_empty());
    assert_sound(&kv, &[]);
    assert_eq!(kv.count_hits(&[1, 2]), 2);
}

#[test]
fn two_sequences_share_the_blocks_that_both_begin_with() {
    let mut kv = KvCache::new(4, 0);
    run(&mut kv, &[1, 2]);
    let (mut hits, mut left, mut right) = (Hits::default(), Vec::new(), Vec::new());
    kv.find(&[1, 2, 3], &mut hits);
    assert!(kv.admit(&hits, 3, &mut left));
    kv.find(&[1, 2, 4], &mut hits);
    assert!(kv.admit(&hits, 3, &mut right));
    assert_eq!(kv.used(), 4);
    assert_sound(&kv, &[&left, &right]);
    kv.release(&mut left);
    assert_eq!(kv.used(), 3);
    assert_sound(&kv, &[&right]);
}

#[test]
fn the_host_tier_keeps_what_the_gpu_evicts() {
    let mut kv = KvCache::new(3, 4);
    run(&mut kv, &[1, 2, 3]);
    run(&mut kv, &[11, 12, 13]);
    let mut hits = Hits::default();
    kv.find(&[1, 2, 3], &mut hits);
    assert_eq!((hits.blocks.len(), hits.host), (0, 3));
    assert_eq!(run(&mut kv, &[1, 2, 3]), 3);
    run(&mut kv, &[21, 22, 23]);
    assert_eq!(kv.count_hits(&[1, 2, 3]), 3, "used last, so still there");
    assert_eq!(
        kv.count_hits(&[11, 12, 13]),
        1,
        "only its head survives in four host blocks"
    );
}
