use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn names(documents: &Documents, root: &Path) -> Vec<String> {
    let relative = |path: &PathBuf| path.strip_prefix(root).unwrap().display().to_string();
    documents.paths.iter().map(relative).collect()
}

#[test]
fn a_directory_is_read_in_the_order_of_paths() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("b/c")).unwrap();
    fs::create_dir_all(root.path().join(".git")).unwrap();
    for name in [
        "z.yml",
        "a.json",
        "b/c/x.yaml",
        "b/notes.txt",
        ".hidden.yaml",
        ".git/x.yaml",
    ] {
        fs::write(root.path().join(name), name).unwrap();
    }
    let documents = read(root.path());
    assert_eq!(
        names(&documents, root.path()),
        ["a.json", "b/c/x.yaml", "z.yml"]
    );
    assert_eq!(documents.files[1].text.as_ref(), "b/c/x.yaml");
    assert_eq!(documents.problems, []);
}

#[test]
fn a_mounted_config_map_is_read_once() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("..2026")).unwrap();
    fs::write(root.path().join("..2026/mesh.yaml"), "x").unwrap();
    symlink("..2026", root.path().join("..data")).unwrap();
    symlink("..data/mesh.yaml", root.path().join("mesh.yaml")).unwrap();
    assert_eq!(names(&read(root.path()), root.path()), ["mesh.yaml"]);
}

#[test]
fn links_in_a_circle_end() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("a")).unwrap();
    symlink("..", root.path().join("a/up")).unwrap();
    symlink("a", root.path().join("b")).unwrap();
    fs::write(root.path().join("a/mesh.yaml"), "x").unwrap();
    assert_eq!(names(&read(root.path()), root.path()), ["a/mesh.yaml"]);
}

#[test]
fn what_cannot_be_read_is_told() {
    let root = tempfile::tempdir().unwrap();
    let check = |path: &Path, expect: &str| {
        let problems = read(path).problems;
        assert!(
            problems.len() == 1 && problems[0].message.contains(expect),
            "{problems:?}"
        );
    };
    check(root.path(), "no *.yaml");
    check(&root.path().join("absent"), "cannot be read");
    fs::write(root.path().join("a.yaml"), [0xff, 0xfe]).unwrap();
    check(root.path(), "UTF-8");
    fs::remove_file(root.path().join("a.yaml")).unwrap();
    symlink("nowhere", root.path().join("b.yaml")).unwrap();
    check(root.path(), "cannot be read");
    check(Path::new("/dev/null"), "not a regular file");
}
