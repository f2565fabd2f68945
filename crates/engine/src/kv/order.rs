//! A doubly linked list over the numbers `0..n`: an order in which any member can be moved in
//! constant time without allocation, which is what an LRU over a fixed set of slots needs.

/// An order of some of the numbers `0..n`. A number is in it at most once.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// `(previous, next)` of each number; the last entry is the list's head and tail.
    links: Vec<(u32, u32)>,
    len: u32,
}

impl Order {
    /// An empty order over `0..n`.
    pub(super) fn empty(n: u32) -> Self {
        Self {
            links: (0..=n).map(|at| (at, at)).collect(),
            len: 0,
        }
    }

    /// The order `0, 1, … n-1`.
    pub(super) fn counting(n: u32) -> Self {
        let mut order = Self::empty(n);
        (0..n).for_each(|at| order.push_back(at));
        order
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Appends `at`, which is not in the order.
    pub(super) fn push_back(&mut self, at: u32) {
        let end = self.end();
        self.insert_before(end, at);
    }

    /// Prepends `at`, which is not in the order.
    pub(super) fn push_front(&mut self, at: u32) {
        let first = self.links[self.end() as usize].1;
        self.insert_before(first, at);
    }

    /// Takes the first number.
    pub(super) fn pop_front(&mut self) -> Option<u32> {
        let first = self.links[self.end() as usize].1;
        if first == self.end() {
            return None;
        }
        self.remove(first);
        Some(first)
    }

    /// Takes `at`, which is in the order.
    pub(super) fn remove(&mut self, at: u32) {
        let (previous, next) = self.links[at as usize];
        self.links[previous as usize].1 = next;
        self.links[next as usize].0 = previous;
        self.len -= 1;
    }

    fn end(&self) -> u32 {
        self.links.len() as u32 - 1
    }

    fn insert_before(&mut self, next: u32, at: u32) {
        let previous = self.links[next as usize].0;
        self.links[at as usize] = (previous, next);
        self.links[previous as usize].1 = at;
        self.links[next as usize].0 = at;
        self.len += 1;
    }
}
