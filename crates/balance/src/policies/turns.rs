//! Round robin, plain and weighted: whoever's turn comes first.
//!
//! Each member's turns are evenly spaced in a virtual time, 1/weight apart, from a random phase
//! on (so that many gateways that start together do not all begin with the same endpoint); the
//! earliest turn is next. In each unit of virtual time a member has exactly as many turns as its
//! weight. Against a cursor or nginx's smooth counters this stays fair when a request may not
//! have an endpoint: the one passed over keeps its turn for the next request, instead of its
//! neighbour getting a double share, and a turn costs a logarithm, not a walk over all.

use std::collections::BTreeSet;

use super::{Choice, RANKED, Ranked};
use crate::candidates::Tier;
use crate::members::{Member, Members};

/// One unit of virtual time: fine enough that the rounding of 1/weight never shows.
const UNIT: u128 = 1 << 64;

#[derive(Debug)]
pub(crate) struct Turns {
    weighted: bool,
    /// The next turn of each candidate, and its position.
    queue: BTreeSet<(u128, usize)>,
    /// The latest turn taken.
    now: u128,
}

impl Turns {
    pub(super) fn new(weighted: bool) -> Self {
        Self {
            weighted,
            queue: BTreeSet::new(),
            now: 0,
        }
    }

    fn stride(&self, member: &Member) -> u128 {
        let weight = if self.weighted {
            member.endpoint.weight()
        } else {
            1
        };
        UNIT / u128::from(weight.max(1))
    }

    /// Who took turns before keeps the next one, so that an endpoint that comes back from an
    /// ejection is tried soon. Who did not, or did under another policy or weight and so would
    /// wait for long, joins at the present.
    pub(super) fn rebuild(&mut self, members: &mut Members, tier: &Tier, rng: &mut fastrand::Rng) {
        self.queue.clear();
        for &position in tier.positions() {
            let Some(member) = members.get_mut(position) else {
                continue;
            };
            let stride = self.stride(member);
            let turn = member.turn.filter(|&turn| turn <= self.now + stride);
            let turn = turn.unwrap_or_else(|| self.now + rng.u128(0..stride));
            member.turn = Some(turn);
            self.queue.insert((turn, position));
        }
    }

    pub(super) fn rank(&self, choice: &Choice<'_>) -> Ranked {
        self.queue
            .iter()
            .map(|&(_, position)| position)
            .filter(|&position| choice.admitted(position).is_some())
            .take(RANKED)
            .collect()
    }

    /// Moves a member on to its next turn. Of the turns that it was passed over for, one is kept:
    /// an endpoint that was full for long does not get everything when it has room again.
    pub(super) fn picked(&mut self, members: &mut Members, position: usize) {
        let Some(member) = members.get_mut(position) else {
            return;
        };
        let Some(turn) = member.turn else { return };
        if self.queue.remove(&(turn, position)) {
            let next = (turn + self.stride(member)).max(self.now);
            member.turn = Some(next);
            self.queue.insert((next, position));
            self.now = self.now.max(turn);
        }
    }
}
