//! A scan of a form (`multipart/form-data`, RFC 7578), as it arrives.
//!
//! Uploads of audio and images come as forms, whose fields say what JSON fields say elsewhere. Only
//! the few that policy reads are kept; the rest is passed over at the speed of a search for the
//! delimiter.

use memchr::memmem::Finder;

use super::{Field, MAX_MODEL_BYTES, Scan, ScanError, Span};

/// Bytes of a part's header fields, at most.
const MAX_HEAD: usize = 8 * 1024;

/// Characters of a boundary, at most (RFC 2046, section 5.1.1).
const MAX_BOUNDARY: usize = 70;

/// What is wrong with a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The media type names no boundary.
    #[error("the content type has no boundary of 1 to {MAX_BOUNDARY} characters")]
    Boundary,
    /// A delimiter is followed by something else than a line end.
    #[error("a delimiter is followed by something else than a line end")]
    Delimiter,
    /// A part's head is too long.
    #[error("the head of a part is longer than {MAX_HEAD} bytes")]
    Head,
    /// The form does not end.
    #[error("the form breaks off: its last delimiter is missing")]
    Cut,
}

/// The fields that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Model,
    Stream,
    Choices,
}

impl Known {
    const ALL: [(&'static str, Self); 3] = [
        ("model", Self::Model),
        ("stream", Self::Stream),
        ("n", Self::Choices),
    ];

    fn of(name: &str) -> Option<Self> {
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, field)| *field)
    }

    fn name(self) -> &'static str {
        let own = Self::ALL.iter().find(|(_, known)| *known == self);
        own.map_or("", |(name, _)| name)
    }
}

#[derive(Debug)]
enum State {
    /// Before the first delimiter, or in a part's content.
    Content,
    /// Behind a delimiter: its line's rest, which tells whether it was the last.
    Delimited,
    Head,
    /// Behind the last delimiter, where nothing counts.
    Over,
}

/// A scan of a form of which some pieces have been seen.
#[derive(Debug)]
pub struct FormScanner {
    /// Finds a line end with a delimiter behind it.
    finder: Finder<'static>,
    /// The most recent bytes, which may be the beginning of what is looked for.
    carry: Vec<u8>,
    state: State,
    /// Bytes before those that are looked at.
    offset: u64,
    field: Option<Known>,
    start: u64,
    text: Vec<u8>,
    scan: Scan,
}

impl FormScanner {
    /// Begins a scan of a body of this media type.
    ///
    /// # Errors
    /// If it names no boundary.
    pub fn new(content_type: &str) -> Result<Self, ScanError> {
        let boundary = boundary(content_type).ok_or(FormError::Boundary)?;
        let delimiter = ["\r\n--", &boundary].concat();
        Ok(Self {
            finder: Finder::new(&delimiter).into_owned(),
            // The first delimiter may be the first line.
            carry: b"\r\n".to_vec(),
            state: State::Content,
            offset: 0,
            field: None,
            start: 0,
            text: Vec::new(),
            scan: Scan {
                is_form: true,
                ..Scan::default()
            },
        })
    }

