//! Tests of the store across its repositories.
