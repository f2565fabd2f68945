//! An HTTP server with vLLM's surface around the engine model.
