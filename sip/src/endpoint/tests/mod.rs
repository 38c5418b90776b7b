//! Behaviour of one endpoint against a hand-written peer, in virtual time.

mod bench;
mod calls_in;
mod calls_out;
mod delayed;
mod early;
mod in_dialog;
mod large;
mod outside;
mod random;
mod refusals;
mod reliable;
mod schedules;
mod session_timer;
mod update;
