//! Which policy a fleet of engines is served best by: traces replayed in virtual time.
//!
//! What is simulated is not a copy of the balancer but the balancer: each request of a trace is picked an
//! endpoint for by [`balance::Pool`], the very code of the gateway, and computed by [`engine::Engine`], the
//! step-level model that the test server runs too. A run is a queue of events without a clock, so an hour of
//! a fleet takes seconds, and of equal seeds it is equal to the nanosecond.
//!
//! It is kinder than life in two ways: prompts are chained by the blocks of the trace rather than by their
//! bytes, and the pool is told ([`balance::Pool::computed`]) what an engine has of a sequence when it ends, the
//! output too, which a gateway can only guess.
//!
//! * [`trace`]: what is asked, and when.
//! * [`run`]: the replay, and what each request saw.
//! * [`policies`]: the policies by name.
//! * [`report`]: the figures of a run, and of several by their mean and its confidence.

pub mod policies;
pub mod report;
pub mod run;
pub mod trace;
