//! From parser events to trees, with an explicit stack instead of recursion.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span as EventSpan, Tag};

use super::input::ShortSighted;
use super::{Entry, Node, Value};
use crate::text::{Fault, Point, Span};

/// Levels of nesting; resources need about ten.
const MAX_DEPTH: usize = 64;
/// Bytes of one file; 10,000 routes take about 5 MB.
const MAX_BYTES: usize = 32 << 20;
/// Nodes of one file, aliases expanded.
const MAX_NODES: usize = 4_000_000;
/// Nodes that may be copied in one file, for anchors and for their aliases: enough to share
/// settings, too few for a "billion laughs".
const MAX_COPIED_NODES: usize = 100_000;

/// What was read of a file.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// The documents that could be read; after a fault of syntax there are no more.
    pub(crate) documents: Vec<Node>,
    pub(crate) faults: Vec<Fault>,
}

/// Reads every document of a text.
pub(crate) fn parse(text: &str) -> Parsed {
    let mut builder = Builder::default();
    if let Err(fault) = builder.read(text) {
        builder.parsed.faults.push(fault);
    }
    builder.parsed
}

/// A finished node with what expanding it once more would cost.
#[derive(Clone)]
struct Measured {
    node: Node,
    nodes: usize,
    height: usize,
}

/// A collection whose end has not come yet.
struct Open {
    anchor: usize,
    /// From where it begins to the end of what it holds.
    span: Span,
    content: Content,
    nodes: usize,
    height: usize,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        key: Option<(Box<str>, Span)>,
    },
}

#[derive(Default)]
struct Builder {
    parsed: Parsed,
    stack: Vec<Open>,
    anchors: BTreeMap<usize, Measured>,
    nodes: usize,
    copied_nodes: usize,
}

