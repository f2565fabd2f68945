//! Policies that look at every endpoint and take the one where a request costs least.
//!
//! What is known of an endpoint at the moment of a pick is of this gateway's own requests, and at once: how
//! many are in flight, how many tokens of prompts are still to be prefilled (of an answer that is not streamed,
//! until it is there), how much context they hold, and how much of this prompt's beginning should be in the
//! endpoint's cache. The rules differ in what they make of that; each is as its authors published it, in the
//! notation of one request `p` (tokens of its prompt that are not cached there) before an endpoint with `n`
//! requests in flight, `w` tokens to prefill and `b` tokens of context.
//!
//! [`Rule::PredictedLatency`] is our own. It takes the request to where it delays *everybody* least, in tokens
//! of prefill, for a prompt of `m` tokens:
//!
//! ```text
//! (w · (1 + 30,000 / m) + p + 0.3 · b + weight · p · n) · slowness
//! ```
//!
//! * `w` and `p` are its own time to first token. That of a short prompt is promised sooner, and a wait that a
//!   long one does not notice is many times its due, so waiting counts the more the shorter a prompt is. Without
//!   that, p90 of TTFT over that of an idle engine rises from 1.01 to 1.30, and p99 from 2.8 to 4.8.
//! * `0.3 · b` is the decoding of its answer, each step of which reads what is held there: of a 32B model and
//!   some hundred tokens of output about what 0.3 tokens of prefill cost for each token held. Without it 1.2% of
//!   requests fewer have what they are promised. With more than that, requests leave the endpoints that have
//!   computed their beginnings, and sessions suffer.
//! * `p · n` is what others wait for it: a step that prefills is one in which those that are being served there
//!   decode no faster.
//! * `slowness` is how slow the endpoint lately was beside the others, learned from the times to first tokens
//!   of streams, so that a replica at half speed gets half of the work.
//!
//! The figures are of the simulator: 4.3 requests a second of Mooncake's conversations before eight replicas.
//!
//! An endpoint of twice the mean weight counts as busy as one with half of its requests and tokens, and
//! requests that have lately failed count as if they were in flight, lest an endpoint that fails fast look idle.

use smallvec::SmallVec;

use super::{Choice, RANKED, Ranked};
use crate::members::Member;

/// Requests by which the busiest endpoint may exceed the idlest before SGLang's router balances by load.
const SGLANG_ABSOLUTE: f64 = 32.0;
const SGLANG_RELATIVE: f64 = 1.1;
/// The share of a prompt that must be cached for SGLang's router to follow it.
const SGLANG_MATCH: f64 = 0.5;

/// Requests by which endpoints may differ before AIBrix balances by load, and how many standard deviations
/// above the mean an endpoint may be to be chosen for its cache.
const AIBRIX_ABSOLUTE: f64 = 8.0;
const AIBRIX_DEVIATIONS: f64 = 1.0;

/// Tokens of a prompt whose waiting counts twice; by trial.
const URGENCY: f64 = 30_000.0;

/// Tokens of prefill that decode an answer as much longer as a token of context does.
const CONTEXT: f64 = 0.3;

/// Tokens below which a prompt is no more urgent for being shorter.
const SHORTEST: f64 = 500.0;

/// How many times as slow or as fast as most an endpoint may count.
const SLOWNESS: f64 = 4.0;

/// Seconds after which what was learned of a pace counts half.
const PACE_HALF_LIFE: f64 = 60.0;

/// llm-d's weights of queue, memory and prefix.
const LLM_D: [f64; 3] = [2.0, 2.0, 3.0];

/// What a request costs at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Least pending work: `w + p`.
    LeastPendingWork,
    /// LMetric (arXiv 2603.15202): `(w + p) · (n + 1)`.
    LMetric,
    /// NVIDIA Dynamo's router: `scale · (w + p) + b`, in blocks.
    Dynamo {
        /// How much prefilling weighs over decoding; 1 by default there.
        scale: f64,
    },
    /// SGLang's cache-aware router: by load where load differs much, else by the longest match.
    Sglang,
    /// llm-d's scorers for queue, KV memory and prefix, weighted 2, 2 and 3.
    LlmD,
    /// AIBrix: the longest match among endpoints that are not too busy.
    AiBrix,
    /// Ours: the delay that the request inflicts on all, in tokens of prefill of an endpoint of usual pace.
    PredictedLatency {
        /// What the delay of a request that is being served weighs beside that of the request itself.
        weight: f64,
    },
}

