//! `answer`: sends 200 if the call is unanswered, else nothing (contract verbs.md §3.1).
//! The runner answers for every verb that needs it, so there is nothing left to do here.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer;
