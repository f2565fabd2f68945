//! Every target over its corpus, and over mutations of it from a fixed seed: the same in every run,
//! so that it never fails by chance, and never finds anything new by itself.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod mutate;

use fuzz::{TARGETS, Target};
use mutate::Mutator;
use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
};

/// Mutations of each target's corpus.
const MUTATIONS: u32 = 5000;

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The files of a target's corpus in the order of their names.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let directory = directory("corpus").join(target.name);
    let files = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{directory:?}: {error}"));
    let paths: BTreeSet<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    assert!(!paths.is_empty(), "{directory:?} is empty");
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn tokens(target: &Target) -> Vec<Vec<u8>> {
    let path = directory("dictionaries").join(format!("{}.dict", target.dictionary));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    mutate::dictionary(&text)
}

/// Runs an input; keeps it in a file if it fails.
fn run(target: &Target, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.input", target.name));
        fs::write(&path, input).unwrap();
        panic!(
            "target {} fails on {path:?}; copy it to fuzz/corpus/{0} when it is mended\n{:?}",
            target.name,
            String::from_utf8_lossy(input)
        );
    }
}

fn run_briefly(target: &Target) {
    let corpus = corpus(target);
    corpus.iter().for_each(|input| run(target, input));
    let mut mutator = Mutator::new(corpus, tokens(target));
    for _ in 0..MUTATIONS {
        run(target, &mutator.mutation());
    }
}

#[test]
fn every_target_reads_its_corpus_and_mutations_of_it() {
    thread::scope(|scope| {
        for target in TARGETS {
            scope.spawn(|| run_briefly(target));
        }
    });
}

/// `cargo xtask fuzz` takes the names of the targets from there.
#[test]
fn every_corpus_has_a_target() {
    let directories = fs::read_dir(directory("corpus")).unwrap();
    let corpora: BTreeSet<String> = directories
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let targets: BTreeSet<String> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(corpora, targets);
}
