//! Which endpoint serves a request: state, pick-and-reserve, health.
