//! The policies, one file each: they put the endpoints that may be picked in order of preference.
//!
//! An enum rather than a trait: the set is closed, each keeps its own state, and the pool that
//! calls them stays one concrete type.

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
}

impl<'a> Choice<'a> {
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
        }
    }

    /// Takes note that the members or the tier are others than before.
    pub(crate) fn rebuild(&mut self, members: &mut Members, tier: &Tier, rng: &mut fastrand::Rng) {
        match self {
            Self::Turns(turns) => turns.rebuild(members, tier, rng),
            Self::Random | Self::LeastRequest { .. } => {}
        }
    }

    pub(crate) fn rank(&self, choice: &Choice<'_>, rng: &mut fastrand::Rng) -> Ranked {
        match self {
            Self::Turns(turns) => turns.rank(choice),
            Self::Random => draw::draw(choice, RANKED, rng),
            Self::LeastRequest { choices } => least_request::rank(choice, *choices, rng),
        }
    }

    /// Takes note that the member at this position was picked.
    pub(crate) fn picked(&mut self, members: &mut Members, position: usize) {
        match self {
            Self::Turns(turns) => turns.picked(members, position),
            Self::Random | Self::LeastRequest { .. } => {}
        }
    }
}

/// A last resort: at random, whatever the policy.
pub(crate) fn rank_at_random(choice: &Choice<'_>, rng: &mut fastrand::Rng) -> Ranked {
    draw::draw(choice, RANKED, rng)
}
