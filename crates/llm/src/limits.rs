//! What the headers of an answer say of its caller's limits, and of whom to ask about it, as the
//! client's dialect says it.
//!
//! OpenAI has `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, where the reset is a duration
//! such as `6m0s`; Anthropic has `anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}`, and
//! the same for `input-tokens` and `output-tokens`, where it is a time as in RFC 3339. Clients slow
//! down by them. `retry-after` is the same everywhere. Google and others have nothing of the kind.
//!
//! An id of the request has another name in each dialect, too. `x-request-id`, where clients of OpenAI
//! look, is the gateway's own for all clients.

mod time;

#[cfg(test)]
mod tests;

use crate::Dialect;

/// Most of what is known of one limit.
#[derive(Debug, Default)]
struct Limit {
    limit: Option<u64>,
    remaining: Option<u64>,
    /// Milliseconds from now until it is whole again.
    reset: Option<u64>,
}

/// Names of the headers of a limit and of what remains of it, and of the time of its reset.
type Names = [&'static str; 3];

const OPENAI_REQUESTS: Names = [
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
];
const OPENAI_TOKENS: Names = [
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
];
const ANTHROPIC_REQUESTS: Names = [
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
];
const ANTHROPIC_TOKENS: Names = [
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
];
const ANTHROPIC_INPUT: Names = [
    "anthropic-ratelimit-input-tokens-limit",
    "anthropic-ratelimit-input-tokens-remaining",
    "anthropic-ratelimit-input-tokens-reset",
];
const ANTHROPIC_OUTPUT: Names = [
    "anthropic-ratelimit-output-tokens-limit",
    "anthropic-ratelimit-output-tokens-remaining",
    "anthropic-ratelimit-output-tokens-reset",
];

/// Where servers tell the id by which they know a request.
const IDS: [&str; 3] = ["request-id", "x-request-id", "x-amzn-requestid"];

/// Whether a header may say something of limits or be an id: [`headers_for`] then has something to say.
#[must_use]
pub fn is_told_by(name: &str) -> bool {
    name.contains("ratelimit") || IDS.contains(&name)
}

/// The headers that an answer of another dialect needs besides its own, for clients of `client`: names
/// in lower case, and values of visible ASCII. `header` finds the value of one that the answer has;
/// `now` is in seconds since the Unix epoch.
pub fn headers_for<'h>(
    client: Dialect,
    header: impl Fn(&str) -> Option<&'h str>,
    now: u64,
) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    match client {
        Dialect::OpenAi => {
            let requests = read(&header, ANTHROPIC_REQUESTS, now);
            write(requests, OPENAI_REQUESTS, time::duration, &mut out);
            write(
                tokens(&header, now),
                OPENAI_TOKENS,
                time::duration,
                &mut out,
            );
        }
        Dialect::Anthropic => {
            let time = |millis: u64| time::date(now.saturating_add(millis.div_ceil(1000)));
            let requests = read(&header, OPENAI_REQUESTS, now);
            write(requests, ANTHROPIC_REQUESTS, time, &mut out);
            let tokens = read(&header, OPENAI_TOKENS, now);
            write(tokens, ANTHROPIC_TOKENS, time, &mut out);
            let id = IDS.into_iter().find_map(&header).filter(|id| is_id(id));
            out.extend(id.map(|id| ("request-id", id.to_owned())));
        }
        // Their clients read none.
        _ => {}
    }
    out.retain(|(name, _)| header(name).is_none());
    out
}

fn is_id(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The limit on tokens that is the nearest: there are several where input and output have their own.
fn tokens<'h>(header: &impl Fn(&str) -> Option<&'h str>, now: u64) -> Option<Limit> {
    let all = [ANTHROPIC_TOKENS, ANTHROPIC_INPUT, ANTHROPIC_OUTPUT];
    let mut known = all.into_iter().filter_map(|names| read(header, names, now));
    // The first is about both, where it is there.
    let first = known.next()?;
    if header(ANTHROPIC_TOKENS[0]).is_some() {
        return Some(first);
    }
    let left = |limit: &Limit| limit.remaining.unwrap_or(u64::MAX);
    Some(known.fold(first, |least, limit| {
        if left(&limit) < left(&least) {
            limit
        } else {
            least
        }
    }))
}

fn read<'h>(
    header: &impl Fn(&str) -> Option<&'h str>,
    [limit, remaining, reset]: Names,
    now: u64,
) -> Option<Limit> {
    let count = |name| header(name)?.trim().parse::<u64>().ok();
    let limit = Limit {
        limit: count(limit),
        remaining: count(remaining),
        reset: header(reset).and_then(|text| time::until(text.trim(), now)),
    };
    (limit.limit.is_some() || limit.remaining.is_some()).then_some(limit)
}

fn write(
    known: Option<Limit>,
    [limit, remaining, reset]: Names,
    time: impl Fn(u64) -> String,
    out: &mut Vec<(&'static str, String)>,
) {
    let Some(known) = known else { return };
    let values = [
        (limit, known.limit.map(|count| count.to_string())),
        (remaining, known.remaining.map(|count| count.to_string())),
        (reset, known.reset.map(time)),
    ];
    out.extend(
        values
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    );
}