/// What a rule knows of an endpoint.
#[derive(Clone, Copy, Debug)]
struct View {
    position: usize,
    /// Requests in flight, and those that have lately failed, by weight.
    n: f64,
    /// Of these, those whose first token has not come.
    waiting: f64,
    /// Tokens to prefill before this request.
    w: f64,
    /// Tokens of this request to prefill.
    p: f64,
    /// Tokens of its prompt, cached or not.
    prompt: f64,
    /// The share of its prompt that is cached, 0 to 1.
    matched: f64,
    /// Tokens of context.
    b: f64,
    /// The share of the endpoint's memory that they take, 0 to 1.
    memory: f64,
    /// Milliseconds that a token of prefill has taken, and for how many seconds that is known, if it is.
    pace: Option<(f64, f64)>,
}

pub(super) fn rank(choice: &Choice<'_>, rule: Rule, rng: &mut fastrand::Rng) -> Ranked {
    let members = || {
        let positions = choice.tier.positions().iter();
        positions.filter_map(|&position| Some((position, choice.admitted(position)?)))
    };
    let weights = members().map(|(_, member)| f64::from(member.endpoint.weight().max(1)));
    let mean_weight = weights.sum::<f64>() / members().count().max(1) as f64;
    let view = |(position, member)| View::of(choice, position, member, mean_weight);
    let views: SmallVec<[View; 16]> = members().map(view).collect();
    let fleet = Fleet::of(&views);
    let mut costs: SmallVec<[(usize, f64, f64, u32); 16]> = views
        .iter()
        .map(|view| {
            let cost = rule.cost(view, &fleet);
            // Of equals the idlest, and of those any: the first would get all that come together.
            (view.position, cost, view.n, rng.u32(..))
        })
        .collect();
    let by_cost = |a: &(usize, f64, f64, u32), b: &(usize, f64, f64, u32)| {
        a.1.total_cmp(&b.1)
            .then(a.2.total_cmp(&b.2))
            .then(a.3.cmp(&b.3))
    };
    if costs.len() > RANKED {
        costs.select_nth_unstable_by(RANKED - 1, by_cost);
        costs.truncate(RANKED);
    }
    costs.sort_unstable_by(by_cost);
    costs.into_iter().map(|(position, ..)| position).collect()
}

impl View {
    fn of(choice: &Choice<'_>, position: usize, member: &Member, mean_weight: f64) -> Self {
        let counters = member.endpoint.counters();
        let prompt = f64::from(choice.prompt.tokens);
        let cached = f64::from(choice.cached_tokens(member));
        let context = counters.context_tokens() as f64;
        let failed = member.condition.penalty.requests(choice.now);
        let weight = f64::from(member.endpoint.weight().max(1)) / mean_weight;
        Self {
            position,
            n: (f64::from(counters.in_flight()) + failed) / weight,
            waiting: (f64::from(counters.waiting()) + failed) / weight,
            w: (counters.pending_prefill() as f64 + failed * prompt) / weight,
            p: prompt - cached,
            prompt,
            matched: if prompt > 0.0 { cached / prompt } else { 0.0 },
            b: context / weight,
            memory: (context / weight / choice.memory_tokens.max(1.0)).min(1.0),
            pace: counters.pace().map(|(pace, learned)| {
                let age = choice.now.saturating_duration_since(learned);
                (pace, age.as_secs_f64())
            }),
        }
    }
}

/// What is known of all endpoints together.
#[derive(Clone, Copy, Debug)]
struct Fleet {
    least: f64,
    most: f64,
    mean: f64,
    deviation: f64,
    least_waiting: f64,
    most_waiting: f64,
    best_match: f64,
    /// The median of the paces that are known.
    pace: f64,
}

