//! The tree.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use super::Slot;

/// A node's place among the nodes.
type NodeId = u32;

/// What stands above the nodes with which chains begin.
const ROOT: NodeId = NodeId::MAX;

/// A run of blocks.
#[derive(Debug, Default)]
struct Node {
    parent: NodeId,
    /// Chained hashes, one a block; never empty in a node that is in use.
    run: Vec<u64>,
    /// Tokens of each block.
    sizes: Vec<u32>,
    /// How many nodes go on, and the ids of all of them in one exclusive or: of an only child that is
    /// its id, and more is never asked.
    children: u32,
    mixed: NodeId,
    /// By slot.
    holds: SmallVec<[Hold; 2]>,
}

/// What an endpoint holds of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hold {
    slot: Slot,
    /// Blocks of the run, from its beginning; at least one.
    blocks: u32,
    /// Children of which it holds something; only if it holds all of the run.
    children: u32,
    /// When it was last used: a count of uses, not a time.
    used: u64,
}

/// What is known of an endpoint.
#[derive(Debug, Default)]
struct Holder {
    /// Tokens that it can hold.
    capacity: u64,
    /// Tokens that it holds.
    tokens: u64,
    /// The nodes where what it holds ends, the one used longest ago first.
    ends: BTreeSet<(u64, NodeId)>,
}

/// The index; see the [module](super).
#[derive(Debug, Default)]
pub struct PrefixIndex {
    nodes: Vec<Node>,
    free: Vec<NodeId>,
    /// Every node by its first hash, which no other prefix has.
    heads: HashMap<u64, NodeId, FixedState>,
    holders: Vec<Holder>,
    uses: u64,
    /// Blocks of all runs.
    blocks: u64,
}

impl PrefixIndex {
    /// Makes a slot hold at most so many tokens. What is too much goes at once.
    pub fn set_capacity(&mut self, slot: Slot, tokens: u64) {
        if let Some(holder) = self.holder(slot) {
            holder.capacity = tokens;
        }
        self.shrink(slot);
    }

    /// Tokens that a slot holds.
    #[must_use]
    pub fn held(&self, slot: Slot) -> u64 {
        let holder = self.holders.get(usize::from(slot));
        holder.map_or(0, |holder| holder.tokens)
    }

    /// Blocks that the index keeps, however many endpoints hold each.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Writes into `found`, by slot, how many blocks of `chain` each endpoint holds. Slots behind its
    /// end are passed over.
    pub fn look_up(&self, chain: &[u64], found: &mut [u32]) {
        found.fill(0);
        let mut rest = chain;
        let mut before = 0;
        let mut above = ROOT;
        while let Some((id, node)) = rest.first().and_then(|first| self.below(above, *first)) {
            let common = common(&node.run, rest);
            for hold in &node.holds {
                if let Some(found) = found.get_mut(usize::from(hold.slot)) {
                    *found = before + hold.blocks.min(common);
                }
            }
            if (common as usize) < node.run.len() {
                return;
            }
            before += common;
            rest = rest.get(common as usize..).unwrap_or_default();
            above = id;
        }
    }

    /// An endpoint has computed `chain`, whose blocks have so many tokens, and holds it from now on, as far
    /// as its capacity goes.
    pub fn insert(&mut self, slot: Slot, chain: &[u64], size: impl Fn(usize) -> u32) {
        let Some(holder) = self.holder(slot) else {
            return;
        };
        let mut room = holder.capacity;
        let fits = |at: &usize| {
            let left = room.checked_sub(u64::from(size(*at)));
            room = left.unwrap_or(0);
            left.is_some()
        };
        let length = (0..chain.len()).take_while(fits).count();
        let chain = chain.get(..length).unwrap_or_default();
        self.uses += 1;
        let mut path: SmallVec<[NodeId; 16]> = SmallVec::new();
        let mut at = 0;
        while let Some(rest) = chain.get(at..).filter(|rest| !rest.is_empty()) {
            let above = path.last().copied().unwrap_or(ROOT);
            let Some((id, common)) = self.reach(above, rest, slot, |block| size(at + block)) else {
                break;
            };
            self.hold(id, slot, common);
            path.push(id);
            at += common as usize;
        }
        path.pop();
        path.into_iter().rev().for_each(|id| self.join(id));
        self.shrink(slot);
    }

