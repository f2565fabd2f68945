//! Mechanism: listeners, connections, bodies, tasks, drain.
