//! The policies, one file each: they put the endpoints that may be picked in order of preference.
//!
//! An enum rather than a trait: the set is closed, each keeps its own state, and the pool that
//! calls them stays one concrete type.

pub(crate) mod cost;
mod draw;
mod least_request;
#[cfg(test)]
mod tests;
mod turns;

use smallvec::SmallVec;

use crate::candidates::{Filter, Tier};
use crate::config::Policy;
use crate::members::{Member, Members};
use crate::time::Time;
pub use cost::Rule;
use turns::Turns;

/// The endpoint to use and three to fall back on.
pub(crate) const RANKED: usize = 4;

/// Positions of members, the best first, none twice.
pub(crate) type Ranked = SmallVec<[usize; RANKED]>;

/// What one pick chooses from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) members: &'a [Member],
    pub(crate) tier: &'a Tier,
    pub(crate) filter: Filter<'a>,
    pub(crate) now: Time,
    pub(crate) prompt: Prompt,
    /// Tokens of the prompt that each endpoint holds in its cache, by slot.
    pub(crate) cached: &'a [u32],
    /// Tokens of context that an endpoint has memory for.
    pub(crate) memory_tokens: f64,
}

/// The prompt of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prompt {
    pub(crate) tokens: u32,
}

impl<'a> Choice<'a> {
    /// Tokens of the prompt that need not be prefilled there: one is computed always.
    pub(crate) fn cached_tokens(&self, member: &Member) -> u32 {
        let cached = self.cached.get(usize::from(member.seat.slot));
        let most = self.prompt.tokens.saturating_sub(1);
        cached.copied().unwrap_or(0).min(most)
    }

    /// The member at a position, if this request may have it.
    pub(crate) fn admitted(&self, position: usize) -> Option<&'a Member> {
        self.members
            .get(position)
            .filter(|member| self.filter.admits(member))
    }
}

#[derive(Debug)]
pub(crate) enum Selector {
    Turns(Turns),
    Random,
    LeastRequest { choices: usize },
    Cost(Rule),
}

impl Selector {
    pub(crate) fn new(policy: Policy) -> Self {
        match policy {
            Policy::RoundRobin => Self::Turns(Turns::new(false)),
            Policy::WeightedRoundRobin => Self::Turns(Turns::new(true)),
            Policy::Random => Self::Random,
            Policy::LeastRequest { choices } => Self::LeastRequest {
                choices: usize::try_from(choices.get()).unwrap_or(usize::MAX),
            },
            Policy::Cost(rule) => Self::Cost(rule),
        }
    }

    /// Takes note that the members or the tier are others than before.
    pub(crate) fn rebuild(&mut self, members: &mut Members, tier: &Tier, rng: &mut fastrand::Rng) {
        match self {
            Self::Turns(turns) => turns.rebuild(members, tier, rng),
            Self::Random | Self::LeastRequest { .. } | Self::Cost(_) => {}
        }
    }

    pub(crate) fn rank(&self, choice: &Choice<'_>, rng: &mut fastrand::Rng) -> Ranked {
        match self {
            Self::Turns(turns) => turns.rank(choice),
            Self::Random => draw::draw(choice, RANKED, rng),
            Self::LeastRequest { choices } => least_request::rank(choice, *choices, rng),
            Self::Cost(rule) => cost::rank(choice, *rule, rng),
        }
    }

    /// Takes note that the member at this position was picked.
    pub(crate) fn picked(&mut self, members: &mut Members, position: usize) {
        match self {
            Self::Turns(turns) => turns.picked(members, position),
            Self::Random | Self::LeastRequest { .. } | Self::Cost(_) => {}
        }
    }
}

/// A last resort: at random, whatever the policy.
pub(crate) fn rank_at_random(choice: &Choice<'_>, rng: &mut fastrand::Rng) -> Ranked {
    draw::draw(choice, RANKED, rng)
}