    /// The node with which `rest` goes on, and how many of its blocks are the same: all of them, unless the
    /// rest ends within what nobody has used since. `None` where its hash is another prefix's.
    fn reach(
        &mut self,
        above: NodeId,
        rest: &[u64],
        slot: Slot,
        size: impl Fn(usize) -> u32,
    ) -> Option<(NodeId, u32)> {
        let first = rest.first()?;
        let Some((id, node)) = self.below(above, *first) else {
            if self.heads.contains_key(first) {
                return None;
            }
            let sizes = (0..rest.len()).map(size).collect();
            return Some((self.add(above, rest, sizes), rest.len() as u32));
        };
        let common = common(&node.run, rest);
        let goes_on = (common as usize) < rest.len();
        // What is used is no longer as old as what stands behind it.
        let is_older = node.blocks_of(slot) > common;
        match (common as usize) < node.run.len() && (goes_on || is_older) {
            true => Some((self.split(id, common), common)),
            false => Some((id, common)),
        }
    }

    /// An endpoint holds nothing any more: it has left, or has cleared its cache.
    pub fn clear(&mut self, slot: Slot) {
        while self.held(slot) > 0 {
            self.drop_tail(slot, u64::MAX);
        }
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    fn node_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(id as usize)
    }

    fn hold_of(&mut self, id: NodeId, slot: Slot) -> Option<&mut Hold> {
        self.node_mut(id)?.hold_mut(slot)
    }

    /// What is known of an endpoint, from now on.
    fn holder(&mut self, slot: Slot) -> Option<&mut Holder> {
        let at = usize::from(slot);
        if self.holders.len() <= at {
            self.holders.resize_with(at + 1, Holder::default);
        }
        self.holders.get_mut(at)
    }

    /// The node that goes on with this hash. Hashes of 64 bits may collide, if seldom: a node that
    /// stands elsewhere is another's.
    fn below(&self, above: NodeId, first: u64) -> Option<(NodeId, &Node)> {
        let id = *self.heads.get(&first)?;
        self.node(id)
            .filter(|node| node.parent == above)
            .map(|node| (id, node))
    }

    /// A new node, which nobody holds yet.
    fn add(&mut self, above: NodeId, run: &[u64], sizes: Vec<u32>) -> NodeId {
        self.blocks += run.len() as u64;
        let id = self.place(Node {
            parent: above,
            run: run.to_vec(),
            sizes,
            ..Node::default()
        });
        self.adopt(above, id);
        if let Some(first) = run.first() {
            self.heads.insert(*first, id);
        }
        id
    }

    fn place(&mut self, node: Node) -> NodeId {
        match self.free.pop() {
            Some(id) => {
                if let Some(place) = self.node_mut(id) {
                    *place = node;
                }
                id
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as NodeId
            }
        }
    }

    fn adopt(&mut self, above: NodeId, child: NodeId) {
        if let Some(above) = self.node_mut(above) {
            above.children += 1;
            above.mixed ^= child;
        }
    }

    fn disown(&mut self, above: NodeId, child: NodeId) {
        if let Some(above) = self.node_mut(above) {
            above.children -= 1;
            above.mixed ^= child;
        }
    }

