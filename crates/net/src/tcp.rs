//! TCP as the system has it, or as the simulation of a network does, which has neither names that
//! need a resolver nor options of sockets.

#[cfg(not(turmoil))]
mod system;
#[cfg(not(turmoil))]
pub(crate) use system::{Queued, TcpListener, TcpStream, configure, listen, lookup_host};

#[cfg(turmoil)]
mod simulated;
#[cfg(turmoil)]
pub(crate) use simulated::{Queued, TcpListener, TcpStream, configure, listen, lookup_host};