    /// Takes the next piece of the body, of any length.
    ///
    /// # Errors
    /// As soon as the pieces so far cannot begin an acceptable form.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), ScanError> {
        while !piece.is_empty() {
            let used = match self.state {
                State::Content => self.content(piece)?,
                State::Delimited => self.delimited(piece)?,
                State::Head => self.head(piece)?,
                State::Over => piece.len(),
            };
            self.offset += used as u64;
            piece = piece.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// Ends the scan at the end of the body.
    ///
    /// # Errors
    /// If the form is not complete.
    pub fn finish(mut self) -> Result<Scan, ScanError> {
        if !matches!(self.state, State::Over) {
            return Err(FormError::Cut.into());
        }
        self.scan.body_len = self.offset;
        Ok(self.scan)
    }

    /// Looks for the delimiter that ends a part; returns how many bytes of `piece` are done with.
    fn content(&mut self, piece: &[u8]) -> Result<usize, ScanError> {
        let most = self.finder.needle().len() - 1;
        if !self.carry.is_empty() {
            // What was carried can be the beginning of a delimiter only together with so much.
            let joined = piece.len().min(most);
            let carried = self.carry.len();
            self.carry.extend_from_slice(&piece[..joined]);
            let window = std::mem::take(&mut self.carry);
            if let Some(at) = self.finder.find(&window) {
                self.keep(&window[..at])?;
                let end = self
                    .offset
                    .wrapping_add(at as u64)
                    .wrapping_sub(carried as u64);
                self.end_part(end)?;
                return Ok(at + self.finder.needle().len() - carried);
            }
            if joined < most {
                let certain = window.len().saturating_sub(most);
                self.keep(&window[..certain])?;
                self.carry.extend_from_slice(&window[certain..]);
                return Ok(joined);
            }
            self.keep(&window[..carried])?;
        }
        match self.finder.find(piece) {
            Some(at) => {
                self.keep(&piece[..at])?;
                self.end_part(self.offset + at as u64)?;
                Ok(at + self.finder.needle().len())
            }
            None => {
                let certain = piece.len().saturating_sub(most);
                self.keep(&piece[..certain])?;
                self.carry.extend_from_slice(&piece[certain..]);
                Ok(piece.len())
            }
        }
    }

    /// The rest of a delimiter's line: white space and a line end, or two hyphens at the last.
    fn delimited(&mut self, piece: &[u8]) -> Result<usize, ScanError> {
        for (at, byte) in piece.iter().enumerate() {
            match (self.carry.last(), byte) {
                (None, b' ' | b'\t') => {}
                (None, b'-' | b'\r') => self.carry.push(*byte),
                (Some(b'-'), b'-') => {
                    self.carry.clear();
                    self.state = State::Over;
                    return Ok(at + 1);
                }
                (Some(b'\r'), b'\n') => {
                    // With it an empty head ends as any other.
                    self.carry.push(*byte);
                    self.state = State::Head;
                    return Ok(at + 1);
                }
                _ => return Err(FormError::Delimiter.into()),
            }
        }
        Ok(piece.len())
    }

    /// A part's header fields, up to the empty line behind them.
    fn head(&mut self, piece: &[u8]) -> Result<usize, ScanError> {
        for (at, byte) in piece.iter().enumerate() {
            self.carry.push(*byte);
            if self.carry.ends_with(b"\r\n\r\n") {
                let head = std::mem::take(&mut self.carry);
                self.begin_part(&head, self.offset + at as u64 + 1)?;
                return Ok(at + 1);
            }
            if self.carry.len() > MAX_HEAD {
                return Err(FormError::Head.into());
            }
        }
        Ok(piece.len())
    }

    /// A part's content begins, at `start`.
    fn begin_part(&mut self, head: &[u8], start: u64) -> Result<(), ScanError> {
        self.state = State::Content;
        self.start = start;
        self.text.clear();
        self.field = field_name(head).and_then(|name| Known::of(&name));
        let is_repeated = match self.field {
            Some(Known::Model) => self.scan.model.is_some(),
            Some(Known::Stream) => self.scan.stream.is_some(),
            Some(Known::Choices) => self.scan.n.is_some(),
            None => false,
        };
        match self.field {
            Some(field) if is_repeated => Err(ScanError::Repeated {
                field: field.name(),
            }),
            _ => Ok(()),
        }
    }

    /// Keeps more of the content of a field that is read.
    fn keep(&mut self, more: &[u8]) -> Result<(), ScanError> {
        let Some(field) = self.field else {
            return Ok(());
        };
        if self.text.len() + more.len() > MAX_MODEL_BYTES {
            return Err(ScanError::TooLong {
                field: field.name(),
                limit: MAX_MODEL_BYTES,
            });
        }
        self.text.extend_from_slice(more);
        Ok(())
    }

    /// A part's content has ended, at `end`.
    fn end_part(&mut self, end: u64) -> Result<(), ScanError> {
        self.state = State::Delimited;
        let Some(field) = self.field.take() else {
            return Ok(());
        };
        let wrong = |expected| ScanError::WrongType {
            field: field.name(),
            expected,
        };
        let text = std::str::from_utf8(&self.text).map_err(|_| wrong("UTF-8 text"))?;
        let span = Span {
            start: self.start,
            end,
        };
        match field {
            Known::Model => {
                let value = text.to_owned();
                self.scan.model = Some(Field { span, value });
            }
            Known::Stream => {
                let value = match text {
                    "true" | "True" | "1" => true,
                    "false" | "False" | "0" | "" => false,
                    _ => return Err(wrong("true or false")),
                };
                self.scan.stream = Some(Field { span, value });
            }
            Known::Choices => {
                let count = text.parse().map_err(|_| wrong("a non-negative integer"))?;
                self.scan.n = Some(count);
            }
        }
        Ok(())
    }
}

/// The boundary that a media type names.
fn boundary(content_type: &str) -> Option<String> {
    let (_, parameters) = content_type.split_once(';')?;
    let boundary = parameter(parameters, "boundary")?;
    let is_good = (1..=MAX_BOUNDARY).contains(&boundary.len()) && !boundary.ends_with(' ');
    (is_good && boundary.bytes().all(|byte| (b' '..=b'~').contains(&byte))).then_some(boundary)
}

/// The name that a part's head gives it.
fn field_name(head: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(head).ok()?;
    let value = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim()
            .eq_ignore_ascii_case("content-disposition")
            .then_some(value)
    })?;
    let (kind, parameters) = value.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return None;
    }
    // What has a file's name is a file.
    if parameter(parameters, "filename").is_some() {
        return None;
    }
    parameter(parameters, "name")
}

