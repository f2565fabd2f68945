//! The endpoints of a pool with their condition, by position and by identity.
//!
//! One that leaves with requests in flight is remembered until they are done: discovery flaps,
//! and an endpoint that comes back is as busy, and as ejected, as it was when it left.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::condition::Condition;
use crate::endpoint::{Counters, Endpoint, EndpointSpec};
use crate::identity::EndpointId;
use crate::prefix::{Seat, Slot};

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) condition: Condition,
    /// When it is this member's turn again, for the policies that take turns.
    pub(crate) turn: Option<u128>,
    /// By which the prefix index knows it.
    pub(crate) seat: Seat,
}

impl Member {
    fn new(spec: EndpointSpec, counters: Arc<Counters>, condition: Condition, seat: Seat) -> Self {
        Self {
            endpoint: Arc::new(Endpoint::new(spec, counters)),
            condition,
            turn: None,
            seat,
        }
    }

    fn respecified(mut self, spec: EndpointSpec) -> Self {
        if *self.endpoint.spec() != spec {
            let counters = Arc::clone(self.endpoint.counters());
            self.endpoint = Arc::new(Endpoint::new(spec, counters));
        }
        self
    }
}

#[derive(Debug)]
struct Departed {
    counters: Arc<Counters>,
    condition: Condition,
}

type ById<T> = HashMap<EndpointId, T, FixedState>;

#[derive(Debug, Default)]
pub(crate) struct Members {
    list: Vec<Member>,
    positions: ById<usize>,
    departed: ById<Departed>,
    /// Slots that nobody has, and how many there are.
    free: Vec<Slot>,
    slots: usize,
    /// Seats that were taken.
    terms: u64,
}

impl Members {
    pub(crate) fn as_slice(&self) -> &[Member] {
        &self.list
    }

    pub(crate) fn get_mut(&mut self, position: usize) -> Option<&mut Member> {
        self.list.get_mut(position)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.list.iter_mut()
    }

    pub(crate) fn by_id(&mut self, id: &EndpointId) -> Option<&mut Member> {
        let position = *self.positions.get(id)?;
        self.list.get_mut(position)
    }

    /// Where the member is that this endpoint is or, at another address, was.
    pub(crate) fn position_of(&self, endpoint: &Endpoint) -> Option<usize> {
        let position = *self.positions.get(endpoint.id())?;
        let member = self.list.get(position)?;
        Arc::ptr_eq(member.endpoint.counters(), endpoint.counters()).then_some(position)
    }

    /// The seat of an endpoint that is a member.
    pub(crate) fn seat_of(&self, endpoint: &Endpoint) -> Option<Seat> {
        let position = self.position_of(endpoint)?;
        self.list.get(position).map(|member| member.seat)
    }

    /// The condition of an endpoint that is or was a member.
    pub(crate) fn condition_of(&mut self, endpoint: &Endpoint) -> Option<&mut Condition> {
        if let Some(position) = self.position_of(endpoint) {
            return self
                .list
                .get_mut(position)
                .map(|member| &mut member.condition);
        }
        self.departed
            .get_mut(endpoint.id())
            .filter(|departed| Arc::ptr_eq(&departed.counters, endpoint.counters()))
            .map(|departed| &mut departed.condition)
    }

    /// Members that are ejected, or on trial after it.
    pub(crate) fn ejected(&self) -> usize {
        self.list
            .iter()
            .filter(|member| member.condition.outlier.ejected_until().is_some())
            .count()
    }

    /// Makes `specs` the members, in this order; of several of one identity the first counts. Returns
    /// the seats of those whose caches are empty: they are new, or at another address.
    pub(crate) fn replace(&mut self, specs: Vec<EndpointSpec>) -> Vec<Seat> {
        self.departed
            .retain(|_, departed| departed.counters.in_flight() > 0);
        let mut before: ById<Member> = std::mem::take(&mut self.list)
            .into_iter()
            .map(|member| (member.endpoint.id().clone(), member))
            .collect();
        self.positions.clear();
        let mut taken = Vec::new();
        for spec in specs {
            if self.positions.contains_key(&spec.id) {
                continue;
            }
            self.positions.insert(spec.id.clone(), self.list.len());
            let member = match before.remove(&spec.id) {
                Some(member) => {
                    let has_moved = *member.endpoint.address() != spec.address;
                    let mut member = member.respecified(spec);
                    if has_moved {
                        member.seat.term = self.next_term();
                        taken.push(member.seat);
                    }
                    member
                }
                None => {
                    let member = self.admit(spec);
                    taken.push(member.seat);
                    member
                }
            };
            self.list.push(member);
        }
        for (id, member) in before {
            self.free.push(member.seat.slot);
            self.remember(id, member);
        }
        taken
    }

    fn take_seat(&mut self) -> Seat {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            // More endpoints than slots share the last.
            Slot::try_from(self.slots - 1).unwrap_or(Slot::MAX)
        });
        let term = self.next_term();
        Seat { slot, term }
    }

    const fn next_term(&mut self) -> u64 {
        self.terms += 1;
        self.terms
    }

    fn admit(&mut self, spec: EndpointSpec) -> Member {
        let seat = self.take_seat();
        match self.departed.remove(&spec.id) {
            Some(departed) => Member::new(spec, departed.counters, departed.condition, seat),
            None => Member::new(spec, Arc::default(), Condition::default(), seat),
        }
    }

    fn remember(&mut self, id: EndpointId, member: Member) {
        let counters = Arc::clone(member.endpoint.counters());
        if counters.in_flight() > 0 {
            let condition = member.condition;
            self.departed.insert(
                id,
                Departed {
                    counters,
                    condition,
                },
            );
        }
    }
}
