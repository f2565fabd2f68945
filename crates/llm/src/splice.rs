//! Replaces a few ranges of a body while the rest passes through untouched and uncopied.
//!
//! The alternative, to parse and serialise again, costs a tree, loses what the tree cannot express
//! (number spellings, repeated fields) and moves every byte.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::gemini;
use crate::scan::{Scan, Span, StreamOptions};

/// A range of the body and what stands there instead; an empty range inserts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is taken out.
    pub span: Span,
    /// What is put in.
    pub replacement: Bytes,
}

/// Two edits claim the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two edits overlap at byte {at}; make them one")]
pub struct OverlapError {
    /// Where the second begins.
    pub at: u64,
}

/// What a gateway changes in a request of its own accord.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rewrite<'a> {
    /// The model name that the upstream knows.
    pub model: Option<&'a str>,
    /// Have the upstream report usage in a stream. Does nothing to a request that is not streamed
    /// (OpenAI refuses `stream_options` there), nor in a dialect that reports usage unasked.
    pub include_usage: bool,
    /// Empty the options of a stream, for an upstream that refuses what is in them.
    pub clear_stream_options: bool,
}

/// Edits in the order of the body, none overlapping another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits(SmallVec<[Edit; 2]>);

impl Edits {
    /// Puts edits in order. Insertions at one offset keep the order they are given in.
    ///
    /// # Errors
    /// If two overlap.
    pub fn new(edits: impl IntoIterator<Item = Edit>) -> Result<Self, OverlapError> {
        let mut edits: SmallVec<[Edit; 2]> = edits.into_iter().collect();
        edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
        let pairs = edits.iter().zip(edits.iter().skip(1));
        match pairs
            .into_iter()
            .find(|(first, second)| first.span.end > second.span.start)
        {
            Some((_, second)) => Err(OverlapError {
                at: second.span.start,
            }),
            None => Ok(Self(edits)),
        }
    }

    /// The edits that carry out `rewrite` on the body that `scan` describes; none if the body
    /// already says so.
    #[must_use]
    pub fn rewrite(scan: &Scan, rewrite: &Rewrite<'_>) -> Self {
        let mut edits = SmallVec::new();
        let mut fields = Vec::new();
        let in_path = scan.model.as_ref().filter(|_| scan.to_be_named);
        let in_path = in_path.map(|model| model.value.as_str());
        if let Some(model) = rewrite.model.or(in_path).filter(|_| !scan.unnamed) {
            rewrite_model(scan, model, &mut edits, &mut fields);
        }
        if let Some(model) = rewrite.model.filter(|_| scan.unnamed) {
            rename_again(scan, model, &mut edits);
        }
        if rewrite.include_usage && scan.asks_for_usage && scan.wants_stream() {
            include_usage(scan, &mut edits, &mut fields);
        }
        if rewrite.clear_stream_options {
            edits.extend(clear_stream_options(scan));
        }
        if !fields.is_empty() {
            edits.push(insert_fields(scan.first_field, scan.empty, &fields));
        }
        edits.sort_by_key(|edit: &Edit| edit.span.start);
        Self(edits)
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The edits in order.
    pub fn iter(&self) -> impl Iterator<Item = &Edit> {
        self.0.iter()
    }

    /// Bytes by which the body grows; negative if it shrinks.
    #[must_use]
    pub fn delta(&self) -> i64 {
        let grows = |edit: &Edit| edit.replacement.len() as i64 - edit.span.len() as i64;
        self.0.iter().map(grows).sum()
    }

    /// Begins to apply the edits to a body.
    #[must_use]
    pub fn splicer(&self) -> Splicer {
        Splicer {
            edits: self.clone(),
            next: 0,
            replaced: false,
            offset: 0,
        }
    }
}

/// Applies edits to a body whose chunks come in order.
#[derive(Debug)]
pub struct Splicer {
    edits: Edits,
    next: usize,
    /// The next edit's replacement is out, but the end of its range has not come yet.
    replaced: bool,
    offset: u64,
}

impl Splicer {
    /// Appends what becomes of the next chunk: slices of it, and replacements between them.
    pub fn push(&mut self, mut chunk: Bytes, out: &mut Vec<Bytes>) {
        while let Some(edit) = self.edits.0.get(self.next) {
            let end = self.offset + chunk.len() as u64;
            if !self.replaced {
                if edit.span.start >= end {
                    break;
                }
                let kept = chunk.split_to((edit.span.start - self.offset) as usize);
                self.offset += kept.len() as u64;
                append(kept, out);
                append(edit.replacement.clone(), out);
                self.replaced = true;
            }
            let cut = edit.span.end.min(end).saturating_sub(self.offset);
            let _taken_out = chunk.split_to(cut as usize);
            self.offset += cut;
            if edit.span.end > end {
                return;
            }
            self.replaced = false;
            self.next += 1;
        }
        self.offset += chunk.len() as u64;
        append(chunk, out);
    }

