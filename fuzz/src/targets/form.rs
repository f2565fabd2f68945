//! Forms with files: any split finds the same, and what is found lies in the body.

use crate::split::splits;
use llm::scan::{FormScanner, Scan, Span};

const KIND: &str = "multipart/form-data; boundary=b";

pub(crate) fn run(data: &[u8]) {
    let whole = scan(&[data]);
    for pieces in splits(data) {
        assert_eq!(scan(&pieces), whole);
    }
}

/// What was found, as text: a scan has no other way to be compared.
fn scan(pieces: &[&[u8]]) -> Result<String, String> {
    let mut scanner = FormScanner::new(KIND).expect("a boundary");
    for piece in pieces {
        scanner.push(piece).map_err(|error| error.to_string())?;
    }
    let scan = scanner.finish().map_err(|error| error.to_string())?;
    check(&scan, &pieces.concat());
    Ok(format!("{scan:?}"))
}

fn check(scan: &Scan, body: &[u8]) {
    assert_eq!(scan.body_len, body.len() as u64);
    let text = |span: Span| {
        let range = usize::try_from(span.start).ok()?..usize::try_from(span.end).ok()?;
        body.get(range)
    };
    if let Some(model) = &scan.model {
        let raw = text(model.span).expect("the model lies in the body");
        assert_eq!(String::from_utf8_lossy(raw).trim(), model.value.trim());
    }
}
