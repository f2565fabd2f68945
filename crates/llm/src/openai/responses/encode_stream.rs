//! Streams to clients that speak this API.
//!
//! The last event repeats the whole answer, so all of it is kept until then, up to a bound.

use super::{
    COMPLETED, FAILED, Frame, IN_PROGRESS, INCOMPLETE, Item, Kind, Piece, Proof, outcome,
    write_error, write_event, write_summary,
};
use crate::canonical::{Citation, Delta, Event, Finish, Opening, StreamTerms, Token};
use crate::error::ErrorKind;
use crate::openai::{citations, token};
use crate::response::{UpstreamError, Usage};
use crate::wire::ObjectWriter;

/// The most bytes of an answer that are kept.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// What an item costs beside its text.
const ITEM_COST: usize = 256;

/// Writes a stream, event by event.
#[derive(Debug)]
pub(crate) struct StreamEncoder {
    terms: StreamTerms,
    started: bool,
    ended: bool,
    /// The number of the next event.
    sequence: u64,
    id: String,
    model: String,
    created: u64,
    items: Vec<Item<'static>>,
    open: Vec<Open>,
    /// The texts, open or not: what they cite may come late.
    texts: Vec<Open>,
    /// What is cited for all of a text that goes on.
    citing: Vec<(u32, Citation<'static>)>,
    /// An item whose parts are closed or will be, and to which the next part may still belong.
    pending: Option<usize>,
    /// Bytes kept.
    kept: usize,
    usage: Option<Usage>,
    outcome: Option<(&'static str, Option<&'static str>)>,
}

/// A part that is open, and where it stands.
#[derive(Debug, Clone, Copy)]
struct Open {
    part: u32,
    item: usize,
    /// Which content part of a message it is.
    piece: usize,
}

impl StreamEncoder {
    pub(crate) fn new(terms: StreamTerms) -> Self {
        Self {
            terms,
            started: false,
            ended: false,
            sequence: 0,
            id: String::new(),
            model: String::new(),
            created: terms.now,
            items: Vec::new(),
            open: Vec::new(),
            texts: Vec::new(),
            citing: Vec::new(),
            pending: None,
            kept: 0,
            usage: None,
            outcome: None,
        }
    }

    /// The number of the next event.
    pub(crate) const fn number(&self) -> u64 {
        self.sequence
    }

