//! The data plane: the life of a request, a stage a module.