impl Builder {
    fn read(&mut self, text: &str) -> Result<(), Fault> {
        refuse_unreadable(text)?;
        let mut parser = Parser::new(ShortSighted::new(text));
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| syntax_fault(&error))?;
            self.event(event, span_of(span))?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let node = scalar_node(text, style, tag.as_deref(), span)?;
                self.finish(
                    Measured {
                        node,
                        nodes: 1,
                        height: 1,
                    },
                    anchor,
                )
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(Content::Sequence(Vec::new()), anchor, tag, span)
            }
            Event::MappingStart(anchor, tag) => {
                let content = Content::Mapping {
                    entries: Vec::new(),
                    key: None,
                };
                self.open(content, anchor, tag, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.expand(anchor, span),
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::DocumentEnd | Event::StreamStart | Event::StreamEnd | Event::Nothing => Ok(()),
        }
    }

    fn open(
        &mut self,
        content: Content,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
        span: Span,
    ) -> Result<(), Fault> {
        let core = ["map", "seq"];
        if let Some(tag) = tag.filter(|tag| !is_core(tag, &core)) {
            return Err(tag_fault(&tag, span));
        }
        if self.key_is_due() {
            return Err(Fault::new(
                span,
                "a key must be plain text, not a list or a mapping",
            ));
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err(Fault::new(
                span,
                format!("nested deeper than {MAX_DEPTH} levels"),
            ));
        }
        let span = Span {
            start: span.start,
            end: span.start,
        };
        self.stack.push(Open {
            anchor,
            span,
            content,
            nodes: 1,
            height: 0,
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        let Some(open) = self.stack.pop() else {
            return Ok(());
        };
        let value = match open.content {
            Content::Sequence(items) => Value::Sequence(items),
            Content::Mapping { mut entries, .. } => {
                self.parsed.faults.extend(take_repeats(&mut entries));
                Value::Mapping(entries)
            }
        };
        let node = Node {
            span: open.span,
            value,
        };
        self.finish(
            Measured {
                node,
                nodes: open.nodes,
                height: open.height + 1,
            },
            open.anchor,
        )
    }

    fn expand(&mut self, anchor: usize, span: Span) -> Result<(), Fault> {
        let Some(target) = self.anchors.get(&anchor).cloned() else {
            let message = "the alias refers to no finished node of this document";
            return Err(Fault::new(span, message)
                .help("an anchor (`&name`) must come before its alias and not contain it"));
        };
        self.copy(target.nodes, span)?;
        if self.stack.len() + target.height > MAX_DEPTH {
            let message = format!("the alias nests deeper than {MAX_DEPTH} levels");
            return Err(Fault::new(span, message));
        }
        if self.key_is_due() {
            return Err(Fault::new(span, "a key must be plain text, not an alias"));
        }
        self.place(target, span)
    }

    /// Remembers an anchored node, then places it.
    fn finish(&mut self, done: Measured, anchor: usize) -> Result<(), Fault> {
        let span = done.node.span;
        if anchor > 0 {
            self.copy(done.nodes, span)?;
            self.anchors.insert(anchor, done.clone());
        }
        self.place(done, span)
    }

    fn copy(&mut self, nodes: usize, span: Span) -> Result<(), Fault> {
        self.copied_nodes += nodes;
        if self.copied_nodes <= MAX_COPIED_NODES {
            return Ok(());
        }
        let message = format!("anchors and aliases copy more than {MAX_COPIED_NODES} nodes");
        Err(Fault::new(span, message))
    }

    /// Puts a node where the innermost open collection, or the document, wants it. `span` is where
    /// it is written, which for an alias is not where it stands.
    fn place(&mut self, done: Measured, span: Span) -> Result<(), Fault> {
        self.nodes += done.nodes;
        if self.nodes > MAX_NODES {
            return Err(Fault::new(
                span,
                format!("the file has more than {MAX_NODES} nodes"),
            ));
        }
        let Some(open) = self.stack.last_mut() else {
            self.parsed.documents.push(done.node);
            return Ok(());
        };
        open.span.end = span.end;
        open.nodes += done.nodes;
        open.height = open.height.max(done.height);
        match &mut open.content {
            Content::Sequence(items) => items.push(done.node),
            Content::Mapping { entries, key } => match key.take() {
                Some((key, key_span)) => entries.push(Entry {
                    key,
                    key_span,
                    value: done.node,
                }),
                None => *key = Some(key_of(done.node)?),
            },
        }
        Ok(())
    }

    fn key_is_due(&self) -> bool {
        let innermost = self.stack.last().map(|open| &open.content);
        matches!(innermost, Some(Content::Mapping { key: None, .. }))
    }
}

/// What the parser would take for the end of the text, or take too long over.
fn refuse_unreadable(text: &str) -> Result<(), Fault> {
    let start = Span {
        start: Point { line: 1, column: 0 },
        end: Point { line: 1, column: 1 },
    };
    if text.len() > MAX_BYTES {
        return Err(Fault::new(
            start,
            format!("the file is larger than {MAX_BYTES} bytes"),
        ));
    }
    if text.contains('\0') {
        return Err(Fault::new(
            start,
            "the file holds a NUL character: it is not a text file",
        ));
    }
    Ok(())
}

fn scalar_node(
    text: Cow<'_, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
    span: Span,
) -> Result<Node, Fault> {
    if let Some(tag) = tag.filter(|tag| !is_core(tag, &["str"])) {
        return Err(tag_fault(tag, span));
    }
    let plain = style == ScalarStyle::Plain && tag.is_none();
    // Copied rather than shrunk where the parser owns it, which costs an allocator several times more.
    let text = Box::from(&*text);
    Ok(Node {
        span,
        value: Value::Scalar { text, plain },
    })
}

fn is_core(tag: &Tag, suffixes: &[&str]) -> bool {
    tag.is_yaml_core_schema() && suffixes.contains(&tag.suffix.as_str())
}

fn tag_fault(tag: &Tag, span: Span) -> Fault {
    Fault::new(
        span,
        format!("the tag `{}{}` is not understood", tag.handle, tag.suffix),
    )
    .help("remove it; quote a value to make it text")
}

fn key_of(node: Node) -> Result<(Box<str>, Span), Fault> {
    match node.value {
        Value::Scalar { text, plain: true } if &*text == "<<" => Err(Fault::new(
            node.span,
            "merge keys (`<<`) are not part of YAML 1.2",
        )
        .help("write the fields out, or share a whole value with an anchor and an alias")),
        Value::Scalar { text, .. } => Ok((text, node.span)),
        _ => Err(Fault::new(node.span, "a key must be plain text")),
    }
}

/// Takes out the keys that stand in a mapping a second time, and tells of them.
fn take_repeats(entries: &mut Vec<Entry>) -> Vec<Fault> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by_key(|entry| (&entry.key, entry.key_span.start));
    let repeats = sorted.windows(2).filter_map(|pair| match pair {
        [first, second] if first.key == second.key => Some((*first, *second)),
        _ => None,
    });
    let faults: Vec<Fault> = repeats
        .map(|(first, second)| repeated(first, second))
        .collect();
    entries.retain(|entry| {
        faults
            .iter()
            .all(|fault| fault.span != Some(entry.key_span))
    });
    faults
}

fn repeated(first: &Entry, second: &Entry) -> Fault {
    let mut fault = Fault::new(second.key_span, format!("`{}` is given twice", second.key))
        .help("keep one of them");
    fault.related = Some((first.key_span, "given here before"));
    fault
}

fn syntax_fault(error: &ScanError) -> Fault {
    let start = point_of(*error.marker());
    Fault::new(
        Span { start, end: start },
        format!("not valid YAML: {}", error.info()),
    )
}

fn span_of(span: EventSpan) -> Span {
    Span {
        start: point_of(span.start),
        end: point_of(span.end),
    }
}

/// A text is far shorter than what a `u32` counts.
fn point_of(marker: Marker) -> Point {
    let narrow = |count| u32::try_from(count).unwrap_or(u32::MAX);
    Point {
        line: narrow(marker.line()),
        column: narrow(marker.col()),
    }
}