    /// Appends what an event becomes. Of several choices the first is the answer.
    pub(crate) fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            Event::Start { id, model, created } => self.start(id, model, *created, out),
            Event::Open {
                choice: 0,
                part,
                opening,
            } => self.open(*part, opening, out),
            Event::Delta {
                choice: 0,
                part,
                delta,
            } => self.delta(*part, delta, out),
            Event::Close { choice: 0, part } => self.close(*part, out),
            Event::Tokens { choice: 0, tokens } => self.tokens(tokens, out),
            Event::Cite {
                choice: 0,
                part,
                citation,
            } => self.cite(*part, citation, out),
            Event::Finish { choice: 0, finish } => self.finish(Some(finish), out),
            Event::Tokens { .. }
            | Event::Cite { .. }
            | Event::Open { .. }
            | Event::Delta { .. }
            | Event::Close { .. }
            | Event::Finish { .. } => {}
            Event::Usage(usage) => self.count(usage),
            Event::Ping => out.extend_from_slice(b": ping\n\n"),
            Event::End => self.end(out),
            Event::Error(error) => self.fail(error, out),
        }
    }

    fn start(&mut self, id: &str, model: &str, created: Option<u64>, out: &mut Vec<u8>) {
        if self.started {
            return;
        }
        self.started = true;
        id.clone_into(&mut self.id);
        model.clone_into(&mut self.model);
        self.created = created.unwrap_or(self.terms.now);
        self.write_state("response.created", IN_PROGRESS, None, None, out);
        self.write_state("response.in_progress", IN_PROGRESS, None, None, out);
    }

    /// Writes an event that holds the answer as it is.
    fn write_state(
        &mut self,
        name: &str,
        status: &'static str,
        reason: Option<&'static str>,
        error: Option<(&str, &str)>,
        out: &mut Vec<u8>,
    ) {
        let frame = Frame {
            id: &self.id,
            model: &self.model,
            created: self.created,
            status,
            reason,
            error,
            usage: self.usage,
            service_tier: None,
        };
        let items = &self.items;
        write_event(out, &mut self.sequence, name, |o| {
            o.object("response", |o| frame.write(items, o));
        });
    }

    fn open(&mut self, part: u32, opening: &Opening<'_>, out: &mut Vec<u8>) {
        self.start("", "", None, out);
        match opening {
            Opening::Text => self.open_piece(part, false, out),
            Opening::Refusal => self.open_piece(part, true, out),
            Opening::Reasoning => {
                let item = self.add(part, reasoning(None), out);
                self.pending = Some(item);
                self.open.push(Open {
                    part,
                    item,
                    piece: 0,
                });
            }
            Opening::Redacted(data) => self.add_redacted(part, data, out),
            Opening::ToolCall { id, name } => {
                self.keep(id.len() + name.len(), out);
                let kind = Kind::Call {
                    id: id.as_ref().to_owned().into(),
                    name: name.as_ref().to_owned().into(),
                    arguments: String::new().into(),
                    signature: None,
                };
                let item = self.add(part, kind, out);
                self.open.push(Open {
                    part,
                    item,
                    piece: 0,
                });
            }
        }
        self.keep(ITEM_COST, out);
    }

    /// Text and refusals that follow each other are parts of one message.
    fn open_piece(&mut self, part: u32, is_refusal: bool, out: &mut Vec<u8>) {
        let pending = self.pending;
        let joined = pending.filter(|at| self.items.get(*at).is_some_and(Item::is_message));
        let at = joined.unwrap_or_else(|| self.add(part, Kind::Message(Vec::new()), out));
        self.pending = Some(at);
        let Some(Item {
            id,
            kind: Kind::Message(pieces),
            ..
        }) = self.items.get_mut(at)
        else {
            return;
        };
        let piece = Piece::new(is_refusal, String::new().into());
        let open = Open {
            part,
            item: at,
            piece: pieces.len(),
        };
        write_event(
            out,
            &mut self.sequence,
            "response.content_part.added",
            |o| {
                open.write_content_place(id, o);
                o.object("part", |o| piece.write(o));
            },
        );
        pieces.push(piece);
        self.open.push(open);
        if !is_refusal {
            self.texts.push(open);
        }
    }

    /// What only the provider can read belongs to the text before it, if that has no proof.
    fn add_redacted(&mut self, part: u32, data: &str, out: &mut Vec<u8>) {
        let pending = self.pending.filter(|at| !self.has_open(*at));
        let before = pending.and_then(|at| self.items.get_mut(at));
        if let Some(Item {
            kind:
                Kind::Reasoning {
                    encrypted: encrypted @ None,
                    ..
                },
            ..
        }) = before
        {
            *encrypted = Some(data.to_owned().into());
        } else {
            let item = self.add(part, reasoning(Some(data.to_owned())), out);
            self.pending = Some(item);
        }
        self.settle(out);
        self.keep(data.len(), out);
    }

    /// Adds an item. None before it goes on.
    fn add(&mut self, part: u32, kind: Kind<'static>, out: &mut Vec<u8>) -> usize {
        self.settle(out);
        let item = Item::new(&self.id, part, kind);
        self.push(item, out)
    }

    fn push(&mut self, item: Item<'static>, out: &mut Vec<u8>) -> usize {
        let at = self.items.len();
        write_event(out, &mut self.sequence, "response.output_item.added", |o| {
            o.value("output_index", at);
            o.object("item", |o| item.write(o));
        });
        self.items.push(item);
        at
    }

    fn has_open(&self, item: usize) -> bool {
        self.open.iter().any(|open| open.item == item)
    }

    /// The item that was waiting for more gets no more.
    fn settle(&mut self, out: &mut Vec<u8>) {
        if let Some(at) = self.pending.take()
            && !self.has_open(at)
        {
            self.item_done(at, out);
        }
    }

    fn item_done(&mut self, at: usize, out: &mut Vec<u8>) {
        let Some(item) = self.items.get_mut(at) else {
            return;
        };
        if item.status == IN_PROGRESS {
            item.status = COMPLETED;
        }
        write_event(out, &mut self.sequence, "response.output_item.done", |o| {
            o.value("output_index", at);
            o.object("item", |o| item.write(o));
        });
    }

    fn delta(&mut self, part: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        let mut open = self.open.iter().rev();
        let Some(&open) = open.find(|open| open.part == part) else {
            return;
        };
        let (Delta::Text(text) | Delta::Arguments(text) | Delta::Signature(text)) = delta;
        if self.keep(text.len(), out)
            && let Some(item) = self.items.get_mut(open.item)
        {
            open.go_on(item, delta, &mut self.sequence, out);
        }
    }

    /// Tells what a text cites, at once unless it is of all of a text that goes on.
    fn cite(&mut self, part: u32, citation: &Citation<'_>, out: &mut Vec<u8>) {
        if !citations::has_annotation(citation) || !self.keep(citation.size(), out) {
            return;
        }
        let citation = citation.clone().into_owned();
        if citation.span.is_none() && self.open.iter().any(|open| open.part == part) {
            return self.citing.push((part, citation));
        }
        let text = self.texts.iter().rev().find(|text| text.part == part);
        if let Some(text) = text.copied()
            && let Some(item) = self.items.get_mut(text.item)
        {
            text.annotate(item, citation, &mut self.sequence, out);
        }
    }

    /// Tells what a text that is complete cites.
    fn cite_waiting(&mut self, open: Open, out: &mut Vec<u8>) {
        let Some(item) = self.items.get_mut(open.item) else {
            return;
        };
        for (_, citation) in self.citing.extract_if(.., |(part, _)| *part == open.part) {
            open.annotate(item, citation, &mut self.sequence, out);
        }
    }

    /// Tells of the tokens of the text that is open. There is no event but that of a text which goes
    /// on, so it goes on by nothing.
    fn tokens(&mut self, tokens: &[Token<'_>], out: &mut Vec<u8>) {
        let is_text = |open: &&Open| {
            let item = self.items.get(open.item).map(|item| &item.kind);
            matches!(item, Some(Kind::Message(pieces))
                if pieces.get(open.piece).is_some_and(|piece| !piece.is_refusal))
        };
        let Some(open) = self.open.iter().rev().find(is_text).copied() else {
            return;
        };
        if !self.keep(tokens.iter().map(Token::size).sum(), out) {
            return;
        }
        let Some(item) = self.items.get_mut(open.item) else {
            return;
        };
        open.write_words(&item.id, Some(tokens), "", &mut self.sequence, out);
        if let Some(piece) = item.pieces().get_mut(open.piece) {
            let tokens = tokens.iter().cloned();
            piece.tokens.extend(tokens.map(Token::into_owned));
        }
    }

    /// Counts bytes that are kept; false if they are too many, which ends the stream.
    fn keep(&mut self, bytes: usize, out: &mut Vec<u8>) -> bool {
        self.kept = self.kept.saturating_add(bytes);
        if self.kept <= MAX_ANSWER || self.ended {
            return !self.ended;
        }
        self.items = Vec::new();
        let message = format!("the answer is longer than {MAX_ANSWER} bytes");
        let error = UpstreamError {
            code: Some("answer_too_long".to_owned()),
            message,
            ..UpstreamError::default()
        };
        self.fail(&error, out);
        false
    }

    fn close(&mut self, part: u32, out: &mut Vec<u8>) {
        let Some(at) = self.open.iter().rposition(|open| open.part == part) else {
            return;
        };
        let open = self.open.remove(at);
        self.cite_waiting(open, out);
        let Some(item) = self.items.get(open.item) else {
            return;
        };
        open.done(item, &mut self.sequence, out);
        if self.pending == Some(open.item) || self.has_open(open.item) {
            return;
        }
        let proof = item.proof_of_call(&self.id, part);
        self.item_done(open.item, out);
        if let Some(proof) = proof {
            let at = self.push(proof, out);
            self.item_done(at, out);
        }
    }

    /// Closes what is open, so that what is left is the end of the answer.
    fn finish(&mut self, finish: Option<&Finish<'_>>, out: &mut Vec<u8>) {
        self.start("", "", None, out);
        while let Some(part) = self.open.first().map(|open| open.part) {
            self.close(part, out);
        }
        let refused = self.items.iter().any(Item::refuses);
        let (status, reason) = outcome(finish, refused);
        let last = self.pending.and_then(|at| self.items.get_mut(at));
        if let Some(last) = last.filter(|last| last.is_message() && reason.is_some()) {
            last.status = INCOMPLETE;
        }
        self.settle(out);
        self.outcome = Some((status, reason));
    }

    fn count(&mut self, usage: &Usage) {
        self.usage.get_or_insert_default().update(*usage);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.outcome.is_none() {
            self.finish(None, out);
        }
        let (status, reason) = self.outcome.unwrap_or((COMPLETED, None));
        let name = match status {
            INCOMPLETE => "response.incomplete",
            _ => "response.completed",
        };
        self.write_state(name, status, reason, None, out);
        self.ended = true;
    }

    /// An error has an event of its own; an answer that has begun also ends by it.
    fn fail(&mut self, error: &UpstreamError, out: &mut Vec<u8>) {
        let kind = error.status.map(ErrorKind::of_status);
        let code = error.code.as_deref().unwrap_or(match kind {
            Some(ErrorKind::RateLimited) => "rate_limit_exceeded",
            Some(kind) if kind.status() < 500 => "invalid_prompt",
            _ => "server_error",
        });
        write_event(out, &mut self.sequence, "error", |o| {
            write_error(o, code, error);
        });
        if self.started {
            let error = Some((code, error.message.as_str()));
            self.write_state("response.failed", FAILED, None, error, out);
        }
        self.ended = true;
        self.items = Vec::new();
    }
}

