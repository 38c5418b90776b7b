//! Random sequences of whatever can happen to a room, against a plain model of it.
