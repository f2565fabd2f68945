//! A step-level model of a vLLM-like engine, without a clock.
