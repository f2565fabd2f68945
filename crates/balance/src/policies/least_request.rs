//! The least loaded of a few random choices.
//!
//! Load is (requests in flight + this one + what recent failures count as) over weight. Choices
//! are drawn in proportion to the weights, else a heavy endpoint among many light ones would
//! hardly ever be looked at. Between idle endpoints the first drawn wins: by load alone the
//! lighter ones would never be used as long as requests come one at a time.

use smallvec::SmallVec;

use super::{Choice, RANKED, Ranked, draw::draw};
use crate::members::Member;
use crate::time::Time;

pub(super) fn rank(choice: &Choice<'_>, choices: usize, rng: &mut fastrand::Rng) -> Ranked {
    let wanted = choices.max(RANKED).min(choice.tier.positions().len());
    let load = |position: usize| {
        let member = choice.members.get(position)?;
        Some((position, Load::of(member, choice.now)))
    };
    let mut drawn: SmallVec<[(usize, Load); RANKED]> = draw(choice, wanted, rng)
        .into_iter()
        .filter_map(load)
        .collect();
    let best = drawn
        .iter()
        .take(choices)
        .enumerate()
        .reduce(|best, next| if next.1.1.beats(best.1.1) { next } else { best })
        .map(|(place, _)| place);
    let Some(best) = best else {
        return Ranked::new();
    };
    let (position, _) = drawn.remove(best);
    drawn.sort_by(|(_, a), (_, b)| a.per_weight.total_cmp(&b.per_weight));
    std::iter::once(position)
        .chain(drawn.into_iter().map(|(position, _)| position))
        .take(RANKED)
        .collect()
}

#[derive(Clone, Copy, Debug)]
struct Load {
    idle: bool,
    per_weight: f64,
}

impl Load {
    fn of(member: &Member, now: Time) -> Self {
        let in_flight = member.endpoint.in_flight();
        let penalty = member.condition.penalty.requests(now);
        let weight = f64::from(member.endpoint.weight().max(1));
        Self {
            idle: in_flight == 0 && penalty == 0.0,
            per_weight: (f64::from(in_flight) + 1.0 + penalty) / weight,
        }
    }

    fn beats(self, other: Self) -> bool {
        !(self.idle && other.idle) && self.per_weight < other.per_weight
    }
}
