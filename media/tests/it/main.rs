//! The long tests.

