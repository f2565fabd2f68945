//! Where documents come from: files, directories, the environment.
