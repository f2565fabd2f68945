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

/// The corpora and tokens of a form.
fn directory(form: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(form)
}

/// The files of a target's corpus in the order of their names.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let directory = directory(target.form).join(target.name);
    let paths = entries(&directory);
    assert!(!paths.is_empty(), "{directory:?} is empty");
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn entries(directory: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{directory:?}: {error}"));
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn tokens(target: &Target) -> Vec<Vec<u8>> {
    let path = directory(target.form).join("tokens.dict");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    mutate::dictionary(&text)
}

/// Runs an input; keeps it in a file if it fails.
fn run(target: &Target, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.input", target.name));
        fs::write(&path, input).unwrap();
        panic!(
            "target {} fails on {path:?}; copy it to fuzz/corpus/{}/{0} when it is mended\n{:?}",
            target.name,
            target.form,
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

/// `cargo xtask fuzz` knows the targets by their corpora.
#[test]
fn every_corpus_has_a_target() {
    let forms = entries(&directory(""));
    let corpora = forms.iter().flat_map(|form| entries(form));
    let corpora: BTreeSet<PathBuf> = corpora.filter(|path| path.is_dir()).collect();
    let directory = |target: &Target| directory(target.form).join(target.name);
    assert_eq!(corpora, TARGETS.iter().map(directory).collect());
}
