//! Log probabilities, which chat completions and the Responses API write alike.

use crate::canonical::Token;
use crate::wire::{Fault, ListWriter, ObjectWriter, Value};

/// Stands for what is too improbable to be told.
const LEAST: f64 = -9999.0;

/// Reads a list of tokens.
pub(crate) fn read<'a>(list: Value<'a, '_>) -> Result<Vec<Token<'a>>, Fault> {
    list.list(|value| {
        let mut object = value.object()?;
        let top = object.take("top_logprobs", |list| list.list(one))?;
        Ok(Token {
            top: top.unwrap_or_default(),
            ..one(value)?
        })
    })
}

fn one<'a>(value: Value<'a, '_>) -> Result<Token<'a>, Fault> {
    let mut object = value.object()?;
    Ok(Token {
        text: object.require_text("token")?,
        log_probability: object
            .take("logprob", |value| value.number())?
            .unwrap_or(LEAST),
        bytes: object.take("bytes", |list| {
            list.each(|byte| byte.count().map(drop))?;
            Ok(list.raw().into())
        })?,
        top: Vec::new(),
    })
}

/// Writes tokens as items of a list.
pub(crate) fn write(tokens: &[Token<'_>], list: &mut ListWriter<'_>) {
    for token in tokens {
        list.object(|o| {
            write_one(token, o);
            o.list("top_logprobs", |list| {
                let top = token.top.iter();
                top.for_each(|token| list.object(|o| write_one(token, o)));
            });
        });
    }
}

fn write_one(token: &Token<'_>, o: &mut ObjectWriter<'_>) {
    o.value("token", &token.text);
    o.value("logprob", token.log_probability);
    match &token.bytes {
        Some(bytes) => o.raw("bytes", bytes),
        // Not known of a part of a character.
        None if token.text.contains('\u{FFFD}') => o.null("bytes"),
        None => o.list("bytes", |list| {
            token.text.bytes().for_each(|byte| list.value(byte));
        }),
    }
}
