//! From documents to mesh resources, with errors that point at the line.