impl Fleet {
    fn of(views: &[View]) -> Self {
        let count = views.len().max(1) as f64;
        let over = |of: fn(&View) -> f64, pick: fn(f64, f64) -> f64, from: f64| {
            views.iter().map(of).fold(from, pick)
        };
        let mean = views.iter().map(|view| view.n).sum::<f64>() / count;
        let spread = views
            .iter()
            .map(|view| (view.n - mean).powi(2))
            .sum::<f64>()
            / count;
        let paces = views.iter().filter_map(|view| view.pace);
        let mut paces: SmallVec<[f64; 16]> = paces.map(|(pace, _)| pace).collect();
        paces.sort_unstable_by(f64::total_cmp);
        let pace = paces.get(paces.len() / 2).copied().unwrap_or(0.0);
        Self {
            least: over(|view| view.n, f64::min, f64::INFINITY),
            most: over(|view| view.n, f64::max, 0.0),
            mean,
            deviation: spread.sqrt(),
            least_waiting: over(|view| view.waiting, f64::min, f64::INFINITY),
            most_waiting: over(|view| view.waiting, f64::max, 0.0),
            best_match: over(|view| view.matched, f64::max, 0.0),
            pace: if pace > 0.0 { pace } else { 1.0 },
        }
    }
}

impl Rule {
    /// What the request costs there; only the order of costs means something.
    fn cost(self, view: &View, fleet: &Fleet) -> f64 {
        match self {
            Self::LeastPendingWork => view.w + view.p,
            Self::LMetric => (view.w + view.p) * (view.n + 1.0),
            Self::Dynamo { scale } => scale * (view.w + view.p) + view.b,
            Self::Sglang => sglang(view, fleet),
            Self::LlmD => -llm_d(view, fleet),
            Self::AiBrix => aibrix(view, fleet),
            Self::PredictedLatency { weight } => {
                let waiting = view.w * (1.0 + URGENCY / view.prompt.max(SHORTEST));
                let others = weight * view.p * view.n;
                (waiting + view.p + CONTEXT * view.b + others) * slowness(view, fleet)
            }
        }
    }
}

/// How many times as long as at most endpoints a token takes here. What has been learned counts less the older
/// it is, since an endpoint that looks slow gets little to show that it is not.
fn slowness(view: &View, fleet: &Fleet) -> f64 {
    let Some((pace, age)) = view.pace else {
        return 1.0;
    };
    let slowness = (pace / fleet.pace).clamp(1.0 / SLOWNESS, SLOWNESS);
    slowness.powf(0.5_f64.powf(age / PACE_HALF_LIFE))
}

fn sglang(view: &View, fleet: &Fleet) -> f64 {
    let apart = fleet.most - fleet.least > SGLANG_ABSOLUTE;
    let is_uneven = apart && fleet.most > SGLANG_RELATIVE * fleet.least;
    match !is_uneven && fleet.best_match > SGLANG_MATCH {
        true => -view.matched,
        false => view.n,
    }
}

fn llm_d(view: &View, fleet: &Fleet) -> f64 {
    let [queue, memory, prefix] = LLM_D;
    let range = fleet.most_waiting - fleet.least_waiting;
    let ahead = view.waiting - fleet.least_waiting;
    let idle = if range > 0.0 {
        1.0 - ahead / range
    } else {
        1.0
    };
    queue * idle + memory * (1.0 - view.memory) + prefix * view.matched
}

/// Endpoints that are too busy come behind all others, by load.
fn aibrix(view: &View, fleet: &Fleet) -> f64 {
    let is_uneven = fleet.most - fleet.least > AIBRIX_ABSOLUTE;
    let is_busy = view.n > fleet.mean + AIBRIX_DEVIATIONS * fleet.deviation;
    match is_uneven || is_busy {
        true => 1.0 + view.n,
        false => -view.matched,
    }
}

#[cfg(test)]
mod tests;
