//! Random draws without replacement, in proportion to the weights.

use smallvec::SmallVec;

use super::{Choice, Ranked};
use crate::candidates::weight;

/// Up to here it is cheaper to look at all than to draw again what may not be had.
const SMALL: usize = 16;

/// Draws up to `wanted` members that the request may have, each in proportion to its weight
/// among those left.
pub(super) fn draw(choice: &Choice<'_>, wanted: usize, rng: &mut fastrand::Rng) -> Ranked {
    let mut drawn = Ranked::new();
    if choice.tier.positions().len() > SMALL.max(2 * wanted) {
        draw_by_rejection(choice, wanted, rng, &mut drawn);
    }
    if drawn.len() < wanted {
        draw_from_rest(choice, wanted, rng, &mut drawn);
    }
    drawn
}

/// Independent of the number of members, as long as most may be had.
fn draw_by_rejection(
    choice: &Choice<'_>,
    wanted: usize,
    rng: &mut fastrand::Rng,
    drawn: &mut Ranked,
) {
    for _ in 0..4 * wanted {
        let Some(position) = choice.tier.draw(rng) else {
            return;
        };
        if !drawn.contains(&position) && choice.admitted(position).is_some() {
            drawn.push(position);
        }
        if drawn.len() == wanted {
            return;
        }
    }
}

fn draw_from_rest(choice: &Choice<'_>, wanted: usize, rng: &mut fastrand::Rng, drawn: &mut Ranked) {
    let mut rest: SmallVec<[(usize, u64); SMALL]> = choice
        .tier
        .positions()
        .iter()
        .filter(|&position| !drawn.contains(position) && choice.admitted(*position).is_some())
        .map(|&position| (position, weight(choice.members, position)))
        .collect();
    let mut sum: u64 = rest.iter().map(|(_, weight)| weight).sum();
    while drawn.len() < wanted && sum > 0 {
        let mut ticket = rng.u64(0..sum);
        let place = rest.iter().position(|&(_, weight)| {
            let hit = ticket < weight;
            ticket = ticket.saturating_sub(weight);
            hit
        });
        let Some(place) = place else { return };
        let (position, weight) = rest.swap_remove(place);
        drawn.push(position);
        sum -= weight;
    }
}