    /// Appends what is to be inserted at the very end of the body.
    pub fn finish(self, out: &mut Vec<Bytes>) {
        for edit in self.edits.0.iter().skip(self.next) {
            append(edit.replacement.clone(), out);
        }
    }
}

fn append(bytes: Bytes, out: &mut Vec<Bytes>) {
    if !bytes.is_empty() {
        out.push(bytes);
    }
}

fn rewrite_model(
    scan: &Scan,
    model: &str,
    edits: &mut SmallVec<[Edit; 2]>,
    fields: &mut Vec<String>,
) {
    let span = match &scan.model {
        Some(field) if field.value == model && !scan.to_be_named => return,
        Some(field) if !field.span.is_empty() => Some(field.span),
        Some(_) | None => scan.model_null,
    };
    let name = if scan.is_form {
        model.to_owned()
    } else {
        json_string(model)
    };
    match span {
        Some(span) => edits.push(Edit {
            span,
            replacement: name.into(),
        }),
        // A form that names no model is not served.
        None if scan.is_form => {}
        None => fields.push(format!("\"model\":{name}")),
    }
}

/// Where the body names the model that the path does, it goes on to name what the path then does. What
/// names another is left for the server to refuse.
fn rename_again(scan: &Scan, model: &str, edits: &mut SmallVec<[Edit; 2]>) {
    let Some(asked) = scan.model.as_ref().filter(|asked| asked.value != model) else {
        return;
    };
    for named in &scan.named_again {
        if let Some(name) = gemini::path::renamed(&named.value, &asked.value, model) {
            edits.push(Edit {
                span: named.span,
                replacement: json_string(&name).into(),
            });
        }
    }
}

fn include_usage(scan: &Scan, edits: &mut SmallVec<[Edit; 2]>, fields: &mut Vec<String>) {
    const FIELD: &str = "\"include_usage\":true";
    match &scan.stream_options {
        None => fields.push(format!("\"stream_options\":{{{FIELD}}}")),
        Some(StreamOptions {
            include_usage: Some(field),
            ..
        }) => {
            if field.value != Some(true) {
                let replacement = Bytes::from_static(b"true");
                edits.push(Edit {
                    span: field.span,
                    replacement,
                });
            }
        }
        Some(StreamOptions {
            span, empty: true, ..
        }) => {
            let replacement = format!("{{{FIELD}}}").into();
            edits.push(Edit {
                span: *span,
                replacement,
            });
        }
        Some(StreamOptions { span, .. }) => {
            edits.push(insert_fields(span.start + 1, false, &[FIELD.to_owned()]));
        }
    }
}

fn clear_stream_options(scan: &Scan) -> Option<Edit> {
    let options = scan.stream_options.as_ref();
    let options = options.filter(|options| !options.empty)?;
    Some(Edit {
        span: options.span,
        replacement: Bytes::from_static(b"{}"),
    })
}

/// Puts fields right behind an opening brace.
fn insert_fields(at: u64, empty: bool, fields: &[String]) -> Edit {
    let comma = if empty { "" } else { "," };
    let replacement = (fields.join(",") + comma).into();
    Edit {
        span: Span { start: at, end: at },
        replacement,
    }
}

/// `text` as a JSON string, quoted and escaped.
fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