/// The value of a parameter, quoted or not.
fn parameter(mut parameters: &str, wanted: &str) -> Option<String> {
    loop {
        let (name, rest) = parameters
            .trim_start_matches([' ', '\t', ';'])
            .split_once('=')?;
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = rest.find(';').unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        parameters = rest;
    }
}

/// The text up to the closing quote, and what is behind that.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{cuts, pieces};

    const TYPE: &str = "multipart/form-data; boundary=xYz";

    fn scan(body: &[u8], cuts: &[usize]) -> Result<Scan, ScanError> {
        let mut scanner = FormScanner::new(TYPE)?;
        for piece in pieces(body, cuts) {
            scanner.push(piece)?;
        }
        scanner.finish()
    }

    fn part(head: &str, content: &str) -> String {
        format!("--xYz\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
    }

    fn form(parts: &[String]) -> Vec<u8> {
        [&parts.concat(), "--xYz--\r\n"].concat().into_bytes()
    }

    fn transcription() -> Vec<u8> {
        form(&[
            part(
                "name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav",
                "RIFF\r\n--xY\r\n--\r\n\r",
            ),
            part("name=\"model\"", "whisper-1"),
            part("name=stream", "true"),
            part("name=\"timestamp_granularities[]\"", "word"),
            part("filename=\"model\"; name=\"model\"", "not a field"),
        ])
    }

    #[test]
    fn boundaries_are_read() {
        for (content_type, expect) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            (
                "multipart/form-data;charset=utf-8;  Boundary=\"a b\\\"c\"; x=y",
                Some("a b\"c"),
            ),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=\"a", None),
        ] {
            assert_eq!(boundary(content_type).as_deref(), expect, "{content_type}");
        }
        assert_eq!(boundary(&format!("m/f; boundary={}", "a".repeat(71))), None);
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let fault = |body: &str| scan(body.as_bytes(), &[]).map(drop).unwrap_err();
        let form = |error: FormError| ScanError::Form(error);
        assert_eq!(fault(""), form(FormError::Cut));
        assert_eq!(fault("{}"), form(FormError::Cut));
        assert_eq!(fault("--xYz\r\n\r\nx\r\n--xYz\r\n"), form(FormError::Cut));
        assert_eq!(fault("--xYz!\r\n"), form(FormError::Delimiter));
        let long = format!("--xYz\r\n{}", "a".repeat(MAX_HEAD + 1));
        assert_eq!(fault(&long), form(FormError::Head));
    }

    #[test]
    fn policy_fields_stand_once_and_are_short() {
        let model = part("name=\"model\"", "m");
        let twice = scan(&form(&[model.clone(), model]), &[])
            .map(drop)
            .unwrap_err();
        assert_eq!(twice, ScanError::Repeated { field: "model" });
        let long = part("name=\"model\"", &"m".repeat(MAX_MODEL_BYTES + 1));
        let fault = scan(&form(&[long]), &[]).map(drop).unwrap_err();
        assert!(matches!(fault, ScanError::TooLong { field: "model", .. }));
        let odd = scan(&form(&[part("name=\"stream\"", "perhaps")]), &[]).map(drop);
        assert!(matches!(
            odd.unwrap_err(),
            ScanError::WrongType {
                field: "stream",
                ..
            }
        ));
        let none = scan(&form(&[part("name=\"prompt\"", "")]), &[]).unwrap();
        assert!(none.model.is_none());
    }

    proptest! {
        #[test]
        fn the_split_does_not_matter(cuts in cuts()) {
            let body = transcription();
            let seen = scan(&body, &cuts).unwrap();
            let model = seen.model.unwrap();
            prop_assert_eq!(&model.value, "whisper-1");
            let span = model.span.start as usize..model.span.end as usize;
            prop_assert_eq!(&body[span], b"whisper-1");
            prop_assert!(seen.stream.unwrap().value);
            prop_assert_eq!(seen.body_len, body.len() as u64);
        }

        #[test]
        fn anything_is_read_or_refused(body in "(--xYz|\r\n|-|name=|[a-z: ;\"\\\\]){0,40}", cuts in cuts()) {
            let whole = scan(body.as_bytes(), &[]).map(|scan| scan.model);
            let cut = scan(body.as_bytes(), &cuts).map(|scan| scan.model);
            prop_assert_eq!(whole, cut);
        }
    }
}