    /// Cuts a node behind its first `at` blocks, which become a node above it; returns that.
    fn split(&mut self, id: NodeId, at: u32) -> NodeId {
        let Some(node) = self.node_mut(id) else {
            return id;
        };
        let rest = node.run.split_off(at as usize);
        let first = rest.first().copied().unwrap_or_default();
        let run = std::mem::replace(&mut node.run, rest);
        let behind = node.sizes.split_off(at as usize);
        let sizes = std::mem::replace(&mut node.sizes, behind);
        let head = run.first().copied().unwrap_or_default();
        let above = node.parent;
        let (mut upper, mut lower) = (SmallVec::<[Hold; 2]>::new(), SmallVec::new());
        for hold in std::mem::take(&mut node.holds) {
            let goes_on = hold.blocks > at;
            upper.push(Hold {
                blocks: hold.blocks.min(at),
                children: u32::from(goes_on),
                ..hold
            });
            if goes_on {
                lower.push(Hold {
                    blocks: hold.blocks - at,
                    ..hold
                });
            }
        }
        node.holds = lower;
        let ended = upper.clone();
        let top = self.place(Node {
            parent: above,
            run,
            sizes,
            holds: upper,
            ..Node::default()
        });
        self.disown(above, id);
        self.adopt(above, top);
        self.adopt(top, id);
        if let Some(node) = self.node_mut(id) {
            node.parent = top;
        }
        self.heads.insert(head, top);
        self.heads.insert(first, id);
        for hold in ended.iter().filter(|hold| hold.children == 0) {
            self.move_end(hold.slot, hold.used, id, top);
        }
        top
    }

    /// What an endpoint holds ends at another node than it did, which has the same blocks.
    fn move_end(&mut self, slot: Slot, used: u64, from: NodeId, to: NodeId) {
        if let Some(holder) = self.holder(slot)
            && holder.ends.remove(&(used, from))
        {
            holder.ends.insert((used, to));
        }
    }

    /// An endpoint holds at least the first `blocks` of a node, and uses them now.
    fn hold(&mut self, id: NodeId, slot: Slot, blocks: u32) {
        let used = self.uses;
        let Some(node) = self.node_mut(id) else {
            return;
        };
        let above = node.parent;
        let at = node.holds.binary_search_by_key(&slot, |hold| hold.slot);
        let added = node.tokens(node.blocks_of(slot), blocks);
        let (before, is_end) = match at {
            Ok(at) => {
                let Some(hold) = node.holds.get_mut(at) else {
                    return;
                };
                hold.blocks = hold.blocks.max(blocks);
                let before = std::mem::replace(&mut hold.used, used);
                (Some(before), hold.children == 0)
            }
            Err(at) => {
                let hold = Hold {
                    slot,
                    blocks,
                    children: 0,
                    used,
                };
                node.holds.insert(at, hold);
                (None, true)
            }
        };
        if before.is_none() {
            self.goes_on(above, slot);
        }
        let Some(holder) = self.holder(slot) else {
            return;
        };
        holder.tokens += added;
        if is_end {
            if let Some(before) = before {
                holder.ends.remove(&(before, id));
            }
            holder.ends.insert((used, id));
        }
    }

    /// What an endpoint holds goes on behind a node.
    fn goes_on(&mut self, above: NodeId, slot: Slot) {
        let Some(hold) = self.hold_of(above, slot) else {
            return;
        };
        hold.children += 1;
        let (is_first, used) = (hold.children == 1, hold.used);
        if is_first && let Some(holder) = self.holder(slot) {
            holder.ends.remove(&(used, above));
        }
    }

    fn shrink(&mut self, slot: Slot) {
        while let Some(holder) = self.holder(slot)
            && holder.tokens > holder.capacity
        {
            let excess = holder.tokens - holder.capacity;
            self.drop_tail(slot, excess);
        }
    }

