//! How many connections a listener and one source may hold.
//!
//! A connection over a bound is closed as soon as it is accepted. A 503 would be friendlier, but
//! it needs a TLS handshake and a request to answer, which is what the bound is there to save;
//! and leaving it in the kernel's queue would let one source block all others.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::FixedState;

use crate::limits::Limits;

type Sources = std::collections::HashMap<IpAddr, usize, FixedState>;

/// Counts the open connections of one listener.
#[derive(Default)]
pub(super) struct Admission {
    active: AtomicUsize,
    sources: Mutex<Sources>,
}

/// Which bound refused a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Listener,
    Source,
}

impl Admission {
    pub(super) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// Admits a connection from `peer`, or says which bound is reached.
    pub(super) fn admit(
        self: &Arc<Self>,
        peer: IpAddr,
        limits: &Limits,
    ) -> Result<Permit, Refused> {
        let before = self.active.fetch_add(1, Ordering::Relaxed);
        let mut permit = Permit {
            admission: self.clone(),
            source: None,
        };
        if before >= limits.max_connections {
            return Err(Refused::Listener);
        }
        if let Some(max) = limits.max_connections_per_source {
            permit.count_source(source(peer), max)?;
        }
        Ok(permit)
    }

    fn lock_sources(&self) -> std::sync::MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to keep one connection open; given back when dropped.
pub(super) struct Permit {
    admission: Arc<Admission>,
    source: Option<IpAddr>,
}

impl Permit {
    fn count_source(&mut self, source: IpAddr, max: usize) -> Result<(), Refused> {
        let mut sources = self.admission.lock_sources();
        let count = sources.entry(source).or_default();
        if *count >= max {
            return Err(Refused::Source);
        }
        *count += 1;
        self.source = Some(source);
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.active.fetch_sub(1, Ordering::Relaxed);
        let Some(source) = self.source else { return };
        let mut sources = self.admission.lock_sources();
        if let Some(count) = sources.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                sources.remove(&source);
            }
        }
    }
}

/// What counts as one source.
fn source(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_connections: usize, per_source: Option<usize>) -> Limits {
        Limits {
            max_connections,
            max_connections_per_source: per_source,
            ..Limits::default()
        }
    }

    #[test]
    fn sources_are_addresses_and_ipv6_networks() {
        let check = |peer: &str, expect: &str| {
            assert_eq!(
                source(peer.parse().unwrap()),
                expect.parse::<IpAddr>().unwrap()
            );
        };
        check("192.0.2.7", "192.0.2.7");
        check("::ffff:192.0.2.7", "192.0.2.7");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
    }

    #[test]
    fn both_bounds_hold_and_permits_come_back() {
        let admission = Arc::new(Admission::default());
        let limits = limits(3, Some(2));
        let (a, b): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let first = admission.admit(a, &limits).ok().unwrap();
        let _second = admission.admit(a, &limits).ok().unwrap();
        assert_eq!(admission.admit(a, &limits).err(), Some(Refused::Source));
        let _third = admission.admit(b, &limits).ok().unwrap();
        assert_eq!(admission.admit(b, &limits).err(), Some(Refused::Listener));
        assert_eq!(admission.active(), 3);
        drop(first);
        assert!(admission.admit(a, &limits).is_ok());
        assert_eq!(admission.active(), 2);
    }

    #[test]
    fn a_source_without_connections_is_forgotten() {
        let admission = Arc::new(Admission::default());
        drop(admission.admit([192, 0, 2, 1].into(), &limits(9, Some(9))));
        assert!(admission.lock_sources().is_empty());
    }
}