impl Open {
    fn write_place(&self, id: &str, o: &mut ObjectWriter<'_>) {
        o.value("item_id", id);
        o.value("output_index", self.item);
    }

    fn write_content_place(&self, id: &str, o: &mut ObjectWriter<'_>) {
        self.write_place(id, o);
        o.value("content_index", self.piece);
    }

    fn write_summary_place(&self, id: &str, o: &mut ObjectWriter<'_>) {
        self.write_place(id, o);
        o.value("summary_index", 0);
    }

    /// Adds a delta to its item and writes the event of it.
    fn go_on(
        &self,
        item: &mut Item<'static>,
        delta: &Delta<'_>,
        sequence: &mut u64,
        out: &mut Vec<u8>,
    ) {
        let id = &item.id;
        match (&mut item.kind, delta) {
            (Kind::Message(pieces), Delta::Text(text)) => {
                if let Some(piece) = pieces.get_mut(self.piece) {
                    piece.text.to_mut().push_str(text);
                    piece.characters += text.chars().count();
                    let tokens = (!piece.is_refusal).then_some(&[][..]);
                    self.write_words(id, tokens, text, sequence, out);
                }
            }
            (Kind::Reasoning { summary, .. }, Delta::Text(text)) => {
                let is_first = summary.is_none();
                let summary = summary.get_or_insert_default();
                summary.to_mut().push_str(text);
                self.write_thoughts(id, is_first, text, sequence, out);
            }
            (Kind::Reasoning { encrypted, .. }, Delta::Signature(signature)) => match encrypted {
                Some(encrypted) => encrypted.to_mut().push_str(signature),
                None => {
                    let proof = Proof::Signature(signature.as_ref().into());
                    *encrypted = Some(proof.write().into());
                }
            },
            (Kind::Call { arguments, .. }, Delta::Arguments(text)) => {
                arguments.to_mut().push_str(text);
                let name = "response.function_call_arguments.delta";
                write_event(out, sequence, name, |o| {
                    self.write_place(id, o);
                    o.value("delta", text);
                });
            }
            (Kind::Call { signature, .. }, Delta::Signature(more)) => {
                signature.get_or_insert_default().to_mut().push_str(more);
            }
            _ => {}
        }
    }

