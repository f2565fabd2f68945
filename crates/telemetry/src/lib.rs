//! Metric families and logs.