    /// Drops blocks from the end of what an endpoint used longest ago: until so many tokens are dropped, or
    /// all that it holds of that node.
    fn drop_tail(&mut self, slot: Slot, tokens: u64) {
        let Some(holder) = self.holder(slot) else {
            return;
        };
        let Some((used, id)) = holder.ends.first().copied() else {
            debug_assert!(false, "what is held has no end");
            holder.tokens = 0;
            return;
        };
        let Some(node) = self.node_mut(id) else {
            return self.forget_end(slot, (used, id));
        };
        let held = node.blocks_of(slot);
        let (mut kept, mut dropped) = (held, 0);
        while kept > 0 && dropped < tokens {
            kept -= 1;
            dropped += node.tokens(kept, kept + 1);
        }
        if let Some(hold) = node.hold_mut(slot) {
            hold.blocks = kept;
        }
        if let Some(holder) = self.holder(slot) {
            holder.tokens = holder.tokens.saturating_sub(dropped);
        }
        if kept == 0 {
            self.forget_end(slot, (used, id));
            self.let_go(id, slot);
        }
        self.trim(id);
    }

    fn forget_end(&mut self, slot: Slot, end: (u64, NodeId)) {
        if let Some(holder) = self.holder(slot) {
            holder.ends.remove(&end);
        }
    }

    /// An endpoint holds nothing of a node any more.
    fn let_go(&mut self, id: NodeId, slot: Slot) {
        let Some(node) = self.node_mut(id) else {
            return;
        };
        node.holds.retain(|hold| hold.slot != slot);
        let above = node.parent;
        let Some(hold) = self.hold_of(above, slot) else {
            return;
        };
        hold.children -= 1;
        let (is_end, used) = (hold.children == 0, hold.used);
        if is_end && let Some(holder) = self.holder(slot) {
            holder.ends.insert((used, above));
        }
    }

    /// Forgets the end of a node that nobody holds, and the node if nobody holds any of it.
    fn trim(&mut self, id: NodeId) {
        let Some(node) = self.node_mut(id) else {
            return;
        };
        // Whoever holds a child holds all of the run.
        let held = node.holds.iter().map(|hold| hold.blocks).max();
        let held = held.unwrap_or(0) as usize;
        let forgotten = node.run.len().saturating_sub(held);
        let (first, above) = (node.run.first().copied(), node.parent);
        node.run.truncate(held);
        node.sizes.truncate(held);
        self.blocks -= forgotten as u64;
        if held == 0
            && let Some(first) = first
        {
            self.unhead(first, id);
            self.disown(above, id);
            self.vacate(id);
            self.join(above);
        }
    }

    /// A node does not begin with this hash any more.
    fn unhead(&mut self, first: u64, id: NodeId) {
        if self.heads.get(&first) == Some(&id) {
            self.heads.remove(&first);
        }
    }

    fn vacate(&mut self, id: NodeId) -> Node {
        self.free.push(id);
        self.node_mut(id).map(std::mem::take).unwrap_or_default()
    }

    /// Makes a node one with its only child, if it has but one, and both were last used at once.
    fn join(&mut self, id: NodeId) {
        let Some(node) = self.node(id).filter(|node| node.children == 1) else {
            return;
        };
        let (only, above) = (node.mixed, node.parent);
        let is_used_alike = |below: &Hold| {
            let upper = node.holds.iter().find(|hold| hold.slot == below.slot);
            upper.is_some_and(|upper| upper.used == below.used)
        };
        let lower = self.node(only);
        if !lower.is_some_and(|lower| lower.holds.iter().all(is_used_alike)) {
            return;
        }
        let upper = self.vacate(id);
        self.disown(above, id);
        self.adopt(above, only);
        if let Some(first) = upper.run.first() {
            self.heads.insert(*first, only);
        }
        let before = upper.run.len() as u32;
        let Some(lower) = self.node_mut(only) else {
            return;
        };
        lower.parent = above;
        let inner = lower.run.first().copied();
        let mut run = upper.run;
        run.append(&mut lower.run);
        lower.run = run;
        let mut sizes = upper.sizes;
        sizes.append(&mut lower.sizes);
        lower.sizes = sizes;
        for hold in &mut lower.holds {
            hold.blocks += before;
        }
        let ended = upper.holds.iter().filter(|hold| hold.children == 0);
        for hold in ended.clone() {
            let at = lower
                .holds
                .binary_search_by_key(&hold.slot, |hold| hold.slot);
            lower.holds.insert(at.unwrap_or_else(|at| at), *hold);
        }
        for hold in ended {
            self.move_end(hold.slot, hold.used, id, only);
        }
        if let Some(inner) = inner {
            self.unhead(inner, only);
        }
    }
}

