//! Writing.

use serde::Serialize;

/// Writes an object.
pub(crate) fn object(write: impl FnOnce(&mut ObjectWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    append_object(&mut out, write);
    out
}

/// Writes an object behind what is there.
pub(crate) fn append_object(out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    out.push(b'{');
    write(&mut ObjectWriter { out, first: true });
    out.push(b'}');
}

fn append_list(out: &mut Vec<u8>, write: impl FnOnce(&mut ListWriter<'_>)) {
    out.push(b'[');
    write(&mut ListWriter { out, first: true });
    out.push(b']');
}

/// A vector takes all, and what is written here has no keys but strings.
fn append_value(out: &mut Vec<u8>, value: impl Serialize) {
    let written = serde_json::to_writer(out, &value);
    debug_assert!(written.is_ok(), "{written:?}");
}

/// Writes the fields of an object.
#[derive(Debug)]
pub(crate) struct ObjectWriter<'w> {
    out: &'w mut Vec<u8>,
    first: bool,
}

impl ObjectWriter<'_> {
    fn key(&mut self, name: &str) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        append_value(self.out, name);
        self.out.push(b':');
    }

    /// A text, number or boolean.
    pub(crate) fn value(&mut self, name: &str, value: impl Serialize) {
        self.key(name);
        append_value(self.out, value);
    }

    /// The same if it is there.
    pub(crate) fn maybe(&mut self, name: &str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.value(name, value);
        }
    }

    /// JSON as it is.
    pub(crate) fn raw(&mut self, name: &str, raw: &str) {
        self.key(name);
        self.out.extend_from_slice(raw.as_bytes());
    }

    /// The same if it is there.
    pub(crate) fn maybe_raw(&mut self, name: &str, raw: Option<&str>) {
        if let Some(raw) = raw {
            self.raw(name, raw);
        }
    }

    pub(crate) fn null(&mut self, name: &str) {
        self.raw(name, "null");
    }

    pub(crate) fn object(&mut self, name: &str, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.key(name);
        append_object(self.out, write);
    }

    pub(crate) fn list(&mut self, name: &str, write: impl FnOnce(&mut ListWriter<'_>)) {
        self.key(name);
        append_list(self.out, write);
    }
}

/// Writes the items of a list.
#[derive(Debug)]
pub(crate) struct ListWriter<'w> {
    out: &'w mut Vec<u8>,
    first: bool,
}

impl ListWriter<'_> {
    fn next(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
    }

    /// A text, number or boolean.
    pub(crate) fn value(&mut self, value: impl Serialize) {
        self.next();
        append_value(self.out, value);
    }

    /// JSON as it is.
    pub(crate) fn raw(&mut self, raw: &str) {
        self.next();
        self.out.extend_from_slice(raw.as_bytes());
    }

    pub(crate) fn object(&mut self, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.next();
        append_object(self.out, write);
    }
}
