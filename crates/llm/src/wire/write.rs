//! Writing.

use std::borrow::Cow;
use std::fmt;

use crate::json::append_string;

/// What can be written as a value.
pub(crate) trait Written {
    /// Appends it as JSON.
    fn append(&self, out: &mut Vec<u8>);
}

impl Written for str {
    fn append(&self, out: &mut Vec<u8>) {
        append_string(self, out);
    }
}

impl Written for String {
    fn append(&self, out: &mut Vec<u8>) {
        append_string(self, out);
    }
}

impl Written for Cow<'_, str> {
    fn append(&self, out: &mut Vec<u8>) {
        append_string(self, out);
    }
}

impl Written for fmt::Arguments<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        match self.as_str() {
            Some(text) => append_string(text, out),
            None => append_string(&self.to_string(), out),
        }
    }
}

impl Written for bool {
    fn append(&self, out: &mut Vec<u8>) {
        let text = if *self { "true" } else { "false" };
        out.extend_from_slice(text.as_bytes());
    }
}

macro_rules! numbers {
    ($($kind:ty),*) => {$(
        impl Written for $kind {
            /// What JSON does not know as a number is `null`.
            fn append(&self, out: &mut Vec<u8>) {
                // A vector takes all.
                let written = serde_json::to_writer(out, self);
                debug_assert!(written.is_ok(), "{written:?}");
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, usize, i32, i64, f32, f64);

impl<T: Written + ?Sized> Written for &T {
    fn append(&self, out: &mut Vec<u8>) {
        (**self).append(out);
    }
}

impl<T: Written + ?Sized> Written for Box<T> {
    fn append(&self, out: &mut Vec<u8>) {
        (**self).append(out);
    }
}

impl<T: Written> Written for Option<T> {
    fn append(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.append(out),
            None => out.extend_from_slice(b"null"),
        }
    }
}

impl<T: Written> Written for [T] {
    fn append(&self, out: &mut Vec<u8>) {
        append_list(out, |list| self.iter().for_each(|item| list.value(item)));
    }
}

impl<T: Written, const N: usize> Written for [T; N] {
    fn append(&self, out: &mut Vec<u8>) {
        self.as_slice().append(out);
    }
}

impl<T: Written> Written for Vec<T> {
    fn append(&self, out: &mut Vec<u8>) {
        self.as_slice().append(out);
    }
}

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
        append_string(name, self.out);
        self.out.push(b':');
    }

    /// A text, number or boolean.
    pub(crate) fn value(&mut self, name: &str, value: impl Written) {
        self.key(name);
        value.append(self.out);
    }

    /// The same if it is there.
    pub(crate) fn maybe(&mut self, name: &str, value: Option<impl Written>) {
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
    pub(crate) fn value(&mut self, value: impl Written) {
        self.next();
        value.append(self.out);
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
