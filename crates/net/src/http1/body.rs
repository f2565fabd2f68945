//! The body of a response, read as it arrives.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use super::Malformed;

/// Bytes of chunk extensions in one body, blanks included. Nobody uses them; a body of nothing else would keep a
/// reader busy without giving it anything.
const MAX_EXTENSIONS: u32 = 16 << 10;

/// Bytes of trailer fields.
const MAX_TRAILERS: usize = 16 << 10;

/// Trailer fields.
const MAX_TRAILER_FIELDS: usize = 64;

/// Reads a body piece by piece, to its end and no further.
///
/// It keeps no bytes: each piece of input gives one piece of body, in an allocation of its size.
/// That is a copy, and worth it: input can be read into one buffer that all connections share, a
/// connection without traffic holds no memory, and what came in many chunks goes on as one.
#[derive(Debug)]
pub struct BodyReader(Kind);

#[derive(Debug)]
enum Kind {
    /// So many bytes are to come.
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

impl BodyReader {
    pub(crate) fn length(length: u64) -> Self {
        Self(Kind::Length(length))
    }

    pub(super) fn chunked() -> Self {
        Self(Kind::Chunked(Chunked {
            phase: Phase::Size { digits: 0 },
            left: 0,
            extensions: 0,
            trailers: None,
        }))
    }

    pub(super) fn until_close() -> Self {
        Self(Kind::UntilClose)
    }

    /// A body that has ended.
    #[must_use]
    pub fn ended() -> Self {
        Self::length(0)
    }

    /// Whether the end has come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match &self.0 {
            Kind::Length(left) => *left == 0,
            Kind::Chunked(chunked) => matches!(chunked.phase, Phase::Over),
            Kind::UntilClose => false,
        }
    }

    /// Whether only the end of the connection is the end of the body.
    #[must_use]
    pub fn ends_with_connection(&self) -> bool {
        matches!(self.0, Kind::UntilClose)
    }

    /// Bytes that are to come, if that is known; not before trailers, which are not counted in any.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        match &self.0 {
            Kind::Length(left) => Some(*left),
            Kind::Chunked(chunked) => {
                let nothing = matches!(chunked.phase, Phase::Over) && chunked.trailers.is_none();
                nothing.then_some(0)
            }
            Kind::UntilClose => None,
        }
    }

    /// Whether there are fields after the last chunk that have not been taken.
    #[must_use]
    pub fn has_trailers(&self) -> bool {
        matches!(&self.0, Kind::Chunked(chunked) if chunked.trailers.is_some())
    }

    /// The fields after the last chunk, if there were any.
    pub fn take_trailers(&mut self) -> Option<HeaderMap> {
        match &mut self.0 {
            Kind::Chunked(chunked) if matches!(chunked.phase, Phase::Over) => {
                chunked.trailers.take().map(|trailers| trailers.fields)
            }
            _ => None,
        }
    }

    /// Why nothing more can be read: chunks are not written as they must be. What came before the
    /// fault has been given.
    #[must_use]
    pub fn failure(&self) -> Option<Malformed> {
        match &self.0 {
            Kind::Chunked(chunked) => match chunked.phase {
                Phase::Broken(malformed) => Some(malformed),
                _ => None,
            },
            _ => None,
        }
    }

    /// Takes the next bytes from the connection. Returns what of the body is in them, and how many
    /// of them belong to the body: all, or up to its end or a [`failure`](Self::failure).
    pub fn push(&mut self, input: &[u8]) -> (Bytes, usize) {
        match &mut self.0 {
            Kind::UntilClose => (Bytes::copy_from_slice(input), input.len()),
            Kind::Length(left) => {
                let now = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(input.len());
                *left -= now as u64;
                (Bytes::copy_from_slice(&input[..now]), now)
            }
            Kind::Chunked(chunked) => chunked.push(input),
        }
    }
}

/// RFC 9112, section 7.1. Lines end with CRLF and nothing else: an ending that only some accept
/// makes two bodies of one.
#[derive(Debug)]
struct Chunked {
    phase: Phase,
    /// In `Size`: the chunk's size as far as it has been read. In `Data`: its bytes to come.
    left: u64,
    extensions: u32,
    trailers: Option<Box<Trailers>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Size {
        digits: u8,
    },
    /// Blanks between the size and the end of its line.
    AfterSize,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailers,
    Over,
    Broken(Malformed),
}

#[derive(Debug, Default)]
struct Trailers {
    /// Lines as they came, until the empty one.
    lines: BytesMut,
    fields: HeaderMap,
}

impl Chunked {
    fn push(&mut self, input: &[u8]) -> (Bytes, usize) {
        let mut data = Vec::new();
        let mut at = 0;
        while at < input.len() && !matches!(self.phase, Phase::Over | Phase::Broken(_)) {
            match self.advance(&input[at..], &mut data) {
                Ok(used) => at += used,
                Err(malformed) => self.phase = Phase::Broken(malformed),
            }
        }
        if data.capacity() - data.len() > data.len() / 8 {
            data.shrink_to_fit();
        }
        (Bytes::from(data), at)
    }

