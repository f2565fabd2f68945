//! Configurations: whatever stands in a file, reading and compiling it end, every problem points
//! into the text it shows, and what is accepted can be shown and routes.

use http::{HeaderMap, Method};
use manifests::{File, Place, Problem};
use mesh::snapshot::{Head, Preview};
use mesh::{Secret, Secrets, Snapshot};

pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let files = [
        File::new("first.yaml", "pools: [{ name: first, models: [m] }]"),
        File::new("second.yaml", text),
    ];
    match manifests::read(&files) {
        Err(problems) => {
            assert!(!problems.is_empty(), "refused for no reason");
            problems.iter().for_each(|one| check_problem(one, &files));
        }
        Ok(read) => {
            let secrets: Secrets = manifests::secret_refs(&read.resources)
                .into_iter()
                .map(|reference| (reference, Secret::from("value")))
                .collect();
            match Snapshot::compile(&read.resources, &secrets) {
                Err(violations) => {
                    assert!(!violations.is_empty(), "refused for no reason");
                    let located = violations.iter().map(|one| read.origins.locate(one));
                    located.for_each(|problem| check_problem(&problem, &files));
                }
                Ok(snapshot) => check_snapshot(&snapshot),
            }
        }
    }
}

fn check_problem(problem: &Problem, files: &[File]) {
    let shown = problem.to_string();
    assert!(!problem.message.is_empty(), "{shown}");
    assert!(
        !shown.chars().any(|c| c.is_control() && c != '\n'),
        "it would write to a terminal: {shown:?}"
    );
    let file = files.iter().find(|file| file.name == problem.file);
    let Some(File { text, .. }) = file else {
        return assert!(problem.place.is_none(), "a place in no file: {shown}");
    };
    assert_eq!(
        problem.source.len(),
        text.len(),
        "places are those of the text"
    );
    let related = problem.related.as_ref().map(|related| related.place);
    for place in problem.place.into_iter().chain(related) {
        check_place(text, place);
    }
}

/// Line, column and offset name the same place, and it is a place of the text.
fn check_place(text: &str, place: Place) {
    let (before, after) = text
        .split_at_checked(place.offset)
        .expect("an offset between two characters");
    assert!(
        after.get(..place.len).is_some(),
        "{place:?} leaves the text"
    );
    let before = before.replace("\r\n", "\n").replace('\r', "\n");
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    assert_eq!((place.line, place.column), (line, column), "{text:?}");
}

fn check_snapshot(snapshot: &Snapshot) {
    assert!(snapshot.view().is_object());
    let headers = HeaderMap::new();
    for listener in snapshot.listeners() {
        for path in ["/", "/v1/chat/completions"] {
            let head = Head {
                host: "example.com",
                method: &Method::POST,
                path,
                query: Some("a=b"),
                headers: &headers,
                llm: path != "/",
            };
            let routed = listener.router.route(&head, Some("m"));
            if let Preview::Decided(decided) = listener.router.preview(&head) {
                let routed = routed.expect("decided, whatever the model");
                assert!(std::sync::Arc::ptr_eq(&routed.rule, &decided.rule));
            }
        }
    }
}
