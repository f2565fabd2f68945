//! With real files and the real kernel: what is tested is that its notifications mean what we take
//! them for. Each test waits for a state, not for a time; the limit only ends a test that fails.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::environment::Environment;

/// Well below the poll interval, so that a change is known to have come by notification.
const LIMIT: Duration = Duration::from_secs(3);

fn pool(name: &str) -> String {
    format!("pools:\n  - name: {name}\n    endpoints: [{{address: '10.0.0.7:8000'}}]\n")
}

struct Running {
    states: watch::Receiver<State>,
    _task: tokio::task::JoinSet<()>,
}

impl Running {
    fn start(path: &Path) -> Self {
        let (states, watcher) = watch(Source::open(path, Environment::default())).unwrap();
        let mut task = tokio::task::JoinSet::new();
        task.spawn(watcher.run());
        Self {
            states,
            _task: task,
        }
    }

    async fn until(&mut self, what: &str, holds: impl FnMut(&State) -> bool) -> State {
        let state = timeout(LIMIT, self.states.wait_for(holds)).await;
        state
            .unwrap_or_else(|_| panic!("never: {what}"))
            .unwrap()
            .clone()
    }

    async fn until_pool(&mut self, name: &str) -> State {
        let serves = |state: &State| {
            state
                .loaded
                .snapshot
                .backends()
                .iter()
                .any(|backend| &*backend.name == name)
        };
        self.until(name, serves).await
    }
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn a_file_written_in_place_takes_effect() {
    let root = directory();
    let file = root.path().join("mesh.yaml");
    fs::write(&file, pool("a")).unwrap();
    let mut running = Running::start(&file);
    for name in ["b", "c", "d"] {
        fs::write(&file, pool(name)).unwrap();
        running.until_pool(name).await;
    }
    let state = running.until_pool("d").await;
    assert_eq!((state.generation, state.refused), (4, None));
}

#[tokio::test]
async fn a_file_replaced_by_renaming_takes_effect() {
    let root = directory();
    let file = root.path().join("mesh.yaml");
    fs::write(&file, pool("a")).unwrap();
    let mut running = Running::start(&file);
    for name in ["b", "c"] {
        let next = root.path().join(".mesh.yaml.swp");
        fs::write(&next, pool(name)).unwrap();
        fs::rename(&next, &file).unwrap();
        running.until_pool(name).await;
    }
}

#[tokio::test]
async fn a_config_map_takes_effect_by_its_link() {
    let root = directory();
    let mount = |version: &str, name: &str| {
        fs::create_dir(root.path().join(version)).unwrap();
        fs::write(root.path().join(version).join("mesh.yaml"), pool(name)).unwrap();
        symlink(version, root.path().join("..tmp")).unwrap();
        fs::rename(root.path().join("..tmp"), root.path().join("..data")).unwrap();
    };
    mount("..1", "a");
    symlink("..data/mesh.yaml", root.path().join("mesh.yaml")).unwrap();
    let mut of_directory = Running::start(root.path());
    let mut of_file = Running::start(&root.path().join("mesh.yaml"));
    for (version, name) in [("..2", "b"), ("..3", "c")] {
        mount(version, name);
        of_directory.until_pool(name).await;
        of_file.until_pool(name).await;
    }
}

#[tokio::test]
async fn a_directory_gains_and_loses_files() {
    let root = directory();
    fs::write(root.path().join("a.yaml"), pool("a")).unwrap();
    let mut running = Running::start(root.path());
    fs::create_dir(root.path().join("below")).unwrap();
    fs::write(
        root.path().join("below/b.yaml"),
        pool("b").replace("endpoints", "models: [b]\n    endpoints"),
    )
    .unwrap();
    running.until_pool("b").await;
    fs::remove_file(root.path().join("below/b.yaml")).unwrap();
    running
        .until("b is gone", |state| {
            state.loaded.snapshot.backends().len() == 1
        })
        .await;
}

#[tokio::test]
async fn a_file_deleted_and_made_again_takes_effect() {
    let root = directory();
    let below = root.path().join("below");
    let file = below.join("mesh.yaml");
    fs::create_dir(&below).unwrap();
    fs::write(&file, pool("a")).unwrap();
    let mut running = Running::start(&file);
    fs::remove_dir_all(&below).unwrap();
    let state = running
        .until("refused", |state| state.refused.is_some())
        .await;
    assert_eq!(state.generation, 1);
    fs::create_dir(&below).unwrap();
    fs::write(&file, pool("b")).unwrap();
    assert!(running.until_pool("b").await.refused.is_none());
}

#[tokio::test]
async fn a_broken_set_is_refused_and_the_old_one_stays() {
    let root = directory();
    let file = root.path().join("mesh.yaml");
    fs::write(&file, pool("a")).unwrap();
    let mut running = Running::start(root.path());
    for broken in ["pools: [", "pools: [{nam: x}]", ""] {
        fs::write(&file, broken).unwrap();
        let state = running.until(broken, |state| state.refused.is_some()).await;
        assert_eq!(state.generation, 1);
        fs::write(&file, pool("a")).unwrap();
        let state = running
            .until("mended", |state| state.refused.is_none())
            .await;
        assert_eq!(state.generation, 1, "nothing new has taken effect");
    }
    fs::write(root.path().join("other.yaml"), pool("a")).unwrap();
    running
        .until("a name given twice", |state| state.refused.is_some())
        .await;
}

#[tokio::test]
async fn referenced_files_are_watched_too() {
    let (root, elsewhere) = (directory(), directory());
    let key = elsewhere.path().join("key");
    fs::write(&key, "one").unwrap();
    let text = format!(
        "providers: [{{name: a, apiKey: '${{file:{}}}'}}]",
        key.display()
    );
    fs::write(root.path().join("mesh.yaml"), text).unwrap();
    let mut running = Running::start(root.path());
    fs::write(&key, "two").unwrap();
    running
        .until("the key changed", |state| state.generation == 2)
        .await;
    fs::remove_file(&key).unwrap();
    running
        .until("the key is gone", |state| state.refused.is_some())
        .await;
    fs::write(&key, "three").unwrap();
    running
        .until("the key is back", |state| state.generation == 3)
        .await;
}

#[tokio::test]
async fn a_file_still_being_written_is_waited_for() {
    let root = directory();
    let file = root.path().join("mesh.yaml");
    fs::write(&file, pool("a")).unwrap();
    let mut running = Running::start(&file);
    let mut writer = fs::File::create(&file).unwrap();
    writeln!(writer, "pools:").unwrap();
    for name in ["b", "c", "d"] {
        let endpoints = "[{address: '10.0.0.7:8000'}]";
        writeln!(
            writer,
            "- {{name: {name}, models: [{name}], endpoints: {endpoints}}}"
        )
        .unwrap();
        tokio::time::sleep(QUIET_AND_SOME).await;
    }
    drop(writer);
    let state = running.until_pool("d").await;
    assert_eq!(state.generation, 2, "a part was taken for the whole");
}

/// Longer than the quiet time that ends a change, much shorter than what ends an open file's.
const QUIET_AND_SOME: Duration = Duration::from_millis(60);

#[tokio::test]
async fn a_change_that_does_not_come_to_rest_is_taken_as_it_is() {
    let root = directory();
    let file = root.path().join("mesh.yaml");
    fs::write(&file, pool("a")).unwrap();
    let mut running = Running::start(&file);
    let mut writer = fs::File::create(&file).unwrap();
    writeln!(writer, "pools:").unwrap();
    let mut writing = tokio::task::JoinSet::new();
    writing.spawn(async move {
        for number in 0..40 {
            let endpoints = "[{address: '10.0.0.7:8000'}]";
            let line =
                format!("- {{name: b{number}, models: [b{number}], endpoints: {endpoints}}}\n");
            writer.write_all(line.as_bytes()).unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let state = running.until("taken", |state| state.generation == 2).await;
    let pools = state.loaded.snapshot.backends().len();
    assert!(pools > 4, "what was read at the beginning: {pools}");
}

#[tokio::test]
async fn the_watcher_ends_with_its_last_receiver() {
    let root = directory();
    fs::write(root.path().join("mesh.yaml"), pool("a")).unwrap();
    let (states, watcher) = watch(Source::open(root.path(), Environment::default())).unwrap();
    drop(states);
    timeout(LIMIT, watcher.run()).await.unwrap();
}

#[test]
fn paths_that_matter_are_told_from_their_neighbours() {
    let root = directory();
    let real = root.path().canonicalize().unwrap();
    fs::write(root.path().join("mesh.yaml"), pool("a")).unwrap();
    let of = |path: &Path| {
        let source = Source::open(path, Environment::default());
        let inputs = source.attempt(&BTreeSet::new()).inputs;
        Interests::of(&source, &inputs)
    };
    let check = |interests: &Interests, path: &str, expect| {
        assert_eq!(interests.contain(&real.join(path)), expect, "{path}");
    };
    let file = of(&root.path().join("mesh.yaml"));
    check(&file, "mesh.yaml", true);
    check(&file, "access.log", false);
    let all = of(root.path());
    check(&all, "new.yaml", true);
    check(&all, "..data", true);
    check(&all, "below/new.yaml", false);
    let absent = of(&root.path().join("not/yet/mesh.yaml"));
    check(&absent, "not", true);
    check(&absent, "mesh.yaml", false);
}