    /// Takes at least one byte of `rest`. Returns how many.
    fn advance(&mut self, rest: &[u8], data: &mut Vec<u8>) -> Result<usize, Malformed> {
        match (self.phase, rest) {
            (Phase::Data, _) => Ok(self.copy(rest, data)),
            (Phase::DataCr, [b'\r', b'\n', ..]) => {
                self.phase = Phase::Size { digits: 0 };
                Ok(2)
            }
            (Phase::Size { digits: 0 }, _) if let Some((size, used)) = usual_size(rest) => {
                self.left = size;
                self.phase = Phase::Data;
                Ok(used)
            }
            (Phase::Trailers, _) => self.trailers(rest),
            (_, []) => Ok(0),
            (_, [byte, ..]) => {
                self.phase = self.step(*byte)?;
                Ok(1)
            }
        }
    }

    /// Copies what there is of this chunk.
    fn copy(&mut self, rest: &[u8], data: &mut Vec<u8>) -> usize {
        let now = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(rest.len());
        if data.capacity() == 0 {
            // Exact where nothing follows the chunk; else what follows is likely more of the same.
            let more = if rest.len() > now + 16 {
                rest.len()
            } else {
                now
            };
            data.reserve_exact(more);
        }
        data.extend_from_slice(&rest[..now]);
        self.left -= now as u64;
        if self.left == 0 {
            self.phase = Phase::DataCr;
        }
        now
    }

    /// One byte of what stands around data.
    fn step(&mut self, byte: u8) -> Result<Phase, Malformed> {
        match (self.phase, byte) {
            (Phase::Size { digits }, _) if byte.is_ascii_hexdigit() => self.digit(digits, byte),
            (Phase::Size { digits: 1.. } | Phase::AfterSize, b'\r') => Ok(Phase::SizeLf),
            (Phase::Size { digits: 1.. } | Phase::AfterSize, b' ' | b'\t') => {
                self.extension()?;
                Ok(Phase::AfterSize)
            }
            (Phase::Size { digits: 1.. } | Phase::AfterSize, b';') => Ok(Phase::Extension),
            (Phase::Size { .. } | Phase::AfterSize, _) => Err(Malformed("a chunk's size is none")),
            (Phase::Extension, b'\r') => Ok(Phase::SizeLf),
            (Phase::Extension, b'\n') => Err(Malformed("a chunk's extension has a bare LF")),
            (Phase::Extension, _) => self.extension(),
            (Phase::SizeLf, b'\n') if self.left == 0 => Ok(Phase::Trailers),
            (Phase::SizeLf, b'\n') => Ok(Phase::Data),
            (Phase::DataCr, b'\r') => Ok(Phase::DataLf),
            (Phase::DataLf, b'\n') => Ok(Phase::Size { digits: 0 }),
            _ => Err(Malformed("a chunk does not end with its line")),
        }
    }

    fn digit(&mut self, digits: u8, byte: u8) -> Result<Phase, Malformed> {
        let value = char::from(byte).to_digit(16).unwrap_or_default();
        if digits == 16 {
            return Err(Malformed("a chunk's size is too large"));
        }
        self.left = self.left << 4 | u64::from(value);
        Ok(Phase::Size { digits: digits + 1 })
    }

    fn extension(&mut self) -> Result<Phase, Malformed> {
        self.extensions += 1;
        if self.extensions > MAX_EXTENSIONS {
            return Err(Malformed("its chunks have too long extensions"));
        }
        Ok(Phase::Extension)
    }

    /// Takes lines up to the empty one. Returns how many bytes of `rest` that is.
    fn trailers(&mut self, rest: &[u8]) -> Result<usize, Malformed> {
        let trailers = self.trailers.get_or_insert_default();
        for (at, byte) in rest.iter().enumerate() {
            trailers.lines.extend_from_slice(&[*byte]);
            if trailers.lines.len() > MAX_TRAILERS {
                return Err(Malformed("its trailers are too long"));
            }
            let over = &*trailers.lines == b"\r\n" || trailers.lines.ends_with(b"\r\n\r\n");
            if over {
                let lines = std::mem::take(&mut trailers.lines).freeze();
                self.trailers = parse_trailers(&lines)?;
                self.phase = Phase::Over;
                return Ok(at + 1);
            }
        }
        Ok(rest.len())
    }
}

/// The size in a line that holds nothing else and is there whole, unless it ends the body: what
/// nearly all chunks begin with.
fn usual_size(line: &[u8]) -> Option<(u64, usize)> {
    let mut size = 0;
    for (at, byte) in line.iter().enumerate().take(9) {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\r' if size > 0 && line.get(at + 1) == Some(&b'\n') => return Some((size, at + 2)),
            _ => return None,
        };
        size = size << 4 | u64::from(digit);
    }
    None
}

fn parse_trailers(lines: &Bytes) -> Result<Option<Box<Trailers>>, Malformed> {
    const WRONG: Malformed = Malformed("its trailers are not valid");
    let mut room = [httparse::EMPTY_HEADER; MAX_TRAILER_FIELDS];
    let parsed = httparse::parse_headers(lines, &mut room).map_err(|_| WRONG)?;
    let httparse::Status::Complete((used, parsed)) = parsed else {
        return Err(WRONG);
    };
    if used != lines.len() {
        return Err(WRONG);
    }
    let mut fields = HeaderMap::with_capacity(parsed.len());
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| WRONG)?;
        let value = HeaderValue::from_maybe_shared(lines.slice_ref(field.value));
        fields.append(name, value.map_err(|_| WRONG)?);
    }
    let trailers = Trailers {
        lines: BytesMut::new(),
        fields,
    };
    Ok((!parsed.is_empty()).then(|| Box::new(trailers)))
}
