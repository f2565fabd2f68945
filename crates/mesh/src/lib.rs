//! The mesh model: resources, their validation, and the compiled snapshot.

pub mod resources;
pub mod schema;
pub mod snapshot;

pub use resources::{Kind, Meta, Resource, Resources, Secret, SecretRef, Secrets};
pub use snapshot::{ResourceId, Snapshot, Violation};
