//! Log probabilities: those of what was chosen and those of the best stand in lists side by side.

use super::Proto;
use crate::canonical::Token;
use crate::wire::{Fault, ObjectWriter, Value};

/// Reads a `logprobsResult`.
pub(super) fn read<'a>(value: Value<'a, '_>) -> Result<Vec<Token<'a>>, Fault> {
    let mut fields = Proto::read(value)?;
    let chosen = fields.take("chosenCandidates", |list| list.list(one))?;
    let top = fields.take("topCandidates", |list| {
        list.list(|value| {
            let candidates = |list: Value<'a, '_>| list.list(one);
            Proto::read(value)?.take("candidates", candidates)
        })
    })?;
    let mut top = top.unwrap_or_default().into_iter();
    let tokens = chosen.unwrap_or_default().into_iter().map(|token| Token {
        top: top.next().flatten().unwrap_or_default(),
        ..token
    });
    Ok(tokens.collect())
}

fn one<'a>(value: Value<'a, '_>) -> Result<Token<'a>, Fault> {
    let mut fields = Proto::read(value)?;
    let log_probability = fields.take("logProbability", |value| value.number())?;
    Ok(Token {
        text: fields.text("token")?.unwrap_or_default(),
        log_probability: log_probability.unwrap_or_default(),
        ..Token::default()
    })
}

/// Writes what is known of tokens, if anything is.
pub(super) fn write(tokens: &[Token<'_>], o: &mut ObjectWriter<'_>) {
    if tokens.is_empty() {
        return;
    }
    o.object("logprobsResult", |o| {
        o.list("chosenCandidates", |l| {
            tokens
                .iter()
                .for_each(|token| l.object(|o| write_one(token, o)));
        });
        o.list("topCandidates", |l| {
            for token in tokens {
                l.object(|o| {
                    o.list("candidates", |l| {
                        let top = token.top.iter();
                        top.for_each(|token| l.object(|o| write_one(token, o)));
                    });
                });
            }
        });
    });
}

fn write_one(token: &Token<'_>, o: &mut ObjectWriter<'_>) {
    o.value("token", &token.text);
    o.value("logProbability", token.log_probability);
}
