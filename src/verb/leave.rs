//! `leave`: out of the queue, when it stands among the verbs of a wait hook (contract verbs.md §3.1,
//! §3.6). Anywhere else there is nothing to leave and it does nothing (D-19).

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave;
