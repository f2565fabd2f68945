//! The mesh model: resources, their validation, and the compiled snapshot.
