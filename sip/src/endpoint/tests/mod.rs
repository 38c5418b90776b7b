//! Behaviour of one endpoint against a hand-written peer, in virtual time.

mod bench;
mod calls_in;
mod calls_out;
mod in_dialog;
mod outside;
mod refusals;
mod schedules;