    /// Adds to its item what a text cites, and writes the event of it.
    fn annotate(
        &self,
        item: &mut Item<'static>,
        citation: Citation<'static>,
        sequence: &mut u64,
        out: &mut Vec<u8>,
    ) {
        let Kind::Message(pieces) = &mut item.kind else {
            return;
        };
        let Some(piece) = pieces.get_mut(self.piece) else {
            return;
        };
        // Its range may be told before all of its text is.
        let range = citation
            .span
            .clone()
            .unwrap_or_else(|| piece.place(&citation));
        write_event(
            out,
            sequence,
            "response.output_text.annotation.added",
            |o| {
                self.write_content_place(&item.id, o);
                o.value("annotation_index", piece.annotations.len());
                o.object("annotation", |o| {
                    citations::write(o, range.clone(), &citation);
                });
            },
        );
        piece.annotations.push((range, citation));
    }

    /// Writes more words: of a refusal where there are no `tokens`.
    fn write_words(
        &self,
        id: &str,
        tokens: Option<&[Token<'_>]>,
        text: &str,
        sequence: &mut u64,
        out: &mut Vec<u8>,
    ) {
        let name = match tokens {
            None => "response.refusal.delta",
            Some(_) => "response.output_text.delta",
        };
        write_event(out, sequence, name, |o| {
            self.write_content_place(id, o);
            o.value("delta", text);
            if let Some(tokens) = tokens {
                o.list("logprobs", |list| token::write(tokens, list));
            }
        });
    }

    /// The one part of a summary begins with its first text.
    fn write_thoughts(
        &self,
        id: &str,
        is_first: bool,
        text: &str,
        sequence: &mut u64,
        out: &mut Vec<u8>,
    ) {
        if is_first {
            write_event(
                out,
                sequence,
                "response.reasoning_summary_part.added",
                |o| {
                    self.write_summary_place(id, o);
                    o.object("part", |o| write_summary(o, ""));
                },
            );
        }
        write_event(
            out,
            sequence,
            "response.reasoning_summary_text.delta",
            |o| {
                self.write_summary_place(id, o);
                o.value("delta", text);
            },
        );
    }

    /// Writes that a part is complete.
    fn done(&self, item: &Item<'_>, sequence: &mut u64, out: &mut Vec<u8>) {
        let id = &item.id;
        match &item.kind {
            Kind::Message(pieces) => {
                let Some(piece) = pieces.get(self.piece) else {
                    return;
                };
                self.piece_done(id, piece, sequence, out);
            }
            Kind::Reasoning { summary, .. } => {
                let Some(summary) = summary else { return };
                write_event(out, sequence, "response.reasoning_summary_text.done", |o| {
                    self.write_summary_place(id, o);
                    o.value("text", summary);
                });
                write_event(out, sequence, "response.reasoning_summary_part.done", |o| {
                    self.write_summary_place(id, o);
                    o.object("part", |o| write_summary(o, summary));
                });
            }
            Kind::Call {
                name, arguments, ..
            } => {
                write_event(
                    out,
                    sequence,
                    "response.function_call_arguments.done",
                    |o| {
                        self.write_place(id, o);
                        o.value("name", name);
                        o.value("arguments", arguments);
                    },
                );
            }
        }
    }

    fn piece_done(&self, id: &str, piece: &Piece<'_>, sequence: &mut u64, out: &mut Vec<u8>) {
        let (name, field) = match piece.is_refusal {
            true => ("response.refusal.done", "refusal"),
            false => ("response.output_text.done", "text"),
        };
        write_event(out, sequence, name, |o| {
            self.write_content_place(id, o);
            o.value(field, &piece.text);
            if !piece.is_refusal {
                o.list("logprobs", |list| token::write(&piece.tokens, list));
            }
        });
        write_event(out, sequence, "response.content_part.done", |o| {
            self.write_content_place(id, o);
            o.object("part", |o| piece.write(o));
        });
    }
}

fn reasoning(encrypted: Option<String>) -> Kind<'static> {
    Kind::Reasoning {
        summary: None,
        encrypted: encrypted.map(Into::into),
    }
}
