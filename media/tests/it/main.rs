//! The long tests of the media crate: whole calls over a bad network in virtual time, what the tick
//! allocates, what real phones' descriptions are answered with.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod alloc;
mod call;
mod codec;
mod hearing;
mod network;
mod room;
mod stream;