impl Node {
    /// Tokens of the blocks from one to before another.
    fn tokens(&self, from: u32, to: u32) -> u64 {
        let sizes = self.sizes.get(from as usize..to.max(from) as usize);
        let sizes = sizes.unwrap_or_default().iter();
        sizes.map(|size| u64::from(*size)).sum()
    }

    /// Blocks of the run that an endpoint holds.
    fn blocks_of(&self, slot: Slot) -> u32 {
        let at = self.holds.binary_search_by_key(&slot, |hold| hold.slot);
        let hold = at.ok().and_then(|at| self.holds.get(at));
        hold.map_or(0, |hold| hold.blocks)
    }

    fn hold_mut(&mut self, slot: Slot) -> Option<&mut Hold> {
        let at = self.holds.binary_search_by_key(&slot, |hold| hold.slot);
        at.ok().and_then(|at| self.holds.get_mut(at))
    }
}

/// How many blocks two chains have in common.
fn common(run: &[u64], chain: &[u64]) -> u32 {
    let same = run.iter().zip(chain).take_while(|(a, b)| a == b);
    same.count() as u32
}

#[cfg(test)]
impl PrefixIndex {
    /// Nodes that are in use.
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// Fails unless all that must always hold does.
    pub(super) fn check(&self) {
        let mut blocks = 0;
        for (id, node) in (0..).zip(&self.nodes) {
            if self.free.contains(&id) {
                assert_eq!((node.run.len(), node.holds.len()), (0, 0));
                continue;
            }
            blocks += node.run.len() as u64;
            assert_eq!(node.run.len(), node.sizes.len());
            assert_eq!(self.heads.get(&node.run[0]), Some(&id));
            let children = || {
                (0..)
                    .zip(&self.nodes)
                    .filter(|(_, child)| !child.run.is_empty() && child.parent == id)
            };
            assert_eq!(children().count(), node.children as usize);
            assert_eq!(
                children().fold(0, |all, (child, _): (u32, _)| all ^ child),
                node.mixed
            );
            let longest = node.holds.iter().map(|hold| hold.blocks).max();
            assert_eq!(longest, Some(node.run.len() as u32));
            assert!(node.holds.is_sorted_by_key(|hold| hold.slot));
            for hold in &node.holds {
                let below = children()
                    .filter(|(_, child)| child.holds.iter().any(|one| one.slot == hold.slot));
                assert_eq!(below.count(), hold.children as usize);
                assert!(hold.children == 0 || hold.blocks as usize == node.run.len());
                let ends = &self.holders[usize::from(hold.slot)].ends;
                assert_eq!(ends.contains(&(hold.used, id)), hold.children == 0);
            }
        }
        assert_eq!(blocks, self.blocks);
        for (slot, holder) in (0..).zip(&self.holders) {
            let holds = || {
                let nodes = self.nodes.iter();
                nodes
                    .flat_map(|node| node.holds.iter().map(move |hold| (node, hold)))
                    .filter(|(_, hold)| hold.slot == slot)
            };
            let tokens = holds().map(|(node, hold)| node.tokens(0, hold.blocks));
            assert_eq!(tokens.sum::<u64>(), holder.tokens);
            let ends = holds().filter(|(_, hold)| hold.children == 0);
            assert_eq!(ends.count(), holder.ends.len());
            assert!(holder.tokens <= holder.capacity);
        }
    }
}
