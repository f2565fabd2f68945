//! Server-sent events, line by line as section 9.2.6 of WHATWG HTML tells it.

/// What the lines up to a blank one say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) event: Option<Vec<u8>>,
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) id: Option<Vec<u8>>,
    pub(crate) retry: Option<u64>,
    pub(crate) is_comment: bool,
}

/// The blocks of a stream that have a line, the last also if no blank line ends it.
pub(crate) fn blocks(stream: &[u8]) -> Vec<Block> {
    let lines = lines(stream);
    lines
        .split(Vec::is_empty)
        .filter(|block| !block.is_empty())
        .map(block)
        .collect()
}

fn lines(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut bytes = stream
        .strip_prefix("\u{FEFF}".as_bytes())
        .unwrap_or(stream)
        .iter()
        .peekable();
    let mut lines = vec![Vec::new()];
    while let Some(&byte) = bytes.next() {
        match (byte, lines.last_mut()) {
            (b'\r', _) => {
                bytes.next_if_eq(&&b'\n');
                lines.push(Vec::new());
            }
            (b'\n', _) => lines.push(Vec::new()),
            (_, Some(line)) => line.push(byte),
            (_, None) => {}
        }
    }
    lines
}

fn block(lines: &[Vec<u8>]) -> Block {
    let mut block = Block {
        is_comment: true,
        ..Block::default()
    };
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value).to_vec();
        block.is_comment &= colon == Some(0);
        match name {
            b"event" => block.event = Some(value),
            b"id" if !value.contains(&0) => block.id = Some(value),
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                block.retry = String::from_utf8_lossy(&value).parse().ok().or(block.retry);
            }
            b"data" => match &mut block.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend(value);
                }
                None => block.data = Some(value),
            },
            _ => {}
        }
    }
    block
}
